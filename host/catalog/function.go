package catalog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// A functionDoc is a function. Its versions are documents of their own, which never change.
type functionDoc struct {
	meta
	Last     int          `json:"last"`     // the highest number that a version ever had
	Versions []versionRef `json:"versions"` // by number
	Aliases  []aliasDoc   `json:"aliases"`  // by name
}

// A versionRef names the document of a version, with what lists and checks want to know of it.
type versionRef struct {
	Number   int    `json:"number"`
	Document string `json:"document"` // digest
	Runtime  string `json:"runtime"`
	URL      bool   `json:"url,omitempty"`
	Uses     []use  `json:"uses,omitempty"` // without who it is
}

// A versionDoc is a version.
type versionDoc struct {
	Number  int            `json:"number"`
	Project string         `json:"project,omitempty"` // whose files its secrets may come from
	Code    Code           `json:"code"`
	Config  FunctionConfig `json:"config"`
	Message string         `json:"message,omitempty"`
	Created time.Time      `json:"created"`
	By      string         `json:"by,omitempty"`
}

var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ref returns the reference of a version, or nil.
func (d *functionDoc) ref(number int) *versionRef {
	i, ok := slices.BinarySearchFunc(d.Versions, number, func(r versionRef, n int) int { return r.Number - n })
	if !ok {
		return nil
	}
	return &d.Versions[i]
}

// newest returns the reference of the newest version, or nil.
func (d *functionDoc) newest() *versionRef {
	if len(d.Versions) == 0 {
		return nil
	}
	return &d.Versions[len(d.Versions)-1]
}

// number finds what a qualifier means: an alias, a version's number, or "" for live.
func (d *functionDoc) number(function, qualifier string) (int, error) {
	if qualifier == "" {
		qualifier = host.AliasLive
	}
	if a := d.alias(qualifier); a != nil {
		return a.Version, nil
	}
	if n, err := strconv.Atoi(qualifier); err == nil {
		if d.ref(n) == nil {
			return 0, d.noVersion(function, n)
		}
		return n, nil
	}
	return 0, missingOf(fmt.Sprintf("the function %q", function), "alias", qualifier, d.aliasNames())
}

func (d *functionDoc) noVersion(function string, n int) error {
	hint := ""
	if len(d.Versions) > 0 {
		hint = fmt.Sprintf(": its %d versions are between %d and %d", len(d.Versions), d.Versions[0].Number, d.newest().Number)
	}
	if len(d.Versions) == 1 {
		hint = fmt.Sprintf(": its only one is %d", d.newest().Number)
	}
	return refuse(host.NotFound, "", "the function %q has no version %d%s", function, n, hint)
}

// version reads the document of a version.
func (s *state) version(ctx context.Context, function string, ref *versionRef) (*versionDoc, error) {
	return readDocument[versionDoc](ctx, s, fmt.Sprintf("version %d of the function %q", ref.Number, function), ref.Document)
}

// functionAt makes what runs of one version.
func (s *state) functionAt(ctx context.Context, name string, number int) (*host.Function, error) {
	doc, err := read[functionDoc](ctx, s, kindFunction, name)
	if err != nil {
		return nil, err
	}
	ref := doc.ref(number)
	if ref == nil {
		return nil, doc.noVersion(name, number)
	}
	v, err := s.version(ctx, name, ref)
	if err != nil {
		return nil, err
	}
	return s.function(ctx, name, v)
}

// function makes what runs of a version. Its code is loaded when it is needed, and its secrets have their values of now. What is wrong
// with its configuration is a definition.Errors.
func (s *state) function(ctx context.Context, name string, v *versionDoc) (*host.Function, error) {
	f, err := definition.ParseFunction(name, v.Config.text(), s.catalog.opts.Scripts)
	if err != nil {
		return nil, err
	}
	f.Version = v.Number
	p := &f.Plugin
	p.Ref = name
	if v.Number > 0 { // else it is not accepted yet
		p.Ref = fmt.Sprintf("%s@%d", name, v.Number)
	}
	p.Source = s.catalog.source(p.Ref, p.ABI, v.Code)
	if errs := (definition.Use{Plugin: p, Function: true}).Settle(s.catalog.opts.Scripts); len(errs) > 0 {
		return nil, errs
	}
	p.KV = definition.ProjectMap(v.Project, p.KV)
	s.locate(ctx, f, v)
	return f, s.reveal(ctx, v.Project, p.Secrets)
}

// Functions returns all functions.
func (c *Catalog) Functions(ctx context.Context) ([]Function, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	all := []Function{}
	for _, name := range s.names(kindFunction) {
		doc, err := read[functionDoc](ctx, s, kindFunction, name)
		if err != nil {
			return nil, err
		}
		all = append(all, doc.public(name))
	}
	return all, nil
}

// Function returns one function.
func (c *Catalog) Function(ctx context.Context, name string) (Function, error) {
	_, doc, err := c.readFunction(ctx, name)
	if err != nil {
		return Function{}, err
	}
	return doc.public(name), nil
}

func (c *Catalog) readFunction(ctx context.Context, name string) (*state, *functionDoc, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, nil, err
	}
	doc, err := read[functionDoc](ctx, s, kindFunction, name)
	return s, doc, err
}

// Versions returns the versions of a function, oldest first.
func (c *Catalog) Versions(ctx context.Context, function string) ([]Version, error) {
	s, doc, err := c.readFunction(ctx, function)
	if err != nil {
		return nil, err
	}
	all := []Version{}
	for i := range doc.Versions {
		v, err := s.version(ctx, function, &doc.Versions[i])
		if err != nil {
			return nil, err
		}
		all = append(all, v.public(function, c.opts.Scripts))
	}
	return all, nil
}

// Version returns a version by its number or by an alias, which may be "" for live: of an alias with two, the first.
func (c *Catalog) Version(ctx context.Context, function, qualifier string) (Version, error) {
	s, doc, err := c.readFunction(ctx, function)
	if err != nil {
		return Version{}, err
	}
	number, err := doc.number(function, qualifier)
	if err != nil {
		return Version{}, err
	}
	v, err := s.version(ctx, function, doc.ref(number))
	if err != nil {
		return Version{}, err
	}
	return v.public(function, c.opts.Scripts), nil
}

func (d *functionDoc) public(name string) Function {
	f := Function{Name: name, ARN: host.FunctionARN(name, ""), Project: d.Project, Aliases: []Alias{}, Revision: d.Revision, Created: d.Created, Updated: d.Updated}
	if newest := d.newest(); newest != nil {
		f.Version, f.Runtime = newest.Number, newest.Runtime
	}
	for i := range d.Aliases {
		f.Aliases = append(f.Aliases, d.Aliases[i].public(name))
	}
	if live := d.alias(host.AliasLive); live != nil {
		f.Live = live.Version
		if ref := d.ref(live.Version); ref != nil {
			f.URL = ref.URL
		}
	}
	return f
}

func (v *versionDoc) public(function, scripts string) Version {
	return Version{
		Function: function, Version: v.Number, ARN: host.FunctionARN(function, strconv.Itoa(v.Number)), Runtime: v.runtime(scripts),
		Digest: v.Code.Digest, Size: v.Code.Size, Config: v.Config, Message: v.Message, Created: v.Created, By: v.By,
	}
}

// runtime is what runs a version: what its configuration says, since a script runs on either of two, or else what its code is for. scripts is
// what runs scripts otherwise.
func (v *versionDoc) runtime(scripts string) string {
	if v.Config.Runtime == "" && v.Code.Runtime == host.RuntimeJS {
		return cmp.Or(scripts, host.RuntimeJS)
	}
	return cmp.Or(v.Config.Runtime, v.Code.Runtime)
}

// uses tells what a version points at. From is what follows the name of the version.
func (v *versionDoc) uses(function string) []use {
	var all []use
	for _, name := range slices.Sorted(maps.Keys(v.Config.Secrets)) {
		switch ref := v.Config.Secrets[name]; {
		case ref.Store != "":
			all = append(all, use{Kind: "secret", Name: ref.Store})
		case ref.File != "":
			all = append(all, use{Kind: "secret", Name: projectSecret(v.Project, ref.File)})
		}
	}
	if a := v.Config.Async; a != nil && a.DeadLetter != "" && a.DeadLetter != function {
		all = append(all, use{Kind: string(kindFunction), Name: a.DeadLetter, From: ", as its dead letters' function"})
	}
	return all
}

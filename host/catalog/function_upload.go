package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// An Upload is a new version of a function.
type Upload struct {
	Code    *Code           // nil keeps the code of the newest version
	Config  *FunctionConfig // nil keeps the configuration of the newest version
	Promote bool            // moves live to it
}

// UploadFunction makes a version. One that equals the newest makes none and returns that. It is compiled and started once before it is
// accepted.
func (c *Catalog) UploadFunction(ctx context.Context, name string, up Upload, change Change) (Version, error) {
	op := fmt.Sprintf("upload the function %q", abridged(name))
	if !functionName.MatchString(name) {
		return Version{}, refuse(host.Invalid, op, "the function's name %q must be letters, digits, _ and -, at most 64", abridged(name))
	}
	var uploaded Version
	checked := map[string]bool{} // candidates: what was compiled once is not compiled again when another writer was first
	_, err := c.change(ctx, change, func(ctx context.Context, t *tx) error {
		v, err := t.upload(ctx, name, up, checked)
		if err != nil {
			return err
		}
		uploaded = v.public(name, c.opts.Scripts)
		return nil
	})
	if err != nil {
		return Version{}, within(op, err)
	}
	return uploaded, nil
}

func (t *tx) upload(ctx context.Context, name string, up Upload, checked map[string]bool) (*versionDoc, error) {
	doc, err := t.functionDoc(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := t.expect(kindFunction, name, &doc.meta); err != nil {
		return nil, err
	}
	if err := t.owned(kindFunction, name, &doc.meta); err != nil {
		return nil, err
	}
	candidate, err := t.candidate(ctx, name, doc, up)
	if err != nil {
		return nil, err
	}
	mark, err := candidate.mark()
	if err != nil {
		return nil, err
	}
	if !checked[mark] {
		if err := t.checkFunction(ctx, name, candidate); err != nil {
			return nil, err
		}
		checked[mark] = true
	}
	return t.addVersion(ctx, name, doc, candidate, up.Promote)
}

// candidate makes the version that an upload asks for, and checks all of it but the code itself.
func (t *tx) candidate(ctx context.Context, name string, doc *functionDoc, up Upload) (*versionDoc, error) {
	v := &versionDoc{Project: doc.Project}
	if newest := doc.newest(); newest != nil {
		old, err := t.version(ctx, name, newest)
		if err != nil {
			return nil, err
		}
		v.Code, v.Config = old.Code, old.Config
	} else if up.Code == nil {
		return nil, refuse(host.Invalid, "", "the function %q has no version yet, so the upload must have code", name)
	}
	if up.Code != nil {
		known := v.Code
		v.Code = *up.Code
		if err := t.checkCode(ctx, fmt.Sprintf("the function %q", name), &v.Code, known); err != nil {
			return nil, err
		}
	}
	if up.Config != nil {
		v.Config = *up.Config
	}
	if err := v.Config.canonical(); err != nil {
		return nil, err
	}
	for _, secret := range slices.Sorted(maps.Keys(v.Config.Secrets)) {
		if v.Config.Secrets[secret].File != "" && v.Project == "" {
			return nil, refuse(host.Invalid, "", "the secret %q comes from a file, which only a function of a project can have: put it into the store (postern secret set NAME) and write {store: NAME}", secret)
		}
	}
	if a := v.Config.Async; a != nil && a.DeadLetter != "" && a.DeadLetter != name && !t.has(kindFunction, a.DeadLetter) {
		return nil, refuse(host.Invalid, "", "async.deadLetter: %w", missing("function", a.DeadLetter, t.names(kindFunction)))
	}
	return v, t.checkConfig(ctx, v)
}

// checkCode makes sure of the blobs of code, and of what is said about them, and sets its size. known is what was accepted in its place before.
func (t *tx) checkCode(ctx context.Context, what string, code *Code, known Code) error {
	if err := code.check(); err != nil {
		return refuse(host.Invalid, "", "the code of %s: %w", what, err)
	}
	if err := t.use(ctx, what, code.Digest, code.Digest == known.Digest); err != nil {
		return err
	}
	if code.SourceMap != "" {
		if err := t.use(ctx, "the source map of "+what, code.SourceMap, code.SourceMap == known.SourceMap); err != nil {
			return err
		}
	}
	if code.ConfigSchema != "" {
		if err := t.use(ctx, "the schema of the configuration of "+what, code.ConfigSchema, code.ConfigSchema == known.ConfigSchema); err != nil {
			return err
		}
		if _, err := t.configSchema(ctx, *code); err != nil {
			return err
		}
	}
	if code.Digest == known.Digest && code.Runtime == known.Runtime {
		code.Size = known.Size
		return nil
	}
	found, err := t.catalog.inspect(ctx, code.Digest)
	var failed *host.Error
	switch {
	case errors.As(err, &failed):
		return err
	case err != nil:
		return refuse(host.Invalid, "", "the code of %s: %w", what, err)
	case found.Runtime != code.Runtime:
		return refuse(host.Invalid, "", "the code of %s runs on %s, and was sent as %s", what, found.Runtime, code.Runtime)
	}
	code.Size = found.Size
	return nil
}

// checkFunction compiles and starts a version once.
func (s *state) checkFunction(ctx context.Context, name string, v *versionDoc) error {
	c := s.catalog
	f, err := s.function(ctx, name, v)
	if err != nil || c.opts.Check == nil {
		return err
	}
	c.progress(ctx, "checking %s (%s)", name, v.runtime(c.opts.Scripts))
	if f.Version == 0 {
		f.Version = 1 // it has no number yet, and one that runs needs one
	}
	return c.opts.Check(ctx, &host.Snapshot{
		Functions: []*host.Function{f},
		Aliases:   []*host.Alias{{Function: name, Name: host.AliasLive, Version: f.Version}},
	})
}

// functionDoc reads a function, or begins one that is not there.
func (t *tx) functionDoc(ctx context.Context, name string) (*functionDoc, error) {
	if t.has(kindFunction, name) {
		return read[functionDoc](ctx, &t.state, kindFunction, name)
	}
	last, err := t.lastNumber(ctx, kindFunction, name)
	return &functionDoc{Last: last, Versions: []versionRef{}, Aliases: []aliasDoc{}}, err
}

// addVersion puts a function with the version v, unless its newest is that already, and points live at it when promote is set. It returns
// the version that the function has now.
func (t *tx) addVersion(ctx context.Context, name string, doc *functionDoc, v *versionDoc, promote bool) (*versionDoc, error) {
	same, err := t.newestIs(ctx, name, doc, v)
	if err != nil {
		return nil, err
	}
	if same != nil {
		v = same
	} else {
		doc.Last++
		v.Number, v.Message, v.Created, v.By = doc.Last, t.change.Message, t.now, t.change.By
		digest, err := t.attach(v)
		if err != nil {
			return nil, err
		}
		doc.Versions = append(doc.Versions, versionRef{Number: v.Number, Document: digest, Runtime: v.runtime(t.catalog.opts.Scripts), URL: v.Config.URL, Uses: v.uses(name)})
	}
	if promote {
		t.point(doc, host.AliasLive, v.Number, 0, 0)
	}
	return v, t.putFunction(name, doc)
}

// newestIs returns the newest version when it is what v would be, or nil.
func (t *tx) newestIs(ctx context.Context, name string, doc *functionDoc, v *versionDoc) (*versionDoc, error) {
	newest := doc.newest()
	if newest == nil {
		return nil, nil
	}
	old, err := t.version(ctx, name, newest)
	if err != nil {
		return nil, err
	}
	was, err := old.mark()
	if err != nil {
		return nil, err
	}
	is, err := v.mark()
	if err != nil || is != was {
		return nil, err
	}
	return old, nil
}

// mark is equal for versions that behave alike.
func (v *versionDoc) mark() (string, error) {
	text, err := json.Marshal(versionDoc{Project: v.Project, Code: v.Code, Config: v.Config})
	return string(text), err
}

// putFunction writes a function with what follows from it: who uses what.
func (t *tx) putFunction(name string, doc *functionDoc) error {
	doc.Uses = doc.uses(name)
	return t.put(kindFunction, name, doc)
}

// uses tells what the versions point at, once for all that point at the same.
func (d *functionDoc) uses(function string) []use {
	versions := map[use][]int{}
	for _, ref := range d.Versions {
		for _, u := range ref.Uses {
			if seen := versions[u]; len(seen) == 0 || seen[len(seen)-1] != ref.Number { // two names may have one secret
				versions[u] = append(seen, ref.Number)
			}
		}
	}
	all := make([]use, 0, len(versions))
	for u, numbers := range versions {
		from := fmt.Sprintf("version %d of the function %q", numbers[len(numbers)-1], function)
		if more := len(numbers) - 1; more > 0 {
			from = fmt.Sprintf("%d versions of the function %q, from %d to %d", more+1, function, numbers[0], numbers[more])
		}
		u.From = from + u.From
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b use) int { return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name)) })
	return all
}

// text is the configuration as definition.ParseFunction reads it, in lines, which its errors show.
func (c *FunctionConfig) text() []byte {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return []byte("null") // only a config that is no JSON; canonical refuses it before
	}
	return text
}

// canonical brings what is any JSON to one form, so that the order of keys makes no version, and takes away what says nothing.
func (c *FunctionConfig) canonical() (err error) {
	if c.Config, err = canonicalJSON("config", c.Config); err != nil {
		return err
	}
	if c.OnError, err = canonicalJSON("onError", c.OnError); err != nil {
		return err
	}
	if c.Limits != nil && *c.Limits == (LimitsConfig{}) {
		c.Limits = nil
	}
	return nil
}

// canonicalJSON returns a value with its keys in order, nil for null and for nothing.
func canonicalJSON(key string, text json.RawMessage) (json.RawMessage, error) {
	if len(text) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil || d.More() {
		return nil, refuse(host.Invalid, "", "%s is not one JSON value", key)
	}
	if value == nil {
		return nil, nil
	}
	return json.Marshal(value)
}

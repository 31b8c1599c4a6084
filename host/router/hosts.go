package router

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

// Reserved is the first path segment below which every API with a default endpoint answers, on any host. No route or mapping sees it.
const Reserved = "_postern"

// The labels between an API's or function's name and the base domain.
const (
	apiLabel      = ".execute-api."
	functionLabel = ".function."
)

// A Target is what a request's host and path select: a stage of an API, or a function.
type Target struct {
	API      *host.API
	Stage    *host.Stage    // nil where Match reports false
	Function *host.Function // the live version; nil with an API
	Path     string         // below BasePath, undecoded, starting with /
	BasePath string         // as received: "", "/prod", "/orders", "/_postern/orders/prod"
	Domain   string         // the request's host in lower case, without port and trailing dot; IPv6 in brackets
	Mapped   bool           // a domain's mapping has taken it
}

// Hosts selects an API and a stage, or a function, by host and path. It is immutable and safe for concurrent use.
//
// Below /_postern/ the path alone decides. Otherwise the host does: an API's or function's own host below the base domain, or a domain
// of the snapshot, whose mapping with the longest path wins. A domain claims its host: what no mapping takes is not found. Names below
// the base domain that nobody has are not found either. Every other host is the root API's.
//
// The deployments of an API that serve at once are several APIs of one name, which share their hosts: the stage decides between them.
type Hosts struct {
	snapshot *host.Snapshot
	base     string
	names    map[string]endpoint // by host in lower case
	apis     map[string]*stages  // by name, those with a default endpoint
	root     *stages
}

// An endpoint is what one host name leads to: one of these.
type endpoint struct {
	stages   *stages
	function *host.Function
	domain   *prefix
}

// stages selects a stage by the path's first segment, among those of all deployments of one API.
type stages struct {
	name   string    // the API's
	first  *host.API // of its deployments
	byName map[string]served
}

// A served is a stage with the deployment that it serves.
type served struct {
	api   *host.API
	stage *host.Stage
}

// A prefix is a segment of the base paths of a domain.
type prefix struct {
	next map[string]*prefix
	to   served // zero where no mapping ends
}

// NewHosts builds the selection for a snapshot; baseDomain is what API and function hosts end in, "localhost" for example. Its errors, joined,
// have Kind Invalid: names that clash once case is ignored, a stage that an API has twice, mappings of what is not there, and a second
// root API. A function is at its own host when the version that AliasLive means says so.
func NewHosts(snapshot *host.Snapshot, baseDomain string) (*Hosts, error) {
	h := &Hosts{
		snapshot: snapshot, base: hostName(baseDomain),
		names: map[string]endpoint{}, apis: map[string]*stages{},
	}
	if h.base == "" {
		return nil, &host.Error{Op: "hosts", Kind: host.Invalid, Err: errors.New("the base domain is empty")}
	}
	var errs []error
	fail := func(op string, pos host.Position, err error) {
		if err != nil {
			errs = append(errs, &host.Error{Op: op, Kind: host.Invalid, Pos: pos, Err: err})
		}
	}
	for _, a := range snapshot.APIs {
		fail("api "+a.Name, a.Pos, h.addAPI(a))
	}
	for _, f := range urlFunctions(snapshot) {
		fail("function "+f.Name, f.Pos, h.claim(f.Name+functionLabel+h.base, endpoint{function: f}))
	}
	for _, d := range snapshot.Domains {
		root := &prefix{}
		fail("domain "+d.Name, d.Pos, h.claim(d.Name, endpoint{domain: root}))
		for _, m := range d.Mappings {
			fail("domain "+d.Name+" "+m.Path, m.Pos, root.add(snapshot, m))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return h, nil
}

// addAPI puts the stages of an API beside those that other deployments of it have.
func (h *Hosts) addAPI(a *host.API) error {
	var errs []error
	if a.Root {
		if h.root == nil {
			h.root = &stages{name: a.Name, first: a, byName: map[string]served{}}
		}
		if h.root.name != a.Name {
			return fmt.Errorf("%s is the root API already, there can be one", h.root.name)
		}
		errs = append(errs, h.root.add(a))
	}
	if !a.DefaultEndpoint {
		return errors.Join(errs...)
	}
	s, shared := h.apis[a.Name]
	if !shared {
		s = &stages{name: a.Name, first: a, byName: map[string]served{}}
		h.apis[a.Name] = s
		errs = append(errs, h.claim(a.Name+apiLabel+h.base, endpoint{stages: s}))
	}
	if len(errs) == 0 || errs[0] == nil { // or the same would be said twice
		errs = append(errs, s.add(a))
	}
	return errors.Join(errs...)
}

func (s *stages) add(a *host.API) error {
	for _, stage := range a.Stages {
		if _, taken := s.byName[stage.Name]; taken {
			return fmt.Errorf("the API %s has the stage %s twice", a.Name, stage.Name)
		}
		s.byName[stage.Name] = served{a, stage}
	}
	return nil
}

// urlFunctions returns a function for each name that has a host of its own: the version that AliasLive means.
func urlFunctions(snapshot *host.Snapshot) []*host.Function {
	var list []*host.Function
	seen := map[string]bool{}
	for _, f := range snapshot.Functions {
		if !f.URL || seen[f.Name] {
			continue
		}
		seen[f.Name] = true
		if live, err := snapshot.Resolve(f.Name, ""); err == nil && live.First.URL {
			list = append(list, live.First)
		}
	}
	return list
}

func (h *Hosts) claim(name string, e endpoint) error {
	name = hostName(name)
	if _, taken := h.names[name]; taken {
		return fmt.Errorf("the host %s is taken already", name)
	}
	h.names[name] = e
	return nil
}

func (p *prefix) add(snapshot *host.Snapshot, m host.DomainMapping) error {
	to, err := find(snapshot, m)
	if err != nil {
		return err
	}
	for rest := strings.Trim(m.Path, "/"); rest != ""; {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		seg = string(host.AppendUnescaped(nil, seg))
		next := p.next[seg]
		if next == nil {
			next = &prefix{}
			if p.next == nil {
				p.next = map[string]*prefix{}
			}
			p.next[seg] = next
		}
		p = next
	}
	if p.to.api != nil {
		return errors.New("the path is mapped already")
	}
	p.to = to
	return nil
}

// find returns the stage that a mapping names, of whichever deployment has it.
func find(snapshot *host.Snapshot, m host.DomainMapping) (served, error) {
	known := false
	for _, a := range snapshot.APIs {
		if a.Name != m.API {
			continue
		}
		known = true
		if stage := a.Stage(m.Stage); stage != nil {
			return served{a, stage}, nil
		}
	}
	if !known {
		return served{}, fmt.Errorf("there is no API %s", m.API)
	}
	return served{}, fmt.Errorf("the API %s has no stage %s", m.API, m.Stage)
}

// Match selects by a request's host, with or without port, and its undecoded path. It reports false when nothing answers there. The target
// then has the API whose host it is, if it is one's and only a stage is missing: the API's protocol says how that is told to the client. A
// rest API without a $default stage has no other paths than those that begin with a stage (reference 1.3, "Default host"). For a host in
// lower case it allocates nothing.
func (h *Hosts) Match(authority, path string) (Target, bool) {
	name := hostName(authority)
	if !strings.HasPrefix(path, "/") {
		return Target{}, false
	}
	t, ok := h.match(name, path)
	t.Domain = name
	return t, ok
}

func (h *Hosts) match(name, path string) (Target, bool) {
	if seg, n := segmentAt(path, 0); seg == Reserved {
		return h.reserved(path, n)
	}
	e, ok := h.names[name]
	switch {
	case !ok && (h.own(name, apiLabel) || h.own(name, functionLabel)):
		return Target{}, false
	case !ok && h.root != nil:
		return h.root.match(path)
	case !ok:
		return Target{}, false
	case e.function != nil:
		return Target{Function: e.function, Path: path}, true
	case e.domain != nil:
		return e.domain.match(path)
	default:
		return e.stages.match(path)
	}
}

// own reports whether a name is one label below label and the base domain.
func (h *Hosts) own(name, label string) bool {
	name, ok := strings.CutSuffix(name, h.base)
	return ok && strings.HasSuffix(name, label)
}

// reserved selects by /_postern/{api}/{stage}; i is the end of the first segment.
func (h *Hosts) reserved(path string, i int) (Target, bool) {
	api, i := segmentAt(path, i)
	s, ok := lookup(h.apis, api)
	if !ok {
		return Target{}, false
	}
	name, i := segmentAt(path, i)
	to, ok := lookup(s.byName, name)
	if !ok {
		return Target{API: s.first}, false
	}
	return to.target(path, i), true
}

// match takes a first segment that is a stage's name, and the $default stage otherwise.
func (s *stages) match(path string) (Target, bool) {
	seg, i := segmentAt(path, 0)
	to, ok := lookup(s.byName, seg)
	if !ok || to.stage.Name == host.DefaultStage { // which has no segment of its own
		i = 0
		if to, ok = s.byName[host.DefaultStage]; !ok {
			return Target{API: s.first}, false
		}
	}
	return to.target(path, i), true
}

// match takes the mapping with the longest path.
func (p *prefix) match(path string) (Target, bool) {
	var found *prefix
	end := 0
	for i := 0; p != nil; {
		if p.to.api != nil {
			found, end = p, i
		}
		if p.next == nil || i == len(path) {
			break
		}
		var seg string
		seg, i = segmentAt(path, i)
		p, _ = lookup(p.next, seg)
	}
	if found == nil {
		return Target{}, false
	}
	t := found.to.target(path, end)
	t.Mapped = true
	return t, true
}

// segmentAt returns the segment after the slash at i, and its end. Where path ends it returns "".
func segmentAt(path string, i int) (string, int) {
	if i == len(path) {
		return "", i
	}
	seg, _, _ := strings.Cut(path[i+1:], "/")
	return seg, i + 1 + len(seg)
}

func (s served) target(path string, i int) Target {
	t := Target{API: s.api, Stage: s.stage, BasePath: path[:i], Path: path[i:]}
	if t.Path == "" {
		t.Path = "/"
	}
	return t
}

// hostName strips port and trailing dot from an authority and lowers its case (RFC 3986, section 3.2.2).
func hostName(authority string) string {
	name := authority
	if strings.HasPrefix(name, "[") {
		if i := strings.IndexByte(name, ']'); i > 0 {
			name = name[:i+1]
		}
	} else if i := strings.IndexByte(name, ':'); i >= 0 && i == strings.LastIndexByte(name, ':') {
		name = name[:i]
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

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
	Stage    *host.Stage
	Function *host.Function // nil with an API
	Path     string         // below BasePath, undecoded, starting with /
	BasePath string         // as received: "", "/prod", "/orders", "/_postern/orders/prod"
	Domain   string         // the request's host in lower case, without port and trailing dot; IPv6 in brackets
}

// Hosts selects an API and a stage, or a function, by host and path. It is immutable and safe for concurrent use.
//
// Below /_postern/ the path alone decides. Otherwise the host does: an API's or function's own host below the base domain, or a domain
// of the snapshot, whose mapping with the longest path wins. A domain claims its host: what no mapping takes is not found. Names below
// the base domain that nobody has are not found either. Every other host is the root API's.
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

// stages selects a stage by the path's first segment.
type stages struct {
	api    *host.API
	byName map[string]*host.Stage
}

// A prefix is a segment of the base paths of a domain.
type prefix struct {
	next  map[string]*prefix
	api   *host.API // nil where no mapping ends
	stage *host.Stage
}

// NewHosts builds the selection for a snapshot; baseDomain is what API and function hosts end in, "localhost" for example. Its errors, joined,
// have Kind Invalid: names that clash once case is ignored, mappings of what is not there, and a second root API.
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
	for _, f := range snapshot.Functions {
		if f.URL {
			fail("function "+f.Name, f.Pos, h.claim(f.Name+functionLabel+h.base, endpoint{function: f}))
		}
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

func (h *Hosts) addAPI(a *host.API) error {
	s := &stages{api: a, byName: make(map[string]*host.Stage, len(a.Stages))}
	for _, stage := range a.Stages {
		s.byName[stage.Name] = stage
	}
	if a.Root {
		if h.root != nil {
			return fmt.Errorf("%s is the root API already, there can be one", h.root.api.Name)
		}
		h.root = s
	}
	if !a.DefaultEndpoint {
		return nil
	}
	h.apis[a.Name] = s
	return h.claim(a.Name+apiLabel+h.base, endpoint{stages: s})
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
	var api *host.API
	for _, a := range snapshot.APIs {
		if a.Name == m.API {
			api = a
		}
	}
	if api == nil {
		return fmt.Errorf("there is no API %s", m.API)
	}
	stage := api.Stage(m.Stage)
	if stage == nil {
		return fmt.Errorf("the API %s has no stage %s", m.API, m.Stage)
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
	if p.api != nil {
		return errors.New("the path is mapped already")
	}
	p.api, p.stage = api, stage
	return nil
}

// Match selects by a request's host, with or without port, and its undecoded path. It reports false when nothing answers there. For a
// host in lower case it allocates nothing.
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
	stage, ok := lookup(s.byName, name)
	if !ok {
		return Target{}, false
	}
	return target(s.api, stage, path, i), true
}

// match takes a first segment that is a stage's name, and the $default stage otherwise.
func (s *stages) match(path string) (Target, bool) {
	seg, i := segmentAt(path, 0)
	stage, ok := lookup(s.byName, seg)
	if !ok || stage.Name == host.DefaultStage { // which has no segment of its own
		i = 0
		if stage, ok = s.byName[host.DefaultStage]; !ok {
			return Target{}, false
		}
	}
	return target(s.api, stage, path, i), true
}

// match takes the mapping with the longest path.
func (p *prefix) match(path string) (Target, bool) {
	var found *prefix
	end := 0
	for i := 0; p != nil; {
		if p.api != nil {
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
	return target(found.api, found.stage, path, end), true
}

// segmentAt returns the segment after the slash at i, and its end. Where path ends it returns "".
func segmentAt(path string, i int) (string, int) {
	if i == len(path) {
		return "", i
	}
	seg, _, _ := strings.Cut(path[i+1:], "/")
	return seg, i + 1 + len(seg)
}

func target(a *host.API, s *host.Stage, path string, i int) Target {
	t := Target{API: a, Stage: s, BasePath: path[:i], Path: path[i:]}
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

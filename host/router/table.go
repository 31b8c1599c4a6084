// Package router finds the API, stage and route of a request. It is pure: what it answers depends on the
// snapshot that it was built from and on the request's host, method and path, and nothing changes it.
//
// A Table is one API's routes as HTTP APIs match them (API Gateway developer guide, "Working with routes for
// HTTP APIs"): a full match, of literals and {param}s, comes before one with a {greedy+} parameter, and that
// before $default. Among matches of one sort the first segment that differs decides: a literal before a
// {param} before a {greedy+}. A route's method comes before ANY of the same path. A route that lacks the
// request's method steps aside for a less specific one that has it.
//
// Paths are matched as they were received. They are split at slashes first and each segment is compared by the
// octets that it stands for, so that /%61dmin is /admin and cannot slip past that route to a less specific one,
// while %2F never becomes a separator. Slashes count: /a and /a/ are two paths, {param} never matches an empty segment,
// and {greedy+} takes the rest of the path as it is, if there is any.
//
// The table is a tree of segments. A look-up descends into the literal child and into the {param} child; each
// node of a tree has one way to it, so no node is visited twice, and at depth k at most 2^k nodes. The
// number of routes beside the request's path costs nothing but a hash; the worst that a definition can do to its own
// API is one visit for each segment of each of its routes, never more, however long the path.
//
// A table of a rest API has the rules of REST APIs instead where they differ: see NewRESTTable.
package router

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

// A Table matches methods and paths to the routes of one API. It is immutable and safe for concurrent use.
type Table struct {
	rest     bool // by the rules of REST APIs
	root     node
	nodes    int      // of the tree
	entries  []*entry // in the order of the file, for Explain
	fallback *entry   // $default
}

// An entry is a route with its pattern taken apart.
type entry struct {
	route    *host.Route
	segments []segment // nil for $default
}

// A node stands for the segments that lead to it.
type node struct {
	literals map[string]*node
	param    *node
	leaf     endings // routes that end here
	greedy   endings // routes whose greedy parameter starts below
}

// endings are the routes of one path pattern, by method.
type endings struct {
	any     *entry
	methods []*entry // a handful at most
}

// pick returns the entry for a method; inAny says whether ANY means it.
func (e *endings) pick(method string, inAny bool) *entry {
	for _, m := range e.methods {
		if m.route.Method == method {
			return m
		}
	}
	if !inAny {
		return nil
	}
	return e.any
}

func (e *endings) add(n *entry) (clash *entry) {
	switch {
	case n.route.Method == "" && e.any != nil:
		return e.any
	case n.route.Method == "":
		e.any = n
	default:
		for _, m := range e.methods {
			if m.route.Method == n.route.Method {
				return m
			}
		}
		e.methods = append(e.methods, n)
	}
	return nil
}

// NewTable builds the table of an http API. Its errors, joined, have Kind Invalid and the position of the route: patterns that are
// malformed, and routes that no request could tell apart.
func NewTable(routes []*host.Route) (*Table, error) {
	return (&Table{nodes: 1}).fill(routes)
}

// TableOf builds the table of an API by the rules of its protocol.
func TableOf(a *host.API) (*Table, error) {
	if a.Protocol == host.ProtocolREST {
		return NewRESTTable(a.Routes)
	}
	return NewTable(a.Routes)
}

func (t *Table) fill(routes []*host.Route) (*Table, error) {
	var errs []error
	for _, r := range routes {
		if err := t.add(r); err != nil {
			errs = append(errs, &host.Error{Op: "route " + r.Key, Kind: host.Invalid, Pos: r.Pos, Err: err})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return t, nil
}

func (t *Table) add(r *host.Route) error {
	if t.rest {
		if err := checkREST(r); err != nil {
			return err
		}
	}
	e := &entry{route: r}
	var clash *entry
	if r.Pattern == "" {
		if r.Method != "" {
			return fmt.Errorf("%s takes no method", host.DefaultRoute)
		}
		if clash = t.fallback; clash == nil {
			t.fallback = e
		}
	} else {
		segs, err := parsePattern(t.path(r.Pattern))
		if err != nil {
			return err
		}
		e.segments = segs
		clash = t.place(e).add(e)
	}
	if clash != nil {
		return fmt.Errorf("matches the same requests as %s%s", clash.route.Key, at(clash.route.Pos))
	}
	t.entries = append(t.entries, e)
	return nil
}

func at(p host.Position) string {
	if p.IsZero() {
		return ""
	}
	return " at " + p.String()
}

// place makes the nodes on the way to an entry's end.
func (t *Table) place(e *entry) *endings {
	n := &t.root
	for _, s := range e.segments {
		switch s.kind {
		case greedy:
			return &n.greedy
		case param:
			if n.param == nil {
				n.param = &node{}
				t.nodes++
			}
			n = n.param
		default:
			next := n.literals[s.text]
			if next == nil {
				next = &node{}
				t.nodes++
				if n.literals == nil {
					n.literals = map[string]*node{}
				}
				n.literals[s.text] = next
			}
			n = next
		}
	}
	return &n.leaf
}

// Match returns the route for a method and an undecoded path, and params with the route's path parameters
// appended, undecoded. It returns nil, and params as they were, when no route matches. With room in params it allocates nothing.
func (t *Table) Match(method, path string, params []host.Param) (*host.Route, []host.Param) {
	path = t.path(path)
	e, _ := t.find(method, path)
	if e == nil {
		return nil, params
	}
	return e.route, e.params(path, params)
}

// path is what a path is matched as.
func (t *Table) path(path string) string {
	if t.rest {
		return restPath(path)
	}
	return path
}

// find returns the winning entry for a path as it is matched, and how many nodes it visited.
func (t *Table) find(method, path string) (*entry, int) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok { // "*" of an OPTIONS request (RFC 9112, section 3.2.4)
		return t.fallback, 0
	}
	w := walk{method: method, inAny: true}
	if t.rest {
		w.inAny, w.inOrder = anyMeans(method), true
	}
	e := w.below(&t.root, rest)
	if e == nil {
		e = w.greedy
	}
	if e == nil {
		e = t.fallback
	}
	return e, w.visits
}

// A walk is one look-up in the tree.
type walk struct {
	method  string
	inAny   bool   // ANY means the method
	inOrder bool   // a greedy match counts where it is found, and not behind all full ones
	greedy  *entry // the most specific greedy match; the first one found on the way back up is that
	visits  int
}

// below looks for a full match of rest, which is not empty but for a trailing slash, among n's children.
func (w *walk) below(n *node, rest string) *entry {
	w.visits++
	seg, tail, more := strings.Cut(rest, "/")
	if n.literals != nil {
		if child, ok := lookup(n.literals, seg); ok {
			if e := w.step(child, tail, more); e != nil {
				return e
			}
		}
	}
	if n.param != nil && seg != "" {
		if e := w.step(n.param, tail, more); e != nil {
			return e
		}
	}
	if w.greedy == nil && rest != "" {
		w.greedy = n.greedy.pick(w.method, w.inAny)
		if w.inOrder {
			return w.greedy
		}
	}
	return nil
}

func (w *walk) step(n *node, tail string, more bool) *entry {
	if more {
		return w.below(n, tail)
	}
	w.visits++
	return n.leaf.pick(w.method, w.inAny)
}

// params appends what a path that matches holds in the entry's parameters.
func (e *entry) params(path string, params []host.Param) []host.Param {
	rest := strings.TrimPrefix(path, "/")
	for _, s := range e.segments {
		seg, tail, _ := strings.Cut(rest, "/")
		switch s.kind {
		case param:
			params = append(params, host.Param{Name: s.text, Value: seg})
		case greedy:
			return append(params, host.Param{Name: s.text, Value: rest})
		}
		rest = tail
	}
	return params
}

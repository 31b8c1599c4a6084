package router

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// A Candidate is a route that was considered for a request.
type Candidate struct {
	Route  *host.Route
	Wins   bool
	Reason string // why it wins or loses, for people
}

// Explain lists the routes whose path matches, the winner first and the others by precedence, then those that a
// trailing slash alone keeps from matching, as on http APIs it does. It looks at every route; Match is the fast way.
func (t *Table) Explain(method, path string) []Candidate {
	var matching, near []*entry
	path = t.path(path)
	other := path + "/"
	if trimmed, ok := strings.CutSuffix(path, "/"); ok {
		other = trimmed
	}
	for _, e := range t.entries {
		switch {
		case e.matches(path):
			matching = append(matching, e)
		case !t.rest && e.matches(other):
			near = append(near, e)
		}
	}
	slices.SortStableFunc(matching, t.precedence)
	i := slices.IndexFunc(matching, func(e *entry) bool { return t.takes(e, method) })
	var list []Candidate
	var winner *entry
	if i >= 0 {
		winner = matching[i]
		list = append(list, Candidate{winner.route, true, winner.whyWins()})
		matching = slices.Delete(matching, i, i+1)
	}
	for _, e := range matching {
		list = append(list, Candidate{Route: e.route, Reason: t.whyLoses(e, method, winner)})
	}
	for _, e := range near {
		reason := "the path has no slash at its end, the route has one"
		if len(other) < len(path) {
			reason = "the path has a slash at its end, the route has none"
		}
		list = append(list, Candidate{Route: e.route, Reason: reason})
	}
	return list
}

// takes reports whether an entry is for a method.
func (t *Table) takes(e *entry, method string) bool {
	if e.route.Method == "" {
		return !t.rest || anyMeans(method)
	}
	return e.route.Method == method
}

// matches reports whether the path fits the pattern, whatever the method.
func (e *entry) matches(path string) bool {
	if e.segments == nil {
		return true
	}
	rest, ok := strings.CutPrefix(path, "/")
	more := ok
	for _, s := range e.segments {
		if !more {
			return false
		}
		if s.kind == greedy {
			return rest != ""
		}
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		if s.kind == param && seg == "" || s.kind == literal && string(host.AppendUnescaped(nil, seg)) != s.text {
			return false
		}
	}
	return !more
}

// sort puts full matches before greedy ones before $default.
func (e *entry) sort() int {
	switch n := len(e.segments); {
	case n == 0:
		return 2
	case e.segments[n-1].kind == greedy:
		return 1
	default:
		return 0
	}
}

// precedence orders entries that match one path.
func (t *Table) precedence(a, b *entry) int {
	if c := cmp.Compare(a.sort(), b.sort()); c != 0 && !t.rest {
		return c
	}
	if i := a.differs(b); i >= 0 {
		return cmp.Compare(a.segments[i].kind, b.segments[i].kind)
	}
	switch {
	case a.route.Method != "" && b.route.Method == "":
		return -1
	case a.route.Method == "" && b.route.Method != "":
		return 1
	}
	return 0
}

// differs returns the first segment that is of another kind in other, or -1.
func (e *entry) differs(other *entry) int {
	for i := range min(len(e.segments), len(other.segments)) {
		if e.segments[i].kind != other.segments[i].kind {
			return i
		}
	}
	return -1
}

func (e *entry) whyWins() string {
	switch {
	case e.segments == nil:
		return "no other route matches"
	case e.route.Method == "":
		return "the most specific path, for any method"
	default:
		return "the most specific path with method " + e.route.Method
	}
}

func (t *Table) whyLoses(e *entry, method string, winner *entry) string {
	switch {
	case t.takes(e, method):
	case e.route.Method == "":
		return "ANY means " + strings.Join(anyMethods[:], ", ") + " only"
	default:
		return "method " + e.route.Method + " only"
	}
	if e.segments == nil {
		return "less specific: $default takes what no other route matches"
	}
	i := e.differs(winner)
	switch {
	case i < 0:
		return "less specific: ANY against method " + winner.route.Method
	case e.sort() != winner.sort() && !t.rest:
		n := len(e.segments)
		return fmt.Sprintf("less specific: %s at segment %d against a full match", e.segments[n-1], n)
	}
	against := "literal"
	if s := winner.segments[i]; s.kind != literal {
		against = s.String()
	}
	return fmt.Sprintf("less specific: %s at segment %d against %s", e.segments[i], i+1, against)
}

package openapi

import (
	"errors"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// complete reads the document that was written, and puts below x-postern what of the API it does not say.
func (e *exporter) complete() {
	result, err := Read(e.root, Options{Protocol: e.protocol, AllowUnsupported: true})
	if err != nil {
		if !errors.As(err, &e.errs) {
			e.wrong(e.api.Pos, document.RuleInvalidValue, err.Error())
		}
		return
	}
	s := same{e.protocol}
	if routes := e.api.Get("routes"); routes != nil {
		for i, m := range routes.Members {
			e.op = e.report.Operations[i]
			read := result.API.Get("routes").Get(m.Key)
			if read == nil {
				e.wrong(m.Pos, document.RuleInvalidValue, "the route "+document.Quote(m.Key)+" cannot be written: nothing that a document says is read as it")
				continue
			}
			e.completeRoute(s, &m, read)
		}
	}
	e.op = nil
	if extra := difference(e.api, apiByName, s.api(e.api), s.api(result.API)); len(extra.Members) > 0 {
		e.root.Set(own, extra.Pos, extra)
		e.alone(extra, apiByName)
	}
}

// completeRoute puts below x-postern of an operation what of its route was not read. The integration comes last: what it is depends on what stands beside it.
func (e *exporter) completeRoute(s same, route *document.Member, read *document.Node) {
	out := e.routes[route.Key]
	extra := difference(route.Value, routeByName, s.route(route.Key, route.Value), s.route(route.Key, read))
	then := *read
	then.Members = slices.Clone(read.Members)
	overlay(&then, extra, routeByName)
	m := route.Value.Member("integration")
	if m != nil && (!e.usable[route.Key] || s.integration(route.Value) != s.integration(&then)) {
		extra.Set(m.Key, m.Pos, m.Value)
	}
	if len(extra.Members) > 0 {
		out.Set(own, route.Pos, extra)
	}
	e.alone(extra, routeByName)
	if n := extra.Get("methodResponses"); n != nil && n.Shape == document.Null && overridesStatus(route.Value) {
		e.find(Different, route.Pos, "status", "a template sets the status, and API Gateway answers those alone that the operation declares: declare the others, too")
	}
}

// difference is what makes one thing of another when it is laid over it: members that are not the same, and null for those that are too many.
// Both are known by what same says of them.
func difference(wanted *document.Node, byName []string, is, was facts) *document.Node {
	extra := document.NewObject(wanted.Pos)
	put := func(key, name string, pos host.Position, value *document.Node) {
		if name == "" {
			extra.Set(key, pos, value)
			return
		}
		inner := extra.Get(key)
		if inner == nil {
			inner = document.NewObject(pos)
			extra.Set(key, pos, inner)
		}
		inner.Set(name, pos, value)
	}
	for _, m := range wanted.Members {
		if !slices.Contains(byName, m.Key) {
			if is[fact{m.Key, ""}] != was[fact{m.Key, ""}] {
				put(m.Key, "", m.Pos, m.Value)
			}
			continue
		}
		for _, inner := range m.Value.Members {
			if is[fact{m.Key, inner.Key}] != was[fact{m.Key, inner.Key}] {
				put(m.Key, inner.Key, inner.Pos, inner.Value)
			}
		}
	}
	var tooMany []fact
	for f := range was {
		if is[f] == "" && wanted.Get(f.key).Get(f.name) == nil && (f.name != "" || wanted.Get(f.key) == nil) {
			tooMany = append(tooMany, f)
		}
	}
	slices.SortFunc(tooMany, func(a, b fact) int { return strings.Compare(a.key+"."+a.name, b.key+"."+b.name) })
	for _, f := range tooMany {
		put(f.key, f.name, wanted.Pos, &document.Node{Pos: wanted.Pos})
	}
	return extra
}

// alone says what stands below x-postern.
func (e *exporter) alone(extra *document.Node, byName []string) {
	var keys []string
	pos := extra.Pos
	add := func(key string, m *document.Member) {
		if m.Value.Shape == document.Null || key == "integration" && (e.op == nil || !e.usable[e.op.Key] || m.Value.Get("mock") != nil) {
			return // said where it was written, or no difference
		}
		if len(keys) == 0 {
			pos = m.Pos
		}
		keys = append(keys, key)
	}
	for i := range extra.Members {
		m := &extra.Members[i]
		if !slices.Contains(byName, m.Key) {
			add(m.Key, m)
			continue
		}
		for j := range m.Value.Members {
			if m.Key != "models" { // which say the same in another way
				add(m.Key+"."+m.Value.Members[j].Key, &m.Value.Members[j])
			}
		}
	}
	if len(keys) > 0 {
		e.find(Different, pos, own, "API Gateway does not know "+own+", which Postern alone reads: "+strings.Join(keys, ", "))
	}
}

// overridesStatus reports whether a template of a route sets the status.
func overridesStatus(route *document.Node) bool {
	return anywhere(route, func(m *document.Member, _ *document.Node) bool {
		return m.Key == "template" && strings.Contains(m.Value.Text, "responseOverride.status")
	})
}

// The keys whose members are laid over what was read one by one, by their names.
var (
	apiByName   = []string{"authorizers", "models", "gatewayResponses"}
	routeByName = []string{"request"}
)

// overlay lays members over those of an object: null removes one, and members of what is byName are laid over by themselves.
func overlay(into, extra *document.Node, byName []string) {
	for _, m := range extra.Members {
		was := into.Get(m.Key)
		switch {
		case m.Value.Shape == document.Null:
			into.Members = slices.DeleteFunc(into.Members, func(x document.Member) bool { return x.Key == m.Key })
		case slices.Contains(byName, m.Key) && m.Value.Shape == document.Object && (was == nil || was.Shape == document.Object):
			inner := document.NewObject(m.Value.Pos)
			if was != nil {
				inner.Pos, inner.Members = was.Pos, slices.Clone(was.Members)
			}
			overlay(inner, m.Value, nil)
			into.Set(m.Key, m.Pos, inner)
			if len(inner.Members) == 0 {
				into.Members = slices.DeleteFunc(into.Members, func(x document.Member) bool { return x.Key == m.Key })
			}
		default:
			into.Set(m.Key, m.Pos, m.Value)
		}
	}
}

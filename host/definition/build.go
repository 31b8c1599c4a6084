package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// A builder makes a snapshot of a decoded file, and reports what is wrong across keys.
type builder struct {
	*report
	opts Options
	file fileDef

	functions, upstreams map[string]bool                // that the file defines
	maps                 map[string]host.Setting[int64] // what is written of their sizes, by namespace
	access               *host.ServiceAccess            // to AWS services; nil for none
	document             val[string]                    // what the API that is built is made of
}

func (b *builder) build() *host.Snapshot {
	b.functions, b.upstreams = set(b.file.Functions.keys()), set(b.file.Upstreams.keys())
	b.maps = map[string]host.Setting[int64]{}
	b.access = b.aws(&b.file.AWS)
	s := &host.Snapshot{}
	for i := range b.file.Functions.entries {
		s.Functions = append(s.Functions, b.function(&b.file.Functions.entries[i]))
	}
	for i := range b.file.Upstreams.entries {
		s.Upstreams = append(s.Upstreams, b.upstream(&b.file.Upstreams.entries[i]))
	}
	for i := range b.file.APIs.entries {
		s.APIs = append(s.APIs, b.api(&b.file.APIs.entries[i]))
	}
	for i := range b.file.Domains.entries {
		s.Domains = append(s.Domains, b.domain(&b.file.Domains.entries[i]))
	}
	if len(b.errs) == 0 && len(s.APIs)+len(s.Functions) == 0 {
		b.add(b.file.place, RuleRequired, "the file has no apis and no functions").Hint = "there is nothing to serve"
	}
	b.root(s.APIs)
	b.mapSizes(s)
	sortByName(s.APIs, func(a *host.API) string { return a.Name })
	sortByName(s.Functions, func(f *host.Function) string { return f.Name })
	sortByName(s.Upstreams, func(u *host.Upstream) string { return u.Name })
	sortByName(s.Domains, func(d *host.Domain) string { return d.Name })
	return s
}

func set(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

func sortByName[T any](list []T, name func(T) string) {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(name(a), name(b)) })
}

// root settles which API answers at /: the one that says so, or the only one.
func (b *builder) root(apis []*host.API) {
	var first *entry[apiDef]
	for i := range b.file.APIs.entries {
		e := &b.file.APIs.entries[i]
		switch {
		case !e.Value.Root.or(false):
		case first != nil:
			b.add(e.Value.Root.place, RuleConflict, fmt.Sprintf("the API %q has root: true already, %s", first.Key, seen(e.Value.Root.pos, first.Value.Root.pos))).
				Hint = "one API answers at /"
		default:
			first = e
		}
	}
	if len(apis) == 1 && !b.file.APIs.entries[0].Value.Root.written() {
		apis[0].Root, apis[0].RootImplied = true, true
	}
}

func (b *builder) api(e *entry[apiDef]) *host.API {
	def := &e.Value
	b.document = def.OpenAPI
	b.onlyWithDocument(def)
	a := &host.API{
		Name:            e.Key,
		Protocol:        host.Protocol(def.Protocol.or(string(host.ProtocolHTTP))),
		Root:            def.Root.or(false),
		DefaultEndpoint: def.DefaultEndpoint.or(true),
		CORS:            b.cors(&def.CORS),
		Pos:             e.pos,
	}
	a.REST = b.rest(a, def)
	for i := range def.Authorizers.entries {
		a.Authorizers = append(a.Authorizers, b.authorizer(a, &def.Authorizers.entries[i]))
	}
	sortByName(a.Authorizers, func(x *host.Authorizer) string { return x.Name })
	a.Filters = b.filters(e.Key, &def.Filters)
	for i := range def.Stages.entries {
		a.Stages = append(a.Stages, stage(&def.Stages.entries[i]))
	}
	if len(a.Stages) == 0 {
		a.Stages = []*host.Stage{{Name: defaultStage(a.Protocol), Pos: e.pos}}
	}
	sortByName(a.Stages, func(x *host.Stage) string { return x.Name })
	if def.written() && !def.Routes.written() && def.OpenAPI.place == (place{}) {
		b.add(place{e.pos, KeyPath(e.path, "routes")}, RuleRequired, quote(e.Key)+` has no "routes"`).Hint = `add routes: {"GET /orders/{id}":{"integration":{"function":"get-order"}}}`
	}
	if a.Protocol != host.ProtocolWebSocket { // they are refused, and their route keys mean something else
		b.routes(a, &def.Routes)
	}
	return a
}

// defaultStage is the stage of an API that lists none.
func defaultStage(p host.Protocol) string {
	if p == host.ProtocolREST || p == host.ProtocolWebSocket {
		return "dev"
	}
	return host.DefaultStage
}

func stage(e *entry[stageDef]) *host.Stage {
	return &host.Stage{Name: e.Key, Variables: stringMap(&e.Value.Variables), Pos: e.pos}
}

// stringMap returns the written values; nil for none.
func stringMap(d *dict[val[string]]) map[string]string {
	if len(d.entries) == 0 {
		return nil
	}
	m := make(map[string]string, len(d.entries))
	for i := range d.entries {
		m[d.entries[i].Key] = d.entries[i].Value.Value
	}
	return m
}

func stringsOf(l *list[val[string]]) []string {
	var values []string
	for _, v := range l.items {
		values = append(values, v.Value)
	}
	return values
}

func (b *builder) cors(def *corsDef) *host.CORS {
	if !def.written() {
		return nil
	}
	c := &host.CORS{
		AllowOrigins:     stringsOf(&def.AllowOrigins),
		AllowMethods:     stringsOf(&def.AllowMethods),
		AllowHeaders:     stringsOf(&def.AllowHeaders),
		ExposeHeaders:    stringsOf(&def.ExposeHeaders),
		MaxAge:           b.duration(def.MaxAge, 0, 0).Value,
		AllowCredentials: def.AllowCredentials.or(false),
		Pos:              def.pos,
	}
	for _, o := range def.AllowOrigins.items {
		if o.written() && o.Value != "*" && o.Value != "http://*" && o.Value != "https://*" {
			b.origin(o, "the origin", webSchemes, false)
		}
	}
	if !c.AllowCredentials {
		return c
	}
	// Fetch standard, section 3.2.5: with credentials, * is a name and not a wildcard.
	for _, l := range []*list[val[string]]{&def.AllowOrigins, &def.AllowMethods, &def.AllowHeaders, &def.ExposeHeaders} {
		for _, v := range l.items {
			if v.Value == "*" {
				b.add(v.place, RuleConflict, "* is not allowed with allowCredentials: true").Hint = "list what is allowed"
			}
		}
	}
	return c
}

func (b *builder) domain(e *entry[dict[val[string]]]) *host.Domain {
	d := &host.Domain{Name: e.Key, Pos: e.pos}
	for i := range e.Value.entries {
		path, ref := e.Value.entries[i].Key, e.Value.entries[i].Value
		if api, name, ok := strings.Cut(ref.Value, "/"); ok {
			b.stageRef(ref.place, api, name)
			d.Mappings = append(d.Mappings, host.DomainMapping{Path: path, API: api, Stage: name, Pos: ref.pos})
		}
	}
	slices.SortFunc(d.Mappings, func(a, b host.DomainMapping) int { return cmp.Compare(a.Path, b.Path) })
	return d
}

// stageRef checks that a stage exists.
func (b *builder) stageRef(at place, api, name string) {
	for i := range b.file.APIs.entries {
		if e := &b.file.APIs.entries[i]; e.Key == api {
			stages := e.Value.Stages.keys()
			if len(stages) == 0 {
				stages = []string{defaultStage(host.Protocol(e.Value.Protocol.Value))}
			}
			if !slices.Contains(stages, name) {
				b.unknown(at, fmt.Sprintf("the API %q has no stage %s", api, quote(name)), name, stages)
			}
			return
		}
	}
	b.unknown(at, "there is no API "+quote(api), api, b.file.APIs.keys())
}

// unknown reports a reference to something that the file does not define.
func (b *builder) unknown(at place, message, name string, known []string) *Error {
	e := b.add(at, RuleUnknownReference, message)
	if e.Hint = b.suggest(name, known); len(known) == 0 {
		e.Hint = "none is defined"
	}
	return e
}

// duration parses a written duration of at least min, and else returns the default.
func (b *builder) duration(v val[string], def, least time.Duration) host.Setting[time.Duration] {
	if !v.written() {
		return host.Default(def)
	}
	d, err := time.ParseDuration(v.Value)
	switch {
	case err != nil: // the pattern leaves only what is out of range
		b.add(v.place, RuleInvalidValue, "the duration "+quote(v.Value)+" is out of range")
	case d < least && least >= time.Second:
		b.add(v.place, RuleInvalidValue, "the duration must be at least "+least.String()+", not "+quote(v.Value)).Hint = "write " + least.String()
	case d < least:
		b.add(v.place, RuleInvalidValue, "the duration must be more than 0")
	}
	return setting(d, v.place)
}

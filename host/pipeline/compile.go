package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/parameter"
	"github.com/postern/postern/host/mapping/template"
)

// filterPlaces numbers the filters of each route from the outside in, from 1. A plugin has a pool for each place where it is a filter:
// an exchange holds its outer filters' instances while it waits for those of the inner ones, so that exchanges which share a pool
// from different places could wait for each other, and one with a plugin twice on its way for itself.
func filterPlaces(s *host.Snapshot) map[*host.PluginConfig]int {
	places := map[*host.PluginConfig]int{}
	for a := range s.Definitions() {
		for i, f := range a.Filters {
			places[&f.Plugin] = i + 1
		}
		for _, r := range a.Routes {
			for i, f := range r.Filters {
				places[&f.Plugin] = len(a.Filters) + i + 1
			}
		}
	}
	return places
}

// filters returns the steps of filters inside outer ones.
func (b *builder) filters(outer []step, filters []*host.Filter) []step {
	steps := slices.Clone(outer)
	for _, f := range filters {
		steps = append(steps, step{host.PhaseFilter, newFilter(b.opened[&f.Plugin], b.cfg.Telemetry)})
	}
	return steps
}

// notFound is the route of what no route of an API matches. The API's filters see that too, within the limits that a route has
// by default.
func (b *builder) notFound(def *host.API, filters []step) *route {
	out := &route{steps: notFound.steps, metrics: b.metrics(def, "")}
	if len(filters) == 0 {
		return out
	}
	out.def = &host.Route{
		Timeout:     host.Default(host.DefaultRouteTimeout),
		IdleTimeout: host.Default(host.DefaultStreamIdle),
		MaxDuration: host.Default(host.DefaultMaxDuration),
		MaxBody:     host.Default[int64](host.DefaultMaxBody),
	}
	out.steps = slices.Concat([]step{{host.PhaseLimit, &bodyLimit{max: out.def.MaxBody}}}, filters, notFound.steps)
	return out
}

func (b *builder) requestMapping(r *host.Route, canary bool) *requestMapping {
	return &requestMapping{route: r, mappers: b.mappers(r.Mappings, host.PhaseMapRequest, canary)}
}

func (b *builder) responseMapping(r *host.Route, canary bool) (*responseMapping, error) {
	rules, err := mapping.CompileResponseRules(r.Responses)
	if err != nil {
		return nil, err
	}
	m := &responseMapping{rules: rules, mappers: map[*host.Mapping]host.Mapper{}, edits: map[*host.ResponseRule]*parameter.Edits{}, limit: host.DefaultMaxResult}
	for i := range r.Responses {
		rule := &r.Responses[i]
		maps.Copy(m.mappers, b.mappers(rule.Mappings, host.PhaseMapResponse, canary))
		if len(rule.Parameters) > 0 {
			m.edits[rule] = b.responseEdits(r, rule)
		}
	}
	return m, nil
}

// isCanary reports whether an API is what a stage serves as its canary.
func (b *builder) isCanary(def *host.API) bool {
	return slices.ContainsFunc(b.p.snapshot.APIs, func(a *host.API) bool {
		return slices.ContainsFunc(a.Stages, func(s *host.Stage) bool { return s.Canary != nil && s.Canary.API == def })
	})
}

// mappers compiles the templates of mappings and finds their plugins.
func (b *builder) mappers(mappings []host.Mapping, phase host.Phase, canary bool) map[*host.Mapping]host.Mapper {
	all := make(map[*host.Mapping]host.Mapper, len(mappings))
	for i := range mappings {
		m := &mappings[i]
		if m.Template == nil {
			all[m] = &pluginMapper{plugin: b.opened[&m.Plugin], telemetry: b.cfg.Telemetry, phase: phase}
			continue
		}
		compiled, err := template.Compile(m.Template, phase, template.Options{Canary: canary})
		b.fail(err)
		all[m] = &heavyMapper{compiled, b.p.shared.heavy}
	}
	return all
}

// integration compiles what a route reaches. References were checked when the definition was decoded.
func (b *builder) integration(r *host.Route) (host.Integration, error) {
	cfg := &r.Integration
	switch cfg.Type {
	case host.IntegrationFunction:
		function, err := b.p.callee(cfg.Function, cfg.Qualifier)
		if err != nil {
			return nil, &host.Error{Op: "route " + r.Key, Kind: host.Invalid, Pos: cfg.Pos, Err: err}
		}
		return &functionIntegration{function: function, format: cfg.PayloadFormat}, nil
	case host.IntegrationMock:
		return &mockIntegration{cfg.Mock}, nil
	case host.IntegrationService:
		return b.subtype(r)
	}
	out := &httpIntegration{telemetry: b.cfg.Telemetry, method: cfg.Method, pool: upstreamPool{pool: b.direct}, plain: mapsResponses(r) || editsReadResponses(r)}
	template := cfg.URI
	if cfg.Type == host.IntegrationUpstream {
		pool, err := b.upstreamOf(r)
		if err != nil {
			return nil, err
		}
		out.pool, out.upstream, template = pool, cfg.Upstream, cfg.Path
	}
	if template == "" {
		return out, nil
	}
	parse := mapping.ParseURI
	if cfg.Type == host.IntegrationUpstream {
		parse = mapping.ParsePath
	}
	uri, err := parse(template)
	if err == nil {
		err = checkParams(r, uri)
	}
	if err != nil {
		return nil, &host.Error{Op: "route " + r.Key, Kind: host.Invalid, Pos: cfg.Pos, Err: err}
	}
	out.uri = uri
	return out, nil
}

// upstreamOf finds the pool of a route's upstream.
func (b *builder) upstreamOf(r *host.Route) (upstreamPool, error) {
	pool, ok := b.pools[r.Integration.Upstream]
	if !ok {
		return pool, &host.Error{Op: "route " + r.Key, Kind: host.Invalid, Pos: r.Integration.Pos, Err: fmt.Errorf("there is no upstream %q", r.Integration.Upstream)}
	}
	return pool, nil
}

// checkParams refuses a URI that wants a parameter which the route does not have: it would be empty for ever.
func checkParams(r *host.Route, uri *mapping.URI) error {
	for _, name := range uri.Params() {
		if !strings.Contains(r.Pattern, "{"+name+"}") && !strings.Contains(r.Pattern, "{"+name+"+}") {
			return fmt.Errorf("its URI has {%s}, which the route's path %q has not", name, r.Pattern)
		}
	}
	return nil
}

// mapsResponses reports whether a response mapping will read the integration's body.
func mapsResponses(r *host.Route) bool {
	return slices.ContainsFunc(r.Responses, func(rule host.ResponseRule) bool { return len(rule.Mappings) > 0 })
}

// integrationTimeout returns the timeout that stands inside the exchange's deadline, 0 when that one is as short. Where the route
// streams, a gRPC client's word may stand in for that one. An upstream's own timeout, for the head of its answer, is its pool's.
func integrationTimeout(r *host.Route) time.Duration {
	timeout := r.Integration.Timeout.Value
	if !r.Streaming && r.Timeout.Value > 0 && timeout >= r.Timeout.Value {
		return 0
	}
	return timeout
}

package pipeline

import (
	"maps"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
	"github.com/postern/postern/host/mapping/schema"
	"github.com/postern/postern/host/rest"
)

// A restAPI is what is compiled of a rest API once, and used by all its methods.
type restAPI struct {
	def    *host.API
	canary bool // it is what a stage serves as its canary
	manner *restManner
	binary *rest.BinaryTypes
	models *schema.Models
}

// restAPI compiles what stands in an API of the rest protocol beside its routes. It is nil where that is wrong.
func (b *builder) restAPI(def *host.API, canary bool) *restAPI {
	a := &restAPI{def: def, canary: canary}
	var err error
	failed := false
	fail := func(err error) {
		failed = failed || err != nil
		b.fail(err)
	}
	a.manner, err = newRESTManner(def)
	fail(err)
	a.models, err = rest.CompileModels(def)
	fail(err)
	a.binary, err = rest.CompileBinaryTypes(def.REST.BinaryMediaTypes)
	fail(err)
	if failed {
		return nil
	}
	return a
}

// compileMethod makes the steps of a route of a rest API: what is before, then validation, the mapping of the request, the integration, and the
// mapping of the response.
func (b *builder) compileMethod(a *restAPI, r *host.Route, before []step) *route {
	out := &route{def: r, name: routePath(r), metrics: b.metrics(a.def, routePath(r)), steps: before}
	add := func(phase host.Phase, handler host.Handler, err error) {
		b.fail(err)
		if err == nil {
			out.steps = append(out.steps, step{phase, handler})
		}
	}
	m := &restMethod{route: r, kind: rest.TypeOf(&r.Integration), binary: a.binary, heavy: b.p.shared.heavy, canary: a.canary}
	add(host.PhaseLimit, &restArrival{r.Streaming, r.MaxBody}, nil)
	if validator, err := rest.CompileValidator(r, a.models); validator != nil || err != nil {
		add(host.PhaseValidate, &restValidate{validator, r.MaxBody.Value, m.heavy}, err)
	}
	fixed := r.Integration.Type == host.IntegrationMock && r.Integration.Mock != nil // the definition itself has the answer
	if !fixed {
		request, err := b.restRequest(m)
		add(host.PhaseMapRequest, request, err)
	}
	integration, err := b.restIntegration(a, r)
	add(host.PhaseIntegrate, &integrate{integration: integration, timeout: integrationTimeout(r), rest: true}, err)
	if m.kind.IsProxy() || fixed && len(r.Responses) == 0 {
		add(host.PhaseMapResponse, &restPass{m}, nil)
		return out
	}
	response, err := b.restResponse(m)
	add(host.PhaseMapResponse, response, err)
	return out
}

func (b *builder) restRequest(m *restMethod) (*restRequest, error) {
	outbound, err := rest.CompileOutbound(m.route)
	if err == nil {
		err = outbound.CheckFilled(m.route)
	}
	if err != nil {
		return nil, err
	}
	parameters, err := compileRequestParameters(m.route)
	return &restRequest{restMethod: m, outbound: outbound, parameters: parameters, mappers: b.mappers(m.route.Mappings, host.PhaseMapRequest, m.canary)}, err
}

func (b *builder) restResponse(m *restMethod) (*restResponse, error) {
	selector, err := rest.CompileSelector(m.route)
	if err != nil {
		return nil, err
	}
	out := &restResponse{restMethod: m, selector: selector, rules: map[*host.ResponseRule]responseParameters{},
		mappers: map[*host.Mapping]host.Mapper{}, limit: host.DefaultMaxResult}
	for i := range m.route.Responses {
		rule := &m.route.Responses[i]
		maps.Copy(out.mappers, b.mappers(rule.Mappings, host.PhaseMapResponse, m.canary))
		if out.rules[rule], err = compileResponseParameters(rule); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// restIntegration compiles what a method reaches. Its request is complete when it gets there.
func (b *builder) restIntegration(a *restAPI, r *host.Route) (host.Integration, error) {
	cfg := &r.Integration
	switch {
	case cfg.Type == host.IntegrationMock && cfg.Mock == nil:
		return templateMock{}, nil
	case cfg.Type == host.IntegrationService:
		return b.client(cfg)
	case cfg.Type == host.IntegrationMock || cfg.Type == host.IntegrationFunction && cfg.Proxy:
		integration, err := b.integration(r)
		if f, ok := integration.(*functionIntegration); ok {
			f.rest = a
		}
		return integration, err
	case cfg.Type == host.IntegrationFunction:
		function, err := b.p.callee(cfg.Function, cfg.Qualifier)
		if err != nil {
			return nil, &host.Error{Op: "route " + r.Key, Kind: host.Invalid, Pos: cfg.Pos, Err: err}
		}
		return &payloadIntegration{function, cfg.Function, cfg.Qualifier, r.MaxBody.Value, b.p.later}, nil
	}
	out := &httpIntegration{telemetry: b.cfg.Telemetry, pool: upstreamPool{pool: b.direct}, addressed: true, mapped: !cfg.Proxy, plain: !cfg.Proxy}
	if cfg.Insecure {
		out.pool.pool = b.insecure
	}
	if cfg.Type == host.IntegrationUpstream {
		var err error
		out.upstream = cfg.Upstream
		out.pool, err = b.upstreamOf(r)
		return out, err
	}
	return out, nil
}

// client compiles the call of an AWS service.
func (b *builder) client(cfg *host.IntegrationConfig) (*aws.Client, error) {
	client, err := aws.NewClient(cfg.Service, cfg.Method, &serviceSender{b.cfg.Telemetry, b.direct})
	if err != nil {
		return nil, &host.Error{Op: "integration", Kind: host.Invalid, Pos: cfg.Pos, Err: err}
	}
	return client, nil
}

package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// A function is an open function, with the API and route by which its own URL reaches it.
type function struct {
	def    *host.Function
	plugin *plugin
	api    *host.API
	route  *route
}

// compileFunction makes a function with an API of one route, which its own URL leads to, and which stands for the
// caller where it is called by name.
func (b *builder) compileFunction(def *host.Function) {
	f := &function{def: def, plugin: b.opened[&def.Plugin]}
	b.p.functions[def] = f
	stage := &host.Stage{Name: host.DefaultStage}
	f.api = &host.API{Name: def.Name, Protocol: host.ProtocolHTTP, Stages: []*host.Stage{stage}, Pos: def.Pos}
	r := &host.Route{Key: host.DefaultRoute, Timeout: urlTimeout(def), MaxBody: host.Default[int64](host.DefaultMaxBody),
		IdleTimeout: host.Default(host.DefaultStreamIdle), MaxDuration: host.Default(host.DefaultMaxDuration), Pos: def.Pos}
	f.route = &route{def: r, name: host.DefaultRoute, metrics: b.metrics(f.api, host.DefaultRoute), steps: []step{
		{host.PhaseLimit, &bodyLimit{max: r.MaxBody}},
		{host.PhaseIntegrate, &integrate{integration: &functionIntegration{function: f, format: "2.0", telemetry: b.cfg.Telemetry}}},
	}}
}

// urlTimeout is the deadline of a request to a function's own URL: the function's, if that is longer than a route's.
func urlTimeout(def *host.Function) host.Setting[time.Duration] {
	if t := def.Plugin.Limits.Timeout; t.Value > host.DefaultRouteTimeout {
		return t
	}
	return host.Default(host.DefaultRouteTimeout)
}

// invoke calls the function with any JSON and returns its whole result.
func (f *function) invoke(ctx context.Context, tel *telemetry.Telemetry, x *host.Exchange, payload []byte) ([]byte, error) {
	out, err := f.plugin.call(ctx, tel, x, host.EntryHandle, host.Event{Meta: payload})
	if err != nil {
		return nil, err
	}
	if out.Body == nil {
		return out.Meta, nil
	}
	// A guest that wrote a body beside its meta answered as to a proxy event; by name, the body is the result.
	body, err := readAll(out.Body, f.plugin.cfg.Limits.MaxResult.Value)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return out.Meta, nil
	}
	return body, nil
}

// Invoke calls a function by name with any JSON, and returns its result, which is JSON unless the guest chose
// otherwise. An unknown name has Kind NotFound.
func (p *Pipeline) Invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	for def, f := range p.functions {
		if def.Name == name {
			x := &host.Exchange{ID: newRequestID(), Started: time.Now(), Match: host.Match{API: f.api, Stage: f.api.Stages[0], Route: f.route.def}}
			return f.invoke(ctx, p.telemetry, x, payload)
		}
	}
	return nil, &host.Error{Op: "invoke", Kind: host.NotFound, Err: fmt.Errorf("there is no function %q", name)}
}

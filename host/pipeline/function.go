package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/telemetry"
)

// A function is one version of a function, with its plugin, which may not be open yet.
type function struct {
	def     *host.Function
	version string // as its context and ARN have it
	plugin  *opening
}

// A functionURL is the API of one route by which a function's own host reaches it.
type functionURL struct {
	api   *host.API
	route *route
}

// A callee is what a function's name and qualifier mean: one version, or two that share the calls.
type callee struct {
	name, alias, arn string
	first, second    *function // second is nil for none
	weight           float64   // the share of second
	telemetry        *telemetry.Telemetry
}

// callee finds what a name and a qualifier mean. Its error has Kind NotFound, and says what may have been meant.
func (p *Pipeline) callee(name, qualifier string) (*callee, error) {
	versions, err := p.snapshot.Resolve(name, qualifier)
	if err != nil {
		return nil, p.suggest(err, name, qualifier)
	}
	c := &callee{name: name, alias: versions.Alias, arn: host.FunctionARN(name, qualifier), first: p.functions[versions.First], telemetry: p.telemetry}
	if versions.Second != nil {
		c.second, c.weight = p.functions[versions.Second], versions.Weight
	}
	return c, nil
}

// suggest adds the name that is nearest to one that is not there.
func (p *Pipeline) suggest(err error, name, qualifier string) error {
	var names, aliases []string
	known := false
	for _, f := range p.snapshot.Functions {
		names = append(names, f.Name)
		known = known || f.Name == name
	}
	for _, a := range p.snapshot.Aliases {
		if a.Function == name {
			aliases = append(aliases, a.Name)
		}
	}
	best := definition.Nearest(name, names)
	if known {
		best = definition.Nearest(qualifier, aliases)
	}
	if best == "" {
		return err
	}
	return &host.Error{Op: "function", Kind: host.NotFound, Err: fmt.Errorf("%w; did you mean %q?", errors.Unwrap(err), best)}
}

// choose draws the version of one call.
func (c *callee) choose() *function {
	if c.second != nil && rand.Float64() < c.weight {
		return c.second
	}
	return c.first
}

// call calls the function for an exchange, which then knows the version. take takes the result, as accept does; nil takes any.
func (c *callee) call(ctx context.Context, x *host.Exchange, in host.Event, take func(*plugin, host.Event) error) (host.Event, *function, error) {
	f := c.choose()
	x.Function, x.Alias = f.def, c.alias
	p, err := f.plugin.get(ctx)
	if err != nil {
		return host.Event{}, f, err
	}
	in.Function = c.context(f)
	call := &pluginCall{on: p.Plugin, telemetry: c.telemetry, exchange: x, entry: host.EntryHandle, function: f, alias: c.alias}
	if take != nil {
		call.accept = func(out host.Event) error { return take(p, out) }
	}
	out, err := p.run(ctx, call, in)
	return out, f, err
}

// answer is plugin.answer. A function that cannot be opened has one too, since its callers should not see the difference.
func (f *function) answer(ctx context.Context, err error) error {
	return (&plugin{cfg: &f.def.Plugin}).answer(ctx, err)
}

// context is what the function is told of itself.
func (c *callee) context(f *function) *host.FunctionContext {
	return &host.FunctionContext{Name: c.name, Version: f.version, ARN: c.arn}
}

// wholeResult returns the result of a call that was not one of HTTP: any JSON, in one piece.
func (f *function) wholeResult(out host.Event) (json.RawMessage, error) {
	if out.Body == nil {
		return out.Meta, nil
	}
	// A guest that wrote a body beside its meta answered as to a proxy event; by name, the body is the result.
	body, err := readResult(out.Body, f.def.Plugin.Limits.MaxResult)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return out.Meta, nil
	}
	return body, nil
}

// compileFunction takes a version of a function, whose plugin openPlugins has put in its place.
func (b *builder) compileFunction(def *host.Function) {
	version := "$LATEST" // Lambda's word for what has no number
	if def.Version > 0 {
		version = strconv.Itoa(def.Version)
	}
	b.p.functions[def] = &function{def: def, version: version, plugin: b.openings[&def.Plugin]}
}

// compileURL makes the API of one route that a function's own host leads to. def is the version by which the router knows it.
func (b *builder) compileURL(def *host.Function) {
	live, err := b.p.callee(def.Name, "")
	if err != nil || live.first.def != def {
		return // it has no host
	}
	timeout := live.first.urlTimeout()
	if live.second != nil {
		if t := live.second.urlTimeout(); t.Value > timeout.Value {
			timeout = t
		}
	}
	stage := &host.Stage{Name: host.DefaultStage}
	a := &host.API{Name: def.Name, Protocol: host.ProtocolHTTP, Stages: []*host.Stage{stage}, Pos: def.Pos}
	r := &host.Route{Key: host.DefaultRoute, Timeout: timeout, MaxBody: host.Default[int64](host.DefaultMaxBody),
		IdleTimeout: host.Default(host.DefaultStreamIdle), MaxDuration: host.Default(host.DefaultMaxDuration), Pos: def.Pos}
	b.p.urls[def] = &functionURL{api: a, route: &route{def: r, name: host.DefaultRoute, metrics: b.metrics(a, host.DefaultRoute), steps: []step{
		{host.PhaseLimit, &bodyLimit{max: r.MaxBody}},
		{host.PhaseIntegrate, &integrate{integration: &functionIntegration{function: live, format: "2.0"}}},
	}}}
}

// urlTimeout is the deadline of a request to a function's own URL: the function's, if that is longer than a route's.
func (f *function) urlTimeout() host.Setting[time.Duration] {
	if t := f.def.Plugin.Limits.Timeout; t.Value > host.DefaultRouteTimeout {
		return t
	}
	return host.Default(host.DefaultRouteTimeout)
}

package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
	"github.com/postern/postern/host/router"
	"github.com/postern/postern/host/telemetry"
)

// A Pipeline is a running snapshot. It is immutable and safe for concurrent use. Whoever wants to serve with it
// takes a hold first (Acquire) and lets go after (Release); what it owns is closed with the last hold, so that a
// pipeline which was replaced finishes its exchanges.
type Pipeline struct {
	snapshot  *host.Snapshot
	telemetry *telemetry.Telemetry
	accessLog bool
	queue     func(context.Context, Call) error // nil without a store
	waiting   atomic.Int64                      // asynchronous calls in the background, where there is no queue

	hosts     *router.Hosts
	unrouted  *telemetry.RouteMetrics // of requests that no API claims
	apis      map[*host.API]*api
	functions map[*host.Function]*function
	urls      map[*host.Function]*functionURL // by the version that the router knows
	openings  *openings

	shared   *Shared
	holds    atomic.Int64 // the builder's own is one
	releases []func(context.Context) error
}

// An api is what is compiled of one API.
type api struct {
	table    *router.Table
	manner   manner
	cors     *cors
	routes   map[*host.Route]*route
	notFound *route // answers what no route matches
}

// A route is what is compiled of one route.
type route struct {
	def     *host.Route // nil: nothing matched
	name    string      // the path's pattern, or $default; "" when nothing matched
	steps   []step
	metrics map[*host.Stage]*telemetry.RouteMetrics
}

func (r *route) spanName(method string) string {
	method = telemetry.Method(method)
	if r.name == "" {
		return method
	}
	return method + " " + r.name
}

// Snapshot returns what the pipeline was built from.
func (p *Pipeline) Snapshot() *host.Snapshot { return p.snapshot }

// Addresses returns where each stage and function answers, on a listener that authority reaches.
func (p *Pipeline) Addresses(scheme, authority string) []router.Address {
	return p.hosts.URLs(scheme, authority)
}

// Loading counts the versions of functions whose plugins are not open: not yet, or because that failed (Config.Background).
func (p *Pipeline) Loading() int { return p.openings.loading() }

// Failures tells of each version of a function whose plugin could not be opened why, by the last attempt.
func (p *Pipeline) Failures() map[*host.Function]error { return p.openings.failures() }

// Awaiting returns a test for functions, of any snapshot, whose code and configuration are those of a function of this pipeline that is not
// open: not yet, or because that failed.
func (p *Pipeline) Awaiting() func(*host.Function) bool {
	awaited := map[string]bool{}
	for _, o := range p.openings.list {
		if o.plugin.Load() == nil && o.def.Plugin.Source != nil {
			awaited[pluginKey(&o.def.Plugin, kindOf(host.EntryHandle), 0)] = true
		}
	}
	return func(f *host.Function) bool {
		return f.Plugin.Source != nil && awaited[pluginKey(&f.Plugin, kindOf(host.EntryHandle), 0)]
	}
}

// Acquire takes a hold. It reports false when the pipeline is closed; then a newer one is there.
func (p *Pipeline) Acquire() bool {
	for {
		n := p.holds.Load()
		if n == 0 {
			return false
		}
		if p.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release lets go of a hold. After the last one, the plugins that no other pipeline shares are closed, in the background:
// that waits for their running calls, and a client shall not wait with it. Shared.Wait does.
func (p *Pipeline) Release() {
	if p.holds.Add(-1) > 0 {
		return
	}
	go func() {
		defer p.shared.pipelines.Done()
		if err := p.close(); err != nil {
			p.telemetry.Logger.Error("closing a pipeline failed", "error", err)
		}
	}()
}

func (p *Pipeline) close() error {
	errs := []error{p.openings.close(context.Background())}
	for _, release := range p.releases {
		errs = append(errs, release(context.Background()))
	}
	return errors.Join(errs...)
}

// Serve takes a request through its route's steps and returns the response, never nil, whose End the caller must
// call. The caller's hold passes to the exchange, which lets go of it at its end.
func (p *Pipeline) Serve(ctx context.Context, request *host.Request) *host.Response {
	r := &run{pipeline: p, x: host.Exchange{ID: NewRequestID(), Started: time.Now(), Request: request, Trace: traceOf(ctx)}, arrived: request, manner: httpManner{}}
	p.telemetry.Metrics.Begin()
	whole := false
	defer func() {
		if !whole { // a panic, which is the listener's to answer
			r.abandon()
		}
	}()
	apiOf := p.match(r)
	r.bind(ctx)
	ctx = r.startRoot(r.bound)
	r.ctx = ctx
	r.takeBody()
	r.observe()

	preflight := apiOf != nil && apiOf.cors != nil && r.answerPreflight(apiOf.cors)
	if !preflight {
		r.forward(ctx)
	}
	r.backward(ctx)
	if apiOf != nil {
		apiOf.cors.mark(request, r.x.Response, preflight)
	}
	whole = true
	return r.finish()
}

// match finds API, stage and route. Where there is none, the route that answers 404 stands in.
func (p *Pipeline) match(r *run) *api {
	request := r.x.Request
	target, ok := p.hosts.Match(request.Host, request.Path())
	if !ok {
		r.route = &notFound
		if target.API != nil { // whose host it is, and only a stage is missing
			r.manner = p.apis[target.API].manner
		}
		return nil
	}
	if target.API != nil && chosen(target.Stage.Canary) {
		r.canary, target.API, target.Stage = true, target.Stage.Canary.API, target.Stage.Canary.Stage
	}
	m := &r.x.Match
	m.API, m.Stage, m.Path, m.BasePath, m.Domain, m.Mapped = target.API, target.Stage, target.Path, target.BasePath, target.Domain, target.Mapped
	if target.Function != nil {
		u := p.urls[target.Function]
		m.API, m.Stage, m.Route, r.route = u.api, u.api.Stages[0], u.route.def, u.route
		return nil
	}
	a := p.apis[target.API]
	r.manner = a.manner
	method := request.Method
	if target.API.Protocol == host.ProtocolREST {
		method = rest.RoutingMethod(request)
	}
	if method != request.Method { // all that follows goes by one method: a policy that allows the other one is not asked about it
		routed := *request
		routed.Method = method
		r.x.Request = &routed
	}
	def, params := a.table.Match(method, target.Path, nil)
	m.Route, m.Params = def, params
	if def == nil {
		r.route = a.notFound
		return a
	}
	r.route = a.routes[def]
	return a
}

// chosen draws whether a request to a stage goes to its canary.
func chosen(c *host.Canary) bool { return c != nil && rand.Float64()*100 < c.Percent }

// notFound is the route of what no API claims.
var notFound = route{steps: []step{{host.PhaseIntegrate, refuseUnknown{}}}}

// refuseUnknown answers what no route matches.
type refuseUnknown struct{}

func (refuseUnknown) Handle(_ context.Context, x *host.Exchange) (host.Second, error) {
	what := errors.New("no API answers at this host and path")
	if x.Match.API != nil {
		what = errors.New("no route of API " + x.Match.API.Name + " matches")
	}
	return nil, &host.Error{Op: "route", Kind: host.NotFound, Code: host.ResourceNotFound, Err: what}
}

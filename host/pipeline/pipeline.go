package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
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

	hosts     *router.Hosts
	unrouted  *telemetry.RouteMetrics // of requests that no API claims
	apis      map[*host.API]*api
	functions map[*host.Function]*function

	shared   *Shared
	holds    atomic.Int64 // the builder's own is one
	releases []func(context.Context) error
}

// An api is what is compiled of one API.
type api struct {
	table    *router.Table
	cors     *cors
	routes   map[*host.Route]*route
	notFound *route // answers what no route matches
}

// A route is what is compiled of one route.
type route struct {
	def     *host.Route // nil: nothing matched
	name    string      // the path's pattern, or $default; "" when nothing matched
	timeout time.Duration
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
	var errs []error
	for _, release := range p.releases {
		errs = append(errs, release(context.Background()))
	}
	return errors.Join(errs...)
}

// A run is one exchange on its way. It is the response's body too, so that it sees the last byte.
type run struct {
	pipeline  *Pipeline
	route     *route
	x         host.Exchange
	seconds   []host.Second // that the steps left, to be run on the way back
	root      trace.Span    // nil when tracing is off
	recording bool
	cancel    context.CancelFunc
	unhook    func() bool     // stops the closing of the request's body at the end of ctx; nil without a body
	ctx       context.Context // of the exchange, for its end: the one place where a context outlives its call

	body     io.ReadCloser
	written  int64
	bodyErr  error
	response *host.Response
}

// Serve takes a request through its route's steps and returns the response, never nil, whose End the caller must
// call. The caller's hold passes to the exchange, which lets go of it at its end.
func (p *Pipeline) Serve(ctx context.Context, request *host.Request) *host.Response {
	r := &run{pipeline: p, x: host.Exchange{ID: newRequestID(), Started: time.Now(), Request: request}}
	p.telemetry.Metrics.Begin()
	whole := false
	defer func() {
		if !whole { // a panic, which is the listener's to answer; nobody will call End
			r.release()
		}
	}()
	apiOf := p.match(r)
	if timeout := r.route.timeout; timeout > 0 {
		ctx, r.cancel = context.WithDeadline(ctx, r.x.Started.Add(timeout))
	}
	ctx = r.startRoot(ctx)
	r.ctx = ctx
	if request.Length != 0 {
		// Whoever reads the body may not look at ctx: closing it ends a read that waits for a client which sends no more.
		body := request.Body
		r.unhook = context.AfterFunc(ctx, func() { _ = body.Close() })
	}

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
		return nil
	}
	m := &r.x.Match
	m.API, m.Stage, m.Path, m.BasePath, m.Domain = target.API, target.Stage, target.Path, target.BasePath, target.Domain
	if target.Function != nil {
		f := p.functions[target.Function]
		m.API, m.Stage, m.Route, r.route = f.api, f.api.Stages[0], f.route.def, f.route
		return nil
	}
	a := p.apis[target.API]
	def, params := a.table.Match(request.Method, target.Path, nil)
	m.Route, m.Params = def, params
	if def == nil {
		r.route = a.notFound
		return a
	}
	r.route = a.routes[def]
	return a
}

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

func (r *run) answerPreflight(c *cors) bool {
	r.x.Response = c.preflight(r.x.Request)
	return r.x.Response != nil
}

// forward runs the steps until one answers early or refuses.
func (r *run) forward(ctx context.Context) {
	for i := range r.route.steps {
		s := &r.route.steps[i]
		second, err := r.step(ctx, s)
		if second != nil {
			r.seconds = append(r.seconds, second)
		}
		if err != nil {
			r.fail(err)
			return
		}
		if r.x.Response != nil && s.phase < host.PhaseIntegrate {
			return
		}
	}
}

// step runs one step, under its span when the exchange is recorded.
func (r *run) step(ctx context.Context, s *step) (host.Second, error) {
	if !r.recording || s.phase == host.PhaseLimit {
		return s.handler.Handle(ctx, &r.x)
	}
	ctx, span := r.pipeline.telemetry.Tracer.Start(ctx, s.phase.String())
	second, err := s.handler.Handle(ctx, &r.x)
	if s.phase == host.PhaseIntegrate && err == nil && r.x.Response.Body != nil {
		r.x.Response.Body = closing(r.x.Response.Body, func(err error) { endSpan(span, err) })
		return second, nil
	}
	endSpan(span, err)
	return second, err
}

// backward runs the second halves, last first.
func (r *run) backward(ctx context.Context) {
	for i := len(r.seconds) - 1; i >= 0; i-- {
		if err := r.seconds[i].Response(ctx, &r.x); err != nil {
			r.fail(err)
		}
	}
}

// fail makes the error's response the exchange's. The first error is the one that is told.
func (r *run) fail(err error) {
	if r.x.Response != nil && r.x.Response.Body != nil {
		_ = r.x.Response.Body.Close() // it is replaced, and its own failure changes nothing
	}
	err = r.overdue(err)
	if r.x.Err == nil {
		r.x.Err = err
	}
	r.x.Response = Respond(err)
}

// overdue makes the route's deadline the reason of a failure, once it has passed: whatever a step makes of being
// stopped, of a body that is closed under its hands for example, the one deadline is why.
func (r *run) overdue(err error) error {
	if !errors.Is(context.Cause(r.ctx), context.DeadlineExceeded) {
		return err
	}
	switch host.KindOf(err) {
	case host.Internal, host.Invalid, host.Timeout, host.Unavailable:
	default:
		return err
	}
	limit := r.route.def.Timeout
	return &host.Error{Op: "request", Kind: host.Timeout, Code: host.IntegrationTimeout, Pos: limit.Pos,
		Err: fmt.Errorf("not done within the route's timeout of %v (%s): %w", limit.Value, limit.Origin(), err)}
}

// finish hands the response over, with this run between it and the listener.
func (r *run) finish() *host.Response {
	resp := r.x.Response
	resp.Header.Set("Apigw-Requestid", r.x.ID)
	resp.End = r.end
	if resp.Body != nil {
		r.body, resp.Body = resp.Body, r
	}
	r.response = resp
	return resp
}

// Read counts what goes out and keeps the error that cut it.
func (r *run) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.written += int64(n)
	if err != nil && err != io.EOF {
		r.bodyErr = err
	}
	return n, err
}

// Close closes the response's body.
func (r *run) Close() error { return r.body.Close() }

// end runs once after the last byte or the disconnect: second halves, metrics, access log, span, the deadline's timer.
func (r *run) end(err error) {
	if r.bodyErr != nil {
		err = r.bodyErr
	}
	for i := len(r.seconds) - 1; i >= 0; i-- {
		r.seconds[i].End(err)
	}
	status := r.response.Status
	cause := r.x.Err
	if cause == nil {
		cause = err
	}
	if cause != nil && r.left() {
		status = statusClientGone
	}
	failed := status >= 500 || r.bodyErr != nil && status != statusClientGone // cut off behind its status line
	elapsed := time.Since(r.x.Started)
	r.record(status, elapsed)
	r.log(status, failed, elapsed, cause)
	r.endRoot(status, failed, cause)
	r.release()
}

// release gives back what the exchange held: the deadline's timer, its place among the active, the pipeline.
func (r *run) release() {
	if r.unhook != nil {
		r.unhook()
	}
	if r.cancel != nil {
		r.cancel()
	}
	r.pipeline.telemetry.Metrics.End()
	r.pipeline.Release()
}

// left reports whether the client went away, rather than the deadline having passed.
func (r *run) left() bool {
	cause := context.Cause(r.ctx)
	return cause != nil && !errors.Is(cause, context.DeadlineExceeded)
}

func (r *run) record(status int, elapsed time.Duration) {
	if m := r.route.metrics[r.x.Match.Stage]; m != nil {
		m.Record(r.ctx, r.x.Request.Method, status, elapsed)
		return
	}
	r.pipeline.unrouted.Record(r.ctx, r.x.Request.Method, status, elapsed)
}

// newRequestID returns 24 hexadecimal digits. They are unique for all practical purposes, and no secret.
func newRequestID() string {
	var raw [12]byte
	a, b := rand.Uint64(), rand.Uint32()
	for i := range 8 {
		raw[i] = byte(a >> (8 * i))
	}
	for i := range 4 {
		raw[8+i] = byte(b >> (8 * i))
	}
	return hex.EncodeToString(raw[:])
}

package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/grpc"
)

// A run is one exchange on its way. It is the response's body too, so that it sees the last byte.
type run struct {
	pipeline  *Pipeline
	route     *route
	manner    manner
	x         host.Exchange
	arrived   *host.Request // as the client sent it; filters may have made x.Request another one
	seconds   []host.Second // that the steps left, to be run on the way back
	root      trace.Span    // nil when tracing is off
	recording bool
	canary    bool // of the stage that was asked for
	bound     *deadline
	call      *time.Timer     // of what a gRPC client allows; nil where it says nothing
	activity  activity        // of an exchange that streams
	incoming  incoming        // the request's body; zero without one
	unhook    func() bool     // stops the closing of the request's body at the end of ctx; nil without a body
	ctx       context.Context // of the exchange, for its end: the one place where a context outlives its call

	body     io.ReadCloser
	written  int64
	whole    bool // the body was read to its end
	bodyErr  error
	response *host.Response

	switched bool  // the connection was upgraded, and has ended
	received int64 // bytes from the client on it
	farewell error // why it was ended from here; nil when it was not
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
		r.observeStep(s.phase, err)
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
	r.x.Response = r.manner.refuse(&r.x, r.arrived, err)
	if r.x.Trace != nil {
		r.x.Trace.Add(host.TraceEvent{Name: host.TraceFailure, Detail: err.Error(), Status: r.x.Response.Status})
	}
}

// overdue makes a limit of time the reason of a failure, once it has ended the exchange: whatever a step makes of being
// stopped, of a body that is closed under its hands for example, the one limit is why.
func (r *run) overdue(err error) error {
	limit := limitOf(r.ctx)
	if limit == nil {
		limit = expired(&r.x)
	}
	return because(limit, err)
}

// finish hands the response over, with this run between it and the listener.
func (r *run) finish() *host.Response {
	if err := r.manner.seal(&r.x, r.x.Response); err != nil {
		r.fail(err)
		_ = r.manner.seal(&r.x, r.x.Response) // it has told of the failure already
	}
	resp := r.x.Response
	if resp.Length > 0 && resp.Body == nil && r.arrived.Method != "HEAD" && resp.Status != 304 { // what a HEAD of the integration's was told would have come
		resp.Length = 0
		resp.Header.Del("Content-Length")
	}
	traceResponse(&r.x, host.TraceResponse, resp, time.Time{})
	resp.End = r.end
	if streams(&r.x, resp) {
		r.stream()
	}
	if resp.Body != nil {
		r.body, resp.Body = resp.Body, r
	}
	if resp.Upgrade != nil {
		resp.Upgrade = r.upgraded(resp.Upgrade)
	}
	r.response = resp
	return resp
}

// Read counts what goes out and keeps the error that cut it.
func (r *run) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if n > 0 {
		r.written += int64(n)
		if r.activity.route != nil {
			r.activity.touch()
		}
	}
	switch limit := r.cut(); {
	case err == nil:
	case err != io.EOF:
		r.bodyErr = r.overdue(err)
		if told := (*grpc.Told)(nil); errors.As(err, &told) {
			return n, io.EOF // by a status
		}
	case limit != nil: // whoever made the body was stopped, and took that for its end
		r.bodyErr, err = limit, limit
	default:
		r.whole = true
	}
	return n, err
}

// cut returns the limit that has cut a body which streams, nil where none has.
func (r *run) cut() error {
	if r.activity.route != nil && !r.switched { // what was upgraded says goodbye
		if limit := limitOf(r.ctx); limit != nil {
			return limit
		}
	}
	return nil
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
	if cause == nil {
		cause = r.farewell
	}
	if cause != nil && !r.switched {
		switch why := context.Cause(r.ctx); {
		case errors.Is(why, host.Unavailable): // the listener cut it
			status, cause = outcomes[host.Unavailable].status, why
		case errors.Is(why, context.Canceled), r.cutByClient():
			status = statusClientGone
		}
	}
	failed := r.failed(status)
	elapsed := time.Since(r.x.Started)
	r.record(status, elapsed)
	r.log(status, failed, elapsed, cause)
	r.endRoot(status, failed, cause)
	r.release()
}

// cutByClient reports whether the response broke off where the client left in the middle of its request. On HTTP/1 whoever reads the
// body hears of that first, and ends what is made of it before the context ends.
func (r *run) cutByClient() bool { return r.bodyErr != nil && r.incoming.left.Load() }

// failed reports whether the gateway or what is behind it failed, if only behind the status line.
func (r *run) failed(status int) bool {
	switch {
	case status == statusClientGone:
		return false
	case status >= 500 || r.bodyErr != nil:
		return true
	}
	if own := (*answered)(nil); errors.As(r.x.Err, &own) { // whatever its status is
		return true
	}
	return r.x.Err != nil && requestType(r.arrived).Form != grpc.None && outcomeFor(r.x.Err).status >= 500
}

// grpcStatus returns the status that a gRPC client was told, as far as it is known; "" for other exchanges.
func (r *run) grpcStatus() string {
	if requestType(r.arrived).Form == grpc.None {
		return ""
	}
	if r.response == nil { // a panic
		return ""
	}
	trailer := r.response.Trailer
	if trailer == nil {
		trailer = r.response.BodyTrailer
	}
	if status := r.response.Header.Get(grpc.StatusField); status != "" || !r.whole && r.bodyErr == nil || trailer == nil {
		return status
	}
	return trailer().Get(grpc.StatusField)
}

// abandon ends an exchange that a panic has broken off: nobody will call end.
func (r *run) abandon() {
	if resp := r.x.Response; resp != nil && resp.Body != nil {
		_ = resp.Body.Close() // the panic is the failure that is told
	}
	for i := len(r.seconds) - 1; i >= 0; i-- {
		r.seconds[i].End(errPanic)
	}
	if r.ctx != nil { // the panic came behind its start
		r.record(500, time.Since(r.x.Started))
		r.endRoot(500, true, errPanic)
	}
	r.release()
}

var errPanic = errors.New("a panic")

// release gives back what the exchange held: the timers of its limits, its place among the active, the pipeline.
func (r *run) release() {
	if r.unhook != nil {
		r.unhook()
	}
	if r.call != nil {
		r.call.Stop()
	}
	r.activity.end()
	if r.bound != nil { // a panic may come before it
		r.bound.end()
	}
	r.pipeline.telemetry.Metrics.End()
	r.pipeline.Release()
}

func (r *run) record(status int, elapsed time.Duration) {
	if m := r.route.metrics[r.x.Match.Stage]; m != nil {
		m.Record(r.ctx, r.arrived.Method, status, elapsed)
		return
	}
	r.pipeline.unrouted.Record(r.ctx, r.arrived.Method, status, elapsed)
}

// NewRequestID returns 24 hexadecimal digits. They are unique for all practical purposes, and no secret.
func NewRequestID() string {
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

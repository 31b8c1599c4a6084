package pipeline

import (
	"context"
	"errors"
	"io"
	"math"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/grpc"
)

// streams reports whether the response is one whose end nobody can foresee: the route's timeout then ends with its head, and
// from there the limits of streams hold.
func streams(x *host.Exchange, resp *host.Response) bool {
	if resp.Upgrade != nil {
		return true
	}
	return resp.Body != nil && (slow(x) || resp.Header.IsEventStream())
}

// slow reports whether a request belongs to an exchange that streams, whatever the answer is.
func slow(x *host.Exchange) bool {
	return x.Match.Route != nil && x.Match.Route.Streaming || requestType(x.Request).Form != grpc.None
}

func requestType(r *host.Request) grpc.Type { return grpc.ParseType(r.Header.Get("Content-Type")) }

const pastMaxDuration = "not done within the route's maxDuration"

// bind makes the context of the exchange, with the route's timeout and what a gRPC client allows its call. Where the route streams, that
// takes the timeout's place, and maxDuration holds from the beginning: a client must not be the only one to say how long it may take.
func (r *run) bind(ctx context.Context) {
	allowed, ok := callTimeout(r.x.Request)
	limit, what := host.Setting[time.Duration]{}, "not done within the route's timeout"
	switch def := r.route.def; {
	case def == nil:
	case ok && def.Streaming:
		limit, what = def.MaxDuration, pastMaxDuration
	default:
		limit = def.Timeout
	}
	var at time.Time
	if limit.Value > 0 {
		at = r.x.Started.Add(limit.Value)
	}
	r.bound = newDeadline(ctx, at, func() error { return late(what, limit) })
	if ok {
		r.call = time.AfterFunc(allowed, func() { r.bound.cancel(lateCall(allowed)) })
	}
}

// callTimeout returns what a gRPC client allows its call, and whether it says anything of that.
func callTimeout(r *host.Request) (time.Duration, bool) {
	if requestType(r).Form == grpc.None {
		return 0, false
	}
	return grpc.ParseTimeout(r.Header.Get("Grpc-Timeout"))
}

func lateCall(allowed time.Duration) *host.Error {
	return lateFor("the client's grpc-timeout", allowed)
}

// expired returns the client's grpc-timeout as the reason of a failure, where that has passed; nil where it has not. The upstream has the
// same deadline, and may be the first to act on it.
func expired(x *host.Exchange) *host.Error {
	if allowed, ok := callTimeout(x.Request); ok && time.Since(x.Started) >= allowed {
		return lateCall(allowed)
	}
	return nil
}

// takeBody lays this run around the request's body.
func (r *run) takeBody() {
	request := r.x.Request
	if request.Length == 0 {
		return
	}
	r.incoming.ReadCloser, r.incoming.run = request.Body, r
	request.Body = &r.incoming
	// Whoever reads the body may not look at the context: closing it ends a read that waits for a client which sends no more.
	body := r.incoming.ReadCloser
	r.unhook = context.AfterFunc(r.ctx, func() { _ = body.Close() })
	if slow(&r.x) {
		r.incoming.Unhurried()
	}
}

// stream begins the limits of streams, in place of the route's timeout.
func (r *run) stream() {
	r.bound.lift()
	r.activity.begin(r.bound, r.route.def, r.x.Started)
	r.incoming.Unhurried()
}

// An activity ends an exchange that streams when no byte has passed for a while, or when it has gone on for too long.
type activity struct {
	bound *deadline
	route *host.Route
	last  atomic.Int64 // when a byte passed, in Unix nanoseconds
	idle  *time.Timer
	whole *time.Timer
}

// begin starts the limits of an exchange that began at started.
func (a *activity) begin(bound *deadline, route *host.Route, started time.Time) {
	a.bound, a.route = bound, route
	if d := route.MaxDuration.Value; d > 0 {
		a.whole = time.AfterFunc(time.Until(started.Add(d)), func() { bound.cancel(late(pastMaxDuration, route.MaxDuration)) })
	}
	if d := route.IdleTimeout.Value; d > 0 {
		a.touch()
		a.idle = time.AfterFunc(math.MaxInt64, a.look) // which reads a.idle
		a.idle.Reset(d)
	}
}

// touch says that bytes have passed.
func (a *activity) touch() { a.last.Store(time.Now().UnixNano()) }

// look runs when the exchange may have idled for long enough.
func (a *activity) look() {
	limit := a.route.IdleTimeout
	left := limit.Value - time.Since(time.Unix(0, a.last.Load()))
	switch {
	case a.bound.Context.Err() != nil:
	case left > 0:
		a.idle.Reset(left)
	default:
		a.bound.cancel(late("no byte either way within the route's idleTimeout", limit))
	}
}

func (a *activity) end() {
	if a.idle != nil {
		a.idle.Stop()
	}
	if a.whole != nil {
		a.whole.Stop()
	}
}

// An incoming is the request's body, which tells when its bytes pass.
type incoming struct {
	io.ReadCloser
	run  *run
	left atomic.Bool // the client ended its half of the connection in the middle of it
}

// Read implements io.Reader.
func (b *incoming) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.run.activity.touch()
	}
	if err != nil && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)) { // not by a Close from here
		b.left.Store(true)
	}
	return n, err
}

// Unhurried implements host.Unhurried.
func (b *incoming) Unhurried() {
	if body, ok := b.ReadCloser.(host.Unhurried); ok {
		body.Unhurried()
	}
}

package listener

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
)

// A pace measures how fast a body comes while somebody waits for it. Time in which nobody reads does not count.
type pace struct {
	unhurried atomic.Bool
	since     time.Time
	waited    time.Duration
	got       int64
}

func (p *pace) reset() {
	p.unhurried.Store(false)
	p.waited, p.got = 0, 0
}

// start returns the deadline of the next read, the zero time for none.
func (p *pace) start(l Limits) time.Time {
	if p.unhurried.Load() || l.BodyIdle <= 0 {
		p.since = time.Time{}
		return p.since
	}
	p.since = time.Now()
	wait := l.BodyIdle
	if l.BodyRate > 0 {
		earned := time.Duration(min(p.got, math.MaxUint32)) * time.Second / time.Duration(l.BodyRate)
		wait = min(wait, max(l.BodyIdle+earned-p.waited, 0))
	}
	return p.since.Add(wait)
}

// stop is told how many bytes the read brought.
func (p *pace) stop(n int) {
	p.got += int64(n)
	if !p.since.IsZero() {
		p.waited += time.Since(p.since)
	}
}

// Unhurried implements host.Unhurried.
func (b *body) Unhurried() {
	b.pace.unhurried.Store(true)
	b.gate.Lock() // as in interrupt: the connection may serve another request already
	defer b.gate.Unlock()
	if b.conn != nil && !b.over {
		b.conn.pace.unhurried.Store(true)
	}
}

var _ host.Unhurried = (*body)(nil)

// context is the request's, except that a client which ends its half of the connection in the middle of a body has not left: its
// message is not complete, which reading the body tells, and that is answered with 400 (RFC 9112, section 8). Nor has one left
// whose body was given up here: net/http takes the interrupted read for the client's end.
func (x *exchange) context() context.Context {
	parent := x.r.Context()
	switch {
	case x.conn == nil: // quic-go's context knows nothing of the listener's end
		ctx, cancel := context.WithCancelCause(parent)
		stop := context.AfterFunc(x.l.base, func() { cancel(context.Cause(x.l.base)) })
		x.left = func() { cancel(context.Canceled) }
		x.release = func() {
			stop()
			cancel(nil)
		}
		return ctx
	case x.body.conn == nil:
		return parent
	}
	ctx, cancel := context.WithCancelCause(x.l.base)
	stop := context.AfterFunc(parent, func() {
		if !x.conn.short.Load() && !x.conn.cut.Load() {
			cancel(context.Cause(parent))
		}
	})
	x.release = func() {
		stop()
		cancel(nil)
	}
	return ctx
}

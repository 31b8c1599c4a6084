package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
)

// A deadline is a context that ends at a moment, unless that is lifted before. context.WithDeadline has one that holds for ever,
// where a response that streams has its deadline behind it with its head.
//
// It has the manners of context.WithDeadline: Deadline tells the moment, and Err is context.DeadlineExceeded once it has passed. The
// cause tells which limit it was, and where that is set.
type deadline struct {
	context.Context
	cancel context.CancelCauseFunc
	at     time.Time
	lifted atomic.Bool
	timer  *time.Timer // nil without a moment
}

// newDeadline returns a context that ends at the given moment with the cause that passed makes; the zero time is none.
func newDeadline(parent context.Context, at time.Time, passed func() error) *deadline {
	d := &deadline{at: at}
	d.Context, d.cancel = context.WithCancelCause(parent)
	if at.IsZero() {
		d.lifted.Store(true)
		return d
	}
	d.timer = time.AfterFunc(time.Until(at), func() { d.cancel(passed()) })
	return d
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) {
	at, ok := d.Context.Deadline()
	if d.lifted.Load() || ok && at.Before(d.at) {
		return at, ok
	}
	return d.at, true
}

// Err implements context.Context.
func (d *deadline) Err() error {
	err := d.Context.Err()
	if err != nil && errors.Is(context.Cause(d.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// lift takes the moment away. It has no effect once that has passed.
func (d *deadline) lift() {
	d.lifted.Store(true)
	if d.timer != nil {
		d.timer.Stop()
	}
}

// end frees the context.
func (d *deadline) end() {
	d.lift()
	d.cancel(nil)
}

// late is the cause of a context that a limit has ended. What is a sentence that says what did not happen within it.
func late(what string, limit host.Setting[time.Duration]) error {
	return &host.Error{Op: "request", Kind: host.Timeout, Code: host.IntegrationTimeout, Pos: limit.Pos,
		Err: &passed{fmt.Sprintf("%s of %v (%s)", what, limit.Value, limit.Origin())}}
}

// lateFor is late for a limit that no file sets.
func lateFor(limit string, d time.Duration) *host.Error {
	return &host.Error{Op: "request", Kind: host.Timeout, Code: host.IntegrationTimeout,
		Err: &passed{fmt.Sprintf("not done within %s of %v", limit, d)}}
}

// passed is context.DeadlineExceeded in better words.
type passed struct{ text string }

func (p *passed) Error() string { return p.text }

func (p *passed) Is(target error) bool { return target == context.DeadlineExceeded }

// because makes limit the reason of a failure that may come from it. A nil limit changes nothing.
func because(limit *host.Error, err error) error {
	if limit == nil {
		return err
	}
	switch host.KindOf(err) {
	case host.Internal, host.Invalid, host.Timeout, host.Unavailable, host.BadGateway:
	default:
		return err
	}
	out := *limit
	out.Err = fmt.Errorf("%w: %w", limit.Err, err)
	return &out
}

// limitOf returns the limit that has ended ctx, nil where something else did or nothing.
func limitOf(ctx context.Context) *host.Error {
	var limit *host.Error
	if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) && errors.As(cause, &limit) {
		return limit
	}
	return nil
}

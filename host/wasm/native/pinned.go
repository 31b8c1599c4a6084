package native

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// Pin implements host.Pinner.
func (p *Plugin) Pin(ctx context.Context) (host.Pinned, error) {
	asked := time.Now()
	inst, err := p.pool.Acquire(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &pinned{pool: p.pool, inst: inst, waited: time.Since(asked), cold: inst.Cold()}, nil
}

// A pinned is an instance that is leased for several calls.
type pinned struct {
	pool   *engine.Pool
	inst   *engine.Instance // nil once it is lost
	waited time.Duration    // until it was leased
	cold   bool
	called bool

	mu       sync.Mutex
	last     *call // the one that runs, or ran
	busy     bool
	released bool
}

var _ host.Pinned = (*pinned)(nil)

// Call implements host.Pinned. A Wasm instance does one thing at a time: while the last call's body is still being made, this one
// waits. It would wait for ever where that body's reader waits for this call, as an upstream may that answers before it reads; so a guest that
// is held back by its reader is, after stream.Grace, told that its reader has gone, and what it had to say is cut off.
func (p *pinned) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	c := newCall(p.pool.Plugin(), entry, in, fx)
	c.stats = host.CallStats{Cold: p.cold, Waited: p.waited}
	p.cold, p.waited = false, 0
	asked := time.Now()
	if err := p.await(ctx, c); err != nil {
		return host.Event{}, err
	}
	if err := p.begin(ctx, fx); err != nil {
		p.ended()
		return host.Event{Stats: c.stats}, err
	}
	c.stats.Waited += time.Since(asked)
	return c.serve(ctx, p.inst, p.ended)
}

// await takes the instance for c, as soon as the last call has ended.
func (p *pinned) await(ctx context.Context, c *call) error {
	if last := p.take(c); last != nil {
		last.stream.Out.Hurry()
		select {
		case <-last.stream.Done():
		case <-ctx.Done():
			kind := host.Unavailable
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				kind = host.Timeout
			}
			return c.fail(kind, fmt.Errorf("waiting for the end of %s: %w", last.entry, context.Cause(ctx)))
		}
		p.take(c)
	}
	p.mu.Lock()
	taken := p.last == c
	p.mu.Unlock()
	switch {
	case !taken:
		return c.fail(host.Internal, errors.New("the instance was given back"))
	case p.inst == nil || p.inst.Broken():
		p.ended()
		return c.fail(host.Internal, errors.New("its instance was lost in an earlier call"))
	}
	return nil
}

// begin puts an instance that was started on the effects of the first call into the place of the one that Pin took, where they want
// that: Pin cannot know them.
func (p *pinned) begin(ctx context.Context, fx host.Effects) error {
	first := !p.called
	p.called = true
	if _, ok := fx.(host.Starter); !ok || !first {
		return nil
	}
	p.release()
	inst, err := p.pool.Acquire(ctx, fx)
	if err != nil {
		return err
	}
	p.inst = inst
	return nil
}

func (p *pinned) release() {
	if p.inst != nil {
		p.inst.Release()
	}
	p.inst = nil
}

// take gives c the instance, unless it was given back; it returns the call that must end before.
func (p *pinned) take(c *call) (running *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.busy:
		return p.last
	case !p.released:
		p.last, p.busy = c, true
	}
	return nil
}

// ended is called when a call's guest has ended.
func (p *pinned) ended() {
	p.mu.Lock()
	p.busy = false
	released := p.released
	p.mu.Unlock()
	if released {
		p.release()
	}
}

// Release implements host.Pinned.
func (p *pinned) Release() {
	p.mu.Lock()
	again, busy, last := p.released, p.busy, p.last
	p.released = true
	p.mu.Unlock()
	switch {
	case again:
	case busy:
		last.stream.Abandon()
	default:
		p.release()
	}
}

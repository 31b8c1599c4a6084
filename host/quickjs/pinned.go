package quickjs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// filter calls one half of a filter on an instance of its own, which it keeps until the result's body is closed.
func (p *Plugin) filter(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	pinned, err := p.Pin(ctx)
	if err != nil {
		return host.Event{}, err
	}
	out, err := pinned.Call(ctx, entry, in, fx)
	if _, whole := out.Body.(*resultBody); out.Body == nil || whole {
		pinned.Release()
		return out, err
	}
	out.Body = &releasing{out.Body, pinned}
	return out, err
}

// A releasing body gives the instance back that makes it.
type releasing struct {
	io.ReadCloser
	pinned host.Pinned
}

// Close ends the body and the lease.
func (r *releasing) Close() error {
	err := r.ReadCloser.Close()
	r.pinned.Release()
	return err
}

// A pinned is an instance that serves both halves of one exchange. The guest runs from the first call to Release, so that
// the bodies of both may stream at once.
type pinned struct {
	plugin *Plugin
	over   atomic.Bool // nobody answers any more
	waited time.Duration

	mu       sync.Mutex
	inst     *engine.Instance
	call     *call // nil until the first half comes
	released bool

	done   bool    // released, and the guest's goroutine knows, to which all below belongs
	asking *asking // whose answer is being made; nil when none is
}

var _ host.Pinned = (*pinned)(nil)

// Pin leases an instance. A call's timeout ends when its answer is there. From then on, while bodies pass, it bounds the time that the script goes without
// reading or writing some, and that is not counted while it waits for who sends or reads them.
func (p *Plugin) Pin(ctx context.Context) (host.Pinned, error) {
	asked := time.Now()
	inst, err := p.instances.Acquire(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &pinned{plugin: p, inst: inst, waited: time.Since(asked)}, nil
}

// Call runs one half. It may begin while the body of the other still streams.
func (s *pinned) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	if !isFilter(entry) {
		return host.Event{}, &host.Error{Op: "call " + s.plugin.cfg.Name, Kind: host.Unsupported, Err: fmt.Errorf("a pinned script runs filters, not %s", entry)}
	}
	a := newAsking(ctx, entry, incoming{meta: in.Meta, stream: in}, 0, false)
	c, fresh, err := s.begin(ctx, a, fx)
	if err != nil {
		return host.Event{}, err
	}
	if c != nil && !fresh {
		c.follow(a)
		c.loop.post(func() []any { return s.next(a, fx) })
	}
	if c == nil || s.over.Load() {
		a.give(host.Event{}, &host.Error{Op: "call " + s.plugin.cfg.Name, Kind: host.Internal, Err: errors.New("the instance has failed before, or was released")})
	}
	answer := <-a.answer
	if answer.event.Body == nil || answer.err != nil {
		a.unhook()
	}
	return answer.event, answer.err
}

// begin starts the guest for the first half; of a later one it returns the call, and of none when the instance was released.
func (s *pinned) begin(ctx context.Context, a *asking, fx host.Effects) (c *call, fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released || s.call != nil {
		if s.released {
			return nil, false, nil
		}
		return s.call, false, nil
	}
	if _, ok := fx.(host.Starter); ok { // it wants one that was started on its effects, which Pin cannot know
		s.inst.Release()
		if s.inst, err = s.plugin.instances.Acquire(ctx, fx); err != nil {
			s.released = true
			return nil, false, err
		}
	}
	c = s.plugin.newCall(ctx, fx, s.inst)
	c.pinned = s
	a.cold, a.waited = s.inst.Cold(), s.waited
	s.call, s.asking = c, a
	c.follow(a)
	c.queue = append(c.queue, c.event(a, true))
	go s.run(c, a)
	return c, true, nil
}

// next begins another half.
func (s *pinned) next(a *asking, fx host.Effects) []any {
	c := s.call
	c.fx.Effects = fx
	c.begin(a.ctx)
	c.inst.Hold()
	c.inst.Resume(true)
	c.state, c.made = unanswered, nil
	s.asking = a
	return c.event(a, false)
}

// run is all that the instance does while it is pinned.
func (s *pinned) run(c *call, first *asking) {
	err := c.inst.CallWatched(c.ctx, "run", make([]uint64, 1), c, c.fx)
	err = c.outcome(err)
	s.over.Store(true)
	failure := err
	if failure == nil {
		failure = c.failed(errEnded)
	}
	if c.streams > 0 {
		c.inst.Break() // the script still works on them
	}
	a := c.asked.Load()
	a.give(host.Event{Stats: c.stats(a)}, failure)
	c.finish(a, err)
}

// answer tells the caller, and begins to count the time between reads and writes.
func (s *pinned) answer(out host.Event, err error) {
	c, a := s.call, s.asking
	s.asking = nil
	c.state, c.made = given, nil
	if a == nil {
		return
	}
	out.Stats = c.stats(a)
	a.body, _ = out.Body.(outgoing)
	c.inst.Hold()
	c.inst.Resume(true)
	a.give(out, err)
}

// giveUp fails the call at work when nothing is left to wait for, and reports whether there was one.
func (s *pinned) giveUp() bool {
	if s.asking == nil {
		return false
	}
	s.answer(host.Event{}, s.call.failed(errStuck))
	return true
}

// Release ends what still runs, and gives the instance back.
func (s *pinned) Release() {
	s.mu.Lock()
	c, again := s.call, s.released
	s.released = true
	s.mu.Unlock()
	switch {
	case again:
		return
	case c == nil:
		s.inst.Release()
		return
	}
	c.loop.post(func() []any {
		s.done = true
		return nil
	})
}

// idle stops the clock of a pinned instance while the script waits for others. The function that it returns lets it go on.
func (c *call) idle() (goOn func()) {
	if c.pinned == nil || c.pinned.asking != nil || c.streams > 0 && c.peers == 0 {
		return func() {}
	}
	c.inst.Hold()
	return func() { c.inst.Resume(true) }
}

// progress notes that the script read or wrote some of a body.
func (c *call) progress() {
	if c.pinned != nil && c.pinned.asking == nil {
		c.inst.Hold()
		c.inst.Resume(true)
	}
}

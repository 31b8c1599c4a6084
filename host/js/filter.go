package js

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

func isFilter(entry string) bool {
	return entry == host.EntryFilterRequest || entry == host.EntryFilterResponse
}

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

// A pinned is an instance that serves both halves of one exchange. Its loop turns from the first call to Release, so that
// the bodies of both may stream at once.
type pinned struct {
	plugin *Plugin
	call   *call
	over   atomic.Bool // nobody answers any more

	mu       sync.Mutex
	began    bool
	released bool

	done    bool          // released, and the script's goroutine knows, to which all below belongs
	asking  *asking       // whose answer is being made, with its promise
	promise *goja.Promise // nil when none is
	context *goja.Object  // that both halves see
}

var (
	_ host.Pinner = (*Plugin)(nil)
	_ host.Pinned = (*pinned)(nil)
)

// Pin leases a place for an instance until Release; the first call takes the instance. A call's timeout ends when its answer is
// there. From then on, while bodies pass, it bounds the time that the script goes without reading or writing some, and that is
// not counted while it waits for who sends or reads them.
func (p *Plugin) Pin(ctx context.Context) (host.Pinned, error) {
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	c := p.newCall(ctx, &host.StartEffects{Logger: p.module.runtime.logger, Plugin: &p.cfg}, p.timeout())
	c.timer.Stop()
	c.loop.listen()
	c.pinned = &pinned{plugin: p, call: c}
	return c.pinned, nil
}

// Call runs one half. It may begin while the body of the other still streams.
func (s *pinned) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	c := s.call
	if !isFilter(entry) {
		return host.Event{}, &host.Error{Op: "call " + s.plugin.cfg.Name, Kind: host.Unsupported, Err: fmt.Errorf("a pinned script runs filters, not %s", entry)}
	}
	a := newAsking(ctx, entry, event{meta: in.Meta, stream: in}, 0)
	c.follow(a)
	begin := func() { s.begin(a, fx) }
	s.mu.Lock()
	fresh, released := !s.began, s.released
	s.began = true
	s.mu.Unlock()
	switch {
	case released:
	case fresh:
		c.fx = fx // the instance is loaded for this call
		c.loop.conduct(fx)
		c.apart(func() { s.run(a, begin) }, c.lost)
	default:
		c.loop.post(func() error {
			begin()
			return nil
		})
	}
	if released || s.over.Load() || c.phase.Load() != running {
		a.give(host.Event{}, &host.Error{Op: "call " + s.plugin.cfg.Name, Kind: host.Internal, Err: errors.New("the instance has failed before, or was released")})
	}
	answer := <-a.answer
	if answer.event.Body == nil || answer.err != nil {
		a.unhook()
	}
	return answer.event, answer.err
}

// Release ends what still runs, and gives the instance back.
func (s *pinned) Release() {
	s.mu.Lock()
	began, again := s.began, s.released
	s.released = true
	s.mu.Unlock()
	switch {
	case again:
	case !began:
		s.call.cancel(errEnded)
		<-s.plugin.slots
		s.plugin.calls.Done()
	default:
		s.call.loop.post(func() error {
			s.done = true
			return nil
		})
	}
}

// run is all that the instance does while it is pinned.
func (s *pinned) run(first *asking, begin func()) {
	c := s.call
	err := s.turn(first, begin)
	if c.streams > 0 {
		c.stuck = true // the script still works on them
	}
	s.over.Store(true)
	failure := err
	if failure == nil {
		failure = c.failed(errEnded)
	}
	if a := c.asked.Load(); a != nil {
		a.give(host.Event{Stats: c.stats(a)}, failure)
	}
	c.finish(err)
}

func (s *pinned) turn(first *asking, begin func()) (err error) {
	c := s.call
	defer func() {
		if r := recover(); r != nil {
			c.stuck = true
			err = c.failed(fmt.Errorf("goja failed: %v", r))
		}
	}()
	c.timer.Reset(c.timeout)
	if err := c.ready(first); err != nil {
		return err
	}
	stop := c.guard(c.in)
	begin()
	err = c.run(func() bool {
		s.settle()
		return s.done
	})
	stop()
	if err != nil {
		c.broke(err)
		err = c.failed(err)
	}
	c.reportUnseen()
	return err
}

// begin calls one half.
func (s *pinned) begin(a *asking, fx host.Effects) {
	c := s.call
	c.fx = fx
	c.begin(a.ctx)
	c.timer.Reset(c.timeout)
	s.asking = a
	if err := s.start(a); err != nil {
		s.answer(host.Event{}, err)
	}
}

// start has the prelude call the half; the answer comes by a promise.
func (s *pinned) start(a *asking) error {
	c, in := s.call, s.call.in
	t, err := in.target(a.entry)
	if err != nil {
		return err
	}
	meta, err := decodeJSON(in.rt, string(a.event.meta))
	if err != nil {
		return fmt.Errorf("the event: %w", err)
	}
	event, ok := meta.(*goja.Object)
	if !ok {
		return errors.New("a filter's event must be an object")
	}
	tools, err := in.tool("filter.js")
	if err != nil {
		return err
	}
	if s.context == nil {
		own, _ := in.get(event, "context").(*goja.Object)
		if own == nil {
			own = in.rt.NewObject()
		}
		if s.context, err = in.context(c, own); err != nil {
			return err
		}
	}
	run, _ := goja.AssertFunction(tools.Get(a.entry))
	var source goja.Value = goja.Undefined()
	if a.event.stream.Body != nil {
		source = in.rt.ToValue(c.newSource(a.event.stream))
	}
	fn := in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
		v, err := t.fn(t.this, fc.Arguments...)
		if err != nil {
			panic(err)
		}
		return v
	})
	ret, err := run(goja.Undefined(), fn, event, source, s.context)
	if err != nil {
		return err
	}
	s.promise, ok = ret.Export().(*goja.Promise)
	if !ok {
		return errors.New("the filter gave no promise")
	}
	return nil
}

// settle answers when the promise has settled.
func (s *pinned) settle() {
	p := s.promise
	if p == nil || p.State() == goja.PromiseStatePending {
		return
	}
	s.promise = nil
	if p.State() == goja.PromiseStateRejected {
		s.call.seen(p)
		s.answer(host.Event{}, thrownError(p.Result()))
		return
	}
	tools, err := s.call.in.tool("filter.js")
	if err != nil {
		s.answer(host.Event{}, err)
		return
	}
	out, err := s.call.outgoing(p.Result().(*goja.Object), tools.Get("pump"))
	if err == nil {
		err = s.call.checkSize(&out)
	}
	s.answer(out, err)
}

// answer tells the caller, and begins to count the time between reads and writes.
func (s *pinned) answer(out host.Event, err error) {
	a := s.asking
	s.asking = nil
	if err != nil {
		s.call.broke(err)
		out, err = host.Event{}, s.call.failed(err)
	}
	out.Stats = s.call.stats(a)
	a.body, _ = out.Body.(outgoing)
	s.call.timer.Reset(s.call.timeout)
	a.give(out, err)
}

// giveUp fails the call at work when nothing is left to wait for, and reports whether there was one.
func (s *pinned) giveUp() bool {
	if s.promise == nil {
		return false
	}
	s.promise = nil
	s.answer(host.Event{}, errStuck)
	return true
}

// idle stops the clock while the script waits for others. The function that it returns lets it go on.
func (s *pinned) idle() (goOn func()) {
	c := s.call
	if s.promise != nil || c.streams > 0 && c.peers == 0 {
		return func() {}
	}
	c.timer.Stop()
	return func() { c.timer.Reset(c.timeout) }
}

// progress notes that the script read or wrote some of a body.
func (c *call) progress() {
	if c.pinned != nil && c.pinned.promise == nil && c.pinned.asking == nil {
		c.timer.Reset(c.timeout)
	}
}

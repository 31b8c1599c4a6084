package js

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

// A call is one call's state; the calls of a pinned instance share one. It outlives the answer while a body streams or
// something was given to waitUntil.
type call struct {
	ctx      context.Context // ends at the deadline, and with the caller's context until the answer is there
	cancel   context.CancelCauseFunc
	timer    *time.Timer // of the deadline
	unwatch  func() bool // the call is not abandoned any more
	phase    atomic.Int32
	fx       host.Effects
	plugin   *Plugin
	in       *instance
	loop     loop
	timeout  time.Duration
	deadline time.Time // by the effects' clock
	start    time.Time
	loading  bool
	stuck    bool  // the instance may not serve again
	envRead  *bool // set when the script looks at its environment; nil when that does not matter
	lines    int64 // logged
	logged   int64 // bytes of them
	spans    int   // opened
	hostTime time.Duration
	unseen   []*goja.Promise // rejected, and nobody handled it
	waiting  []*goja.Promise // given to waitUntil
	open     openSet
	inputs   []*source     // the events' bodies, where they stream: one, or those of both halves of a filter
	streams  int           // bodies that are on their way out
	left     goja.Callable // hears that their reader has left; nil where nobody listens
	crunch   chan struct{} // of cryptography beside the script; nil until it is needed
	peers    int           // of all that is awaited, reads of the event's body and room in an outgoing one
	asked    atomic.Pointer[asking]
	pinned   *pinned               // nil when this is one call alone
	function *host.FunctionContext // nil for what is no function
}

// loadCall is a call that only loads, on behalf of nobody.
func (p *Plugin) loadCall(ctx context.Context) *call {
	c := p.newCall(ctx, &host.StartEffects{Logger: p.module.runtime.logger, Plugin: &p.cfg}, loadDeadline)
	c.loading = true
	context.AfterFunc(ctx, func() { c.cancel(context.Cause(ctx)) })
	return c
}

// newCall makes a call with a deadline. Of parent it keeps the values: when its end ends the call is for others to say.
func (p *Plugin) newCall(parent context.Context, fx host.Effects, timeout time.Duration) *call {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	c := &call{ctx: ctx, cancel: cancel, fx: fx, plugin: p, timeout: timeout}
	c.begin(parent)
	c.timer = time.AfterFunc(timeout, func() { cancel(errDeadline) })
	c.loop.conduct(fx)
	return c
}

// begin sets what scripts are told of the time.
func (c *call) begin(parent context.Context) {
	now := c.fx.Now()
	c.start = now
	left := c.timeout
	if d, ok := parent.Deadline(); ok {
		left = min(left, time.Until(d))
	}
	if told, ok := c.fx.(host.Countdown); ok {
		left = told.TimeLeft(left)
	}
	c.deadline = now.Add(left)
}

// guard interrupts the instance when the call's context ends. The function that it returns ends that.
func (c *call) guard(in *instance) (stop func()) {
	off := context.AfterFunc(c.ctx, func() { in.rt.Interrupt(context.Cause(c.ctx)) })
	return func() {
		if !off() {
			c.stuck = true
		}
	}
}

// An event is what came in. Its body is read, or streams.
type event struct {
	meta, body []byte
	hasBody    bool
	encoding   host.BodyEncoding
	stream     host.Event // with the body, where it streams
}

// An asking is one caller that waits for its answer.
type asking struct {
	entry  string
	ctx    context.Context
	event  event
	waited time.Duration
	cold   bool
	given  atomic.Bool
	answer chan answer
	unhook func() bool
	body   outgoing // of the answer, where it streams; of the script's goroutine
}

type answer struct {
	event host.Event
	err   error
}

func newAsking(ctx context.Context, entry string, ev event, waited time.Duration) *asking {
	return &asking{entry: entry, ctx: ctx, event: ev, waited: waited, answer: make(chan answer, 1), unhook: func() bool { return true }}
}

// give answers, unless somebody has.
func (a *asking) give(ev host.Event, err error) bool {
	if !a.given.CompareAndSwap(false, true) {
		return false
	}
	a.answer <- answer{ev, err}
	return true
}

// follow lets the caller's context end the call while the caller waits. Behind the answer it means that the caller left: what
// streams to it is cancelled, and the rest of the call goes on.
func (c *call) follow(a *asking) {
	a.unhook = context.AfterFunc(a.ctx, func() {
		cause := context.Cause(a.ctx)
		if !a.given.Load() {
			c.cancel(cause)
			return
		}
		c.loop.post(func() error {
			if a.body != nil {
				a.body.leave(cause)
			}
			return nil
		})
	})
	c.asked.Store(a) // last: whoever finds it may unhook it
}

// lost answers for a script that is still within a built-in function.
func (c *call) lost() {
	if a := c.asked.Load(); a != nil {
		a.give(host.Event{Stats: host.CallStats{Waited: a.waited}}, c.failed(errOverrun))
	}
}

// stats is what the call cost until now.
func (c *call) stats(a *asking) host.CallStats {
	return host.CallStats{Cold: a.cold, Waited: a.waited, HostTime: c.hostTime}
}

// serve is all that a call of one entry does on its own goroutine.
func (c *call) serve(a *asking) {
	out, err := c.run1(a)
	if err == nil && c.lingers() {
		out.Stats = c.stats(a)
		a.body, _ = out.Body.(outgoing)
		a.give(out, nil)
		err = c.linger()
	}
	c.finish(err)
	out.Stats = c.stats(a)
	a.give(out, err)
}

// finish ends the call on the script's side, and gives the instance back.
func (c *call) finish(err error) {
	if a := c.asked.Load(); a != nil {
		a.unhook()
	}
	c.settle(err)
	for _, s := range c.inputs {
		s.end()
	}
	if _, own := c.fx.(host.Starter); c.in != nil && !c.stuck && !own {
		c.plugin.giveBack(c.in)
	}
	<-c.plugin.slots
}

// ready gets an instance. Effects that have a start too get one of their own.
func (c *call) ready(a *asking) error {
	fx := c.fx
	starter, own := fx.(host.Starter)
	if !own {
		c.in = c.plugin.take()
	}
	if c.in == nil {
		a.cold = true
		if own {
			c.fx = starter.Start()
		}
		_, err := c.load()
		c.fx = fx
		if err != nil {
			c.in = nil
			return err
		}
	}
	c.in.call = c
	c.in.calls++
	return nil
}

func (c *call) run1(a *asking) (out host.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.stuck = true
			out, err = host.Event{}, c.failed(fmt.Errorf("goja failed: %v", r))
		}
	}()
	if err := c.ready(a); err != nil {
		return out, err
	}
	stop := c.guard(c.in)
	out, err = c.invoke(a.entry, a.event)
	if err == nil {
		err = context.Cause(c.ctx) // goja looks for an interrupt between instructions, and its built-in functions end late without one
	}
	stop()
	if err == nil {
		err = c.checkSize(&out)
	}
	if err != nil {
		c.broke(err)
		return host.Event{}, c.failed(err)
	}
	c.reportUnseen()
	c.unseen = nil
	return out, nil
}

// broke notes whether an error leaves the instance unfit.
func (c *call) broke(err error) {
	var interrupted *goja.InterruptedError
	var overflow *goja.StackOverflowError
	c.stuck = c.stuck || errors.As(err, &interrupted) || errors.As(err, &overflow)
}

// checkSize bounds a result that is whole.
func (c *call) checkSize(out *host.Event) error {
	size := int64(len(out.Meta))
	if b, ok := out.Body.(*resultBody); ok {
		size += int64(b.Len())
	}
	if limit := c.plugin.cfg.Limits.MaxResult; size > max(limit.Value, 0) && limit.Value > 0 {
		return &host.Error{Op: "call " + c.plugin.cfg.Name, Kind: host.TooLarge, Pos: limit.Pos,
			Err: &host.LimitError{Limit: "maxResult", Value: fmt.Sprintf("%d bytes", limit.Value), Origin: limit.Origin(), Detail: fmt.Sprintf("the result has %d bytes", size)}}
	}
	return nil
}

// lingers reports whether there is something to do behind the answer.
func (c *call) lingers() bool { return c.streams > 0 || c.waits() }

// waits reports whether something that was given to waitUntil has not settled.
func (c *call) waits() bool {
	for i := 0; i < len(c.waiting); {
		if c.waiting[i].State() == goja.PromiseStatePending {
			return true
		}
		c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
	}
	return false
}

// linger turns the event loop behind the answer: bodies stream, and what was given to waitUntil goes on, until the
// call's deadline. Its error is that of what streams.
func (c *call) linger() (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.stuck = true
			err = c.failed(fmt.Errorf("goja failed: %v", r))
		}
	}()
	stop := c.guard(c.in)
	err = c.run(func() bool { return !c.lingers() })
	stop()
	if err != nil {
		c.stuck = c.stuck || c.streams > 0 // the script still works on them
		c.broke(err)
		err = c.failed(err)
		if c.streams == 0 || len(c.waiting) > 0 {
			c.warn("waitUntil: " + err.Error())
		}
	}
	c.reportUnseen()
	return err
}

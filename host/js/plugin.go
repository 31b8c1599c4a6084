package js

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

// A Plugin is a script with a configuration, and the instances that serve it.
type Plugin struct {
	module *Module
	cfg    host.PluginConfig
	slots  chan struct{} // one token for each call that may run

	mu     sync.Mutex
	idle   []*instance // the one used last is at the end
	closed bool

	workers workers        // that calls run on
	calls   sync.WaitGroup // that somebody waits for
	scripts sync.WaitGroup // that run, also those of calls that were abandoned
}

var _ host.Plugin = (*Plugin)(nil)

// Open makes a plugin, and one instance, so that a script which cannot start in this environment is refused
// now. Pooled isolation keeps the instance; any other isolation means a fresh one for each call.
func (m *Module) Open(ctx context.Context, cfg host.PluginConfig) (host.Plugin, error) {
	if pos := cfg.Limits.Memory.Pos; !pos.IsZero() {
		return nil, &host.Error{Op: "open " + cfg.Name, Kind: host.Invalid, Pos: pos,
			Err: errors.New("the memory of a script cannot be limited; remove memory, or write the plugin for wasm")}
	}
	n := cfg.Limits.Concurrency.Value
	if n <= 0 {
		n = host.DefaultConcurrency
	}
	p := &Plugin{module: m, cfg: cfg, slots: make(chan struct{}, n), workers: newWorkers()}
	in, err := p.loadCall(ctx).loadApart(func(*instance) {})
	if err != nil {
		return nil, invalidLoad(m.name, err)
	}
	if cfg.Isolation == host.IsolationPooled {
		in.call = nil
		p.idle = append(p.idle, in)
	}
	return p, nil
}

// A call is one call's state.
type call struct {
	ctx      context.Context
	cancel   context.CancelFunc
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
	lines    int   // logged
	spans    int   // opened
	hostTime time.Duration
	unseen   []*goja.Promise // rejected, and nobody handled it
	waiting  []*goja.Promise // given to waitUntil
	open     openSet
}

// loadCall is a call that only loads, on behalf of nobody.
func (p *Plugin) loadCall(ctx context.Context) *call {
	c := p.newCall(ctx, &loadEffects{logger: p.module.runtime.logger, plugin: p.cfg.Name}, loadDeadline)
	c.loading = true
	return c
}

func (p *Plugin) newCall(parent context.Context, fx host.Effects, timeout time.Duration) *call {
	ctx, cancel := context.WithTimeoutCause(parent, timeout, errDeadline)
	now := fx.Now()
	c := &call{ctx: ctx, cancel: cancel, fx: fx, plugin: p, timeout: timeout, start: now, deadline: now.Add(timeout)}
	if d, ok := parent.Deadline(); ok {
		if left := time.Until(d); left < timeout {
			c.deadline = now.Add(left)
		}
	}
	return c
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

// Call runs one entry of the script. The body is read first, all of it: a client that sends slowly holds no instance,
// and its time is not the plugin's. What the script leaves undone when the answer is there, is dropped.
// Several goroutines use fx at once while the script fetches. A script that is within a built-in function when its time is
// over keeps its instance and its place among the concurrent calls until the function ends.
func (p *Plugin) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	began := time.Now()
	ev := event{meta: in.Meta, hasBody: in.Body != nil}
	if ev.hasBody {
		var err error
		if ev.body, err = io.ReadAll(in.Body); err != nil {
			return host.Event{}, &host.Error{Op: "read the body for " + p.cfg.Name, Kind: host.KindOf(err), Err: err}
		}
	}
	arrived := time.Now()
	if err := p.enter(ctx); err != nil {
		return host.Event{}, err
	}
	defer p.calls.Done()
	timeout := p.cfg.Limits.Timeout.Value
	if timeout <= 0 {
		timeout = host.DefaultPluginTimeout
	}
	c := p.newCall(ctx, fx, timeout)
	c.hostTime = arrived.Sub(began)
	waited := time.Since(arrived)
	var out host.Event
	var err error
	if !c.apart(func() { out, err = c.answer(entry, ev, waited) }) {
		return host.Event{Stats: host.CallStats{Waited: waited}}, c.failed(errOverrun)
	}
	return out, err
}

// answer is all that a call does on its own goroutine.
func (c *call) answer(entry string, ev event, waited time.Duration) (host.Event, error) {
	stats := host.CallStats{Waited: waited}
	out, err := c.serve(entry, ev, &stats)
	c.settle()
	if c.in != nil && !c.stuck {
		c.plugin.giveBack(c.in)
	}
	<-c.plugin.slots
	stats.HostTime = c.hostTime
	out.Stats = stats
	return out, err
}

// An event is what came in, with its body read.
type event struct {
	meta, body []byte
	hasBody    bool
}

func (c *call) serve(entry string, ev event, stats *host.CallStats) (out host.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.stuck = true
			out, err = host.Event{}, c.failed(fmt.Errorf("goja failed: %v", r))
		}
	}()
	if c.in = c.plugin.take(); c.in == nil {
		stats.Cold = true
		if _, err := c.load(); err != nil {
			c.in = nil
			return out, err
		}
	}
	c.in.call = c
	stop := c.guard(c.in)
	out, err = c.invoke(entry, ev)
	if err == nil && len(c.waiting) == 0 {
		err = context.Cause(c.ctx) // goja looks for an interrupt between instructions, and its built-in functions end late without one
	}
	stop()
	if err != nil {
		var interrupted *goja.InterruptedError
		var overflow *goja.StackOverflowError
		c.stuck = c.stuck || errors.As(err, &interrupted) || errors.As(err, &overflow)
		return host.Event{}, c.failed(err)
	}
	c.reportUnseen()
	size := int64(len(out.Meta))
	if b, ok := out.Body.(*resultBody); ok {
		size += int64(b.Len())
	}
	if limit := c.plugin.cfg.Limits.MaxResult; size > max(limit.Value, 0) && limit.Value > 0 {
		return host.Event{}, &host.Error{Op: "call " + c.plugin.cfg.Name, Kind: host.TooLarge, Pos: limit.Pos,
			Err: fmt.Errorf("the result has %d bytes, more than %d (%s)", size, limit.Value, limit.Origin())}
	}
	return out, nil
}

// A resultBody is bytes that belong to no instance any more.
type resultBody struct{ bytes.Reader }

// Close frees nothing.
func (*resultBody) Close() error { return nil }

func newBody(b []byte) *resultBody {
	r := &resultBody{}
	r.Reset(b)
	return r
}

func (p *Plugin) enter(ctx context.Context) error {
	op := "call " + p.cfg.Name
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return &host.Error{Op: op, Kind: host.Unavailable, Err: errors.New("the plugin is closed")}
	}
	p.calls.Add(1)
	p.mu.Unlock()
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		p.calls.Done()
		limit := p.cfg.Limits.Concurrency
		return &host.Error{Op: op, Kind: host.Unavailable, Pos: limit.Pos,
			Err: fmt.Errorf("all %d instances were busy (%s): %w", cap(p.slots), limit.Origin(), context.Cause(ctx))}
	}
}

func (p *Plugin) take() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	in := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return in
}

func (p *Plugin) giveBack(in *instance) {
	if p.cfg.Isolation != host.IsolationPooled {
		return
	}
	in.call = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.idle = append(p.idle, in)
	}
}

// Close refuses new calls, waits for those that run until ctx ends, and lets the instances go. For scripts that
// overrun within a built-in function it waits no longer than closeGrace; they cannot be stopped, and are reported.
func (p *Plugin) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		close(p.workers.done)
	}
	p.closed = true
	p.idle = nil
	p.mu.Unlock()
	op := "close " + p.cfg.Name
	if !waited(&p.calls, ctx.Done()) {
		return &host.Error{Op: op, Kind: host.Timeout, Err: fmt.Errorf("calls are still running: %w", context.Cause(ctx))}
	}
	grace, stop := context.WithTimeout(ctx, closeGrace)
	defer stop()
	if !waited(&p.scripts, grace.Done()) {
		return &host.Error{Op: op, Kind: host.Timeout, Err: errors.New("scripts whose time was over are still within a built-in function; they keep their memory until it ends")}
	}
	return nil
}

// waited reports whether the group was done before end was.
func waited(group *sync.WaitGroup, end <-chan struct{}) bool {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-end:
		return false
	}
}

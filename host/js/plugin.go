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

	"github.com/postern/postern/host"
)

// A Plugin is a script with a configuration, and the instances that serve it.
type Plugin struct {
	module *Module
	cfg    host.PluginConfig
	slots  chan struct{} // one token for each call that may run

	waiting atomic.Int64 // callers without a token

	mu     sync.Mutex
	idle   []*instance // the one used last is at the end
	closed bool

	streams bool // the function is a fetch handler: it reads its event's body as it needs it

	workers workers        // that calls run on
	calls   sync.WaitGroup // that were not abandoned
	scripts sync.WaitGroup // that run, also those of calls that were abandoned
}

var (
	_ host.Plugin    = (*Plugin)(nil)
	_ host.Inspector = (*Plugin)(nil)
)

// Pool implements host.Inspector. What memory scripts hold is not known.
func (p *Plugin) Pool() host.PoolStats {
	p.mu.Lock()
	idle := len(p.idle)
	p.mu.Unlock()
	return host.PoolStats{Idle: idle, Busy: len(p.slots), Waiting: int(p.waiting.Load())}
}

// Open makes a plugin, and one instance, so that a script which cannot start in this environment is refused
// now. Pooled isolation keeps the instance; any other isolation means a fresh one for each call.
func (m *Module) Open(ctx context.Context, cfg host.PluginConfig) (host.Plugin, error) {
	if pos := cfg.Limits.Memory.Pos; !pos.IsZero() {
		return nil, &host.Error{Op: "open " + cfg.Name, Kind: host.Invalid, Pos: pos,
			Err: errors.New("the memory of a script cannot be limited; remove memory, or write the plugin for wasm")}
	}
	cfg.Limits = withDefaults(cfg.Limits)
	n := cfg.Limits.Concurrency.Value
	if n <= 0 {
		n = host.DefaultConcurrency
	}
	p := &Plugin{module: m, cfg: cfg, slots: make(chan struct{}, n), workers: newWorkers()}
	in, err := p.loadCall(ctx).loadApart(func(in *instance) {
		t, err := in.target(host.EntryHandle)
		p.streams = err == nil && t.fetch
	})
	if err != nil {
		return nil, invalidLoad(m.name, err)
	}
	if cfg.Isolation == host.IsolationPooled {
		in.call = nil
		p.idle = append(p.idle, in)
	}
	return p, nil
}

// withDefaults fills in what a log is bounded by.
func withDefaults(l host.Limits) host.Limits {
	if l.LogLines.Value <= 0 {
		l.LogLines = host.Default[int64](host.DefaultLogLines)
	}
	if l.LogBytes.Value <= 0 {
		l.LogBytes = host.Default[int64](host.DefaultLogBytes)
	}
	return l
}

// Call runs one entry of the script. What it leaves undone when the answer is there, is dropped, but for a body that streams and
// what was given to waitUntil: those go on within the call's deadline, and when the caller's context ends, the stream is
// cancelled. A fetch handler and a filter read in.Body as they need it; for other entries it is read before, all of it, so that
// a client that sends slowly holds no instance, and its time is not the plugin's.
// Several goroutines use fx at once while the script fetches. A script that is within a built-in function when its time is
// over keeps its instance and its place among the concurrent calls until the function ends.
func (p *Plugin) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	if isFilter(entry) {
		return p.filter(ctx, entry, in, fx)
	}
	began := time.Now()
	ev := event{meta: in.Meta, hasBody: in.Body != nil, encoding: in.Encoding}
	if p.streams && entry == host.EntryHandle {
		ev.stream = in
	} else if ev.hasBody {
		var err error
		if ev.body, err = io.ReadAll(in.Body); err != nil {
			return host.Event{}, &host.Error{Op: "read the body for " + p.cfg.Name, Kind: host.KindOf(err), Err: err}
		}
	}
	arrived := time.Now()
	if err := p.enter(ctx); err != nil {
		return host.Event{}, err
	}
	c := p.newCall(ctx, fx, p.timeout())
	c.hostTime, c.function = arrived.Sub(began), in.Function
	a := newAsking(ctx, entry, ev, time.Since(arrived))
	c.follow(a)
	c.apart(func() { c.serve(a) }, c.lost)
	answer := <-a.answer
	return answer.event, answer.err
}

func (p *Plugin) timeout() time.Duration {
	if t := p.cfg.Limits.Timeout.Value; t > 0 {
		return t
	}
	return host.DefaultPluginTimeout
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

// enter takes a place among the concurrent calls, and waits for one as long as ctx and the plugin's timeout let it.
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
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout(), fmt.Errorf("waited %v (%s)", p.timeout(), p.cfg.Limits.Timeout.Origin()))
	defer cancel()
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

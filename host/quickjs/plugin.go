package quickjs

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// A Plugin is a script with a configuration, and the instances that serve it.
type Plugin struct {
	module    *Module
	cfg       host.PluginConfig
	instances *engine.Pool
	streams   bool // the function is a fetch handler: it reads its event's body as it needs it
}

var (
	_ host.Plugin    = (*Plugin)(nil)
	_ host.Pinner    = (*Plugin)(nil)
	_ host.Inspector = (*Plugin)(nil)
)

// A loading is what is seen of a script while it is loaded.
type loading struct {
	exports []string
	envRead bool
}

// Open makes a plugin, and one instance, so that a script which cannot start in this environment is refused now. Without an isolation it is
// put back after each call to what it was when the code outside of functions had run.
func (m *Module) Open(ctx context.Context, cfg host.PluginConfig) (host.Plugin, error) {
	if cfg.Isolation == "" {
		cfg.Isolation = host.IsolationReset
	}
	p := &Plugin{module: m, cfg: cfg}
	var err error
	if p.instances, err = p.pool(ctx, &loading{}); err != nil {
		return nil, err
	}
	p.cfg = *p.instances.Plugin()
	p.streams = fetches(m.exports)
	return p, nil
}

// fetches reports whether a function of these exports is a fetch handler.
func fetches(exports []string) bool {
	has := func(name string) bool { return slices.Contains(exports, name) }
	return !has(host.EntryHandle) && has("default.fetch")
}

// pool opens a pool whose instances load the script. seen is of the first, which is made before it returns.
func (p *Plugin) pool(ctx context.Context, seen *loading) (*engine.Pool, error) {
	code, err := p.module.runtime.compiled(ctx)
	if err != nil {
		return nil, err
	}
	first := seen
	pool, err := code.Open(ctx, engine.PoolConfig{Plugin: p.cfg, Prepare: func(ctx context.Context, inst *engine.Instance, run engine.Runner) error {
		l := &loading{}
		if first != nil {
			l, first = first, nil
		}
		return p.load(ctx, inst, run, l)
	}})
	if err != nil {
		return nil, invalidLoad(p.module.name, err)
	}
	return pool, nil
}

// Call runs one entry of the script. What it leaves undone when the answer is there, is dropped, but for a body that streams and
// what was given to waitUntil: those go on within the call's deadline, and when the caller's context ends, the stream is
// cancelled. A fetch handler and a filter read in.Body as they need it; for other entries it is read before, all of it, so that
// a client that sends slowly holds no instance, and its time is not the plugin's. Several goroutines use fx at once while the script fetches.
func (p *Plugin) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	if isFilter(entry) {
		return p.filter(ctx, entry, in, fx)
	}
	began := time.Now()
	ev := incoming{meta: in.Meta, hasBody: in.Body != nil, encoding: in.Encoding}
	if p.streams && entry == host.EntryHandle {
		ev.stream = in
	} else if ev.hasBody {
		var err error
		if ev.body, err = io.ReadAll(in.Body); err != nil {
			return host.Event{}, &host.Error{Op: "read the body for " + p.cfg.Name, Kind: host.KindOf(err), Err: err}
		}
	}
	arrived := time.Now()
	inst, err := p.instances.Acquire(ctx, fx)
	if err != nil {
		return host.Event{}, err
	}
	c := p.newCall(ctx, fx, inst)
	c.hostTime, c.function = arrived.Sub(began), in.Function
	a := newAsking(ctx, entry, ev, time.Since(arrived), inst.Cold())
	c.follow(a)
	go c.serve(a)
	answer := <-a.answer
	return answer.event, answer.err
}

// Pool tells how the plugin's instances are.
func (p *Plugin) Pool() host.PoolStats { return p.instances.Stats() }

// Close refuses new calls, waits for those that run until ctx ends, and frees the instances.
func (p *Plugin) Close(ctx context.Context) error { return p.instances.Close(ctx) }

// invalidLoad says that a script cannot be loaded. Its own errors are Invalid: the code is at fault.
func invalidLoad(name string, err error) error {
	var failed *host.Error
	if errors.As(err, &failed) {
		var guest *host.GuestError
		if errors.As(err, &guest) && failed.Kind != host.Unavailable || failed.Kind == host.Timeout {
			pos := failed.Pos
			if pos.IsZero() {
				pos.File = name
			}
			return &host.Error{Op: "load script", Kind: host.Invalid, Pos: pos, Err: failed.Err}
		}
	}
	return err
}

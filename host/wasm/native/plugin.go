package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/stream"
)

// Entries are the exports that can be called, each of type ()->i32.
func Entries() []string {
	return []string{host.EntryAuthorize, host.EntryMapRequest, host.EntryMapResponse, host.EntryHandle, host.EntryFilterRequest, host.EntryFilterResponse}
}

// Check reports what keeps code from being a guest of this ABI, and which entries it has.
func Check(code *engine.Code) (entries []string, err error) {
	want := engine.Signature{Results: []engine.Type{engine.I32}}
	exports := code.Exports()
	for _, name := range Entries() {
		got, ok := exports[name]
		switch {
		case !ok:
		case !got.Equal(want):
			return nil, fmt.Errorf("export %s has type %s; it must be %s", name, got, want)
		default:
			entries = append(entries, name)
		}
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("it exports no entry: none of %s", strings.Join(Entries(), ", "))
	}
	if _, ok := code.Memory(); !ok {
		return nil, errors.New(`it does not export its memory as "memory"`)
	}
	if init, ok := exports["_initialize"]; ok && !init.Equal(engine.Signature{}) {
		return nil, fmt.Errorf("export _initialize has type %s; it must be %s", init, engine.Signature{})
	}
	return entries, nil
}

// A Plugin is a guest of this ABI with its pool.
type Plugin struct{ pool *engine.Pool }

var (
	_ host.Plugin    = (*Plugin)(nil)
	_ host.Pinner    = (*Plugin)(nil)
	_ host.Inspector = (*Plugin)(nil)
)

// Open makes a plugin of code that Check has passed.
func Open(ctx context.Context, code *engine.Code, cfg host.PluginConfig) (*Plugin, error) {
	if cfg.Limits.MaxResult.Value <= 0 {
		cfg.Limits.MaxResult = host.Default[int64](host.DefaultMaxResult)
	}
	if cfg.Limits.HostCalls.Value <= 0 {
		cfg.Limits.HostCalls = host.Default[int64](host.DefaultHostCalls)
	}
	pool, err := code.Open(ctx, engine.PoolConfig{Plugin: cfg, State: (*call)(nil)})
	if err != nil {
		return nil, err
	}
	return &Plugin{pool}, nil
}

// Call implements host.Plugin. The body of a function's or a filter's result may still be made while it is read; closing it early
// tells the guest, and ends it if it does not end by itself soon. A read of in.Body that is then under way is the
// last one.
func (p *Plugin) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	asked := time.Now()
	inst, err := p.pool.Acquire(ctx, fx)
	waited := time.Since(asked)
	if err != nil {
		return host.Event{Stats: host.CallStats{Waited: waited}}, err
	}
	c := newCall(p.pool.Plugin(), entry, in, fx)
	c.stats = host.CallStats{Cold: inst.Cold(), Waited: waited}
	return c.serve(ctx, inst, inst.Release)
}

// serve runs the call. end is called once when the guest has ended, which may be after serve returned.
func (c *call) serve(ctx context.Context, inst *engine.Instance, end func()) (host.Event, error) {
	if !c.streams() {
		defer end()
		return c.result(c.run(ctx, inst))
	}
	guest := stream.Guest{Run: func(ctx context.Context) error { return c.run(ctx, inst) }, End: end}
	if c.entry == host.EntryHandle { // a filter's time is no fixed one
		guest.Late, guest.Overdue = c.plugin.Limits.Timeout.Value+stream.Grace, c.overdue
	}
	begun, err := c.stream.Run(ctx, guest)
	switch {
	case begun:
		return host.Event{Meta: c.meta, Body: c.stream.Body(), Stats: c.begunStats}, nil
	case !c.stream.Ended(): // the guest still runs, and what it counts is its own
		return host.Event{}, err
	}
	return c.result(err)
}

// overdue is the error of a guest that its deadline cannot reach, as in a host function that does not come back. The instance stays
// leased until the guest has ended.
func (c *call) overdue() error {
	late := engine.Late(c.plugin.Limits.Timeout)
	late.Message += "; the guest could not be stopped in time"
	return c.fail(host.Timeout, late)
}

// Pool implements host.Inspector.
func (p *Plugin) Pool() host.PoolStats { return p.pool.Stats() }

// Close implements host.Plugin.
func (p *Plugin) Close(ctx context.Context) error { return p.pool.Close(ctx) }

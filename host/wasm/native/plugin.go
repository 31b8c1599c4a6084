package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
)

// Entries are the exports that can be called, each of type ()->i32.
func Entries() []string {
	return []string{host.EntryAuthorize, host.EntryMapRequest, host.EntryMapResponse, host.EntryHandle}
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

var _ host.Plugin = (*Plugin)(nil)

// Open makes a plugin of code that Check has passed.
func Open(ctx context.Context, code *engine.Code, cfg host.PluginConfig) (*Plugin, error) {
	if cfg.Limits.MaxResult.Value <= 0 {
		cfg.Limits.MaxResult = host.Default[int64](host.DefaultMaxResult)
	}
	pool, err := code.Open(ctx, engine.PoolConfig{Plugin: cfg, State: (*call)(nil)})
	if err != nil {
		return nil, err
	}
	return &Plugin{pool}, nil
}

// Call implements host.Plugin. The body of a function's result may still be made while it is read; closing it early
// tells the guest, and ends it if it does not end by itself soon. A read of in.Body that is then under way is the
// last one.
func (p *Plugin) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	asked := time.Now()
	inst, err := p.pool.Acquire(ctx)
	waited := time.Since(asked)
	if err != nil {
		return host.Event{Stats: host.CallStats{Waited: waited}}, err
	}
	c := newCall(p.pool.Plugin(), entry, in, fx)
	c.stats = host.CallStats{Cold: inst.Cold(), Waited: waited}
	if entry != host.EntryHandle {
		defer inst.Release()
		return c.result(c.run(ctx, inst))
	}
	return p.stream(ctx, inst, c)
}

func (p *Plugin) stream(ctx context.Context, inst *engine.Instance, c *call) (host.Event, error) {
	ctx, cancel := context.WithCancel(ctx)
	c.out.begun = make(chan struct{})
	ended := make(chan error, 2)
	overdue := c.whenOverdue(ended)
	go func() {
		defer cancel()
		err := c.run(ctx, inst)
		overdue.Stop()
		c.out.end(err)
		ended <- err
		inst.Release()
	}()
	select {
	case err := <-ended:
		if c.overdue.Load() { // the guest still runs, and what it counts is its own
			return host.Event{}, err
		}
		return c.result(err)
	case <-c.out.begun:
		return host.Event{Meta: c.meta, Body: &streamBody{c, cancel}, Stats: c.begunStats}, nil
	}
}

// whenOverdue lets go of a guest that its deadline cannot reach, as while it waits for a byte of a body whose sender is
// silent. The instance stays leased until the guest has ended.
func (c *call) whenOverdue(ended chan<- error) *time.Timer {
	limit := c.plugin.Limits.Timeout
	return time.AfterFunc(limit.Value+closeGrace, func() {
		err := c.fail(host.Timeout, &host.GuestError{Type: "timeout",
			Message: fmt.Sprintf("timeout of %v (%s); the guest could not be stopped in time, and may still wait for its input", limit.Value, limit.Origin())})
		c.overdue.Store(true)
		c.inputClosed.Store(true)
		c.out.end(err)
		ended <- err
	})
}

// Close implements host.Plugin.
func (p *Plugin) Close(ctx context.Context) error { return p.pool.Close(ctx) }

// closeGrace is how long a guest whose reader has gone may go on.
const closeGrace = time.Second

// A streamBody is a function's body while the function may still run.
type streamBody struct {
	call   *call
	cancel context.CancelFunc
}

// Read returns what the guest has written, waiting for it if need be.
func (b *streamBody) Read(p []byte) (int, error) { return b.call.out.read(p) }

// Close lets the guest know that nobody reads on.
func (b *streamBody) Close() error {
	b.call.inputClosed.Store(true)
	if running := b.call.out.close(); running {
		time.AfterFunc(closeGrace, b.cancel)
	}
	return nil
}

var _ io.ReadCloser = (*streamBody)(nil)

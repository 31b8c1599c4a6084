package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/stream"
)

// A Plugin is a command.
type Plugin struct {
	pool *engine.Pool
	abi  string
	env  []string // of the plugin, sorted
}

var (
	_ host.Plugin    = (*Plugin)(nil)
	_ host.Inspector = (*Plugin)(nil)
)

// Open makes a plugin of code that Check has passed for the carrier abi. Its first argument, by which programs know themselves, is the
// plugin's name. A configuration that a command could never see is refused with Kind Invalid, rather than be ignored.
func Open(ctx context.Context, code *engine.Code, abi string, cfg host.PluginConfig) (*Plugin, error) {
	if what := outOfReach(&cfg); what != "" {
		return nil, &host.Error{Op: "open " + cfg.Name, Kind: host.Invalid,
			Err: fmt.Errorf("it is a WASI command (abi: %s), which has no %s; build it for Postern's own ABI, or use env", abi, what)}
	}
	if cfg.Limits.MaxResult.Value <= 0 {
		cfg.Limits.MaxResult = host.Default[int64](host.DefaultMaxResult)
	}
	cfg.Isolation = host.IsolationFresh // a program runs once
	name := cfg.Name
	if name == "" {
		name = "command"
	}
	pool, err := code.Open(ctx, engine.PoolConfig{Plugin: cfg, Args: []string{name}})
	if err != nil {
		return nil, err
	}
	p := &Plugin{pool: pool, abi: abi}
	for _, name := range slices.Sorted(maps.Keys(cfg.Env)) {
		p.env = append(p.env, name+"="+cfg.Env[name])
	}
	return p, nil
}

// outOfReach names what the configuration gives and no host function of WASI's would hand over; "" for nothing.
func outOfReach(cfg *host.PluginConfig) string {
	switch {
	case len(cfg.Secrets) > 0:
		return "secrets"
	case cfg.Config != nil:
		return "config"
	case len(cfg.Egress) > 0:
		return "egress"
	}
	return ""
}

// Pool implements host.Inspector.
func (p *Plugin) Pool() host.PoolStats { return p.pool.Stats() }

// Close implements host.Plugin.
func (p *Plugin) Close(ctx context.Context) error { return p.pool.Close(ctx) }

// Call implements host.Plugin. Over CGI the body of the result may still be made while it is read; closing it early is a closed pipe to the
// program, and ends it if it does not end by itself soon. A read of in.Body that is then under way is the last one.
func (p *Plugin) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	c := &call{plugin: p.pool.Plugin(), entry: entry, fx: fx}
	if err := p.prepare(ctx, c, in); err != nil { // before an instance is leased: it may wait for a slow client
		return host.Event{}, err
	}
	asked := time.Now()
	inst, err := p.pool.Acquire(ctx, fx)
	c.stats.Waited = time.Since(asked)
	if err != nil {
		return host.Event{Stats: c.stats}, err
	}
	c.stats.Cold = inst.Cold()
	guest := stream.Guest{
		Run:     func(ctx context.Context) error { return c.run(ctx, inst) },
		End:     inst.Release,
		Late:    c.plugin.Limits.Timeout.Value + stream.Grace,
		Overdue: c.overdue,
	}
	begun, err := c.stream.Run(ctx, guest)
	switch {
	case begun:
		return host.Event{Meta: c.meta, Body: c.stream.Body(), Stats: c.begunStats}, nil
	case !c.stream.Ended():
		return host.Event{}, err
	}
	return c.result(err)
}

// prepare decides what the program gets.
func (p *Plugin) prepare(ctx context.Context, c *call, in host.Event) error {
	if p.abi == host.ABICGI {
		return c.prepareCGI(p.env, in)
	}
	return c.prepareStdio(ctx, p.env, in)
}

// overdue is the error of a program that its deadline cannot reach, as in a host function that does not come back. The instance stays
// leased until it has ended.
func (c *call) overdue() error {
	late := engine.Late(c.plugin.Limits.Timeout)
	late.Message += "; the command could not be stopped in time"
	return c.fail(host.Timeout, late)
}

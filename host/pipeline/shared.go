package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
	"github.com/postern/postern/host/upstream"
)

// Shared is what the pipelines of one process have in common: compiled modules by their code, open
// plugins by code, configuration and place, connection pools by upstream. Building a pipeline anew touches nothing that did
// not change, and what no pipeline holds any more is closed at once.
type Shared struct {
	runtimes  map[string]host.Runtime
	telemetry *telemetry.Telemetry
	maps      host.KVStore // nil without a store
	modules   registry[host.Module]
	plugins   registry[*plugin]
	breakers  registry[*breaker]
	pools     registry[sharedPool]
	heavy     *heavy
	pipelines sync.WaitGroup // those that are open
}

// NewShared returns an empty collection over the given runtimes, keyed by host.RuntimeWasm and so on, and the store of the plugins' maps,
// nil for none. It owns neither: close them after the last pipeline.
func NewShared(runtimes map[string]host.Runtime, tel *telemetry.Telemetry, maps host.KVStore) *Shared {
	return &Shared{runtimes: runtimes, telemetry: tel, maps: maps, heavy: newHeavy()}
}

// Wait waits until every pipeline has ended its exchanges and is closed, or until ctx ends. Nothing may be built
// meanwhile. Its error has Kind Timeout.
func (s *Shared) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.pipelines.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return &host.Error{Op: "close the pipelines", Kind: host.Timeout, Err: fmt.Errorf("exchanges are still running: %w", context.Cause(ctx))}
	}
}

// Stats counts what a Shared holds: gauges, and a check for leaks.
type Stats struct{ Modules, Plugins, Pools int }

// Stats returns the counts of now.
func (s *Shared) Stats() Stats {
	return Stats{Modules: s.modules.size(), Plugins: s.plugins.size(), Pools: s.pools.size()}
}

// A plugin is an open plugin with what its calls need: the configuration, and the door to the network.
type plugin struct {
	host.Plugin
	cfg     *host.PluginConfig
	info    host.ModuleInfo
	fetcher *upstream.Fetcher
	kv      host.KV // nil without a store
	metrics *telemetry.PluginMetrics
	kind    string // what it is, by the entries that it is called by
	breaker *breaker
	limits  []attribute.KeyValue        // for the spans of its calls
	release func(context.Context) error // gives the module and the breaker back
}

// exports names what the code itself exports, for an error.
func (p *plugin) exports() string {
	if p.info.Exports != nil {
		return strings.Join(p.info.Exports, ", ")
	}
	return strings.Join(p.info.Entries, ", ")
}

// Close closes the plugin, then lets go of its module.
func (p *plugin) Close(ctx context.Context) error {
	err := p.Plugin.Close(ctx)
	p.fetcher.Close()
	return errors.Join(err, p.release(ctx))
}

// acquire opens the plugin of cfg, or shares the one that is open, and checks that it has the entry, or either of a filter's for
// EntryFilterRequest. place is the filter's among those of a route, 0 for what is none.
func (s *Shared) acquire(ctx context.Context, cfg *host.PluginConfig, entry string, place int) (*plugin, func(context.Context) error, error) {
	if cfg.Source == nil {
		return nil, nil, refusal(cfg, errors.New("its code was not resolved"))
	}
	p, release, err := s.plugins.acquire(pluginKey(cfg, kindOf(entry), place), func() (*plugin, error) { return s.open(ctx, cfg, kindOf(entry)) })
	if err != nil {
		return nil, nil, refusal(cfg, err)
	}
	if err := p.check(entry); err != nil {
		return nil, nil, errors.Join(refusal(cfg, err), release(ctx))
	}
	return p, release, nil
}

// share is acquire for a plugin that is open already; it opens nothing, and returns nil for one that is not.
func (s *Shared) share(ctx context.Context, cfg *host.PluginConfig, entry string) (*plugin, func(context.Context) error) {
	if cfg.Source == nil {
		return nil, nil
	}
	p, release, ok := s.plugins.share(pluginKey(cfg, kindOf(entry), 0))
	if !ok {
		return nil, nil
	}
	if p.check(entry) != nil {
		_ = release(ctx) // acquire will tell what is wrong
		return nil, nil
	}
	return p, release
}

// check says what is wrong with a plugin that is to be called by an entry, or either of a filter's for EntryFilterRequest.
func (p *plugin) check(entry string) error {
	switch {
	case entry == host.EntryFilterRequest:
		return checkFilter(p)
	case !slices.Contains(p.info.Entries, entry):
		return fmt.Errorf("%s exports %s, and not %s", p.cfg.Ref, p.exports(), entry)
	}
	return nil
}

func (s *Shared) open(ctx context.Context, cfg *host.PluginConfig, kind string) (*plugin, error) {
	runtime, ok := s.runtimes[runtimeOf(cfg)]
	if !ok {
		return nil, fmt.Errorf("there is no runtime %q", runtimeOf(cfg))
	}
	module, release, err := s.modules.acquire(moduleKey(cfg), func() (host.Module, error) {
		src := *cfg.Source // of its own, so that code which is loaded for the compiler is not kept behind it
		src.ABI, src.Runtime = cfg.ABI, runtimeOf(cfg)
		if src.Load != nil && src.Code == nil {
			var err error
			if src.Code, src.SourceMap, err = src.Load(ctx); err != nil {
				return nil, err
			}
		}
		return runtime.Compile(ctx, src)
	})
	if err != nil {
		return nil, err
	}
	fetcher, err := upstream.NewFetcher(cfg.Egress, upstream.FetchConfig{})
	if err != nil {
		return nil, errors.Join(err, release(ctx))
	}
	opened, err := module.Open(ctx, *cfg)
	if err != nil {
		fetcher.Close()
		return nil, errors.Join(err, release(ctx))
	}
	breaker, leave, _ := s.breakers.acquire(breakerKey(cfg, kind), func() (*breaker, error) { return newBreaker(cfg, kind, s.telemetry), nil })
	p := &plugin{Plugin: opened, cfg: cfg, info: module.Info(), fetcher: fetcher, kind: kind, breaker: breaker, limits: limitAttributes(cfg),
		metrics: s.telemetry.Metrics.Plugin(cfg.Name, runtimeOf(cfg)),
		release: func(ctx context.Context) error { return errors.Join(leave(ctx), release(ctx)) }}
	if s.maps != nil {
		p.kv = s.maps.Map(cfg.KV, cfg.Limits.KVBytes.Value)
	}
	return p, nil
}

// refusal gives an error the place of the plugin's reference, unless it has a place of its own.
func refusal(cfg *host.PluginConfig, err error) error {
	var typed *host.Error
	if errors.As(err, &typed) && !typed.Pos.IsZero() {
		return err
	}
	kind := host.Invalid
	if typed != nil && typed.Kind == host.Unavailable { // not the code's fault
		kind = host.Unavailable
	}
	return &host.Error{Op: "open plugin " + cfg.Name, Kind: kind, Pos: cfg.Pos, Err: err}
}

// runtimeOf is what runs a plugin: what the definition says, since a script runs on either of two, or else what its code is for.
func runtimeOf(cfg *host.PluginConfig) string { return cmp.Or(cfg.Runtime, cfg.Source.Runtime) }

// moduleKey tells modules apart. The same code with another source map fails in other lines.
func moduleKey(cfg *host.PluginConfig) string {
	src := cfg.Source
	mapped := src.MapDigest
	if mapped == "" && len(src.SourceMap) > 0 {
		mapped = fmt.Sprintf("%x", sha256.Sum256(src.SourceMap))
	}
	return strings.Join([]string{runtimeOf(cfg), cfg.ABI, src.Digest, mapped}, " ")
}

// pluginKey tells plugins apart: equal keys share an instance pool. Code that is two kinds of plugin, such as a mapping and a filter, is two
// plugins, each with crashes of its own. It is a hash because secrets are in it. The positions
// of limits are in it too: a pool names them in its errors, and an edit that moves them would make it name wrong lines.
func pluginKey(cfg *host.PluginConfig, kind string, place int) string {
	return hashConfig(cfg, kind, place, cfg.Limits, cfg.OnError)
}

// breakerKey tells breakers apart. What the plugin would do and in which bounds is in it; where that is written is not, so that an edit
// elsewhere in the file forgets no crashes.
func breakerKey(cfg *host.PluginConfig, kind string) string {
	text, err := json.Marshal(cfg.Limits)
	var limits any
	if err == nil {
		err = json.Unmarshal(text, &limits)
	}
	if err != nil {
		panic("pipeline: a plugin's limits do not encode: " + err.Error()) // plain data always does
	}
	dropPositions(limits)
	return hashConfig(cfg, kind, limits)
}

// hashConfig is the SHA-256 of a plugin's configuration and more.
func hashConfig(cfg *host.PluginConfig, more ...any) string {
	h := sha256.New()
	secrets := map[string]string{}
	for _, secret := range cfg.Secrets {
		secrets[secret.Name] = secret.Value.Reveal()
	}
	parts := append([]any{cfg.Name, moduleKey(cfg), cfg.Env, secrets, cfg.Config, cfg.Isolation, cfg.KV, cfg.Egress}, more...)
	if err := json.NewEncoder(h).Encode(parts); err != nil {
		panic("pipeline: a plugin's configuration does not encode: " + err.Error()) // plain data always does
	}
	return hex.EncodeToString(h.Sum(nil))
}

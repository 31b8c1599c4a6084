package js_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/kv"
)

// mapEffects have a map, and keep the metrics.
type mapEffects struct {
	effects
	host.KV
	metrics []string
}

func (e *mapEffects) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	return e.KV.KVGet(ctx, key)
}

func (e *mapEffects) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	return e.KV.KVPut(ctx, key, value, o)
}

func (e *mapEffects) KVDelete(ctx context.Context, key string, revision int64) error {
	return e.KV.KVDelete(ctx, key, revision)
}

func (e *mapEffects) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	return e.KV.KVKeys(ctx, prefix, after)
}

func (e *mapEffects) Metric(_ context.Context, kind host.MetricKind, name string, value float64) error {
	switch {
	case name == "full":
		return &host.Error{Op: "metric", Kind: host.TooLarge, Err: errors.New("too many names")}
	case name == "":
		return &host.Error{Op: "metric", Kind: host.Invalid, Err: errors.New("no name")}
	}
	e.metrics = append(e.metrics, fmt.Sprint(kind, " ", name, " ", value))
	return nil
}

func TestMapOfAScript(t *testing.T) {
	const script = `export async function handle(event, context) {
		const { kv } = context, seen = [];
		const told = async (p) => { try { seen.push(await p()); } catch (e) { seen.push(e.name); } };
		await told(() => kv.get('a'));
		const first = await kv.put('a', 'one', { revision: 0 });
		await told(() => kv.put('a', 'two', { revision: 0 }));
		const second = await kv.put('a', 'zwei ü', { revision: first, ttl: 60 });
		await told(() => kv.get('a'));
		const entry = await kv.entry('a');
		seen.push(entry.value, entry.revision === second, second > first, await kv.entry('b'));
		await kv.put('bytes', new Uint8Array([0, 255]));
		seen.push([...await kv.getBytes('bytes')].join());
		seen.push((await kv.keys()).join(), (await kv.keys({ prefix: 'b' })).join(), (await kv.keys({ after: 'a' })).join());
		await told(() => kv.delete('a', { revision: first }));
		await kv.delete('a');
		await told(() => kv.get('a'));
		await told(() => kv.put('big', 'x'.repeat(70000)));
		await told(() => kv.put('', 'x'));
		for (const bad of [() => kv.get(7), () => kv.put('a', 7), () => kv.put('a', 'x', { ttl: 0 }), () => kv.put('a', 'x', { revision: 1.5 })]) await told(bad);
		seen.push((await Promise.all([1, 2, 3].map((n) => kv.put('n' + n, '' + n)))).length);
		return seen;
	}`
	var store kv.Store
	fx := &mapEffects{KV: store.Map("m", 1<<20)}
	got, err := callWith(open(t, "map.js", script), fx)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `[null,"ConflictError","zwei ü","zwei ü",true,true,null,"0,255","a,bytes","bytes","bytes","ConflictError",null,"QuotaExceededError","TypeError","TypeError","TypeError","TypeError","TypeError",3]`)
}

func callWith(p host.Plugin, fx host.Effects) (string, error) {
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`{}`)}, fx)
	return string(out.Meta), err
}

func TestMetricsOfAScript(t *testing.T) {
	p := open(t, "metrics.js", `export function handle(event, context) {
		context.count('looks'); context.count('looks', 2); context.gauge('depth', -1.5); context.record('took', 7);
		return ['full', ''].map((name) => { try { context.count(name); } catch (e) { return e.name; } });
	}`)
	var store kv.Store
	fx := &mapEffects{KV: store.Map("m", 1<<20)}
	got, err := callWith(p, fx)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `["RangeError","TypeError"]`)
	if got := strings.Join(fx.metrics, ", "); got != "0 looks 1, 0 looks 2, 1 depth -1.5, 2 took 7" {
		t.Errorf("got %s", got)
	}
}

// The map and metrics are where a context is: with fetch handlers, authorizers, mappings and filters too.
func TestMapEverywhere(t *testing.T) {
	p := open(t, "everywhere.js", `
		const use = async (context) => { context.count('used'); await context.kv.put('k', 'v'); return context.kv.get('k'); };
		export default { async fetch(request, env, ctx) { return new Response(await use(ctx)); } };
		export async function authorize(event, context) { return { isAuthorized: await use(context) === 'v' }; }
		export async function map_request(input, context) { return use(context); }
		export async function filter_request(request, context) { return new Response(await use(context)); }`)
	for entry, meta := range map[string]string{
		host.EntryHandle:        `{"version":"2.0","requestContext":{"http":{"method":"GET"}}}`,
		host.EntryAuthorize:     `{}`,
		host.EntryMapRequest:    `{"context":{}}`,
		host.EntryFilterRequest: `{"phase":"request","request":{"method":"GET","scheme":"https","host":"a.example","path":"/","headers":[],"length":0},"context":{}}`,
	} {
		var store kv.Store
		fx := &mapEffects{KV: store.Map("m", 1<<20)}
		out, err := p.Call(context.Background(), entry, host.Event{Meta: []byte(meta)}, fx)
		if err != nil {
			t.Errorf("%s: %v", entry, err)
			continue
		}
		if out.Body != nil {
			_ = out.Body.Close()
		}
		if len(fx.metrics) != 1 {
			t.Errorf("%s: metrics %v", entry, fx.metrics)
		}
	}
}

// How much a call logs is the plugin's own limit.
func TestLogLimitsOfAPlugin(t *testing.T) {
	few := func(c *host.PluginConfig) {
		c.Limits.LogLines = host.Setting[int64]{Value: 2, Pos: host.Position{File: "postern.yaml", Line: 3, Column: 5}}
	}
	p := open(t, "few.js", `export const handle = () => { for (let i = 0; i < 9; i++) console.log(i); };`, few)
	fx := &effects{}
	if _, err := call(p, host.EntryHandle, "{}", nil, fx); err != nil {
		t.Fatal(err)
	}
	if len(fx.lines) != 3 || !strings.Contains(fx.lines[2], "limits.logLines: postern.yaml:3:5") {
		t.Errorf("got %q", fx.lines)
	}
	small := func(c *host.PluginConfig) { c.Limits.LogBytes = host.Default[int64](10) }
	p = open(t, "small.js", `export const handle = () => { for (let i = 0; i < 9; i++) console.log('12345'); };`, small)
	fx = &effects{}
	if _, err := call(p, host.EntryHandle, "{}", nil, fx); err != nil {
		t.Fatal(err)
	}
	if len(fx.lines) != 3 || !strings.Contains(fx.lines[2], "more than 10 bytes") {
		t.Errorf("got %q", fx.lines)
	}
}

func TestPoolStats(t *testing.T) {
	p := open(t, "pool.js", `export const handle = () => new Promise((done) => setTimeout(done, 300));`, pooled, func(c *host.PluginConfig) {
		c.Limits.Concurrency = host.Default(1)
	}, timeout(10*time.Second))
	stats := func() host.PoolStats {
		s := p.(host.Inspector).Pool()
		s.Memory = 0
		return s
	}
	if got := stats(); got != (host.PoolStats{Idle: 1}) {
		t.Errorf("at first: %+v", got)
	}
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := call(p, host.EntryHandle, "{}", nil, &effects{})
			ended <- err
		}()
	}
	for until := time.Now().Add(10 * time.Second); stats() != (host.PoolStats{Busy: 1, Waiting: 1}); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("under way: %+v", stats())
		}
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

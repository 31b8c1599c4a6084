package recording_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/js/bundle"
	"github.com/postern/postern/host/kv"
	"github.com/postern/postern/host/quickjs"
	"github.com/postern/postern/host/recording"
	"github.com/postern/postern/host/wasm"
)

// A guest is one of a runtime, and the calls that it is recorded in.
type guest struct {
	source func(t *testing.T) host.Source
	calls  func(origin string) map[string]host.Event
}

func event(path string, query map[string]string) string {
	b, err := json.Marshal(map[string]any{"version": "2.0", "rawPath": path, "headers": map[string]string{"host": "a.example"},
		"queryStringParameters": query, "requestContext": map[string]any{"http": map[string]string{"method": "POST"}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func conformanceCalls(origin string) map[string]host.Event {
	ev := func(path string, query map[string]string) host.Event {
		return host.Event{Meta: []byte(event(path, query))}
	}
	return map[string]host.Event{
		"world": ev("/world", nil), "context": ev("/context", nil), "error": ev("/error", nil), "panic": ev("/panic", nil), "ticks": ev("/ticks", nil),
		"fetch": ev("/fetch", map[string]string{"url": origin + "/f"}), "denied": ev("/fetch", map[string]string{"url": "http://other.example/"}),
		"put": ev("/kv", map[string]string{"op": "put", "key": "k", "value": "v"}), "get": ev("/kv", map[string]string{"op": "get", "key": "none"}),
		"conflict": ev("/kv", map[string]string{"op": "put", "key": "k", "value": "w", "revision": "77"}), "keys": ev("/kv", map[string]string{"op": "keys"}),
		"echo": ev("/echo", nil), "calls": ev("/calls", nil), "payload": {Meta: []byte(`{"any":"json"}`)},
	}
}

// guests are the runtimes' that a call must replay exactly on.
var guests = map[string]guest{
	"wasm, by the SDK for Go": {goGuest, conformanceCalls},
	"wasm, by hand":           {watGuest, func(string) map[string]host.Event { return map[string]host.Event{"handle": {Meta: []byte(`{}`)}} }},
	"js, the SDK's script": {func(t *testing.T) host.Source {
		text, err := os.ReadFile(filepath.Join("..", "..", "sdk", "js", "conformance", "conformance.js"))
		if err != nil {
			t.Fatal(err)
		}
		return script(t, string(text))
	}, conformanceCalls},
	"js": {func(t *testing.T) host.Source { return script(t, busy) }, func(origin string) map[string]host.Event {
		meta := fmt.Sprintf(`{"origin":%q}`, origin)
		return map[string]host.Event{"busy": {Meta: []byte(meta)}, "fails": {Meta: []byte(`{"fail":true}`)}}
	}},
	"js, a fetch handler": {func(t *testing.T) host.Source { return script(t, streams) }, func(origin string) map[string]host.Event {
		return map[string]host.Event{"through": {Meta: []byte(event("/"+url.PathEscape(origin), nil))}}
	}},
}

// busy does all at once, and tells in which order it heard of it.
const busy = `
const born = [Date.now(), Math.random(), crypto.randomUUID(), process.env.COLOR];
export async function handle(event, context) {
	if (event.fail) { context.count('failing'); throw new RangeError('no ' + Math.random()); }
	const heard = [];
	const hear = async (name, promise) => { try { heard.push([name, await promise]); } catch (e) { heard.push([name, e.name, e.message]); } };
	const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
	const get = async (path, init) => (await fetch(event.origin + path, init)).text();
	let ticks = 0;
	const ticking = setInterval(() => { ticks++; console.log('tick', ticks, performance.now()); }, 3);
	await Promise.all([
		hear('a', get('/a')), hear('b', get('/b', { method: 'POST', body: 'x', headers: { authorization: 'Bearer ' + context.secrets.TOKEN } })), hear('c', get('/c')),
		hear('broken', get('/broken')), hear('denied', fetch('http://other.example/')),
		hear('aborted', (async () => { const c = new AbortController(); setTimeout(() => c.abort(), 2); return (await fetch(event.origin + '/slow', { signal: c.signal })).text(); })()),
		hear('put', context.kv.put('n', '1')), hear('conflict', context.kv.put('n', '2', { revision: 0 })), hear('key', context.kv.get('')),
		hear('sleep', sleep(4)), hear('sleep', sleep(7)), hear('metric', (async () => context.count(''))()),
		hear('digest', crypto.subtle.digest('SHA-256', new Uint8Array(300000)).then((b) => b.byteLength)),
	]);
	clearInterval(ticking);
	const span = context.startSpan('after'); span.end('none');
	context.gauge('ticks', ticks);
	return { born, heard, ticks, now: [Date.now(), new Date().toISOString()], id: crypto.randomUUID(), random: Math.random(),
		left: context.getRemainingTimeInMillis(), keys: await context.kv.keys(), trace: context.traceparent, request: context.awsRequestId };
}`

// streams sends what comes in on to an upstream, both ways in pieces, and goes on behind its answer.
const streams = `
export default { async fetch(request, env, ctx) {
	const origin = decodeURIComponent(new URL(request.url).pathname.slice(1));
	const sent = request.body.pipeThrough(new TransformStream({ transform(chunk, c) { console.log('in', chunk.length); c.enqueue(chunk); } }));
	const answer = await fetch(origin + '/up', { method: 'POST', body: sent, duplex: 'half' });
	let n = 0;
	const out = answer.body.pipeThrough(new TransformStream({ transform(chunk, c) { n += chunk.length; console.log('out', n); c.enqueue(chunk); } }));
	ctx.waitUntil((async () => { await new Promise((done) => setTimeout(done, 15)); await ctx.kv.put('behind', 'it ' + n); console.log('behind', env.TOKEN); })());
	return new Response(out, { headers: { 'x-id': crypto.randomUUID() } });
} }`

func script(t *testing.T, text string) host.Source {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.js"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	res, err := bundle.Build(context.Background(), bundle.Options{Dir: dir, Entry: "a.js"})
	if err != nil {
		t.Fatal(err)
	}
	return *res.Source
}

func goGuest(t *testing.T) host.Source {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, ".")
	build.Dir = filepath.Join("..", "..", "sdk", "go", "conformance")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return wasmFile(t, out)
}

// watGuest writes the time, random bytes and the environment, which WASI gives it, before its first call and in each.
func watGuest(t *testing.T) host.Source { return wasmFile(t, filepath.Join("testdata", "world.wasm")) }

// The binary is what wat2wasm makes of the text beside it.
func TestWatGuestIsItsSource(t *testing.T) {
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("wat2wasm is not there; apt-get install wabt")
		}
		t.Skip("wat2wasm is not there; apt-get install wabt")
	}
	out := filepath.Join(t.TempDir(), "world.wasm")
	if text, err := exec.Command(tool, "--debug-names", filepath.Join("testdata", "world.wat"), "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !bytes.Equal(wasmFile(t, out).Code, watGuest(t).Code) {
		t.Error("testdata/world.wasm is not what its source says; run: wat2wasm --debug-names testdata/world.wat -o testdata/world.wasm")
	}
}

func wasmFile(t *testing.T, path string) host.Source {
	t.Helper()
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return host.Source{Name: filepath.Base(path), Runtime: host.RuntimeWasm, Code: code}
}

// load compiles a guest on its runtime.
func load(t *testing.T, src host.Source) host.Module {
	t.Helper()
	var rt host.Runtime = js.New(js.Options{})
	if src.Runtime == host.RuntimeWasm || src.Runtime == host.RuntimeQuickJS {
		w, err := wasm.New(wasm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		rt = w
		if src.Runtime == host.RuntimeQuickJS {
			if rt, err = quickjs.New(quickjs.Options{Engine: w.Engine()}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := w.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	m, err := rt.Compile(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(context.Background()), rt.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return m
}

// record makes a call, and returns its document, decoded again, with the result.
func record(t *testing.T, m host.Module, fx *effects, in host.Event) (doc *recording.Recording, meta, body string, failed error) {
	t.Helper()
	cfg := host.PluginConfig{Name: "test", Env: map[string]string{"COLOR": "red", "TABLE": "orders"}, Config: json.RawMessage(`{"issuer":"acme"}`), Secrets: fx.Plugin.Secrets}
	cfg.Limits.Timeout, cfg.Limits.Memory = host.Default(20*time.Second), host.Default[int64](0)
	p, err := m.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := recording.NewRecorder(recording.PluginOf(&cfg, m.Info()), &fx.StartEffects, fx)
	in.Body = pieces("a body that comes in pieces, " + token())
	in.Function = &host.FunctionContext{Name: "test", Version: "7", ARN: "arn:test", RequestID: "id-1"}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, failed := recording.Record(ctx, p, host.EntryHandle, in, r)
	if failed == nil && out.Body != nil {
		b, err := io.ReadAll(out.Body)
		if err = errors.Join(err, out.Body.Close()); err != nil {
			failed = err
		}
		body = string(b)
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	made, err := r.Recording()
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), fx.Plugin.Secrets[0].Value.Reveal()) {
		t.Error("the recording has the secret")
	}
	if doc, err = recording.Decode(text); err != nil {
		t.Fatal(err)
	}
	return doc, string(out.Meta), body, failed
}

var secrets = map[string]string{"TOKEN": "s3cret-value", "OTHER": "another-value"}

// A recorded call replays exactly: the guest asks for the same, hears of it in the same order, and answers the same; and nothing
// of it reaches the world.
func TestReplay(t *testing.T) {
	all := maps.Clone(guests)
	for name, g := range guests {
		if strings.HasPrefix(name, "js") { // the same scripts on the other runtime
			all["quick"+name] = guest{func(t *testing.T) host.Source {
				src := g.source(t)
				src.Runtime = host.RuntimeQuickJS
				return src
			}, g.calls}
		}
	}
	for name, g := range all {
		t.Run(name, func(t *testing.T) {
			m := load(t, g.source(t))
			origin, requests := upstream(t)
			for what, in := range g.calls(origin) {
				for round := range 2 {
					var store kv.Store
					doc, meta, body, failed := record(t, m, newEffects(origin, &store), in)
					sent := requests.Load()
					for range 2 {
						out, err := recording.Replay(context.Background(), m, doc, secrets)
						if err != nil {
							t.Fatalf("%s: %v", what, err)
						}
						if out.Divergence != nil {
							text, _ := doc.Encode()
							t.Fatalf("%s, round %d: %v\n%.6000s", what, round, out.Divergence, text)
						}
						if diff := cmp.Diff(meta+body, string(out.Meta)+string(out.Body)); diff != "" || (failed == nil) != (out.Err == nil) {
							t.Errorf("%s: %v, %v; recorded (-) and replayed (+):\n%s", what, failed, out.Err, diff)
						}
					}
					if requests.Load() != sent {
						t.Errorf("%s: the replay reached the upstream", what)
					}
				}
			}
		})
	}
}

// Other code diverges where it does something else, and says what.
func TestReplayOfOtherCode(t *testing.T) {
	origin, _ := upstream(t)
	const code = `export async function handle(event, context) {
		const r = await fetch('%s/orders', { method: 'POST', body: '%s', headers: { 'x-from': '%s' } });
		await r.text();
		%s
		return { total: %s };
	}`
	write := func(body, header, after, total string) host.Module {
		return load(t, script(t, fmt.Sprintf(code, origin, body, header, after, total)))
	}
	var store kv.Store
	doc, _, _, err := record(t, write("one", "shop", "console.log('done');", "1"), newEffects(origin, &store), host.Event{Meta: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		m    host.Module
		want []string
	}{
		"the same":          {write("one", "shop", "console.log('done');", "1"), nil},
		"another header":    {write("one", "store", "console.log('done');", "1"), []string{"effect of task", `- {"do":"fetch"`, `"shop"`, `+ {"do":"fetch"`, `"store"`}},
		"another body":      {write("two", "shop", "console.log('done');", "1"), []string{"the body of POST http://", `- "one"`, `+ "two"`}},
		"another line":      {write("one", "shop", "console.log('over');", "1"), []string{`- {"do":"log"`, "done", `+ {"do":"log"`, "over"}},
		"one line less":     {write("one", "shop", "", "1"), []string{`- {"do":"log"`, "+ (the call ended)"}},
		"one line more":     {write("one", "shop", "console.log('done'); console.log('more');", "1"), []string{"- (nothing more)", `+ {"do":"log"`, "more"}},
		"another result":    {write("one", "shop", "console.log('done');", "2"), []string{"the result's meta", `- "{\"total\":1}"`, `+ "{\"total\":2}"`}},
		"an error":          {write("one", "shop", "console.log('done'); throw new TypeError('no');", "1"), []string{"the result", "- (no error)", "+ internal: TypeError: no"}},
		"an endless script": {write("one", "shop", "for (;;) Math.random();", "1"), []string{`- {"do":"log"`, `+ {"do":"random"`}},
	} {
		out, err := recording.Replay(context.Background(), test.m, doc, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if test.want == nil {
			if out.Divergence != nil {
				t.Errorf("%s: %v", name, out.Divergence)
			}
			continue
		}
		if out.Divergence == nil {
			t.Errorf("%s: no divergence", name)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(out.Divergence.Error(), part) {
				t.Errorf("%s: %s is not in:\n%v", name, part, out.Divergence)
			}
		}
	}
}

// What cannot be replayed exactly says so.
func TestRefusals(t *testing.T) {
	m := load(t, script(t, `export default { fetch: (request, env) => new Response(new Uint8Array(env.TOKEN ? 2 << 20 : 1)) }`))
	var store kv.Store
	doc, _, body, err := record(t, m, newEffects("", &store), host.Event{Meta: []byte(event("/", nil))})
	if err != nil || len(body) != 2<<20 {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if _, err := recording.Replay(context.Background(), m, doc, secrets); !errors.Is(err, host.Unsupported) || !strings.Contains(err.Error(), "the result has more than 1048576 bytes") {
		t.Errorf("a body that is cut: %v", err)
	}
	doc.Cut = nil
	if _, err := recording.Replay(context.Background(), m, doc, nil); !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "TOKEN") {
		t.Errorf("a secret that is missing: %v", err)
	}
	for _, text := range []string{``, `{}`, `{"recording":2}`, `{"recording":1}`, `{"recording":1,"call":{"entry":"handle"},"effects":[null]}`,
		`{"recording":1,"call":{"entry":"handle"},"effects":[{"do":"now"}]}`, `{"recording":1,"call":{"entry":"handle"},"more":1}`} {
		if _, err := recording.Decode([]byte(text)); !errors.Is(err, host.Invalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A reason names a URL, and no secret that stands in it.
func TestCutHasNoSecret(t *testing.T) {
	origin, _ := upstream(t)
	m := load(t, script(t, fmt.Sprintf(`export async function handle(event, context) {
		await fetch('%s/x?key=' + context.secrets.TOKEN, { method: 'POST', body: 'x'.repeat(2 << 20) });
	}`, origin)))
	var store kv.Store
	doc, _, _, err := record(t, m, newEffects(origin, &store), host.Event{Meta: []byte("{}")}) // which looks for the secret
	if err != nil || len(doc.Cut) != 1 || !strings.Contains(string(doc.Cut[0]), "{{secret TOKEN ") {
		t.Errorf("%q, %v", doc.Cut, err)
	}
}

// A secret that has another value now stands where the other one stood.
func TestReplayWithAnotherSecret(t *testing.T) {
	origin, _ := upstream(t)
	m := load(t, script(t, fmt.Sprintf(`export async function handle(event, context) {
		const r = await fetch('%s/x', { headers: { authorization: 'Bearer ' + context.secrets.TOKEN } });
		await r.text();
		return 'sent ' + context.secrets.TOKEN;
	}`, origin)))
	var store kv.Store
	doc, _, _, err := record(t, m, newEffects(origin, &store), host.Event{Meta: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := recording.Replay(context.Background(), m, doc, map[string]string{"TOKEN": "a new one"})
	if err != nil || out.Divergence != nil || string(out.Meta) != `"sent a new one"` {
		t.Errorf("got %+v, %v", out, err)
	}
}

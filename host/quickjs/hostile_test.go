package quickjs_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/bundle"
	"github.com/postern/postern/host/quickjs"
	"github.com/postern/postern/host/wasm"
)

// newRuntime is one for all tests, as a process has one.
var newRuntime = sync.OnceValue(func() host.Runtime {
	w, err := wasm.New(wasm.Options{})
	if err != nil {
		panic(err)
	}
	r, err := quickjs.New(quickjs.Options{Engine: w.Engine()})
	if err != nil {
		panic(err)
	}
	return r
})

func compile(t testing.TB, code string) host.Module {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.ts"), []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	res, err := bundle.Build(t.Context(), bundle.Options{Dir: dir, Entry: "a.ts"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := newRuntime().Compile(t.Context(), *res.Source)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t testing.TB, code string, change ...func(*host.PluginConfig)) host.Plugin {
	t.Helper()
	cfg := host.PluginConfig{Name: "test"}
	cfg.Limits.Timeout.Value = 25 * time.Second // a machine may be busy; tests of time set their own
	for _, c := range change {
		c(&cfg)
	}
	p, err := compile(t, code).Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func handle(p host.Plugin, event string) (string, error) {
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(event)}, &host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: &host.PluginConfig{}})
	if err != nil {
		return "", err
	}
	if out.Body != nil {
		if _, err := io.Copy(io.Discard, out.Body); err != nil {
			return "", err
		}
		err = out.Body.Close()
	}
	return string(out.Meta), err
}

func timeout(d time.Duration) func(*host.PluginConfig) {
	return func(c *host.PluginConfig) {
		c.Limits.Timeout = host.Setting[time.Duration]{Value: d, Pos: host.Position{File: "postern.yaml", Line: 7, Column: 3}}
		c.Limits.Fuel.Value = 1 << 40
	}
}

func memory(n int64) func(*host.PluginConfig) {
	return func(c *host.PluginConfig) {
		c.Limits.Memory = host.Setting[int64]{Value: n, Pos: host.Position{File: "postern.yaml", Line: 8, Column: 3}}
	}
}

// Whatever a script does ends within its limits, says which it passed, and the next call, and other plugins, notice nothing.
func TestHostileScripts(t *testing.T) {
	good := open(t, "export const handle = (e: any) => e.n + 1")
	const input = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'"
	for name, c := range map[string]struct{ code, kind string }{
		"a string of 2 GiB":      {"'x'.repeat(2 ** 31)", "RangeError"},
		"a string of 512 MiB":    {"'x'.repeat(2 ** 29)", host.GuestMemory},
		"an array of 2^32 - 1":   {"new Array(2 ** 32 - 1).fill(0)", host.GuestMemory},
		"a buffer of 1 GiB":      {"new Uint8Array(2 ** 30)", host.GuestMemory},
		"hoarding":               {"{ const all = []; for (;;) all.push(new Uint8Array(1 << 20)) }", host.GuestMemory},
		"hoarding objects":       {"{ let o: any = {}; for (;;) o = { o } }", host.GuestMemory},
		"a huge JSON":            {"JSON.stringify(new Array(1 << 20).fill('x'.repeat(1 << 10)))", host.GuestMemory},
		"a large random request": {"crypto.getRandomValues(new Uint8Array(1 << 20))", "QuotaExceededError"},
		"an endless loop":        {"{ for (;;) {} }", host.GuestTimeout},
		"an endless microtask":   {"{ const f = () => { Promise.resolve().then(f) }; f(); await new Promise(() => {}) }", host.GuestTimeout},
		"catching everything":    {"{ for (;;) try { for (;;) {} } catch {} finally { for (;;) {} } }", host.GuestTimeout},
		"ReDoS":                  {"/(?=a)(a+)+$/.test(" + input + ")", host.GuestTimeout},
		"a sort without end":     {"new Array(1000).fill(0).sort(() => { for (;;) {} })", host.GuestTimeout},
		"deep recursion":         {"{ const f = (): any => 1 + f(); f() }", "RangeError"},
		"recursion that catches": {"{ const f = (): any => { try { f() } finally { f() } }; f() }", ""},
		"a chain of proxies":     {"{ let o: any = {}; for (let i = 0; i < 1e5; i++) o = new Proxy(o, {}); o.x }", "RangeError"},
		"a chain of prototypes":  {"{ let o: any = null; for (let i = 0; i < 1e5; i++) o = Object.create(o); return o.x === undefined }", "none"},
		"deep JSON":              {"JSON.parse('['.repeat(1e6))", "RangeError"},
		"flat":                   {"{ let o: any = []; for (let i = 0; i < 1e5; i++) o = [o]; o.flat(Infinity) }", "RangeError"},
		"deep code":              {"eval('['.repeat(1e6))", "RangeError"},
		"a deep pattern":         {"new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5))", "SyntaxError"},
		"an odd primordial":      {"{ Promise.prototype.then = Array.prototype.push = Map.prototype.get = JSON.stringify = (() => { throw new Error('mine') }) as any; return 1 }", ""},
	} {
		t.Run(name, func(t *testing.T) {
			body := "return " + c.code
			if strings.HasPrefix(c.code, "{") {
				body = c.code
			}
			p := open(t, "export const handle = async (e: any) => { if (!e.bad) return 1\n"+body+" }", timeout(2*time.Second), memory(32<<20))
			began := time.Now()
			_, err := handle(p, `{"bad": true}`)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			var g *host.GuestError
			switch {
			case c.kind == "none":
				if err != nil {
					t.Error(err)
				}
			case c.kind == "": // some end or other
			case !errors.As(err, &g) || g.Type != c.kind:
				t.Errorf("%v", err)
			}
			if g != nil && c.kind == host.GuestMemory && (g.Limit == nil || g.Limit.Limit != "memory" || g.Limit.Origin != "postern.yaml:8:3") {
				t.Errorf("limit %+v", g.Limit)
			}
			if g != nil && c.kind == host.GuestTimeout && name != "an endless microtask" && !strings.Contains(g.Stack, "a.ts:") {
				t.Errorf("no place of the script's in its stack: %q", g.Stack)
			}
			if got, err := handle(p, "{}"); err != nil || got != "1" {
				t.Errorf("the next call: %s %v", got, err)
			}
			if got, err := handle(good, `{"n": 1}`); err != nil || got != "2" {
				t.Errorf("another plugin: %s %v", got, err)
			}
		})
	}
}

// What a call leaves is not there for the next, unless the plugin is pooled.
func TestIsolation(t *testing.T) {
	const code = "let secret = ''; export const handle = (e: any) => { const before = secret + ((globalThis as any).other ?? ''); secret += e.secret; (globalThis as any).other = e.secret; return [before, Math.random() < 1] }"
	for isolation, want := range map[host.Isolation]string{host.IsolationReset: `["",true]`, host.IsolationFresh: `["",true]`, host.IsolationPooled: `["ss",true]`, "": `["",true]`} {
		p := open(t, code, func(c *host.PluginConfig) { c.Isolation = isolation })
		if _, err := handle(p, `{"secret": "s"}`); err != nil {
			t.Error(err)
		}
		if got, err := handle(p, `{"secret": "s"}`); err != nil || got != want {
			t.Errorf("%s: %s %v", isolation, got, err)
		}
	}
}

// Keys that are made while a script loads are there in every call, and random numbers are new in each.
func TestWhatIsLoadedOnce(t *testing.T) {
	p := open(t, `const key = crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
		export const handle = async () => { const raw = await crypto.subtle.exportKey('raw', await key); const own: any = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); return [new Uint8Array(raw as ArrayBuffer).length, Math.random(), crypto.randomUUID(), (await crypto.subtle.exportKey('raw', own) as ArrayBuffer).byteLength] }`)
	seen := map[string]bool{}
	for range 5 {
		got, err := handle(p, "{}")
		if err != nil || !strings.HasPrefix(got, "[64,") || seen[got] {
			t.Fatal(got, err)
		}
		seen[got] = true
	}
}

func TestStats(t *testing.T) {
	p := open(t, "export const handle = () => new Promise((done) => setTimeout(done, 5))")
	for range 2 {
		out, err := p.Call(t.Context(), host.EntryHandle, host.Event{Meta: []byte("{}")}, &host.StartEffects{})
		if s := out.Stats; err != nil || s.Cold || s.HostTime <= 0 || s.Memory < 1<<20 || s.Fuel <= 0 {
			t.Errorf("%v %+v", err, s)
		}
	}
}

// What is vendored is what ORIGIN says.
func TestOrigin(t *testing.T) {
	origin, err := os.ReadFile("ORIGIN")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile("quickjs.wasm")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(binary)
	m := regexp.MustCompile(`(?m)^quickjs\.wasm: sha256 (\w+)$`).FindSubmatch(origin)
	if m == nil || string(m[1]) != hex.EncodeToString(sum[:]) {
		t.Errorf("quickjs.wasm has sha256 %x; ORIGIN says %s", sum, m)
	}
	for _, line := range []string{"crate: rquickjs-sys ", "crate-file: sha256 ", "sources: sha256 ", "licence: MIT"} {
		if !strings.Contains(string(origin), "\n"+line) {
			t.Errorf("ORIGIN does not say %q", line)
		}
	}
	if licence, err := os.ReadFile("LICENSE"); err != nil || !strings.Contains(string(licence), "Bellard") {
		t.Error("QuickJS's licence is not there:", err)
	}
}

package js_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
)

func TestErrorsHaveTheUsersPlace(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		want host.GuestError // without the stack
	}{
		"throw in TypeScript": {"interface A { b: string }\ntype C = A | null\n\nexport function handle(e: A): C {\n  const ü = 'ü'; throw new TypeError('no ' + ü)\n}",
			host.GuestError{Type: "TypeError", Message: "no ü", Pos: host.Position{File: "src/a.ts", Line: 5, Column: 24}}},
		"reject": {"export async function handle(e: any) {\n  await null\n  throw new RangeError('late')\n}",
			host.GuestError{Type: "RangeError", Message: "late", Pos: host.Position{File: "src/a.ts", Line: 3, Column: 9}}},
		"in a timer": {"export function handle(e: any) {\n  return new Promise((done) => setTimeout(() => {\n    throw new Error('timer')\n  }, 1))\n}",
			host.GuestError{Type: "Error", Message: "timer", Pos: host.Position{File: "src/a.ts", Line: 3, Column: 11}}},
		"undefined": {"export function handle(e: any) {\n  return e.a.b\n}",
			host.GuestError{Type: "TypeError", Message: "Cannot read property 'b' of undefined", Pos: host.Position{File: "src/a.ts", Line: 2, Column: 14}}},
		"no Error": {"export function handle(e: any) {\n  throw 'text'\n}",
			host.GuestError{Type: "Error", Message: "text", Pos: host.Position{File: "src/a.ts", Line: 2, Column: 3}}},
		"Unauthorized": {"export function handle(e: any) {\n  throw new Error('Unauthorized')\n}",
			host.GuestError{Type: "Error", Message: "Unauthorized", Pos: host.Position{File: "src/a.ts", Line: 2, Column: 9}}},
		"own class": {"class Denied extends Error { get name() { return 'Denied' } }\nexport async function handle(e: any) { throw new Denied('x') }",
			host.GuestError{Type: "Denied", Message: "x", Pos: host.Position{File: "src/a.ts", Line: 2, Column: 46}}},
		"JSON cycle": {"export function handle(e: any) {\n  e.self = e\n  return e\n}",
			host.GuestError{Type: "TypeError", Message: "Converting circular structure to JSON"}},
		"BigInt": {"export const handle = () => ({ n: 1n })",
			host.GuestError{Type: "TypeError", Message: "Do not know how to serialize a BigInt"}},
		"never settles": {"export const handle = () => new Promise(() => {})",
			host.GuestError{Type: "Error", Message: "the promise that was returned never settled: nothing is left to run, no timer and no fetch"}},
		"recursion": {"const f = (): number => 1 + f()\nexport function handle() {\n  return f()\n}",
			host.GuestError{Type: "RangeError", Message: "Maximum call stack size exceeded", Pos: host.Position{File: "src/a.ts", Line: 1, Column: 29}}},
		"broken getters": {"export function handle() { throw { get name() { throw 1 }, get message() { throw 2 }, get stack() { throw 3 } } }",
			host.GuestError{Type: "Error", Message: "an object was thrown that is no Error", Pos: host.Position{File: "src/a.ts", Line: 1, Column: 28}}},
	} {
		if differs(t, name) {
			continue
		}
		for _, isolation := range []host.Isolation{host.IsolationFresh, host.IsolationPooled} {
			t.Run(name+" "+string(isolation), func(t *testing.T) {
				p := open(t, "src/a.ts", c.code, func(cfg *host.PluginConfig) { cfg.Isolation = isolation })
				for range 2 {
					_, err := call(p, "handle", "{}", nil, nil)
					g := guest(t, err)
					if !errors.Is(err, host.Internal) {
						t.Errorf("kind of %v", err)
					}
					got := *g
					got.Stack = ""
					want := c.want
					if isQuickJS(t) { // see placed
						got.Pos.Column, want.Pos.Column = 0, 0
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s\n%s", diff, g.Stack)
					}
					if strings.Contains(g.Stack, "postern:") || !g.Pos.IsZero() && !strings.Contains(g.Stack, g.Pos.String()) {
						t.Errorf("stack:\n%s", g.Stack)
					}
				}
			})
		}
	}
}

func TestErrorStackInScripts(t *testing.T) {
	r, err := call(open(t, "src/a.ts", "type A = 1\nexport function handle() { return new Error('x').stack }"), "handle", "{}", nil, nil)
	if err != nil || !strings.Contains(r.meta, "src/a.ts:2:35") {
		t.Errorf("%v %s", err, r.meta)
	}
}

func TestRefusedWhenCompiled(t *testing.T) {
	for name, c := range map[string]struct{ code, want string }{
		"throws at load":      {"const a: number = 1\n\nthrow new Error('at load ' + a)\nexport const handle = 1", "a.ts:3:7: load script: Error: at load 1"},
		"fetch in a promise":  {"export const handle = () => 1\nfetch('http://x')", ""},
		"property escape":     {"export const handle = (e: any) =>\n  /^\\p{Script_Extensions=Greek}+$/u.test(e.name)", "a.ts:2:3: compile script: \\p{Script_Extensions=Greek} is not supported"},
		"negated":             {"export const handle = (e: any) => e.name.replace(/[^\\P{None}x]/gu, '')", "a.ts:1:50: compile script: \\p{None}"},
		"constructed at load": {"const r = new RegExp(['\\\\p{None}'][0], 'u')\nexport const handle = (e: any) => r.test(e)", "a.ts:1:11: load script: SyntaxError: Invalid regular expression: /\\p{None}/u"},
		"no such flag":        {"export const handle = (e: any) => /a/v.test(e)", "a.ts:1:35: compile script: the flag v"},
		"timer at load":       {"export const handle = () => 1\nsetTimeout(() => {}, 1)", "a.ts:2:1: load script: TypeError: timers can be set within a call only"},
	} {
		if differs(t, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			_, err := newRuntime(t).Compile(context.Background(), source(t, "a.ts", c.code))
			if c.want == "" && err == nil {
				return
			}
			if !errors.Is(err, host.Invalid) || !strings.HasPrefix(placed(t, err.Error()), placed(t, c.want)) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestBrokenSources(t *testing.T) {
	for name, src := range map[string]host.Source{
		"no JavaScript":  {Name: "x.js", Code: []byte("(function(module,exports,require){ = })")},
		"no bundle":      {Name: "x.js", Code: []byte("1 + 1")},
		"empty":          {Name: "x.js"},
		"binary":         {Name: "x.js", Code: []byte("\x00asm\x01\x00\x00\x00")},
		"bad source map": {Name: "x.js", Code: []byte("(function(){})"), SourceMap: []byte("{")},
		"bad mappings":   {Name: "x.js", Code: []byte("(function(){})"), SourceMap: []byte(`{"version":3,"sources":["a"],"mappings":"!!!"}`)},
		"no mappings":    {Name: "x.js", Code: []byte("(function(){})"), SourceMap: []byte(`{"version":3}`)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newRuntime(t).Compile(context.Background(), src); !errors.Is(err, host.Invalid) {
				t.Error(err)
			}
		})
	}
}

func TestLoadLoopsForEver(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := newRuntime(t).Compile(ctx, source(t, "a.js", "export const handle = 1\nfor (;;) {}")); err == nil {
		t.Error("compiled")
	}
}

// A script that wants its environment at load is judged when the environment is known.
func TestEnvironmentAtLoad(t *testing.T) {
	m := compile(t, "a.js", "if (!process.env.TABLE) throw new Error('TABLE is not set')\nexport const handle = () => process.env.TABLE")
	if diff := cmp.Diff([]string{"handle"}, m.Info().Entries); diff != "" {
		t.Error(diff)
	}
	if _, err := m.Open(context.Background(), host.PluginConfig{}); !errors.Is(err, host.Invalid) || !strings.HasPrefix(placed(t, err.Error()), placed(t, "a.js:1:31: load script: Error: TABLE")) {
		t.Error(err)
	}
	p, err := m.Open(context.Background(), host.PluginConfig{Env: map[string]string{"TABLE": "orders"}})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != `"orders"` {
		t.Error(r, err)
	}
}

func TestMemoryCannotBeLimited(t *testing.T) {
	pos := host.Position{File: "postern.yaml", Line: 4, Column: 5}
	_, err := compile(t, "a.js", "export const handle = 1\nexport const authorize = () => 1").Open(context.Background(),
		host.PluginConfig{Limits: host.Limits{Memory: host.Setting[int64]{Value: 1 << 20, Pos: pos}}})
	var e *host.Error
	if !errors.As(err, &e) || e.Kind != host.Invalid || e.Pos != pos {
		t.Error(err)
	}
}

func TestDeadlines(t *testing.T) {
	for name, code := range map[string]string{
		"loop":            "for (;;) {}",
		"loop in finally": "for (;;) { try { throw 1 } catch (e) {} finally { continue } }",
		"timer":           "return new Promise((done) => setTimeout(done, 60000))",
		"microtasks":      "const f = () => Promise.resolve().then(f); return f()",
		"interval":        "return new Promise(() => setInterval(() => {}, 1))",
	} {
		for _, isolation := range []host.Isolation{host.IsolationFresh, host.IsolationPooled} {
			t.Run(name+" "+string(isolation), func(t *testing.T) {
				noLeak(t)
				code := "let n = 0\nexport function handle(e) {\n if (!e.bad) return ++n\n" + code + "\n}"
				isolate := func(c *host.PluginConfig) { c.Isolation = isolation }
				p := open(t, "a.js", code, timeout(200*time.Millisecond), isolate)
				_, err := call(p, "handle", `{"bad": true}`, nil, nil)
				if !errors.Is(err, host.Timeout) || !strings.Contains(err.Error(), "200ms") || !strings.Contains(err.Error(), "postern.yaml:7:3") {
					t.Error(err)
				}
				if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != "1" {
					t.Errorf("the next call: %v %v, of an instance that was interrupted", r, err)
				}

				p = open(t, "a.js", code, timeout(time.Minute), isolate)
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
				defer cancel()
				_, err = p.Call(ctx, "handle", host.Event{Meta: []byte(`{"bad": true}`)}, &effects{})
				if !errors.Is(err, host.Timeout) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the caller's deadline: %v", err)
				}
				ctx, cancel = context.WithCancel(context.Background())
				time.AfterFunc(10*time.Millisecond, cancel)
				_, err = p.Call(ctx, "handle", host.Event{Meta: []byte(`{"bad": true}`)}, &effects{})
				if !errors.Is(err, host.Unavailable) || !errors.Is(err, context.Canceled) {
					t.Errorf("the caller left: %v", err)
				}
			})
		}
	}
}

// goja looks for an interrupt between instructions: what JSON.stringify makes after the deadline is no answer.
func TestDeadlinePassesInABuiltIn(t *testing.T) {
	for _, isolation := range []host.Isolation{host.IsolationFresh, host.IsolationPooled} {
		p := open(t, "a.js", `
export function handle(e) {
  return e.bad ? new Array(100000).fill({ a: [1, 2, 3] }) : {}
}`, timeout(20*time.Millisecond), func(c *host.PluginConfig) { c.Isolation = isolation })
		if r, err := call(p, "handle", `{"bad": true}`, nil, nil); !errors.Is(err, host.Timeout) {
			t.Errorf("%s: %d bytes of an answer, %v", isolation, len(r.meta), err)
		}
		if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != "{}" {
			t.Errorf("%s: the next call: %v %v", isolation, r, err)
		}
	}
}

// The expression backtracks without end; goja alone would say that nothing matched.
func TestRegexpsThatBacktrack(t *testing.T) {
	const input = `{"s": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}`
	for _, code := range []string{
		"/(?=a)(a+)+$/.test(e.s)",
		"/(?=a)(a+)+$/.exec(e.s)",
		"e.s.match(/(?=a)(a+)+$/)",
		"e.s.search(/(?=a)(a+)+$/)",
		"e.s.replace(/(?=a)(a+)+$/, '')",
		"e.s.replace(/(?=a)(a+)+$/g, () => '')",
		"e.s.split(/(?=a)(a+)+$/)",
		"new RegExp('(?=a)(a+)+$').test(e.s)",
		"[...e.s.matchAll(/(?=a)(a+)+$/g)].length",
		"e.s.match('(?=a)(a+)+$')",
	} {
		t.Run(code, func(t *testing.T) {
			p := open(t, "a.js", "export const handle = (e) => { const r = "+code+"; try { return r } catch (e) { return 'caught' } }", pooled)
			_, err := call(p, "handle", input, nil, nil)
			if g := guest(t, err); !errors.Is(err, host.Timeout) || !strings.Contains(g.Message, "regular expression") {
				t.Error(err)
			}
			if _, err := call(p, "handle", `{"s": "b"}`, nil, nil); err != nil {
				t.Errorf("the next call: %v", err)
			}
		})
	}
	p := open(t, "a.js", "export const handle = (e) => /^(a+)+$/.test(e.s) // linear in Go's own engine")
	if r, err := call(p, "handle", input, nil, nil); err != nil || r.meta != "false" {
		t.Error(r, err)
	}
}

func TestPropertyEscapesAtRunTime(t *testing.T) {
	for code, want := range map[string]string{
		`new RegExp(e.p, 'u')`:                    "",
		`RegExp(e.p, 'u')`:                        "",
		`new RegExp(new RegExp(e.p), 'u')`:        "",
		`new (class extends RegExp {})(e.p, 'u')`: "",
		`/a/.constructor(e.p, 'u')`:               "",
		`Reflect.construct(RegExp, [e.p, 'u'])`:   "",
		`eval('/\\p{L}/u')`:                       "",
		`new Function('return /\\p{L}/u')()`:      "",
		`new RegExp(e.p).source`:                  `"\\p{None}"`,
		`['a', 'É', 'ж', '1', '\u{10400}', ' '].map((c) => Number(/^\p{L}$/u.test(c)))`:                  "[1,1,1,0,1,0]",
		`['a', 'É', 'ж', '1', ']'].map((c) => Number(/^[^\P{Lu}x\]]$/u.test(c)))`:                        "[0,1,0,0,0]",
		`['α', 'a', 'Ω'].map((c) => Number(new RegExp('^[' + '\\p{Script=Greek}' + ']$', 'u').test(c)))`: "[1,0,1]",
		`['😀', '1', 'a'].map((c) => Number(/^\p{Emoji}$/u.test(c)))`:                                     "[1,1,0]",
		`'aB c'.replace(/\p{Lowercase}|\P{Alphabetic}/gu, '-')`:                                          `"-B--"`,
		`/(?=\p{Nd})./u.exec('٣')[0]`:                                                                    `"٣"`,
		`new RegExp('[a-z]+', 'u').test('b')`:                                                            "true",
		`/\p/.test('p')`:                                                                                 "true",
		`/\\p{L}/u.source === '\\\\p{L}'`:                                                                "true",
		`new RegExp('a') instanceof RegExp`:                                                              "true",
		`/a/ instanceof RegExp`:                                                                          "true",
		`[...'aXbX'.matchAll(/(.)X/g)].map((m) => m[1] + m.index)`:                                       `["a0","b2"]`,
		`[...'ab'.matchAll(/x*/g)].length`:                                                               "3",
		`new (class R extends RegExp {})('a') instanceof RegExp`:                                         "true",
		`'a' instanceof RegExp || {} instanceof Function`:                                                "false",
		`/a/.constructor === RegExp`:                                                                     "true",
		`(() => { const x = 2; return eval('x + 1') })()`:                                                "3",
		`new Function('a', 'b', 'return a + b')(1, 2)`:                                                   "3",
		`(() => {}).constructor === Function`:                                                            "true",
		`(() => {}) instanceof Function`:                                                                 "true",
		`((x) => x?.y.exec(1))(null) === undefined`:                                                      "true",
		`({ exec(a, b) { return this.n + a + b }, n: 1 }).exec(2, 3)`:                                    "6",
		`/(b)(c)?/g.exec('abd').slice()`:                                                                 `["b","b",null]`,
		`(() => { const r = /a/g; r.exec('aa'); return r.lastIndex })()`:                                 "1",
	} {
		if differs(t, code) {
			continue
		}
		t.Run(code, func(t *testing.T) {
			r, err := call(open(t, "a.js", "export const handle = (e) => "+code), "handle", `{"p": "\\p{None}"}`, nil, nil)
			if want != "" {
				if err != nil || r.meta != want {
					t.Error(r, err)
				}
			} else if g := guest(t, err); g.Type != "SyntaxError" || !strings.Contains(g.Message, "not supported") {
				t.Errorf("%+v", g)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	small := func(c *host.PluginConfig) {
		c.Limits.MaxResult = host.Setting[int64]{Value: 100, Pos: host.Position{File: "postern.yaml", Line: 9, Column: 1}}
	}
	for _, code := range []string{"'x'.repeat(200)", "({body: new Uint8Array(200)})"} {
		p := open(t, "a.js", "export const handle = (e) => e.ok ? 1 : "+code, small, pooled)
		var e *host.Error
		if _, err := call(p, "handle", "{}", nil, nil); !errors.As(err, &e) || e.Kind != host.TooLarge || e.Pos.Line != 9 {
			t.Error(err)
		}
		if r, err := call(p, "handle", `{"ok": true}`, nil, nil); err != nil || r.meta != "1" {
			t.Error(r, err)
		}
	}
}

func TestDeepJSON(t *testing.T) {
	p := open(t, "a.js", "export const handle = (e) => { try { JSON.parse(e.body) } catch (x) { return x.name } }")
	deep := strings.Repeat("[", 5<<20)
	want := `"SyntaxError"`
	if isQuickJS(t) {
		want = `"RangeError"`
	}
	if r, err := call(p, "handle", `{"version": "2.0"}`, body(deep), nil); err != nil || r.meta != want {
		t.Error(r.meta, err)
	}
	if _, err := call(p, "handle", deep, nil, nil); !errors.Is(err, host.Internal) {
		t.Error(err)
	}
}

func TestLogging(t *testing.T) {
	fx := &effects{}
	eval(t, "console.log('a'.repeat(20000)); for (let i = 0; i < 3000; i++) console.warn(i)", fx)
	if len(fx.lines) != 1001 || len(fx.lines[0]) > 9000 || !strings.Contains(fx.lines[1000], "dropped") || fx.lines[1] != "WARN 0" {
		t.Errorf("%d lines", len(fx.lines))
	}
	fx = &effects{}
	eval(t, "Promise.reject(new Error('lost')); const p = Promise.reject(1); p.catch(() => {}); return 1", fx)
	if len(fx.lines) != 1 || !strings.HasPrefix(fx.lines[0], "ERROR a promise was rejected, and nothing handled it: Error: lost\n    at handle (eval.js:2:16)") {
		t.Errorf("%q", fx.lines)
	}
}

func TestLogAtLoad(t *testing.T) {
	var out strings.Builder
	r := js.New(js.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if _, err := r.Compile(context.Background(), source(t, "a.js", "console.log('loading', Date.now() > 1e12, Math.random() < 1)\nexport const handle = () => 1")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `msg="loading true true"`) {
		t.Error(out.String())
	}
}

func TestManyFailuresKeepMemoryFlat(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", "export const handle = (e) => { throw new Error('x') }", pooled)
	var before, after runtime.MemStats
	for i := range 2000 {
		if i == 200 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		if _, err := call(p, "handle", `{"a": [1, 2, 3]}`, nil, nil); err == nil {
			t.Fatal("no error")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("%d bytes more after 1800 calls", grown)
	}
}

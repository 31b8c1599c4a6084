package js_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/js/bundle"
)

// What the differential test cannot compare with Node.js, or should not.
func TestOwnWays(t *testing.T) {
	for code, want := range map[string]string{
		`[navigator.userAgent, String(navigator), process.platform, process.versions.node, typeof process.hrtime.bigint(), process.hrtime().length]`:                                                                                                                      `["Postern","[object Navigator]","postern",null,"bigint",2]`,
		`(() => { try { process.exit(1) } catch (e) { return e.message.startsWith('process.exit(1)') } })()`:                                                                                                                                                              `true`,
		`(() => { const t = new EventTarget(), seen = []; t.addEventListener('x', () => { throw new Error('lost') }); t.addEventListener('x', () => seen.push(1)); t.dispatchEvent(new Event('x')); return seen })()`:                                                     `[1]`,
		`(() => { const seen = []; addEventListener('error', (e) => { seen.push(e.message, e.error.name); e.preventDefault() }); reportError(new RangeError('r')); return seen })()`:                                                                                      `["Uncaught RangeError: r","RangeError"]`,
		`(() => { const t = new EventTarget(), seen = []; const late = () => seen.push('late'); t.addEventListener('x', () => t.addEventListener('x', late)); t.dispatchEvent(new Event('x')); return seen })()`:                                                          `[]`,
		`(() => { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault(), {passive: true}); return t.dispatchEvent(new Event('x', {cancelable: true})) })()`:                                                                                      `true`,
		`[...new Uint16Array(Uint16Array.from('aé€', (c) => c.charCodeAt(0)))]`:                                                                                                                                                                                           `[97,233,8364]`,
		`[structuredClone(new DOMException('m', 'AbortError')).name, (() => { try { structuredClone(new URL('http://a')) } catch (e) { return e.name } })()]`:                                                                                                             `["AbortError","DataCloneError"]`,
		`(() => { const e = new ErrorEvent('error', {message: 'm', error: 5}); return [e.message, e.error, e.lineno, e instanceof Event, String(e), new PromiseRejectionEvent('x', {reason: 1}).reason] })()`:                                                             `["m",5,0,true,"[object ErrorEvent]",1]`,
		`[[1, 2, 3].values().map((x) => x * 2).filter((x) => x > 2).toArray(), new Set([1, 2, 3]).values().drop(1).take(1).toArray(), [1, 2].values().reduce((a, b) => a + b), [[1], [2]].values().flatMap((x) => x).some((x) => x === 2), Iterator.from([7]).toArray()]`: `[[4,6],[2],3,true,[7]]`,
		`[(() => { const o = {a: 1}; return new WeakRef(o).deref().a })(), typeof new FinalizationRegistry(() => {}).register({}), (() => { const e = {}; Error.captureStackTrace(e); return typeof e.stack })()]`:                                                        `[1,"undefined","string"]`,
	} {
		same(t, eval(t, "return await ("+code+")", nil), want)
	}
}

func TestInspect(t *testing.T) {
	p := open(t, "a.js", "import util from 'node:util'\nexport const handle = () => [util.inspect('x'), util.inspect({a: {b: {c: {d: 1}}}}), util.inspect({a: {b: ['x']}}, {depth: 0}), util.inspect({a: {b: {c: {d: {e: 'x'}}}}}, {depth: null}), util.inspect(['x'], {depth: 4})]")
	r, err := call(p, "handle", "{}", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, r.meta, `["\"x\"", "{ a: { b: { c: [Object] } } }", "{ a: [Object] }", "{ a: { b: { c: { d: { e: \"x\" } } } } }", "[ \"x\" ]"]`)
}

// What one call puts into an AsyncLocalStorage, the next one on the same instance does not find.
func TestAsyncLocalStorageEndsWithTheCall(t *testing.T) {
	p := open(t, "a.js", `import { AsyncLocalStorage } from 'node:async_hooks'
const s = new AsyncLocalStorage()
export function handle(e) {
	const before = s.getStore()
	s.enterWith(e.v)
	return [before ?? null, s.getStore()]
}`, pooled)
	for _, v := range []string{"1", "2"} {
		if r, err := call(p, "handle", `{"v": `+v+`}`, nil, nil); err != nil || r.meta != "[null,"+v+"]" {
			t.Error(r, err)
		}
	}
}

// Every module of Node.js that is here is one that the bundler lets scripts import.
func TestSupplied(t *testing.T) {
	var have []string
	err := fs.WalkDir(os.DirFS("prelude/node"), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			have = append(have, strings.TrimSuffix(file, ".js"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := bundle.Supplied()
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

func TestConsoleTable(t *testing.T) {
	fx := &effects{}
	eval(t, `console.table([{a: 1, b: 'x'}, {a: 22}]); console.table([5]); console.table('x'); console.clear(); console.dirxml(1); console.dir({a: 'b'}); queueMicrotask(() => { throw new Error('late') }); await null; await null`, fx)
	want := []string{"INFO (index)  a   b\n0        1   \"x\"\n1        22", "INFO (index)  Values\n0        5", "INFO x", "INFO 1", `INFO { a: "b" }`}
	if diff := cmp.Diff(want, fx.lines[:5]); diff != "" {
		t.Error(diff)
	}
	if last := fx.lines[len(fx.lines)-1]; !strings.HasPrefix(last, "ERROR Uncaught Error: late") {
		t.Error(last)
	}
}

// A form from outside never makes a script fail but with a TypeError.
func FuzzMultipart(f *testing.F) {
	f.Add("--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x%22\"\r\nContent-Type: a/b\r\n\r\nv\r\n--b--\r\n", "multipart/form-data; boundary=b")
	f.Add("a=1&b=%zz", "application/x-www-form-urlencoded")
	p := open(f, "a.js", `export async function handle(e) {
	try {
		const form = await new Response(e.body, {headers: {'content-type': e.type}}).formData()
		return [...new FormData(), ...form.keys()].length
	} catch (e) {
		if (!(e instanceof TypeError)) throw e
		return -1
	}
}`, pooled)
	f.Fuzz(func(t *testing.T, body, contentType string) {
		in, err := json.Marshal(map[string]string{"body": body, "type": contentType})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := call(p, "handle", string(in), nil, nil); err != nil {
			t.Fatal(err)
		}
	})
}

// A pattern from outside never makes a script fail but with a TypeError, and one that is made matches itself again.
func FuzzURLPattern(f *testing.F) {
	f.Add("https://*.example.com/:a/(\\d+)?{/x}*", "https://a.example.com/b/1/x")
	p := open(f, "a.js", `export function handle(e) {
	let p
	try {
		p = new URLPattern(e.pattern)
	} catch (err) {
		if (!(err instanceof TypeError)) throw err
		return -1
	}
	const again = new URLPattern({ protocol: p.protocol, username: p.username, password: p.password, hostname: p.hostname, port: p.port, pathname: p.pathname, search: p.search, hash: p.hash })
	if (again.test(e.url) !== p.test(e.url)) throw new Error(p.pathname)
	return 1
}`, pooled)
	f.Fuzz(func(t *testing.T, pattern, url string) {
		in, err := json.Marshal(map[string]string{"pattern": pattern, "url": url})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := call(p, "handle", string(in), nil, nil); err != nil {
			if g := guest(t, err); g.Type == "timeout" { // an expression that backtracks
				t.Skip()
			}
			t.Fatal(r, err)
		}
	})
}

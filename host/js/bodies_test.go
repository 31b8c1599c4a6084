package js_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

const post = `{"version": "2.0", "rawPath": "/", "requestContext": {"domainName": "a.example", "http": {"method": "POST"}}}`

// answer calls a fetch handler and leaves the body to the test.
func answer(t testing.TB, p host.Plugin, body io.ReadCloser, fx host.Effects) host.Event {
	t.Helper()
	out, err := p.Call(t.Context(), "handle", host.Event{Meta: []byte(post), Body: body}, fx)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// next reads one chunk.
func next(t testing.TB, r io.Reader) string {
	t.Helper()
	b := make([]byte, 1<<10)
	n, err := r.Read(b)
	if err != nil && (n == 0 || err != io.EOF) {
		t.Fatal(err)
	}
	return string(b[:n])
}

func ends(t testing.TB, r io.ReadCloser) {
	t.Helper()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d %v, not the end", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestBodies(t *testing.T) {
	evals(t, map[string]string{
		`const r = new Response('ab'); const b = r.body; return [b instanceof ReadableStream, b === r.body, r.bodyUsed, b.locked, await r.text(), r.bodyUsed, b.locked]`:                                                                    `[true, true, false, false, "ab", true, true]`,
		`const r = new Response('ab'); const reader = r.body.getReader(); return [r.bodyUsed, await failure(r.text()), thrown(() => r.clone()), [...(await reader.read()).value], r.bodyUsed]`:                                              `[false, "TypeError", "TypeError", [97, 98], true]`,
		`const r = new Response('ab'); await r.text(); return [await failure(r.text()), thrown(() => r.clone()), thrown(() => new Response(r.body)), r.body.locked]`:                                                                        `["TypeError", "TypeError", "TypeError", true]`,
		`const r = new Response('ab'); await r.body.cancel(); return [r.bodyUsed, await failure(r.json())]`:                                                                                                                                 `[true, "TypeError"]`,
		`const r = new Response('ab'); const c = r.clone(); return [await r.text(), await c.text(), r.bodyUsed]`:                                                                                                                            `["ab", "ab", true]`,
		`const r = new Response(ReadableStream.from([bytes(97), bytes(98)])); const c = r.clone(); return [await r.text(), await c.text()]`:                                                                                                 `["ab", "ab"]`,
		`const r = new Response(new ReadableStream({ start(c) { c.enqueue('text'); c.close() } })); return failure(r.text())`:                                                                                                               `"TypeError"`,
		`const r = new Response(new ReadableStream({ start(c) { c.error(new RangeError()) } })); return failure(r.arrayBuffer())`:                                                                                                           `"RangeError"`,
		`const q = new Request('http://x/', { method: 'POST', body: 'ab' }); const q2 = new Request(q); return [q.bodyUsed, q2.bodyUsed, await q2.text(), await failure(q.text())]`:                                                         `[true, false, "ab", "TypeError"]`,
		`const q = new Request('http://x/', { method: 'POST', body: ReadableStream.from([bytes(97)]), duplex: 'half' }); return [q.duplex, await q.text(), q.headers.get('content-type')]`:                                                  `["half", "a", null]`,
		`return [new Response().body, new Response(null).bodyUsed, await new Response().text(), (await new Response().arrayBuffer()).byteLength, new Request('http://x/').body]`:                                                            `[null, false, "", 0, null]`,
		`const b = await new Response('ab', { headers: { 'content-type': 'text/x' } }).blob(); return [b.size, b.type, await new Response(b).text(), new Response(b).headers.get('content-type')]`:                                          `[2, "text/x", "ab", "text/x"]`,
		`const f = new FormData(); f.append('a', '1'); f.append('b', new Blob(['x'], { type: 'text/y' }), 'n'); const g = await new Response(f).formData(); return [g.get('a'), g.get('b').name, await g.get('b').text(), g.get('b').type]`: `["1", "n", "x", "text/y"]`,
		`const f = await new Response(new URLSearchParams('a=1&b=2')).formData(); return [f.get('a'), f.get('b')]`:                                                                                                                          `["1", "2"]`,
		`const r = new Response(bytes(0xef, 0xbb, 0xbf, 97)); const c = r.clone(); return [await r.text(), (await c.bytes()).length]`:                                                                                                       `["a", 4]`,
		`return all(new Response('ab').body)`: `[[97, 98]]`,
		`const r = new Response('abc').body.getReader({ mode: 'byob' }); return [...(await r.read(new Uint8Array(2))).value]`:                                            `[97, 98]`,
		`const t = new TransformStream(); const w = t.writable.getWriter(); w.write(bytes(104)); w.write(bytes(105)); w.close(); return new Response(t.readable).text()`: `"hi"`,
	})
}

func TestHeaders(t *testing.T) {
	evals(t, map[string]string{
		`const h = new Headers([['B', '1'], ['a', '2'], ['b', '3']]); return [[...h], [...h.keys()], [...h.values()], h.get('B'), h.has('A')]`:                                                                                                                                            `[[["a", "2"], ["b", "1, 3"]], ["a", "b"], ["2", "1, 3"], "1, 3", true]`,
		`const h = new Headers({ 'Set-Cookie': 'a=1', x: 'y' }); h.append('set-cookie', 'b=2'); return [[...h], h.getSetCookie(), h.get('set-cookie')]`:                                                                                                                                   `[[["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x", "y"]], ["a=1", "b=2"], "a=1, b=2"]`,
		`const h = new Headers({ a: '1', b: '2', c: '3' }); for (const [n] of h) { if (n === 'a') h.delete('b'); log.push(n) } return log`:                                                                                                                                                `["a", "c"]`,
		`const h = new Headers([['a', '1'], ['b', '2'], ['A', '3']]); h.set('A', '4'); h.delete('b'); return [[...h], new Headers(h).get('a')]`:                                                                                                                                           `[[["a", "4"]], "4"]`,
		`return [() => new Headers({ 'a b': '' }), () => new Headers({ a: 'x\ny' }), () => new Headers([['a']]), () => new Headers(1), () => new Headers(null), () => Response.redirect('http://x/').headers.set('a', 'b'), () => Response.error().headers.append('a', 'b')].map(thrown)`: `["TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError", "TypeError"]`,
		`const h = new Headers({ a: ' 1\t' }); h.forEach((v, n, self) => log.push(v, n, self === h)); return [log, String(h), typeof h.entries().next]`:                                                                                                                                   `[["1", "a", true], "[object Headers]", "function"]`,
	})
}

func TestBodyStreamsOut(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", `export default { fetch() {
	  let go, n = 0
	  setTimeout(() => go(), 5)
	  return new Response(new ReadableStream({
	    start: (c) => { c.enqueue(new TextEncoder().encode('data: first\n\n')) },
	    async pull(c) { await new Promise((done) => { go = done; if (n > 0) setTimeout(done, 5) }); c.enqueue(new TextEncoder().encode('data: ' + n + '\n\n')); if (n++ === 2) c.close() },
	  }), { headers: { 'content-type': 'text/event-stream' } })
	} }`, pooled, timeout(25*time.Second))
	for range 2 {
		out := answer(t, p, nil, &effects{})
		same(t, string(out.Meta), `{"statusCode": 200, "headers": {"content-type": "text/event-stream"}}`)
		if got := next(t, out.Body); !strings.HasPrefix(got, "data: first\n\n") {
			t.Errorf("%q", got)
		}
		if rest, err := io.ReadAll(out.Body); err != nil || !strings.HasSuffix(string(rest), "data: 2\n\n") {
			t.Errorf("%q %v", rest, err)
		}
		ends(t, out.Body)
	}
}

func TestBodyStreamsIn(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", `export default { async fetch(request) {
	  const reader = request.body.getReader()
	  const first = await reader.read()
	  reader.releaseLock()
	  const upper = new TransformStream({ transform(c, x) { x.enqueue(c.toUpperCase()) } })
	  return new Response(request.body.pipeThrough(new TextDecoderStream()).pipeThrough(upper).pipeThrough(new TextEncoderStream()), { headers: { first: new TextDecoder().decode(first.value) } })
	} }`, timeout(25*time.Second))
	in, client := io.Pipe()
	go func() { _, _ = io.WriteString(client, "one") }()
	out := answer(t, p, in, &effects{})
	if !strings.Contains(string(out.Meta), `"first":"one"`) {
		t.Error(string(out.Meta))
	}
	for _, word := range []string{"two", "three"} {
		if _, err := io.WriteString(client, word); err != nil {
			t.Fatal(err)
		}
		if got := next(t, out.Body); got != strings.ToUpper(word) {
			t.Errorf("%q for %q", got, word)
		}
	}
	_ = client.Close()
	ends(t, out.Body)
}

// memory is what is in use, in bytes.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// memoryAbove looks again while more than limit is in use, for what others let go of, or make, in the meantime: what is held for a
// reader that does not read stays.
func memoryAbove(limit uint64) (now uint64, above bool) {
	for range 10 {
		if now = memory(); now <= limit {
			return now, false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return now, true
}

// endless gives n bytes.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.n)
	clear(p[:n])
	z.n -= n
	return n, nil
}
func (*zeros) Close() error { return nil }

func TestLargeBodiesTakeLittleMemory(t *testing.T) {
	const size = 64 << 20
	for name, code := range map[string]string{
		"through a transform": "new Response(request.body.pipeThrough(new TransformStream({ transform(c, x) { x.enqueue(c) } })))",
		"untouched":           "new Response(request.body)",
		"made":                "((left) => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); if (--left === 0) c.close() } })))(" + fmt.Sprint(size/65536) + ")",
		"cloned": "((a, b) => new Response(new ReadableStream({ async pull(c) { const [x, y] = await Promise.all([a.read(), b.read()]); x.done ? c.close() : c.enqueue(y.value) } })))" +
			"(request.clone().body.getReader(), request.body.getReader())", // in step: what only one has read is kept for the other
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			p := open(t, "a.js", "export default { fetch: (request) => "+code+" }", timeout(2*time.Minute))
			before := memory()
			out := answer(t, p, &zeros{size}, &effects{})
			var total uint64
			buf := make([]byte, 256<<10)
			for {
				n, err := io.ReadFull(out.Body, buf)
				if total += uint64(n); total%(16<<20) == 0 {
					if now, above := memoryAbove(before + 16<<20); above {
						t.Errorf("%d MiB in use, %d before", now>>20, before>>20)
					}
				}
				if err == io.EOF || err == io.ErrUnexpectedEOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if err := out.Body.Close(); err != nil || total != size {
				t.Errorf("%d bytes, %v", total, err)
			}
		})
	}
}

func TestSlowReaderHoldsTheStreamBack(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", `export default { fetch() {
	  let n = 0
	  return new Response(new ReadableStream({ pull(c) { console.log('pull'); c.enqueue(new Uint8Array(16384)); if (++n === 100) c.close() } }))
	} }`, timeout(25*time.Second))
	fx := &effects{}
	out := answer(t, p, nil, fx)
	time.Sleep(50 * time.Millisecond) // whatever it does in that time, it must not make more than fits
	fx.mu.Lock()
	pulls := len(fx.lines)
	fx.mu.Unlock()
	if pulls > 8 {
		t.Errorf("%d chunks were made for a reader that reads nothing", pulls)
	}
	n, err := io.Copy(io.Discard, out.Body)
	if err != nil || n != 100*16384 {
		t.Error(n, err)
	}
	ends(t, out.Body)
}

func TestStreamIsCancelled(t *testing.T) {
	code := `export default { fetch(request) {
	  return new Response(new ReadableStream({
	    start(c) { c.enqueue(new Uint8Array(1)); this.timer = setInterval(() => {}, 1) },
	    cancel(why) { clearInterval(this.timer); console.log('cancelled: ' + why.name) },
	  }))
	} }`
	for name, leave := range map[string]func(host.Event, context.CancelFunc){
		"by closing":          func(out host.Event, _ context.CancelFunc) { _ = out.Body.Close() },
		"by its context":      func(_ host.Event, cancel context.CancelFunc) { cancel() },
		"by both, in a while": func(out host.Event, cancel context.CancelFunc) { next(t, out.Body); cancel(); _ = out.Body.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			p := open(t, "a.js", code, pooled, concurrency(1), timeout(25*time.Second))
			fx := &effects{}
			for range 2 { // the second waits for the one instance
				fx.lines = nil
				ctx, cancel := context.WithCancel(context.Background())
				out, err := p.Call(ctx, "handle", host.Event{Meta: []byte(post)}, fx)
				if err != nil {
					t.Fatal(err)
				}
				leave(out, cancel)
				fx.await(t, "INFO cancelled: AbortError")
				cancel()
				if _, err := io.ReadAll(out.Body); err == nil {
					t.Error("read to the end")
				}
				_ = out.Body.Close()
			}
		})
	}
}

func TestStreamThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		kind host.Kind
		text string
	}{
		"throws":        {"new ReadableStream({ pull() { throw new RangeError('out of words') } })", host.Internal, "out of words"},
		"text":          {"new ReadableStream({ start(c) { c.enqueue('text') } })", host.Internal, "TextEncoderStream"},
		"never settles": {"new ReadableStream({ pull: () => new Promise(() => {}) })", host.Internal, "nothing is left to run"},
		"a timer":       {"(setTimeout(() => { throw new RangeError('late') }, 1), new ReadableStream({ start(c) { setTimeout(() => c.close(), 10000) } }))", host.Internal, "late"},
		"takes long":    {"new ReadableStream({ start(c) { setInterval(() => {}, 1) } })", host.Timeout, "postern.yaml:7"},
		"spins":         {"new ReadableStream({ async pull() { await new Promise((done) => setTimeout(done, 1)); for (;;); } })", host.Timeout, "postern.yaml:7"},
		"overruns":      {"new ReadableStream({ async pull() { await new Promise((done) => setTimeout(done, 1)); " + endless + " } })", host.Timeout, "postern.yaml:7"},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			allowed := 25 * time.Second
			if c.kind == host.Timeout {
				allowed = time.Second
			}
			p := open(t, "a.js", "export default { fetch: () => new Response("+c.code+") }", timeout(allowed))
			out := answer(t, p, nil, &effects{})
			_, err := io.ReadAll(out.Body)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Error(err)
			}
			_ = out.Body.Close()
		})
	}
}

// broken fails behind its text.
func broken(text string, err error) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text), errorReader{err}))
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestRequestBodyThatFails(t *testing.T) {
	refused := &host.Error{Op: "limit", Kind: host.TooLarge, Err: errors.New("larger than allowed")}
	p := open(t, "a.js", "export default { fetch: async (request) => new Response(await request.text()) }")
	_, err := p.Call(t.Context(), "handle", host.Event{Meta: []byte(post), Body: broken("ab", refused)}, &effects{})
	if !errors.Is(err, host.TooLarge) {
		t.Error(err)
	}
	p = open(t, "b.js", "export default { fetch: async (request) => new Response(await request.text().catch((e) => e.name)) }")
	if out := answer(t, p, broken("ab", refused), &effects{}); next(t, out.Body) != "TypeError" {
		t.Error("not told to the script")
	}
	p = open(t, "c.js", "export default { fetch: (request) => new Response(request.body) }")
	if _, err := io.ReadAll(answer(t, p, broken("ab", refused), &effects{}).Body); !errors.Is(err, host.TooLarge) {
		t.Error(err)
	}
}

func TestSignalOfARequestWhoseClientLeaves(t *testing.T) {
	for _, body := range []string{"new ReadableStream({ start() { this.t = setInterval(() => {}, 1) }, cancel() { clearInterval(this.t) } })", "request.body"} {
		noLeak(t)
		p := open(t, "a.js", "export default { fetch(request) { request.signal.addEventListener('abort', () => console.log('gone: ' + request.signal.reason.name)); return new Response("+body+") } }", timeout(25*time.Second))
		fx := &effects{}
		out := answer(t, p, &zeros{1 << 20}, fx)
		_ = out.Body.Close()
		fx.await(t, "INFO gone: AbortError")
	}
}

func TestTimeoutEndsWhatPassesByTheScript(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", "export default { fetch: (request) => new Response(request.body) }", timeout(2*time.Second))
	out := answer(t, p, &slow{wait: 2500 * time.Millisecond}, &effects{})
	b, err := io.ReadAll(out.Body)
	if string(b) != "one" || !errors.Is(err, host.Timeout) {
		t.Error(string(b), err)
	}
	_ = out.Body.Close()
}

func TestNothingStreamsWhereNobodyAsks(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", "export default { fetch: (request) => new Response('early') }")
	out := answer(t, p, io.NopCloser(errorReader{errors.New("was read")}), &effects{})
	if b, err := io.ReadAll(out.Body); err != nil || string(b) != "early" {
		t.Error(string(b), err)
	}
}

func TestWaitUntilOutlivesTheAnswer(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", `export default { fetch(request, env, ctx) {
	  ctx.waitUntil((async () => { await new Promise((done) => setTimeout(done, 20)); console.log('later') })())
	  return new Response('now')
	} }`, timeout(25*time.Second))
	fx := &effects{}
	ctx, cancel := context.WithCancel(context.Background())
	out, err := p.Call(ctx, "handle", host.Event{Meta: []byte(post)}, fx)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the answer is whole: who asked may go
	if got := next(t, out.Body); got != "now" {
		t.Error(got)
	}
	fx.await(t, "INFO later")
}

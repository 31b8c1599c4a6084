package js_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// A pooled instance has nothing of what its last call measured, counted or grouped.
func TestTurnsBeginClean(t *testing.T) {
	p := open(t, "a.js", `export const handle = () => {
	  console.count(); console.group('g'); console.log('in')
	  const old = performance.getEntries().length
	  for (let i = 0; i < 1500; i++) performance.mark('m', { startTime: i })
	  return [old, performance.getEntries().length, performance.measure('d', 'm', 'm').startTime]
	}`, pooled, timeout(25*time.Second))
	for range 2 {
		fx := &effects{}
		r, err := call(p, "handle", "{}", nil, fx)
		if err != nil || r.meta != "[0,1000,1499]" {
			t.Error(r, err)
		}
		if got := strings.Join(fx.lines, "|"); got != "INFO default: 1|INFO g|INFO   in" {
			t.Error(got)
		}
	}
}

// What a script keeps of an exchange is of no use in the next.
func TestStreamsOfEndedCalls(t *testing.T) {
	p := open(t, "f.js", `let kept, packer
	export const filter_request = (request) => { packer = new CompressionStream('gzip'); kept = request.clone(); return new Request(request, { body: 'new' }) }
	export const filter_response = async (r) => { if (r.status === 201) return new Response((await kept.text().catch((e) => e.message)) + '|' + (await new Response(new Blob(['a']).stream().pipeThrough(packer)).text().catch((e) => e.message))) }`,
		pooled, concurrency(1), timeout(25*time.Second))
	pinned := pin(t, p)
	half(t, pinned, "filter_request", requestMeta, body("secret"))
	half(t, pinned, "filter_response", responseMeta, nil)
	pinned.Release()
	r, err := call(p, "filter_response", strings.Replace(responseMeta, "200", "201", 1), nil, nil)
	if err != nil || strings.Contains(r.body, "secret") || strings.Count(r.body, "call that has ended")+strings.Count(r.body, "call has ended") != 2 {
		t.Errorf("%q %v", r.body, err)
	}
}

// Each half has effects of its own, also while what the other began is under way, and the first is there while the script is loaded.
func TestHalvesHaveTheirOwnEffects(t *testing.T) {
	noLeak(t)
	p := open(t, "f.js", `console.log('loaded')
	const ticks = () => new TransformStream({ async transform(c, x) { for (let i = 0; i < 20; i++) await new Promise((done) => setTimeout(done, 1)); await fetch('http://x/').catch(() => {}); x.enqueue(c) } })
	export const filter_request = (request) => { console.log('first'); return new Request(request, { body: request.body.pipeThrough(ticks()) }) }
	export const filter_response = (response) => { console.log('second'); return new Response(response.body.pipeThrough(ticks()), response) }`, timeout(25*time.Second))
	pinned := pin(t, p)
	one, two := &effects{}, &effects{}
	first, err := pinned.Call(t.Context(), "filter_request", host.Event{Meta: []byte(requestMeta), Body: body("a")}, one)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond)
	second, err := pinned.Call(t.Context(), "filter_response", host.Event{Meta: []byte(responseMeta), Body: body("b")}, two)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []host.Event{first, second} {
		if b, err := io.ReadAll(out.Body); err != nil || len(b) != 1 {
			t.Errorf("%q %v", b, err)
		}
		ends(t, out.Body)
	}
	loaded := "INFO loaded|"
	if isQuickJS(t) { // before the call
		loaded = ""
	}
	if a, b := strings.Join(one.lines, "|"), strings.Join(two.lines, "|"); a != loaded+"INFO first" || b != "INFO second" {
		t.Error(a, b)
	}
}

// A body that was let go of is not why a script fails.
func TestBodyThatWasCancelledIsNoReason(t *testing.T) {
	p := open(t, "a.js", "export default { async fetch(request) { await request.body.cancel(); throw new RangeError('mine') } }", timeout(25*time.Second))
	_, err := p.Call(t.Context(), "handle", host.Event{Meta: []byte(post), Body: body("x")}, &effects{})
	if !errors.Is(err, host.Internal) || !strings.Contains(err.Error(), "mine") || strings.Contains(err.Error(), "could not be read") {
		t.Error(err)
	}
}

func TestFormsHaveAsManyPartsEitherWay(t *testing.T) {
	const read = "(n) => new Response('&a'.repeat(n), { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData().then((f) => [...f].length, (e) => e.message)"
	same(t, eval(t, "const read = "+read+"; return [await read(10000), await read(10001)]", nil), `[10000, "The form has more than 10,000 parts"]`)
}

// A name that every object has is no name of an algorithm, a curve or an encoding.
func TestNamesOfEveryObject(t *testing.T) {
	p := open(t, "a.js", `import { createHash } from 'node:crypto'
	export async function handle() {
	  const out = []
	  for (const name of ['constructor', 'toString', 'valueOf', '__proto__', 'hasOwnProperty']) {
	    const ec = { name: 'ECDSA', namedCurve: name }
	    for (const f of [() => createHash(name), () => crypto.subtle.generateKey(ec, true, ['sign']), () => crypto.subtle.importKey('raw', new Uint8Array(65), ec, true, ['verify']),
	      () => crypto.subtle.digest(name, new Uint8Array(1)), () => new TextDecoder(name), () => Buffer.from('a', name), () => Buffer.isEncoding(name)]) {
	      try { out.push(await f()) } catch (e) { out.push(e.name) }
	    }
	  }
	  return [...new Set(out)]
	}`)
	r, err := call(p, "handle", "{}", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, r.meta, `["Error", "NotSupportedError", "RangeError", "TypeError", false]`)
}

// A timer does not fire because something else has happened before.
func TestTimersAreNotEarly(t *testing.T) {
	p := open(t, "a.js", `export const handler = async () => {
	  const data = new Uint8Array(300000)
	  let early = 0
	  for (let i = 0; i < 100; i++) {
	    await Promise.all([1, 2, 3].map(() => crypto.subtle.digest('SHA-256', data)))
	    const begun = performance.now()
	    await new Promise((done) => setTimeout(done, 20))
	    if (performance.now() - begun < 19) early++
	  }
	  return early
	}`, timeout(25*time.Second))
	if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != "0" {
		t.Error(r, err)
	}
}

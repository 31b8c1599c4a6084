package js_test

import "testing"

// prologue is what the scripts of these tests share.
const prologue = `
const all = async (stream) => { const out = []; for await (const c of stream) out.push(typeof c === 'string' ? c : c instanceof Uint8Array ? [...c] : c); return out }
const text = async (stream) => new Response(stream).text()
const failure = (p) => Promise.resolve(p).then(() => 'none', (e) => e instanceof Error ? e.name : e)
const thrown = (f) => { try { f(); return 'none' } catch (e) { return e.name } }
const tick = (ms = 1) => new Promise((done) => setTimeout(done, ms))
const bytes = (...n) => new Uint8Array(n)
const log = []
`

func evals(t *testing.T, cases map[string]string) {
	for code, want := range cases {
		t.Run(code, func(t *testing.T) {
			noLeak(t)
			same(t, eval(t, prologue+code, nil), want)
		})
	}
}

func TestReadableStream(t *testing.T) {
	evals(t, map[string]string{
		`let n = 0; return all(new ReadableStream({ pull(c) { c.enqueue(n++); if (n === 4) c.close() } }))`:                                                                                                                                                                                                                                                `[0, 1, 2, 3]`,
		`return all(new ReadableStream({ start(c) { c.enqueue('a'); c.enqueue('b'); c.close() } }))`:                                                                                                                                                                                                                                                       `["a", "b"]`,
		`return all(new ReadableStream({ async start(c) { await tick(); c.enqueue(1); await tick(); c.close() } }))`:                                                                                                                                                                                                                                       `[1]`,
		`const s = new ReadableStream({ pull(c) { log.push(c.desiredSize); c.enqueue(1) } }, { highWaterMark: 3 }); await tick(); return log`:                                                                                                                                                                                                              `[3, 2, 1]`,
		`const s = new ReadableStream({ pull(c) { log.push('pull'); c.enqueue('abc') } }, new ByteLengthQueuingStrategy({ highWaterMark: 0 })); await tick(); const r = s.getReader(); await r.read(); return log`:                                                                                                                                         `["pull"]`,
		`const s = new ReadableStream({ start(c) { c.enqueue(1) }, cancel(why) { log.push(why) } }); await s.cancel('enough'); return [log, await all(s)]`:                                                                                                                                                                                                 `[["enough"], []]`,
		`const s = new ReadableStream({ start(c) { c.error(new RangeError('no')) } }); return [await failure(s.getReader().read()), s.locked]`:                                                                                                                                                                                                             `["RangeError", true]`,
		`const s = new ReadableStream({ pull() { throw new RangeError() } }); return failure(all(s))`:                                                                                                                                                                                                                                                      `"RangeError"`,
		`const s = new ReadableStream(); const r = s.getReader(); return [s.locked, thrown(() => s.getReader()), await failure(s.cancel()), (r.releaseLock(), s.locked), await failure(r.read()), await failure(r.closed)]`:                                                                                                                                `[true, "TypeError", "TypeError", false, "TypeError", "TypeError"]`,
		`const s = new ReadableStream(); const r = s.getReader(); const p = failure(r.read()); r.releaseLock(); return p`:                                                                                                                                                                                                                                  `"TypeError"`,
		`const s = new ReadableStream({ start(c) { c.enqueue(1); c.close(); return tick() } }); const r = s.getReader(); const done = r.closed.then(() => log.push('closed')); log.push((await r.read()).value); log.push((await r.read()).done); await done; return log`:                                                                                  `["closed", 1, true]`,
		`const s = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close() }, cancel() { log.push('cancel') } }); for await (const c of s) { log.push(c); break } return [log, s.locked]`:                                                                                                                                                    `[[1, "cancel"], false]`,
		`const s = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close() } }); for await (const c of s.values({ preventCancel: true })) { log.push(c); break } return [log, await all(s)]`:                                                                                                                                                 `[[1], [2]]`,
		`const [a, b] = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close() } }).tee(); return [await all(a), await all(b)]`:                                                                                                                                                                                                             `[[1, 2], [1, 2]]`,
		`const s = new ReadableStream({ cancel(why) { log.push(why) } }); const [a, b] = s.tee(); const p = a.cancel('a'); await tick(); log.push('one'); await b.cancel('b'); await p; return log`:                                                                                                                                                        `["one", ["a", "b"]]`,
		`const [a, b] = new ReadableStream({ async start(c) { c.enqueue(1); await tick(); c.error(new RangeError()) } }).tee(); return [await failure(all(a)), await failure(all(b))]`:                                                                                                                                                                     `["RangeError", "RangeError"]`,
		`return all(ReadableStream.from([1, Promise.resolve(2), 3]))`:                                                                                                                                                                                                                                                                                      `[1, 2, 3]`,
		`const gen = async function* () { try { yield 'a'; yield 'b'; yield 'c' } finally { log.push('over') } }; for await (const c of ReadableStream.from(gen())) { log.push(c); if (c === 'b') break } return log`:                                                                                                                                      `["a", "b", "over"]`,
		`return [thrown(() => ReadableStream.from(null)), thrown(() => ReadableStream.from(1)), thrown(() => new ReadableStream(null)), thrown(() => new ReadableStream({ type: 'x' })), thrown(() => new ReadableStream({}, { highWaterMark: -1 })), thrown(() => new ReadableStream({ pull: 1 })), thrown(() => new ReadableStreamDefaultController())]`: `["TypeError", "TypeError", "TypeError", "TypeError", "RangeError", "TypeError", "TypeError"]`,
		`let c; const s = new ReadableStream({ start(x) { c = x } }); c.close(); return [thrown(() => c.enqueue(1)), thrown(() => c.close()), c.desiredSize]`:                                                                                                                                                                                              `["TypeError", "TypeError", 0]`,
		`return thrown(() => new ReadableStream({ start(c) { c.enqueue(1) } }, { size() { throw new RangeError() } }))`:                                                                                                                                                                                                                                    `"RangeError"`,
	})
}

func TestByteStream(t *testing.T) {
	evals(t, map[string]string{
		`const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(bytes(1, 2)); c.enqueue(bytes(3)); c.close() } }); return all(s)`:                           `[[1, 2], [3]]`,
		`const given = bytes(1, 2); const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(given); c.close() } }); return [given.byteLength, await all(s)]`: `[0, [[1, 2]]]`,
		`const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(bytes(1, 2, 3, 4, 5)); c.close() } }); const r = s.getReader({ mode: 'byob' });
		 const view = new Uint8Array(3); const a = [...(await r.read(view)).value]; const b = await r.read(new Uint8Array(3)); const c = await r.read(new Uint8Array(2));
		 return [view.byteLength, a, [...b.value], c.done, c.value.length]`: `[0, [1, 2, 3], [4, 5], true, 0]`,
		`const s = new ReadableStream({ type: 'bytes', pull(c) { const v = c.byobRequest.view; v[0] = 7; v[1] = 8; c.byobRequest.respond(2) } }); const r = s.getReader({ mode: 'byob' }); return [...(await r.read(new Uint8Array(9))).value]`:                                                                                                 `[7, 8]`,
		`let n = 0; const s = new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 4, pull(c) { if (n++ === 2) { c.close(); c.byobRequest.respond(0); return } c.byobRequest.view[0] = n; c.byobRequest.respond(1) } }); return all(s)`:                                                                                                   `[[1], [2]]`,
		`const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(bytes(1, 0, 2)); setTimeout(() => { c.enqueue(bytes(0, 3, 0)) }, 1) } }); const r = s.getReader({ mode: 'byob' }); return [[...(await r.read(new Uint16Array(3))).value], [...(await r.read(new Uint16Array(2), { min: 2 })).value]]`:                               `[[1], [2, 3]]`,
		`const s = new ReadableStream({ type: 'bytes', pull(c) { c.enqueue(bytes(5)) } }); const r = s.getReader({ mode: 'byob' }); return [...(await r.read(new Uint8Array(4), { min: 3 })).value]`:                                                                                                                                            `[5, 5, 5]`,
		`const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(bytes(1)); c.close() } }); const [a, b] = s.tee(); const x = await all(a); return [x, await all(b)]`:                                                                                                                                                                `[[[1]], [[1]]]`,
		`const s = new ReadableStream({ type: 'bytes' }); const r = s.getReader({ mode: 'byob' }); const p = r.read(new Uint8Array(1)); await r.cancel(); const { value, done } = await p; return [value === undefined, done]`:                                                                                                                  `[true, true]`,
		`const s = new ReadableStream({ type: 'bytes' }); const r = s.getReader({ mode: 'byob' }); return [await failure(r.read(new Uint8Array(0))), await failure(r.read(1)), await failure(r.read(new Uint8Array(1), { min: 2 })), thrown(() => new ReadableStream().getReader({ mode: 'byob' })), thrown(() => s.getReader({ mode: 'x' }))]`: `["TypeError", "TypeError", "RangeError", "TypeError", "TypeError"]`,
		`let c; const s = new ReadableStream({ type: 'bytes', start(x) { c = x } }); const r = s.getReader({ mode: 'byob' }); const p = failure(r.read(new Uint8Array(4))); r.releaseLock(); c.enqueue(bytes(9)); return [await p, [...(await s.getReader().read()).value]]`:                                                                    `["TypeError", [9]]`,
		`let c; new ReadableStream({ type: 'bytes', start(x) { c = x } }); return [thrown(() => c.enqueue('a')), thrown(() => c.enqueue(bytes())), c.byobRequest, c.desiredSize]`:                                                                                                                                                               `["TypeError", "TypeError", null, 0]`,
	})
}

func TestWritableStream(t *testing.T) {
	evals(t, map[string]string{
		`const w = new WritableStream({ write(c) { log.push(c) }, close() { log.push('close') } }).getWriter(); w.write(1); w.write(2); await w.close(); await w.closed; return log`:                                                                                                                                      `[1, 2, "close"]`,
		`const w = new WritableStream({ write: () => tick() }, { highWaterMark: 2 }).getWriter(); log.push(w.desiredSize); w.write(1); w.write(2); log.push(w.desiredSize); let ready = false; w.ready.then(() => { ready = true }); await null; log.push(ready); await w.ready; log.push(w.desiredSize > 0); return log`: `[2, 0, false, true]`,
		`const w = new WritableStream({ write() { throw new RangeError() } }).getWriter(); return [await failure(w.write(1)), await failure(w.write(2)), await failure(w.closed), await failure(w.ready), w.desiredSize]`:                                                                                                 `["RangeError", "RangeError", "RangeError", "RangeError", null]`,
		`const s = new WritableStream({ abort(why) { log.push(why) } }); await s.abort('why'); return [log, await failure(s.getWriter().closed)]`:                                                                                                                                                                         `[["why"], "why"]`,
		`let signal; const w = new WritableStream({ start(c) { signal = c.signal }, write: () => new Promise(() => {}) }).getWriter(); w.write(1).catch(() => {}); await tick(); w.abort('x').catch(() => {}); return [signal.aborted, signal.reason]`:                                                                    `[true, "x"]`,
		`const s = new WritableStream(); const w = s.getWriter(); return [s.locked, thrown(() => s.getWriter()), await failure(s.abort()), await failure(s.close()), (w.releaseLock(), s.locked), await failure(w.write(1)), thrown(() => w.desiredSize)]`:                                                                `[true, "TypeError", "TypeError", "TypeError", false, "TypeError", "TypeError"]`,
		`const w = new WritableStream().getWriter(); await w.close(); return [await failure(w.write(1)), await failure(w.close()), w.desiredSize]`:                                                                                                                                                                        `["TypeError", "TypeError", 0]`,
		`let c; const w = new WritableStream({ start(x) { c = x } }).getWriter(); c.error(new RangeError()); return [await failure(w.write(1)), await failure(w.closed)]`:                                                                                                                                                 `["RangeError", "RangeError"]`,
	})
}

func TestPipe(t *testing.T) {
	evals(t, map[string]string{
		`const into = new WritableStream({ write(c) { log.push(c) }, close() { log.push('close') } }); await ReadableStream.from([1, 2]).pipeTo(into); return [log, into.locked]`:                                                                                                                                                                                                  `[[1, 2, "close"], false]`,
		`const into = new WritableStream({ write(c) { log.push(c) }, close() { log.push('close') } }); await ReadableStream.from([1]).pipeTo(into, { preventClose: true }); await ReadableStream.from([2]).pipeTo(into); return log`:                                                                                                                                               `[1, 2, "close"]`,
		`const into = new WritableStream({ abort(e) { log.push(e.name) } }); return [await failure(new ReadableStream({ pull() { throw new RangeError() } }).pipeTo(into)), log]`:                                                                                                                                                                                                  `["RangeError", ["RangeError"]]`,
		`const from = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel(e) { log.push(e.name) } }); return [await failure(from.pipeTo(new WritableStream({ write() { throw new RangeError() } }))), log]`:                                                                                                                                                                      `["RangeError", ["RangeError"]]`,
		`const c = new AbortController(); const from = new ReadableStream({ cancel(e) { log.push('cancel ' + e) } }); const into = new WritableStream({ abort(e) { log.push('abort ' + e) } }); const p = from.pipeTo(into, { signal: c.signal }); c.abort('stop'); return [await failure(p), log.sort(), from.locked, into.locked]`:                                               `["stop", ["abort stop", "cancel stop"], false, false]`,
		`const pulled = []; let n = 0; const from = new ReadableStream({ pull(c) { pulled.push(n); c.enqueue(n++) } }, { highWaterMark: 0 }); let go; const into = new WritableStream({ write: () => new Promise((done) => { go = done }) }); from.pipeTo(into).catch(() => {}); await tick(5); const before = pulled.length; go(); await tick(5); return [before, pulled.length]`: `[1, 2]`,
		`const s = new ReadableStream(); s.getReader(); return failure(s.pipeTo(new WritableStream()))`:                                                                                                                                                                                                                                                                            `"TypeError"`,
		`return failure(new ReadableStream().pipeTo({}))`: `"TypeError"`,
	})
}

func TestTransformStream(t *testing.T) {
	evals(t, map[string]string{
		`return all(ReadableStream.from(['a', 'b']).pipeThrough(new TransformStream({ transform(c, x) { x.enqueue(c.toUpperCase()) }, flush(x) { x.enqueue('end') } })))`:                                                                                          `["A", "B", "end"]`,
		`return all(ReadableStream.from([1, 2]).pipeThrough(new TransformStream()))`:                                                                                                                                                                               `[1, 2]`,
		`return all(ReadableStream.from([1, 2, 3]).pipeThrough(new TransformStream({ async transform(c, x) { await tick(); if (c === 2) x.terminate(); else x.enqueue(c) } })))`:                                                                                   `[1]`,
		`return failure(all(ReadableStream.from([1]).pipeThrough(new TransformStream({ transform() { throw new RangeError() } }))))`:                                                                                                                               `"RangeError"`,
		`const t = new TransformStream({ transform(c, x) { log.push(c); x.enqueue(c) } }); const w = t.writable.getWriter(); w.write(1); w.write(2); await tick(); log.push('read'); const r = t.readable.getReader(); await r.read(); await r.read(); return log`: `["read", 1, 2]`,
		`const t = new TransformStream({ cancel(why) { log.push(why) } }); await t.readable.cancel('why'); return [log, await failure(t.writable.getWriter().write(1))]`:                                                                                           `[["why"], "why"]`,
		`const t = new TransformStream({ cancel(why) { log.push(why) } }); await t.writable.abort('why'); return [log, await failure(t.readable.getReader().read())]`:                                                                                              `[["why"], "why"]`,
		`return [new CountQueuingStrategy({ highWaterMark: 3 }).size(), new ByteLengthQueuingStrategy({ highWaterMark: 3 }).size(bytes(1, 2)), new ByteLengthQueuingStrategy({ highWaterMark: 3 }).highWaterMark]`:                                                 `[1, 2, 3]`,
	})
}

func TestNamedTransforms(t *testing.T) {
	evals(t, map[string]string{
		`return all(ReadableStream.from(['a\ud83d', '\ude00', 'x\ud800']).pipeThrough(new TextEncoderStream()))`:                                           `[[97], [240, 159, 152, 128], [120], [239, 191, 189]]`,
		`return all(ReadableStream.from([bytes(0xef, 0xbb, 0xbf, 97, 0xe2), bytes(0x82), bytes(0xac), bytes(0xe2)]).pipeThrough(new TextDecoderStream()))`: `["a", "€", "\ufffd"]`,
		`return failure(all(ReadableStream.from([bytes(0xff)]).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }))))`:                             `"TypeError"`,
		`const d = new TextDecoderStream('latin1'); return [d.encoding, d.fatal, new TextEncoderStream().encoding]`:                                        `["windows-1252", false, "utf-8"]`,
		`const out = {}; for (const f of ['gzip', 'deflate', 'deflate-raw']) { const data = 'text '.repeat(100000); const packed = await new Response(new Response(data).body.pipeThrough(new CompressionStream(f))).bytes(); out[f] = [packed.length < 2000, (await text(new Response(packed).body.pipeThrough(new DecompressionStream(f)))) === data] } return out`:     `{"gzip": [true, true], "deflate": [true, true], "deflate-raw": [true, true]}`,
		`const packed = await new Response(new Response('hello').body.pipeThrough(new CompressionStream('gzip'))).bytes(); const one = ReadableStream.from([...packed].map((b) => bytes(b))); return text(one.pipeThrough(new DecompressionStream('gzip')))`:                                                                                                              `"hello"`,
		`const packed = await new Response(new Response('hello').body.pipeThrough(new CompressionStream('gzip'))).bytes(); const unpack = (b) => failure(text(new Response(b).body.pipeThrough(new DecompressionStream('gzip')))); return [await unpack(packed.subarray(0, 12)), await unpack(bytes()), await unpack(bytes(1, 2, 3)), await unpack(bytes(...packed, 1))]`: `["TypeError", "TypeError", "TypeError", "TypeError"]`,
		`return thrown(() => new CompressionStream('br'))`: `"TypeError"`,
		`const bomb = new Response(new Uint8Array(8 << 20)).body.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip')); const r = bomb.getReader(); const first = await r.read(); await tick(5); await r.cancel(); return first.value.length <= 65536`: `true`,
	})
}

// Request and Response: bodies, and what they are made of.
import { thrown } from './run.mjs';

const rq = (body, init) => new Request('http://a/', { method: 'POST', body, duplex: 'half', ...init });
const kinds = () => ({ text: 'tèxt', bytes: new Uint8Array([104, 105]), buffer: new Uint8Array([1, 2]).buffer, view: new DataView(new Uint8Array([9, 104, 105]).buffer, 1),
  params: new URLSearchParams({ a: 'b c' }), blob: new Blob(['blob'], { type: 'Text/X' }), number: 5, object: {} });

export default {
  'kinds of bodies': async (print) => { for (const [name, body] of Object.entries(kinds())) { const r = new Response(body); print(name, r.headers.get('content-type'), await r.text()); } },
  'kinds of bodies of a request': async (print) => { for (const [name, body] of Object.entries(kinds())) { const r = rq(body); print(name, r.headers.get('content-type'), await r.arrayBuffer()); } },
  'a form as a body': async (print) => {
    const f = new FormData(); f.append('a', '1'); f.append('f', new File(['x\ny'], 'n"a.txt', { type: 'text/plain' }));
    const r = new Response(f);
    print(r.headers.get('content-type').startsWith('multipart/form-data; boundary='));
    const back = await r.formData();
    print(back.get('a'), back.get('f').name, back.get('f').type, await back.get('f').text(), back.get('f') instanceof File);
  },
  'reading in every way': async (print) => {
    const r = () => new Response('{"a":[1,"é"]}', { headers: { 'content-type': 'application/json' } });
    print(await r().text(), await r().json(), (await r().arrayBuffer()).byteLength);
    const b = await r().blob();
    print(b.type, b.size);
  },
  'a body is read once': async (print) => {
    const r = new Response('x');
    print(r.bodyUsed); await r.text(); print(r.bodyUsed, await thrown(() => r.text()), await thrown(() => r.json()), await thrown(() => r.clone()), await thrown(() => new Response(r.body)));
  },
  'no body': async (print) => { const r = new Response(); print(r.body, r.bodyUsed, await r.text(), r.bodyUsed, await r.text(), (await r.arrayBuffer()).byteLength, await thrown(() => r.json())); },
  'an empty body': async (print) => { const r = new Response(''); print(r.body !== null, r.headers.get('content-type'), await r.text(), r.bodyUsed); },
  'a byte order mark': async (print) => { const r = () => new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d])); print((await r().text()).length, await r().json(), (await r().arrayBuffer()).byteLength); },
  'malformed UTF-8': async (print) => print([...await new Response(new Uint8Array([0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82])).text()].map((c) => c.codePointAt(0))),
  'malformed JSON': async (print) => { for (const s of ['', '{', 'undefined', '{"a":1}x']) print(s, await thrown(() => new Response(s).json())); },
  'form data of other bodies': async (print) => {
    print([...await new Response('a=1&b=%20+c&a=2', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData()]);
    for (const [body, type] of [['x', 'text/plain'], ['--b\r\nbad', 'multipart/form-data; boundary=b'], ['x', 'multipart/form-data']]) print(type, await thrown(() => new Response(body, { headers: { 'content-type': type } }).formData()));
  },
  'a multipart body by hand': async (print) => {
    const body = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n2\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="x.bin"\r\nContent-Type: image/x\r\n\r\n\u00ff\r\n--b--\r\n';
    const f = await new Response(body, { headers: { 'content-type': 'multipart/form-data; boundary=b' } }).formData();
    print(f.get('a'), f.get('f').name, f.get('f').type, f.get('f').size);
  },
  'clone': async (print) => {
    const r = new Response('abc', { status: 201, statusText: 'Made', headers: { a: 'b' } });
    const c = r.clone();
    c.headers.set('a', 'c');
    print(c.status, c.statusText, r.headers.get('a'), await c.text(), r.bodyUsed, await r.text());
    const q = rq('body', { headers: { x: 'y' } });
    const d = q.clone();
    print(d.method, d.url, d.headers.get('x'), await d.text(), await q.text());
  },
  'status and text': async (print) => {
    for (const status of [200, 204, 299, 404, 599]) { const r = new Response(null, { status }); print(r.status, r.ok, r.statusText, r.type, r.url, r.redirected); }
    for (const status of [0, 100, 101, 199, 600, 1000, 'x', NaN]) print(String(status), await thrown(() => new Response(null, { status })));
    print(new Response(null, { status: '201' }).status, new Response(null, { status: 201.9 }).status);
    for (const status of [204, 205, 304]) print(status, await thrown(() => new Response('x', { status })), await thrown(() => new Response('', { status })));
  },
  'status texts': async (print) => { for (const statusText of ['OK', 'é', 'a\nb', '']) print(JSON.stringify(statusText), await thrown(() => new Response(null, { statusText }))); },
  'Response.json': async (print) => {
    const r = Response.json({ a: 1 }, { status: 202, headers: { x: 'y' } });
    print(r.status, [...r.headers], await r.text());
    print(Response.json(1, { headers: { 'content-type': 'a/b' } }).headers.get('content-type'), await Response.json(null).text());
    print(await thrown(() => Response.json(undefined)), await thrown(() => Response.json(() => {})), await thrown(() => Response.json(1n)), await thrown(() => Response.json()));
  },
  'Response.redirect': async (print) => {
    const r = Response.redirect('http://a/é', 307);
    print(r.status, r.headers.get('location'), Response.redirect('http://a').status);
    print(await thrown(() => Response.redirect('nope')), await thrown(() => Response.redirect('http://a', 200)), await thrown(() => r.headers.set('a', 'b')));
  },
  'Response.error': async (print) => { const r = Response.error(); print(r.type, r.status, r.ok, r.body, await thrown(() => r.headers.set('a', 'b'))); },
  'methods': async (print) => {
    for (const method of ['get', 'Post', 'patch', 'PATCH', 'DELETE', 'custom', 'options']) print(method, new Request('http://a', { method }).method);
    for (const method of ['', 'a b', 'CONNECT', 'trace', 'TRACK', 'é']) print(method, await thrown(() => new Request('http://a', { method })));
  },
  'URLs of requests': async (print) => {
    print(new Request('http://A:80/b/../c?d#e').url, new Request(new URL('http://x')).url, String(new Request('http://a')));
    print(await thrown(() => new Request('/relative')), await thrown(() => new Request('http://u:p@a')), await thrown(() => new Request()));
  },
  'bodies and methods': async (print) => { for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS']) print(method, await thrown(() => new Request('http://a', { method, body: 'x' }))); },
  'a request of a request': async (print) => {
    const a = rq('body', { headers: { x: '1' }, redirect: 'manual' });
    const b = new Request(a, { headers: { y: '2' } });
    print(b.method, b.redirect, [...b.headers], a.bodyUsed, await b.text());
    print(await thrown(() => new Request(a)));
    const c = new Request(rq('old'), { body: 'new', method: 'PUT' });
    print(c.method, await c.text());
  },
  'other attributes': async (print) => {
    const r = new Request('http://a');
    print(r.redirect, r.cache, r.credentials, r.mode, r.referrer, r.integrity, r.keepalive, r.signal instanceof AbortSignal, r.signal.aborted, r.destination === '');
    print(await thrown(() => new Request('http://a', { redirect: 'x' })), new Request('http://a', { redirect: 'error' }).redirect);
  },
  'a signal': (print) => { const c = new AbortController(); const r = new Request('http://a', { signal: c.signal }); c.abort('why'); print(r.signal.aborted, r.signal.reason, new Request(r).signal.aborted); },
  'types of text': (print) => {
    const t = (body, type) => new Response(body, { headers: type ? { 'content-type': type } : {} }).headers.get('content-type');
    print(t('a'), t('a', 'x/y'), t(new Blob([])), t(new Blob([], { type: 'b/c' })), t(new Uint8Array(1)));
  },
  'a blob of a body has its type': async (print) => print((await new Response('x', { headers: { 'content-type': 'Text/HTML; Charset=utf-8' } }).blob()).type, (await new Response(new Uint8Array(1)).blob()).type),
  'changing bytes after': async (print) => { const b = new Uint8Array([97]); const r = new Response(b); b[0] = 98; print(await r.text()); },
};

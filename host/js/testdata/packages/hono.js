// Hono: routing, middleware, cookies, JSON, JWT, validation.
import { Hono } from 'hono';
import { basicAuth } from 'hono/basic-auth';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { cache } from 'hono/cache';
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { csrf } from 'hono/csrf';
import { etag } from 'hono/etag';
import { HTTPException } from 'hono/http-exception';
import { html } from 'hono/html';
import { decode, jwt, sign, verify } from 'hono/jwt';
import { logger } from 'hono/logger';
import { poweredBy } from 'hono/powered-by';
import { prettyJSON } from 'hono/pretty-json';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import { trimTrailingSlash } from 'hono/trailing-slash';
import { compress } from 'hono/compress';
import { stream, streamSSE, streamText } from 'hono/streaming';
import { timeout } from 'hono/timeout';
import { validator } from 'hono/validator';
import { RegExpRouter } from 'hono/router/reg-exp-router';
import { TrieRouter } from 'hono/router/trie-router';
import { LinearRouter } from 'hono/router/linear-router';

const answer = async (print, response) => {
  const r = await response;
  print(r.status, JSON.stringify([...r.headers].filter(([k]) => k !== 'x-request-id')), await r.text());
};

export default {
  'routing': async (print) => {
    const app = new Hono();
    app.get('/', (c) => c.text('home'));
    app.get('/users/:id{[0-9]+}', (c) => c.json({ id: c.req.param('id') }));
    app.get('/files/*', (c) => c.text(`file ${c.req.path}`));
    app.get('/maybe/:name?', (c) => c.text(`name ${c.req.param('name') ?? 'none'}`));
    app.on(['PUT', 'PURGE'], ['/a', '/b'], (c) => c.text(`${c.req.method} ${c.req.path}`));
    app.all('/any', (c) => c.text(c.req.method));
    app.notFound((c) => c.json({ message: 'nothing here' }, 404));
    for (const path of ['/', '/users/12', '/users/x', '/files/a/b', '/maybe', '/maybe/ann', '/none']) await answer(print, app.request(path));
    await answer(print, app.request('/b', { method: 'PURGE' }));
    await answer(print, app.request('/any', { method: 'PATCH' }));
  },
  'every router': async (print) => {
    for (const Router of [RegExpRouter, TrieRouter, LinearRouter]) {
      const app = new Hono({ router: new Router() });
      app.get('/posts/:id/comments/:comment', (c) => c.json(c.req.param()));
      app.get('/posts/*', (c) => c.text('star'));
      await answer(print, app.request('/posts/1/comments/2'));
      await answer(print, app.request('/posts/x'));
    }
  },
  'groups and base paths': async (print) => {
    const book = new Hono().basePath('/book');
    book.get('/', (c) => c.text('list')).post('/:id', (c) => c.text(`post ${c.req.param('id')}`));
    const app = new Hono();
    app.route('/v1', book);
    app.mount('/other', (request) => new Response(new URL(request.url).pathname));
    await answer(print, app.request('/v1/book'));
    await answer(print, app.request('/v1/book/7', { method: 'POST' }));
    await answer(print, app.request('/other/deep'));
  },
  'middleware in order': async (print) => {
    const app = new Hono();
    const seen = [];
    app.use(async (c, next) => { seen.push('a in'); await next(); seen.push('a out'); c.header('x-a', '1'); });
    app.use('/in/*', async (c, next) => { seen.push('b in'); c.set('who', 'b'); await next(); seen.push('b out'); });
    app.get('/in/side', (c) => { seen.push('handler'); return c.text(c.get('who')); });
    await answer(print, app.request('/in/side'));
    print(seen);
  },
  'errors': async (print) => {
    const app = new Hono();
    app.get('/http', () => { throw new HTTPException(418, { message: 'teapot' }); });
    app.get('/plain', async () => { throw new Error('broken'); });
    app.onError((e, c) => (e instanceof HTTPException ? e.getResponse() : c.text(`caught ${e.message}`, 500)));
    await answer(print, app.request('/http'));
    await answer(print, app.request('/plain'));
  },
  'query, headers and bodies': async (print) => {
    const app = new Hono();
    app.post('/', async (c) => c.json({ q: c.req.query('q'), all: c.req.queries('t'), h: c.req.header('x-h'), body: await c.req.json() }));
    app.post('/form', async (c) => c.json(await c.req.parseBody({ all: true })));
    app.post('/text', async (c) => c.text((await c.req.text()).toUpperCase()));
    await answer(print, app.request('/?q=a%20b&t=1&t=2', { method: 'POST', body: '{"x":[1,2]}', headers: { 'content-type': 'application/json', 'X-H': 'v' } }));
    const form = new FormData();
    form.append('a', '1');
    form.append('a', '2');
    form.append('b', 'x');
    await answer(print, app.request('/form', { method: 'POST', body: form }));
    await answer(print, app.request('/form', { method: 'POST', body: new URLSearchParams({ k: 'v w' }) }));
    await answer(print, app.request('/text', { method: 'POST', body: 'shout' }));
  },
  'cors': async (print) => {
    const app = new Hono();
    app.use(cors({ origin: ['https://a.example'], allowMethods: ['GET', 'PUT'], maxAge: 60, credentials: true, exposeHeaders: ['x-e'] }));
    app.get('/', (c) => c.text('ok'));
    await answer(print, app.request('/', { headers: { origin: 'https://a.example' } }));
    await answer(print, app.request('/', { headers: { origin: 'https://b.example' } }));
    await answer(print, app.request('/', { method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-headers': 'x-y' } }));
  },
  'jwt': async (print) => {
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const token = await sign({ sub: 'ann', n: 1 }, 'secret', alg);
      print(token);
      print(await verify(token, 'secret', alg), decode(token).header);
    }
    const app = new Hono();
    app.use('/auth/*', jwt({ secret: 'secret', alg: 'HS256' }));
    app.get('/auth/me', (c) => c.json(c.get('jwtPayload')));
    const good = await sign({ sub: 'ann' }, 'secret', 'HS256');
    for (const authorization of [undefined, 'Bearer x.y.z', `Bearer ${good}x`, `Bearer ${good}`]) {
      await answer(print, app.request('/auth/me', { headers: authorization ? { authorization } : {} }));
    }
    const expired = await sign({ sub: 'ann', exp: 1 }, 'secret', 'HS256');
    await answer(print, app.request('/auth/me', { headers: { authorization: `Bearer ${expired}` } }));
  },
  'jwt with a key pair': async (print) => {
    for (const [alg, a] of [['RS256', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }],
      ['ES256', { name: 'ECDSA', namedCurve: 'P-256' }], ['EdDSA', { name: 'Ed25519' }]]) {
      const pair = await crypto.subtle.generateKey(a, true, ['sign', 'verify']);
      const { alg: _, ...own } = await crypto.subtle.exportKey('jwk', pair.privateKey);
      const token = await sign({ sub: alg }, own, alg);
      const { alg: __, ...open } = await crypto.subtle.exportKey('jwk', pair.publicKey);
      print(await verify(token, open, alg));
    }
  },
  'etag': async (print) => {
    const app = new Hono();
    app.use(etag());
    app.get('/', (c) => c.text('hello'));
    await answer(print, app.request('/'));
    const tag = (await app.request('/')).headers.get('etag');
    await answer(print, app.request('/', { headers: { 'if-none-match': tag } }));
  },
  'logger': async (print) => {
    const app = new Hono();
    app.use(logger((text) => print(text.replace(/\d+m?s/, 'TIME').replace(/\x1b\[\d+m/g, ''))));
    app.get('/x', (c) => c.text('ok'));
    await answer(print, app.request('/x?a=1'));
  },
  'cookies': async (print) => {
    const app = new Hono();
    app.get('/set', async (c) => {
      setCookie(c, 'plain', 'a b', { path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 60 });
      await setSignedCookie(c, 'signed', 'value', 'secret');
      deleteCookie(c, 'old');
      return c.body(null, 204);
    });
    app.get('/get', async (c) => c.json([getCookie(c), await getSignedCookie(c, 'secret', 'signed'), await getSignedCookie(c, 'secret', 'forged')]));
    const set = await app.request('/set');
    const cookies = set.headers.getSetCookie();
    print(cookies);
    await answer(print, app.request('/get', { headers: { cookie: `plain=a%20b; ${cookies[1].split(';')[0]}; forged=value.bad` } }));
  },
  'authentication': async (print) => {
    const app = new Hono();
    app.use('/basic', basicAuth({ username: 'u', password: 'p' }));
    app.use('/bearer', bearerAuth({ token: 't0ken' }));
    app.get('*', (c) => c.text('in'));
    await answer(print, app.request('/basic'));
    await answer(print, app.request('/basic', { headers: { authorization: `Basic ${btoa('u:p')}` } }));
    await answer(print, app.request('/bearer', { headers: { authorization: 'Bearer no' } }));
    await answer(print, app.request('/bearer', { headers: { authorization: 'Bearer t0ken' } }));
  },
  'small middleware': async (print) => {
    const app = new Hono();
    app.use(poweredBy(), prettyJSON(), secureHeaders(), requestId(), trimTrailingSlash(), csrf());
    app.use('/limited', bodyLimit({ maxSize: 4 }));
    app.get('/json', (c) => c.json({ a: 1 }));
    app.get('/html', (c) => c.html(html`<p>${'<b>'}</p>`));
    app.post('/limited', async (c) => c.text(await c.req.text()));
    await answer(print, app.request('/json?pretty'));
    await answer(print, app.request('/json/'));
    await answer(print, app.request('/html'));
    await answer(print, app.request('/limited', { method: 'POST', body: 'too long', headers: { 'content-length': '8' } }));
    await answer(print, app.request('/limited', { method: 'POST', body: 'x=1', headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' } }));
  },
  'validator': async (print) => {
    const app = new Hono();
    app.post('/', validator('json', (v, c) => (typeof v.name === 'string' ? v : c.text('no name', 400))), (c) => c.json(c.req.valid('json')));
    for (const body of ['{"name":"x"}', '{}', '{']) await answer(print, app.request('/', { method: 'POST', body, headers: { 'content-type': 'application/json' } }));
  },
  'streaming': async (print) => {
    const app = new Hono();
    app.get('/bytes', (c) => stream(c, async (s) => { await s.write(new Uint8Array([104, 105])); await s.pipe(new Response(' there').body); }));
    app.get('/text', (c) => streamText(c, async (s) => { for (const w of ['one', 'two']) { await s.writeln(w); await s.sleep(1); } }));
    app.get('/events', (c) => streamSSE(c, async (s) => { for (let id = 0; id < 2; id++) await s.writeSSE({ data: `n ${id}`, event: 'count', id: String(id) }); }));
    app.get('/broken', (c) => streamText(c, async (s) => { await s.write('a'); throw new Error('midway'); }, async (e, s) => { await s.write(`caught ${e.message}`); }));
    for (const path of ['/bytes', '/text', '/events', '/broken']) await answer(print, app.request(path));
  },
  'timeout and compress': async (print) => {
    const app = new Hono();
    app.use('/slow', timeout(5));
    app.get('/slow', async (c) => { await new Promise((done) => setTimeout(done, 60)); return c.text('late'); });
    app.use('/z', compress({ threshold: 1 }));
    app.get('/z', (c) => c.text('z'.repeat(100)));
    await answer(print, app.request('/slow'));
    const r = await app.request('/z', { headers: { 'accept-encoding': 'gzip' } });
    print(r.headers.get('content-encoding'), await new Response(r.body.pipeThrough(new DecompressionStream('gzip'))).text());
  },
  'redirects, status and headers': async (print) => {
    const app = new Hono();
    app.get('/r', (c) => c.redirect('/to', 301));
    app.get('/h', (c) => { c.status(202); c.header('x', '1'); c.header('x', '2', { append: true }); return c.body('b'); });
    await answer(print, app.request('/r'));
    await answer(print, app.request('/h'));
    print(typeof cache);
  },
};

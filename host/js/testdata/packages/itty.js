// itty-router: AutoRouter, Router, IttyRouter, middleware, params, errors.
import { AutoRouter, IttyRouter, Router, StatusError, cors, error, html, json, status, text, withContent, withCookies, withParams } from 'itty-router';

const request = (path, init) => new Request(`https://example.com${path}`, init);
const answer = async (print, response) => {
  const r = await response;
  print(r.status, JSON.stringify([...r.headers]), await r.text());
};

export default {
  'AutoRouter': async (print) => {
    const router = AutoRouter();
    router
      .get('/hello/:name', ({ name }) => `Hello, ${name}!`)
      .get('/json/:id+', ({ params, query }) => ({ params, query }))
      .get('/file.:ext', ({ params }) => params)
      .get('/optional/:id?', ({ params }) => ({ id: params.id ?? null }))
      .get('/status', () => status(204))
      .get('/html', () => html('<p>'))
      .get('/throws', () => { throw new StatusError(409, { reason: 'conflict' }); })
      .get('/breaks', () => { throw new Error('broken'); });
    for (const path of ['/hello/ann', '/json/a/b?q=1&q=2', '/file.txt', '/optional', '/optional/1', '/status', '/html', '/throws', '/breaks', '/none']) {
      await answer(print, router.fetch(request(path)));
    }
  },
  'middleware': async (print) => {
    const router = AutoRouter({ base: '/v1', before: [(r) => { r.user = r.headers.get('x-user') ?? ''; }], finally: [(r) => { r.headers.append('x-last', '1'); }] });
    router.get('/me', (r) => (r.user ? { user: r.user } : error(401)));
    await answer(print, router.fetch(request('/v1/me')));
    await answer(print, router.fetch(request('/v1/me', { headers: { 'x-user': 'bob' } })));
  },
  'content and cookies': async (print) => {
    const router = Router({ before: [withParams, withCookies], finally: [json], catch: error });
    router.post('/:kind', withContent, ({ kind, content, cookies }) => ({ kind, content: content instanceof FormData ? [...content] : content, cookies }));
    await answer(print, router.fetch(request('/a', { method: 'POST', body: '{"b":1}', headers: { 'content-type': 'application/json', cookie: 'x=1; y=2' } })));
    await answer(print, router.fetch(request('/t', { method: 'POST', body: 'plain' })));
    await answer(print, router.fetch(request('/f', { method: 'POST', body: new URLSearchParams({ a: 'b' }) })));
  },
  'cors': async (print) => {
    const { preflight, corsify } = cors({ origin: ['https://a.example'], credentials: true });
    const router = AutoRouter({ before: [preflight], finally: [corsify] });
    router.get('/', () => 'ok');
    await answer(print, router.fetch(request('/', { headers: { origin: 'https://a.example' } })));
    await answer(print, router.fetch(request('/', { method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' } })));
  },
  'IttyRouter': async (print) => {
    const router = IttyRouter();
    router.all('*', (r) => { r.seen = true; }).get('/x', (r, extra) => text(`${r.seen} ${extra}`)).all('*', () => error(404, 'nothing'));
    await answer(print, router.fetch(request('/x'), 'more'));
    await answer(print, router.fetch(request('/y')));
  },
};

// URLPattern. Node.js 20 has none: what is expected was made with the polyfill that the standard grew from.
import { thrown } from './run.mjs';

const fields = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
const groups = (r) => r && Object.fromEntries(fields.filter((f) => Object.keys(r[f].groups).length).map((f) => [f, Object.fromEntries(Object.entries(r[f].groups).map(([k, v]) => [k, v === undefined ? '' : v]))]));
const paths = (print, pattern, ...inputs) => {
  const p = new URLPattern({ pathname: pattern });
  print(pattern, '->', p.pathname);
  for (const i of inputs) { const r = p.exec({ pathname: i }); print(' ', i, r ? r.pathname.groups : null); }
};

export default {
  'fixed text': (print) => { paths(print, '/foo/bar', '/foo/bar', '/foo/ba', '/foo/bar/', '/FOO/bar'); paths(print, '/a.b(c)', '/a.bc', '/axbc'); },
  'names': (print) => { paths(print, '/users/:id', '/users/1', '/users/', '/users/1/2'); paths(print, '/:a/:b', '/x/y', '/x'); paths(print, '/:a-:b', '/x-y', '/x-y-z'); paths(print, '/:_x$1', '/v'); },
  'wildcards': (print) => { paths(print, '/*', '/', '/a/b', ''); paths(print, '/a*', '/a', '/abc/d'); paths(print, '*', '', '/x'); paths(print, '/*/b/*', '/a/b/c', '/a/x/b/c/d'); },
  'modifiers': (print) => { paths(print, '/a/:b?', '/a', '/a/x', '/a/'); paths(print, '/a/:b+', '/a/x', '/a/x/y', '/a'); paths(print, '/a/:b*', '/a', '/a/x/y'); paths(print, '/a/*?', '/a', '/a/b', '/a/'); paths(print, '/a/(\\d+)?', '/a', '/a/5', '/a/x'); },
  'expressions': (print) => { paths(print, '/(\\d+)', '/12', '/x'); paths(print, '/:id(\\d+)', '/12', '/x'); paths(print, '/:k([a-c]+)/(.*)', '/abc/rest/more', '/d/x'); paths(print, '/(?:x)'.replace('(?:x)', '((?:x|y))'), '/x', '/z'); },
  'braces': (print) => { paths(print, '/a{/b}?', '/a', '/a/b', '/a/'); paths(print, '/a{b}+c', '/abc', '/abbbc', '/ac'); paths(print, '/{:a}-{:b}', '/x-y'); paths(print, '/{x:a}y', '/x1y', '/1y'); paths(print, '{/:a.html}?', '/x.html', ''); },
  'escapes': (print) => { paths(print, '/a\\:b', '/a:b'); paths(print, '/a\\*', '/a*', '/ab'); paths(print, '/caf\u00e9', '/caf%C3%A9', '/caf\u00e9'); paths(print, '/a b', '/a%20b', '/a b'); },
  'whole URLs': (print) => {
    for (const [p, ...inputs] of [
      ['https://example.com/books/:id', 'https://example.com/books/1', 'http://example.com/books/1', 'https://example.com/books/1?q', 'https://example.com:443/books/1'],
      ['https://*.example.com/*', 'https://a.example.com/x', 'https://example.com/x', 'https://a.b.example.com/'],
      ['http{s}?://:host/*', 'http://a/b', 'https://a/b', 'ftp://a/b'],
      ['https://example.com:8080/?q=*', 'https://example.com:8080/?q=1', 'https://example.com/?q=1'],
      ['https://example.com/a?b#c', 'https://example.com/a?b#c', 'https://example.com/a?b'],
      ['https://user:pw@h/', 'https://user:pw@h/', 'https://h/'],
      ['*://*:*/api/*', 'http://a:81/api/x', 'https://b/api/', 'http://b/x'],
      ['data\\:text/*', 'data:text/plain', 'data:image/x'],
      ['https://[\\:\\:1]/x', 'https://[::1]/x'],
    ]) {
      const u = new URLPattern(p);
      print(p, '->', fields.map((f) => u[f]).join(' '));
      for (const i of inputs) print(' ', i, u.test(i), groups(u.exec(i)));
    }
  },
  'a base': (print) => {
    const p = new URLPattern('/books/:id?a=*', 'https://example.com/x?y#z');
    print(fields.map((f) => p[f]).join(' '), p.test('https://example.com/books/1?a=2'), p.test('/books/1?a=2', 'https://example.com'), p.test('/books/1', 'https://other.com'));
    const q = new URLPattern({ pathname: 'rel/:x', baseURL: 'https://example.com/dir/file' });
    print(fields.map((f) => q[f]).join(' '), q.test('https://example.com/dir/rel/1'), q.test({ pathname: 'rel/2', baseURL: 'https://example.com/dir/' }));
  },
  'objects': (print) => {
    const p = new URLPattern({ protocol: 'http{s}?', hostname: '*.example.com', pathname: '/:a' });
    print(fields.map((f) => p[f]).join(' '), groups(p.exec('https://x.example.com/y?z#h')), p.test({ hostname: 'x.example.com' }), p.test({ protocol: 'https', hostname: 'x.example.com', pathname: '/q' }));
    print(fields.map((f) => new URLPattern()[f]).join(''), new URLPattern({}).test('https://a/b'), new URLPattern({ search: '?a=:v', hash: '#:h' }).exec('https://x/?a=1#f').search.groups, new URLPattern({ port: '8080' }).test('http://a:8080'), new URLPattern({ protocol: 'http', port: '80' }).port);
  },
  'the result': (print) => { const r = new URLPattern({ pathname: '/:a/*' }).exec('https://u:p@h:1/x/y/z?q#f'); print(r.inputs, fields.map((f) => r[f].input)); print(r.pathname.groups, r.hostname.groups, new URLPattern({ pathname: '/x' }).exec('https://h/y')); },
  'errors': async (print) => {
    for (const bad of ['/a', 'https://a/(', 'https://a/{', 'https://a/:a/:a', 'https://a/(?x)', 'https://a/(a(b))', 'https://a/()', 'https://a/(\u00e9)']) print(bad, await thrown(() => new URLPattern(bad)));
    for (const bad of [{ port: '99999' }, { pathname: '/:a:a' }, { baseURL: 'x' }, { hostname: 'a/b' }]) print(bad, await thrown(() => new URLPattern(bad)));
    print(await thrown(() => new URLPattern({ pathname: '/x' }, 'https://a')), new URLPattern({ pathname: '/x' }).test('not a URL'), await thrown(() => new URLPattern({}).test({}, 'https://a')));
  },
  'ignoring case': (print) => { const p = new URLPattern({ pathname: '/Foo/:x' }, { ignoreCase: true }); print(p.test({ pathname: '/fOO/y' }), new URLPattern({ pathname: '/Foo' }).test({ pathname: '/foo' }), new URLPattern('https://a.com/Foo', { ignoreCase: true }).test('https://a.com/FOO')); },
  'expressions are known': (print) => print(new URLPattern({ pathname: '/:a' }).hasRegExpGroups, new URLPattern({ pathname: '/(x)' }).hasRegExpGroups, new URLPattern({ hash: ':a(\\d)' }).hasRegExpGroups, String(new URLPattern())),
};

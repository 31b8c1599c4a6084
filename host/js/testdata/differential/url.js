// URL and URLSearchParams.
import { thrown } from './run.mjs';

const parts = (u) => [u.href, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.origin];
const each = (print, urls, base) => { for (const u of urls) print(u, URL.canParse(u, base) ? new URL(u, base).href : 'invalid'); };

export default {
  'all parts': (print) => { for (const p of parts(new URL('https://us%20er:pa:ss@EXAMPLE.com:8443/a/./b/../c?q=1&r=%20#frag ment'))) print(p); },
  'default ports': (print) => each(print, ['http://a:80', 'https://a:443', 'ws://a:80', 'wss://a:443', 'ftp://a:21', 'http://a:443', 'http://a:', 'http://a:0', 'http://a:00080']),
  'special schemes and slashes': (print) => each(print, ['http:a', 'http:/a', 'http://a', 'http:///a', 'http:////a', 'http:\\\\a\\b', 'https:a/b', 'wss:\\a']),
  'white space and control characters': (print) => each(print, [' http://a ', 'ht\ntp://a', 'http://a/\tb\nc', '\u0000http://a', 'http://a/ b', 'http://a b/', 'http://a/\u0001']),
  'paths': (print) => each(print, ['http://a/%2e/b', 'http://a/%2E%2e/b', 'http://a/b/..', 'http://a/b/.', 'http://a/..', 'http://a//b', 'http://a/b//../c', 'http://a/;p=1', 'http://a/a:b@c', "http://a/'\"<>`{}|\\", 'http://a/é']),
  'percent-encoding': (print) => each(print, ['http://a/%', 'http://a/%zz', 'http://a/%41', 'http://a/?%zz', 'http://a/?é', "http://a/?'", 'foo://a/?\'', 'http://a/#é`<', 'http://u%40:p%3a@a/', 'http://u@x:p@a/']),
  'IPv4 hosts': (print) => each(print, ['http://1.2.3.4', 'http://1.2.3', 'http://1', 'http://0x10', 'http://010.1', 'http://256.1', 'http://1.2.3.4.', 'http://1.2.3.4.5', 'http://4294967295', 'http://4294967296', 'http://1.2.3.09', 'http://0xffffffff', 'http://1.2.3.x', 'http://x.1']),
  'IPv6 hosts': (print) => each(print, ['http://[::]', 'http://[::1]:80', 'http://[1:2:3:4:5:6:7:8]', 'http://[1::8]', 'http://[2001:0db8::0:1]', 'http://[::ffff:1.2.3.4]', 'http://[1:0:0:2:0:0:0:3]', 'http://[::1', 'http://[:1]', 'http://[1:2]', 'http://[::1.2.3]', 'http://[::g]', 'http://[fe80::1%25eth0]']),
  'domain names': (print) => each(print, ['http://EXAMPLE.com', 'http://a..b', 'http://.a', 'http://a.', 'http://a_b', 'http://-a-', 'http://a%41', 'http://a%00', 'http://a<b', 'http://a^b', 'http://a|b', 'http://%zz', 'http://a*b', 'http://a,b']),
  'internationalized names': (print) => each(print, ['http://münchen.de', 'http://faß.de', 'http://xn--mnchen-3ya.de', 'http://日本語。jp', 'http://ＧＯ.com', 'http://a\u00adb.com', 'http://☃.net', 'http://%C3%A9.com', 'http://xn--a']),
  'no host': (print) => each(print, ['http://', 'https://?q', 'http://#f', 'file://', 'foo://', 'foo:', 'foo:///p', 'mailto:a@b', 'data:text/plain,hi there', 'javascript:alert(1)', 'about:blank', 'urn:isbn:1 2 ']),
  'file URLs': (print) => each(print, ['file:///a/b', 'file://localhost/a', 'file:/a', 'file:a', 'file://host/a', 'file:///C|/x', 'file:///C:/../x', 'file:c:\\foo', 'file://C:/x', 'file:?q', 'file:..']),
  'opaque paths': (print) => { for (const u of ['mailto:x y?q r#h i', 'data:,%41é', 'foo:a/../b', 'blob:https://a.com:443/id', 'blob:foo']) print(parts(new URL(u))); },
  'relative to http': (print) => each(print, ['', '.', '..', 'x', './x', '../x', '../../../x', '/x', '//h', '//h:9/p', '?q', '#f', 'x?y#z', 'http:x', 'https:x', 'mailto:z', '\\x', ';a', 'a:b', '//', '?', '#'], 'http://u:p@base:8/a/b/c?d#e'),
  'relative to others': (print) => {
    each(print, ['x', '/x', '//h/x', '?q', '#f', 'C:/x', '/C|/x'], 'file:///C:/a/b');
    each(print, ['x', '/x', '#f', '?q', '//h'], 'foo://h/a/b');
    each(print, ['x', '#f', '?q', ''], 'mailto:a@b');
  },
  'invalid URLs': async (print) => {
    for (const u of ['', 'x', '//x', '/x', 'http://a:x', 'http://a:65536', 'http://u@', 'http://:80', 'http://a b', 'http://[', '1http://a', '://a']) print(u, await thrown(() => new URL(u)), URL.parse?.(u) ?? null);
    try { new URL('nope'); } catch (e) { print(e.name, e.code, e.input, e instanceof TypeError); }
    print(await thrown(() => new URL('x', 'y')), await thrown(() => URL('http://a')));
  },
  'conversions of arguments': (print) => {
    print(new URL({ toString: () => 'http://a/b' }).href, new URL('x', new URL('http://a/b')).href, new URL('http://a', undefined).href);
    print(`${new URL('http://a')}`, JSON.stringify({ u: new URL('http://a') }), Object.prototype.toString.call(new URL('http://a')));
  },
  'setters: protocol and port': (print) => {
    const u = new URL('http://a:8080/p');
    for (const [k, v] of [['protocol', 'https'], ['protocol', 'https:x'], ['protocol', 'foo'], ['protocol', '1'], ['protocol', ''], ['port', '443'], ['port', '99999'], ['port', '81x'], ['port', ''], ['port', 90]]) { u[k] = v; print(k, v, u.href); }
    const m = new URL('mailto:x'); m.port = '8'; m.protocol = 'http'; print(m.href);
  },
  'setters: host': (print) => {
    const u = new URL('http://a:8080/p');
    for (const [k, v] of [['host', 'b:9'], ['host', 'c'], ['host', 'd:80'], ['host', ''], ['host', 'e/f'], ['host', 'x y'], ['host', '[::2]:7'], ['hostname', 'h:1'], ['hostname', 'MÜ.de'], ['hostname', 'i#j'], ['hostname', '127.1']]) { u[k] = v; print(k, v, u.href); }
    const m = new URL('mailto:x'); m.host = 'h'; print(m.href);
  },
  'setters: path, query, fragment': (print) => {
    const u = new URL('http://a/p?q#f');
    for (const [k, v] of [['pathname', 'x y'], ['pathname', '/a/../b'], ['pathname', '?#'], ['pathname', ''], ['search', 'a b'], ['search', '?c=d#e'], ['search', '?'], ['search', ''], ['hash', 'x y'], ['hash', '#'], ['hash', '##'], ['hash', '']]) { u[k] = v; print(k, v, u.href); }
    const m = new URL('mailto:x?y'); m.pathname = 'z'; m.search = ''; print(m.href);
  },
  'setters: user and password': (print) => {
    const u = new URL('http://a/');
    for (const [k, v] of [['username', 'me@x:y'], ['password', 'p/w'], ['username', ''], ['password', ''], ['username', 'é']]) { u[k] = v; print(k, u.href); }
    const f = new URL('file:///a'); f.username = 'x'; print(f.href);
  },
  'setters: href': async (print) => {
    const u = new URL('http://a/');
    const p = u.searchParams;
    u.href = 'https://b/?x=1';
    print(u.href, p.get('x'), p === u.searchParams);
    print(await thrown(() => { u.href = 'nope'; }), u.href);
  },
  'canParse and parse': (print) => print(URL.canParse('x'), URL.canParse('x', 'http://a'), URL.canParse('http://a'), URL.canParse('http://a', 'bad')),
  'searchParams of a URL': (print) => {
    const u = new URL('http://a/?x=1&y=%20#h');
    const p = u.searchParams;
    p.append('z', 'ä&='); print(u.href);
    p.delete('x'); print(u.href);
    p.set('y', '+'); print(u.href);
    p.sort(); print(u.search);
    for (const k of [...p.keys()]) p.delete(k);
    print(u.href, u.search);
    u.search = '?m=n'; print(p.toString(), u.searchParams === p);
  },
  'URLSearchParams: parsing': (print) => {
    for (const s of ['', '?', 'a', 'a=', '=a', '=', '&', 'a&&b', 'a=1&a=2', 'a=b=c', '?a=%20+', 'a=%zz', 'a=%C3%A9', 'a=%FF', '??a=1', 'a;b', '%61=%62']) print(s, [...new URLSearchParams(s)]);
  },
  'URLSearchParams: from other things': async (print) => {
    print([...new URLSearchParams({ a: 1, b: null, c: undefined })], [...new URLSearchParams([['a', 'b'], new Set(['c', 'd'])])]);
    print([...new URLSearchParams(new Map([['x', 1]]))], [...new URLSearchParams(new URLSearchParams('q=1'))], [...new URLSearchParams(undefined)], String(new URLSearchParams(null)));
    for (const bad of [[['a']], [['a', 'b', 'c']], [1], [null]]) print(await thrown(() => new URLSearchParams(bad)));
  },
  'URLSearchParams: serializing': (print) => {
    print(String(new URLSearchParams([['a b', 'c+d'], ['é', '€😀'], ["!'()*", '~-._'], ['\r\n', '\0'], ['', '']])), new URLSearchParams('a=%').toString());
  },
  'URLSearchParams: reading': (print) => {
    const p = new URLSearchParams('a=1&b=2&a=3');
    print(p.get('a'), p.get('x'), p.getAll('a'), p.getAll('x'), p.has('a'), p.has('a', '3'), p.has('a', '9'), p.has('a', undefined), p.size);
    print([...p.keys()], [...p.values()], [...p.entries()], Object.prototype.toString.call(p));
    p.forEach((v, k, all) => print(k, v, all === p));
  },
  'URLSearchParams: changing': async (print) => {
    const p = new URLSearchParams('a=1&b=2&a=3&c=4');
    p.set('a', 9); print(String(p));
    p.delete('b', 'x'); print(String(p));
    p.delete('b', '2'); print(String(p));
    p.append('c', 5); p.delete('c'); print(String(p));
    print(await thrown(() => p.append('x')), await thrown(() => p.get()), await thrown(() => p.forEach(1)), await thrown(() => p.set('x')));
  },
  'URLSearchParams: sorting': (print) => {
    const p = new URLSearchParams('z=1&a=2&z=0&ﬃ=3&🌈=4&a=1');
    p.sort();
    print([...p]);
  },
  'URLSearchParams: iterating over changes': (print) => {
    const p = new URLSearchParams('a=1&b=2&c=3');
    const seen = [];
    for (const [k] of p) { seen.push(k); if (k === 'a') p.delete('b'); if (seen.length === 2) p.append('d', 4); }
    print(seen);
  },
  'lone surrogates': (print) => {
    print(new URL('http://a/\ud800?\udc00').href, String(new URLSearchParams({ '\ud800': 'x\udfff' })));
  },
};

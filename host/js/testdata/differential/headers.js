// Headers.
import { thrown } from './run.mjs';

export default {
  'order and case': (print) => print([...new Headers({ 'X-B': '2', a: '1', 'Content-Type': 'x' })]),
  'values are joined': (print) => { const h = new Headers([['a', '1'], ['A', '2']]); h.append('a', ' 3 '); print(h.get('a'), [...h]); },
  'set, delete, has': (print) => { const h = new Headers({ a: '1' }); h.set('A', '2'); print(h.get('a'), h.has('A')); h.delete('A'); h.delete('none'); print(h.has('a'), h.get('a')); },
  'cookies stay apart': (print) => { const h = new Headers([['set-cookie', 'a=1'], ['x', 'y'], ['Set-Cookie', 'b=2']]); print([...h], h.getSetCookie(), h.get('set-cookie')); h.set('set-cookie', 'c=3'); print(h.getSetCookie()); h.delete('Set-Cookie'); print(h.getSetCookie()); },
  'white space of values': (print) => { const h = new Headers(); for (const v of [' a ', '\ta\t', 'a b', '', ' ', '\r\na']) { h.set('x', v); print(JSON.stringify(h.get('x'))); } },
  'bad names': async (print) => { for (const n of ['', ' ', 'a b', 'a:', 'é', 'a\n', '(x)', 'x\0']) print(JSON.stringify(n), await thrown(() => new Headers([[n, 'v']])), await thrown(() => new Headers().get(n))); },
  'bad values': async (print) => { for (const v of ['a\nb', 'a\rb', 'a\0', '\u0100', 'é', '\x7f', '\x01']) print(JSON.stringify(v), await thrown(() => new Headers().set('x', v))); },
  'what they are made of': async (print) => {
    print([...new Headers()], [...new Headers(undefined)], [...new Headers(new Headers({ a: '1' }))], [...new Headers(new Map([['m', 'n']]))], [...new Headers({ n: 5, u: undefined, z: null })]);
    for (const bad of [null, 1, 'x', [['a']], [['a', 'b', 'c']], ['ab', 'c']]) print(await thrown(() => new Headers(bad)));
  },
  'iteration': (print) => {
    const h = new Headers({ b: '2', a: '1' });
    print([...h.keys()], [...h.values()], [...h.entries()], typeof h[Symbol.iterator]);
    h.forEach(function (v, k, all) { print(k, v, all === h, this.t); }, { t: 1 });
    print(Object.prototype.toString.call(h), Object.fromEntries(h));
  },
  'iteration over changes': (print) => { const h = new Headers({ a: '1', c: '3' }); const seen = []; for (const [k] of h) { seen.push(k); if (k === 'a') h.set('b', '2'); } print(seen); },
  'missing arguments': async (print) => { const h = new Headers(); for (const f of ['append', 'set', 'get', 'has', 'delete', 'forEach']) print(f, await thrown(() => h[f]()), await thrown(() => h[f]('x'))); },
  'a response copies them': (print) => { const h = new Headers({ a: '1' }); const r = new Response(null, { headers: h }); h.set('a', '2'); print(r.headers.get('a'), r.headers === h); },
  'a request copies them': (print) => { const r = new Request('http://a', { headers: [['x', '1']] }); const s = new Request(r); s.headers.set('x', '2'); print(r.headers.get('x'), s.headers.get('x')); },
};

// Differs by design: values beyond Latin-1 are taken, and sent as UTF-8.
export const differs = {
  'bad values': ['"a\\nb" TypeError', '"a\\rb" TypeError', '"a\\u0000" TypeError', '"Ā" no error', '"é" no error', '"\x7f" no error', '"\\u0001" no error'],
};

// structuredClone.
import { thrown } from './run.mjs';

export default {
  'plain values': (print) => { for (const v of [1, -0, NaN, 'x', true, null, undefined, 10n]) print(structuredClone(v)); print(Object.is(structuredClone(-0), -0)); },
  'objects and arrays': (print) => { const a = { x: [1, { y: 2 }], z: undefined }; const b = structuredClone(a); print(b, b !== a, b.x !== a.x, 'z' in b, Object.keys(b)); },
  'holes and names of arrays': (print) => { const a = [1, , 3]; a.name = 'n'; const b = structuredClone(a); print(b.length, 1 in b, b.name, Array.isArray(b)); },
  'cycles and sharing': (print) => { const a = { n: 1 }; a.me = a; a.list = [a, a]; const b = structuredClone(a); print(b.me === b, b.list[0] === b, b.list[0] === b.list[1]); },
  'maps and sets': (print) => { const k = { k: 1 }; const m = new Map([[k, 'v'], ['s', new Set([1, k])]]); const c = structuredClone(m); const [key] = [...c.keys()]; print(c instanceof Map, key, key !== k, c.get('s').has(key), [...c.get('s')].length); },
  'dates and expressions': (print) => { const d = structuredClone(new Date(5)); const r = /a/gi; r.lastIndex = 3; const s = structuredClone(r); print(d instanceof Date, d.getTime(), String(s), s.lastIndex, isNaN(structuredClone(new Date(NaN)))); },
  'boxes': (print) => { for (const v of [new Number(1), new String('s'), new Boolean(false), Object(1n)]) { const c = structuredClone(v); print(typeof c, Object.prototype.toString.call(c), c.valueOf() === v.valueOf()); } },
  'bytes': (print) => {
    const u = new Uint8Array([1, 2, 3, 4]); const c = structuredClone({ a: u.subarray(1, 3), b: u.buffer, d: new DataView(u.buffer, 2), f: new Float32Array([1.5]) });
    print(c.a, c.a.byteOffset, c.a.buffer === c.b, c.b.byteLength, c.d.byteOffset, c.d.byteLength, c.f[0], c.a.constructor.name);
  },
  'errors': (print) => { const e = new RangeError('m', { cause: { x: 1 } }); e.extra = 1; const c = structuredClone(e); print(c.name, c.message, c instanceof RangeError, c.cause, c.extra, typeof c.stack); class Mine extends Error {} print(structuredClone(new Mine('z')).name, structuredClone(new Mine('z')) instanceof Mine); },
  'classes lose their prototype': (print) => { class A { x = 1; #p = 2; get g() { return 3; } } const c = structuredClone(new A()); print(c, c instanceof A, c.g, Object.getPrototypeOf(c) === Object.prototype); },
  'getters are read, symbols and hidden names are not there': (print) => { const o = { get a() { return 5; }, [Symbol('s')]: 1 }; Object.defineProperty(o, 'h', { value: 1 }); const c = structuredClone(o); print(Object.getOwnPropertyDescriptor(c, 'a'), Reflect.ownKeys(c).length); print(Object.getPrototypeOf(structuredClone(Object.create(null))) === Object.prototype); },
  'what cannot be cloned': async (print) => { for (const v of [() => {}, Symbol('x'), new WeakMap(), new WeakSet(), Promise.resolve(), { a: [class {}] }, Object(Symbol('y'))]) print(await thrown(() => structuredClone(v))); try { structuredClone(() => {}); } catch (e) { print(e.code, e instanceof DOMException); } print(await thrown(() => structuredClone())); },
  'a getter that throws': async (print) => print(await thrown(() => structuredClone({ get a() { throw new RangeError('x'); } }))),
  'transferring': async (print) => { const b = new Uint8Array([1, 2, 3]).buffer; const c = structuredClone({ b }, { transfer: [b] }); print(b.byteLength, c.b.byteLength, new Uint8Array(c.b), await thrown(() => structuredClone(b)), await thrown(() => structuredClone(1, { transfer: [c.b, c.b] }))); },
  'order of names': (print) => print(Object.keys(structuredClone({ b: 1, a: 2, 1: 3, 0: 4 }))),
  'a blob': async (print) => { const c = structuredClone({ b: new Blob(['x'], { type: 'a/b' }) }); print(c.b.size, c.b.type, c.b instanceof Blob, await c.b.text()); },
};

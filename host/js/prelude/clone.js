// structuredClone (html.spec.whatwg.org, section 2.7), for what is here to be cloned.
(function (native) {
  const errors = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const refuse = (what) => { throw new DOMException(`${what} could not be cloned`, 'DataCloneError'); };
  const show = (v) => (typeof v === 'function' ? 'A function' : typeof v === 'symbol' ? String(v) : Object.prototype.toString.call(v));
  const hidden = (to, name, value) => Object.defineProperty(to, name, { value, writable: true, configurable: true, enumerable: false });
  // Objects of the web API that the standards do not make serializable.
  const apart = ['URL', 'URLSearchParams', 'Headers', 'Request', 'Response', 'FormData', 'EventTarget', 'AbortController', 'AbortSignal', 'Event',
    'ReadableStream', 'WritableStream', 'TransformStream', 'WeakMap', 'WeakSet', 'WeakRef', 'Promise', 'Symbol'];

  function cloneError(v, keep, seen) {
    const copy = keep(Object.create((errors[v.name] || Error).prototype));
    const message = Object.getOwnPropertyDescriptor(v, 'message');
    if (message && 'value' in message) hidden(copy, 'message', `${message.value}`);
    hidden(copy, 'stack', String(v.stack));
    if (Object.prototype.hasOwnProperty.call(v, 'cause')) hidden(copy, 'cause', clone(v.cause, seen));
    return copy;
  }
  function cloneView(v, keep, seen) {
    const buffer = clone(v.buffer, seen);
    const C = Object.prototype.toString.call(v) === '[object DataView]' ? DataView : globalThis[Object.prototype.toString.call(v).slice(8, -1)];
    return keep(new C(buffer, v.byteOffset, v.length === undefined ? v.byteLength : v.length));
  }
  function cloneBlob(v, tag, keep) {
    const { bytesOf, adopt, File } = native.part('blob.js');
    const bytes = bytesOf(v);
    if (bytes === null) return refuse(show(v));
    return keep(tag === 'File' ? new File([bytes], v.name, { type: v.type, lastModified: v.lastModified }) : adopt(bytes, v.type));
  }
  function clone(v, seen) {
    if (typeof v === 'function' || typeof v === 'symbol') refuse(show(v));
    if (typeof v !== 'object' || v === null) return v;
    if (seen.has(v)) return seen.get(v);
    const keep = (copy) => { seen.set(v, copy); return copy; };
    if (Array.isArray(v)) {
      const copy = keep(new Array(v.length));
      for (const k of Object.keys(v)) copy[k] = clone(v[k], seen);
      return copy;
    }
    const tag = Object.prototype.toString.call(v).slice(8, -1);
    if (v instanceof Date) return keep(new Date(v.getTime()));
    if (v instanceof RegExp) return keep(new RegExp(v.source, v.flags));
    if (tag === 'Boolean' || tag === 'Number' || tag === 'String' || tag === 'BigInt') return keep(Object(v.valueOf()));
    if (v instanceof Map) {
      const copy = keep(new Map());
      for (const [k, x] of [...v]) copy.set(clone(k, seen), clone(x, seen));
      return copy;
    }
    if (v instanceof Set) {
      const copy = keep(new Set());
      for (const x of [...v]) copy.add(clone(x, seen));
      return copy;
    }
    if (v instanceof ArrayBuffer) {
      if (native.detached(v)) refuse('A detached ArrayBuffer');
      return keep(v.slice(0));
    }
    if (ArrayBuffer.isView(v)) return cloneView(v, keep, seen);
    if (tag === 'Blob' || tag === 'File') return cloneBlob(v, tag, keep);
    if (tag === 'CryptoKey') return v; // never changes
    if (tag === 'DOMException') return keep(new DOMException(v.message, v.name));
    if (v instanceof Error) return cloneError(v, keep, seen);
    if (apart.includes(tag)) refuse(show(v));
    const copy = keep({});
    for (const k of Object.keys(v)) copy[k] = clone(v[k], seen);
    return copy;
  }

  return { structuredClone(value, options) {
    if (arguments.length === 0) throw new TypeError('structuredClone needs an argument');
    const seen = new Map();
    const given = options === undefined || options === null || options.transfer === undefined ? [] : [...options.transfer];
    const transfer = new Set(given);
    if (transfer.size < given.length) refuse('An object that is transferred twice');
    for (const t of transfer) {
      if (!(t instanceof ArrayBuffer)) refuse(`${show(t)} cannot be transferred, and`);
      if (native.detached(t)) refuse('A detached ArrayBuffer');
      seen.set(t, t.slice(0));
    }
    const copy = clone(value, seen);
    for (const t of transfer) native.detach(t);
    return copy;
  } };
});

// structuredClone (html.spec.whatwg.org, section 2.7), for what is here to be cloned.
(function (native) {
  const errors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const refuse = (v) => { throw new DOMException(`${typeof v === 'function' ? 'A function' : String(v)} could not be cloned`, 'DataCloneError'); };
  function clone(v, seen) {
    if (typeof v === 'function' || typeof v === 'symbol') refuse(v);
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
    if (v instanceof ArrayBuffer) return keep(v.slice(0));
    if (ArrayBuffer.isView(v)) {
      const buffer = clone(v.buffer, seen);
      return keep(new v.constructor(buffer, v.byteOffset, v.length === undefined ? v.byteLength : v.length));
    }
    if (v instanceof Error) {
      const copy = keep(Object.create((errors[v.name] || Error).prototype));
      for (const k of ['message', 'stack']) Object.defineProperty(copy, k, { value: String(v[k]), writable: true, configurable: true });
      if ('cause' in v) Object.defineProperty(copy, 'cause', { value: clone(v.cause, seen), writable: true, configurable: true });
      return copy;
    }
    if (v instanceof Promise || v instanceof WeakMap || v instanceof WeakSet) refuse(v);
    const copy = keep({});
    for (const k of Object.keys(v)) copy[k] = clone(v[k], seen);
    return copy;
  }
  return { structuredClone(value) {
    if (arguments.length === 0) throw new TypeError('structuredClone needs an argument');
    return clone(value, new Map());
  } };
});

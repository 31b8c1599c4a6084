// Node's util (nodejs.org/api/util.html), as far as packages use it.
(function (native) {
  const { inspect: show, format } = native.part('console.js');
  const custom = Symbol.for('nodejs.util.promisify.custom');
  const needFunction = (fn, name) => {
    if (typeof fn === 'function') return;
    throw Object.assign(new TypeError(`The "${name}" argument must be of type function`), { code: 'ERR_INVALID_ARG_TYPE' });
  };
  function promisify(fn) {
    needFunction(fn, 'original');
    if (fn[custom]) return fn[custom];
    const made = function (...args) {
      return new Promise((resolve, reject) => {
        fn.call(this, ...args, (err, value) => { if (err) reject(err); else resolve(value); });
      });
    };
    return Object.defineProperties(Object.setPrototypeOf(made, Object.getPrototypeOf(fn)), Object.getOwnPropertyDescriptors(fn));
  }
  promisify.custom = custom;
  function callbackify(fn) {
    needFunction(fn, 'original');
    return function (...args) {
      const done = args.pop();
      needFunction(done, 'last argument');
      fn.apply(this, args).then(
        (value) => process.nextTick(done, null, value),
        (err) => process.nextTick(done, err || Object.assign(new Error('Promise was rejected with a falsy value'), { reason: err, code: 'ERR_FALSY_VALUE_REJECTION' })),
      );
    };
  }
  function inspect(v, options) {
    const depth = typeof options === 'object' && options !== null && options.depth !== undefined ? options.depth : 2;
    return show(v, depth === null ? Infinity : depth);
  }
  inspect.custom = Symbol.for('nodejs.util.inspect.custom');
  inspect.defaultOptions = {};

  const tag = (v) => Object.prototype.toString.call(v).slice(8, -1);
  const is = (name) => (v) => typeof v === 'object' && v !== null && tag(v) === name;
  const boxed = ['Number', 'String', 'Boolean', 'BigInt', 'Symbol'];
  const types = {
    isDate: (v) => v instanceof Date, isRegExp: (v) => v instanceof RegExp, isMap: (v) => v instanceof Map, isSet: (v) => v instanceof Set,
    isWeakMap: is('WeakMap'), isWeakSet: is('WeakSet'), isPromise: (v) => v instanceof Promise, isNativeError: (v) => v instanceof Error,
    isArrayBuffer: (v) => v instanceof ArrayBuffer, isAnyArrayBuffer: (v) => v instanceof ArrayBuffer, isSharedArrayBuffer: () => false,
    isArrayBufferView: ArrayBuffer.isView, isDataView: (v) => v instanceof DataView, isTypedArray: (v) => ArrayBuffer.isView(v) && !(v instanceof DataView),
    isProxy: () => false, isExternal: () => false, isModuleNamespaceObject: () => false,
    isArgumentsObject: is('Arguments'), isGeneratorObject: is('Generator'), isMapIterator: is('Map Iterator'), isSetIterator: is('Set Iterator'),
    isAsyncFunction: (v) => typeof v === 'function' && tag(v) === 'AsyncFunction',
    isGeneratorFunction: (v) => typeof v === 'function' && tag(v) === 'GeneratorFunction',
    isBoxedPrimitive: (v) => typeof v === 'object' && v !== null && boxed.includes(tag(v)),
    isCryptoKey: is('CryptoKey'), isKeyObject: () => false,
  };
  for (const name of boxed) types[`is${name}Object`] = is(name);
  for (const name of ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array',
    'Float64Array', 'BigInt64Array', 'BigUint64Array']) types[`is${name}`] = (v) => ArrayBuffer.isView(v) && tag(v) === name;

  // equal compares by value; strictly, as Object.is and with prototypes, or as == does.
  function equal(a, b, strict, seen = new Map()) {
    if (Object.is(a, b)) return true;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
      return strict ? false : a == b || (a !== a && b !== b); // eslint-disable-line eqeqeq
    }
    if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
    if (tag(a) !== tag(b) || Array.isArray(a) !== Array.isArray(b)) return false;
    if (seen.get(a) === b) return true;
    seen.set(a, b);
    if (a instanceof Date && a.getTime() !== b.getTime()) return false;
    if (a instanceof RegExp && (String(a) !== String(b) || a.lastIndex !== b.lastIndex)) return false;
    if (a instanceof Error && (a.message !== b.message || a.name !== b.name)) return false;
    if (types.isBoxedPrimitive(a) && !Object.is(a.valueOf(), b.valueOf())) return false;
    if (ArrayBuffer.isView(a) && !equalBytes(a, b)) return false;
    if (a instanceof ArrayBuffer && !equalBytes(new Uint8Array(a), new Uint8Array(b))) return false;
    if (a instanceof Set && !equalSets(a, b, strict, seen)) return false;
    if (a instanceof Map && !equalMaps(a, b, strict, seen)) return false;
    return equalFields(a, b, strict, seen);
  }
  const equalBytes = (a, b) => a.byteLength === b.byteLength && native.sameBytes(a, b);
  function equalSets(a, b, strict, seen) {
    if (a.size !== b.size) return false;
    const rest = [...b];
    for (const x of a) {
      const at = rest.findIndex((y) => equal(x, y, strict, seen));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
    return true;
  }
  function equalMaps(a, b, strict, seen) {
    if (a.size !== b.size) return false;
    const rest = [...b];
    for (const [k, v] of a) {
      const at = rest.findIndex(([l, w]) => equal(k, l, strict, seen) && equal(v, w, strict, seen));
      if (at < 0) return false;
      rest.splice(at, 1);
    }
    return true;
  }
  function equalFields(a, b, strict, seen) {
    if (ArrayBuffer.isView(a)) return true;
    const own = (o) => (strict ? Reflect.ownKeys(o).filter((k) => Object.prototype.propertyIsEnumerable.call(o, k)) : Object.keys(o));
    const keys = own(a);
    if (keys.length !== own(b).length || Array.isArray(a) && a.length !== b.length) return false;
    return keys.every((k) => Object.prototype.propertyIsEnumerable.call(b, k) && equal(a[k], b[k], strict, seen));
  }

  function inherits(ctor, parent) {
    Object.defineProperty(ctor, 'super_', { value: parent, writable: true, configurable: true });
    Object.setPrototypeOf(ctor.prototype, parent.prototype);
  }
  function deprecate(fn) { return fn; }
  const debuglog = () => Object.assign(() => {}, { enabled: false });
  const esc = String.fromCharCode(27);
  const exports = { promisify, callbackify, inspect, format, types, inherits, deprecate, debuglog, debug: debuglog,
    formatWithOptions: (options, ...args) => format(...args),
    isDeepStrictEqual: (a, b) => equal(a, b, true), isArray: Array.isArray, TextEncoder, TextDecoder,
    toUSVString: (v) => native.scalar(`${v}`),
    stripVTControlCharacters: (text) => text.replace(new RegExp(`${esc}\\[[0-9;?]*[ -/]*[@-~]`, 'g'), ''),
    styleText: (style, text) => text,
    aborted: (signal) => new Promise((resolve) => { if (signal.aborted) resolve(); else signal.addEventListener('abort', () => resolve(), { once: true }); }),
  };
  return { exports, equal };
});

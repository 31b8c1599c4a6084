// What goja's own objects lack and packages use (ECMA-262, 2024 and 2025).
(function (native) {
  const add = (owner, name, value) => {
    if (!(name in owner)) Object.defineProperty(owner, name, { value, writable: true, configurable: true, enumerable: false });
  };
  add(Promise, 'withResolvers', function withResolvers() {
    let resolve, reject;
    const promise = new this((a, b) => { resolve = a; reject = b; });
    return { promise, resolve, reject };
  });
  add(Promise, 'try', function (fn, ...args) { return new this((resolve) => resolve(fn(...args))); });
  add(Object, 'groupBy', function groupBy(items, by) {
    const out = Object.create(null);
    let i = 0;
    for (const x of items) {
      const k = by(x, i++);
      if (k in out) out[k].push(x);
      else out[k] = [x];
    }
    return out;
  });
  add(Map, 'groupBy', function groupBy(items, by) {
    const out = new Map();
    let i = 0;
    for (const x of items) {
      const k = by(x, i++);
      if (out.has(k)) out.get(k).push(x);
      else out.set(k, [x]);
    }
    return out;
  });
  add(Array, 'fromAsync', async function fromAsync(items, map) {
    const out = [];
    const asyncIterator = native.asyncIterator();
    if (items[asyncIterator]) {
      const it = items[asyncIterator]();
      for (let r = await it.next(); !r.done; r = await it.next()) out.push(map ? await map(r.value, out.length) : r.value);
      return out;
    }
    for (const x of items[Symbol.iterator] ? items : Array.from(items)) out.push(map ? await map(await x, out.length) : await x);
    return out;
  });
  const lone = (s, i) => {
    const c = s.charCodeAt(i);
    if (c < 0xd800 || c > 0xdfff) return 0;
    const d = s.charCodeAt(i + 1);
    return c < 0xdc00 && d >= 0xdc00 && d <= 0xdfff ? 2 : 1;
  };
  add(String.prototype, 'isWellFormed', function isWellFormed() {
    const s = String(this);
    for (let i = 0; i < s.length; i++) {
      const n = lone(s, i);
      if (n === 1) return false;
      if (n === 2) i++;
    }
    return true;
  });
  add(String.prototype, 'toWellFormed', function toWellFormed() {
    const s = String(this);
    let out = '';
    for (let i = 0; i < s.length; i++) {
      const n = lone(s, i);
      out += n === 1 ? '\uFFFD' : s[i];
      if (n === 2) out += s[++i];
    }
    return out;
  });
  add(Error, 'captureStackTrace', function captureStackTrace(target) {
    Object.defineProperty(target, 'stack', { value: `${target.name || 'Error'}: ${target.message || ''}`, writable: true, configurable: true });
  });
  if (typeof Iterator === 'undefined') iterators();
  // The helpers of iterators (ECMA-262, section 27.1.3).
  function iterators() {
    const proto = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
    const Iterator = function Iterator() {};
    Iterator.prototype = proto;
    Object.defineProperty(globalThis, 'Iterator', { value: Iterator, writable: true, configurable: true });
    const callable = (fn) => {
      if (typeof fn !== 'function') throw new TypeError('The argument must be a function');
      return fn;
    };
    const count = (n) => {
      const i = Math.trunc(Number(n));
      if (!(i >= 0)) throw new RangeError('The argument must be a number from 0');
      return i;
    };
    const over = (it) => ({ [Symbol.iterator]: () => it });
    const lazy = (check, make) => function (arg) { return make(over(this), check(arg)); };
    const helpers = {
      map: lazy(callable, function* (list, fn) { let i = 0; for (const x of list) yield fn(x, i++); }),
      filter: lazy(callable, function* (list, fn) { let i = 0; for (const x of list) if (fn(x, i++)) yield x; }),
      flatMap: lazy(callable, function* (list, fn) { let i = 0; for (const x of list) yield* fn(x, i++); }),
      take: lazy(count, function* (list, n) {
        if (n === 0) return;
        for (const x of list) {
          yield x;
          if (--n === 0) return;
        }
      }),
      drop: lazy(count, function* (list, n) { for (const x of list) if (n-- <= 0) yield x; }),
      toArray() { return [...over(this)]; },
      forEach(fn) { callable(fn); let i = 0; for (const x of over(this)) fn(x, i++); },
      some(fn) { callable(fn); let i = 0; for (const x of over(this)) if (fn(x, i++)) return true; return false; },
      every(fn) { callable(fn); let i = 0; for (const x of over(this)) if (!fn(x, i++)) return false; return true; },
      find(fn) { callable(fn); let i = 0; for (const x of over(this)) if (fn(x, i++)) return x; return undefined; },
      reduce(fn, ...initial) {
        callable(fn);
        let i = 0;
        let [sum] = initial;
        for (const x of over(this)) sum = i++ === 0 && initial.length === 0 ? x : fn(sum, x, i - 1);
        if (i === 0 && initial.length === 0) throw new TypeError('Reduce of an empty iterator with no initial value');
        return sum;
      },
    };
    for (const name of Object.keys(helpers)) add(proto, name, helpers[name]);
    add(Iterator, 'from', function* (items) { yield* typeof items[Symbol.iterator] === 'function' ? items : over(items); });
  }
  // goja's own takes a text with other characters than ASCII for no object.
  const typed = Object.getPrototypeOf(Uint8Array);
  const { from } = typed;
  Object.defineProperty(typed, 'from', { writable: true, configurable: true, value: { from(items, ...rest) {
    return Reflect.apply(from, this, [typeof items === 'string' ? [...items] : items, ...rest]);
  } }.from });
  return {};
});

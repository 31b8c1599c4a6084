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
  // goja's own takes a text with other characters than ASCII for no object.
  const typed = Object.getPrototypeOf(Uint8Array);
  const { from } = typed;
  Object.defineProperty(typed, 'from', { writable: true, configurable: true, value: { from(items, ...rest) {
    return Reflect.apply(from, this, [typeof items === 'string' ? [...items] : items, ...rest]);
  } }.from });
  return {};
});

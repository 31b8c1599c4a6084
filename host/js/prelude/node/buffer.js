// Node's Buffer: goja_nodejs has the numbers, and this the encodings and the rest (nodejs.org/api/buffer.html).
(function (native) {
  const base = native.baseBuffer();
  const { Buffer } = base;
  const proto = Buffer.prototype;
  const { encodeText, decodeText } = native;
  const known = { __proto__: null, utf8: 'utf8', 'utf-8': 'utf8', hex: 'hex', base64: 'base64', base64url: 'base64url', ascii: 'ascii', latin1: 'latin1', binary: 'latin1',
    ucs2: 'utf16le', 'ucs-2': 'utf16le', utf16le: 'utf16le', 'utf-16le': 'utf16le' };
  const encodingOf = (name) => {
    const found = known[`${name === undefined || name === null ? 'utf8' : name}`.toLowerCase()];
    if (found) return found;
    const err = new TypeError(`Unknown encoding: ${name}`);
    err.code = 'ERR_UNKNOWN_ENCODING';
    throw err;
  };
  const wrong = (what, v) => {
    const err = new TypeError(`The ${what} argument is of the wrong type: ${v === null ? 'null' : typeof v}`);
    err.code = 'ERR_INVALID_ARG_TYPE';
    return err;
  };
  const adopt = (bytes) => Object.setPrototypeOf(bytes, proto);
  const of = (text, encoding) => adopt(encodeText(`${text}`, encodingOf(encoding)));
  // bytesOf(v) is what v is when something is looked for, filled or compared with it.
  const bytesOf = (v, encoding) => {
    if (typeof v === 'string') return of(v, encoding);
    if (typeof v === 'number') return adopt(Uint8Array.of(v));
    if (v instanceof Uint8Array) return v;
    throw wrong('value', v);
  };

  const define = (owner, methods) => {
    for (const name of Object.keys(methods)) {
      Object.defineProperty(owner, name, { value: methods[name], writable: true, configurable: true, enumerable: false });
    }
  };
  const compare = (a, b) => {
    const n = Math.min(a.length, b.length);
    for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return Math.sign(a.length - b.length);
  };
  const alloc = (size, fill, encoding) => {
    if (typeof size !== 'number') throw wrong('size', size);
    if (!(size >= 0 && size <= 2 ** 31)) throw Object.assign(new RangeError('The size is out of range'), { code: 'ERR_INVALID_ARG_VALUE' });
    const b = adopt(new Uint8Array(size));
    return fill === undefined || fill === 0 ? b : b.fill(fill, encoding);
  };
  define(Buffer, {
    from(v, a, b) {
      if (typeof v === 'string') return of(v, a);
      if (v instanceof ArrayBuffer) return adopt(new Uint8Array(v, a, b));
      if (typeof v !== 'object' || v === null) throw wrong('first', v);
      if (v.buffer instanceof ArrayBuffer) return adopt(Uint8Array.from(v));
      const inner = typeof v.valueOf === 'function' ? v.valueOf() : v;
      if (inner !== v && inner !== null && inner !== undefined) return Buffer.from(inner, a, b);
      if (v.type === 'Buffer' && Array.isArray(v.data)) return adopt(Uint8Array.from(v.data));
      if (typeof v.length === 'number') return adopt(Uint8Array.from(v));
      throw wrong('first', v);
    },
    alloc,
    allocUnsafe: (size) => alloc(size),
    allocUnsafeSlow: (size) => alloc(size),
    isBuffer: (v) => v instanceof Buffer,
    isEncoding: (name) => typeof name === 'string' && name.toLowerCase() in known,
    byteLength: (v, encoding) => (typeof v === 'string' ? of(v, encoding).length : v.byteLength),
    compare,
    concat(list, size) {
      if (!Array.isArray(list)) throw wrong('list', list);
      let n = 0;
      for (const b of list) n += b.length;
      const out = alloc(size === undefined ? n : size);
      let at = 0;
      for (const b of list) {
        if (at >= out.length) break;
        out.set(b.length > out.length - at ? b.subarray(0, out.length - at) : b, at);
        at += b.length;
      }
      return out;
    },
  });

  const range = (b, start, end) => [Math.max(0, start === undefined ? 0 : start | 0), Math.min(b.length, end === undefined ? b.length : end | 0)];
  const view = function (start, end) {
    const whole = Uint8Array.prototype.subarray.call(new Uint8Array(this.buffer, this.byteOffset, this.length), start, end);
    return adopt(whole);
  };
  // find looks for needle from a place, forwards or backwards.
  const find = (hay, needle, from, encoding, forwards) => {
    if (typeof from === 'string') [encoding, from] = [from, undefined];
    const n = bytesOf(needle, encoding);
    let at = from === undefined || Number.isNaN(Number(from)) ? (forwards ? 0 : hay.length) : Math.trunc(from);
    if (at < 0) at += hay.length;
    const fits = (i) => {
      for (let j = 0; j < n.length; j++) if (hay[i + j] !== n[j]) return false;
      return true;
    };
    if (forwards) {
      for (let i = Math.max(0, at); i <= hay.length - n.length; i++) if (fits(i)) return i;
    } else {
      for (let i = Math.min(at, hay.length - n.length); i >= 0; i--) if (fits(i)) return i;
    }
    return -1;
  };
  const swap = (n) => function () {
    if (this.length % n !== 0) throw Object.assign(new RangeError(`Buffer size must be a multiple of ${n * 8}-bits`), { code: 'ERR_INVALID_BUFFER_SIZE' });
    for (let i = 0; i < this.length; i += n) view.call(this, i, i + n).reverse();
    return this;
  };
  define(proto, {
    toString(encoding, start, end) {
      const [from, to] = range(this, start, end);
      return from >= to ? '' : decodeText(new Uint8Array(this.buffer, this.byteOffset + from, to - from), encodingOf(encoding));
    },
    toJSON() { return { type: 'Buffer', data: Array.from(this) }; },
    equals(other) {
      if (!(other instanceof Uint8Array)) throw wrong('otherBuffer', other);
      return this.length === other.length && compare(this, other) === 0;
    },
    compare(other, start, end, from, to) {
      if (!(other instanceof Uint8Array)) throw wrong('target', other);
      return compare(view.call(this, from, to), view.call(other, start, end));
    },
    subarray: view,
    slice: view,
    copy(target, at = 0, from = 0, to = this.length) {
      const part = view.call(this, from, Math.min(to, from + Math.max(0, target.length - at)));
      target.set(part, at);
      return part.length;
    },
    write(text, at, length, encoding) {
      if (typeof at === 'string') [encoding, at, length] = [at, 0, undefined];
      else if (typeof length === 'string') [encoding, length] = [length, undefined];
      at = at === undefined ? 0 : at;
      const room = Math.min(this.length - at, length === undefined ? Infinity : length);
      let bytes = of(text, encoding);
      if (bytes.length > room) {
        let n = room; // no half of a character
        if (encodingOf(encoding) === 'utf8') while (n > 0 && (bytes[n] & 0xc0) === 0x80) n--;
        bytes = view.call(bytes, 0, n);
      }
      this.set(bytes, at);
      return bytes.length;
    },
    fill(value, start, end, encoding) {
      if (typeof start === 'string') [encoding, start] = [start, undefined];
      const [from, to] = range(this, start, end);
      const bytes = typeof value === 'number' || typeof value === 'boolean' ? [value & 255] : bytesOf(value, encoding);
      for (let i = from; i < to; i++) this[i] = bytes.length === 0 ? 0 : bytes[(i - from) % bytes.length];
      return this;
    },
    indexOf(value, from, encoding) { return find(this, value, from, encoding, true); },
    lastIndexOf(value, from, encoding) { return find(this, value, from, encoding, false); },
    includes(value, from, encoding) { return find(this, value, from, encoding, true) >= 0; },
    swap16: swap(2), swap32: swap(4), swap64: swap(8),
  });
  proto.toLocaleString = proto.toString;
  Object.defineProperty(proto, 'parent', { configurable: true, get() { return this.buffer; } });

  const { Blob, File } = native.part('blob.js');
  return { exports: { ...base, Buffer, Blob, File, atob, btoa, kMaxLength: 2 ** 31, constants: { MAX_LENGTH: 2 ** 31, MAX_STRING_LENGTH: 2 ** 29 },
    isUtf8: (v) => decodeText(v, 'strict') !== null, isAscii: (v) => new Uint8Array(v.buffer || v).every((x) => x < 128),
    transcode: (v, from, to) => of(Buffer.from(v).toString(from), to), SlowBuffer: Buffer, INSPECT_MAX_BYTES: 50 } };
});

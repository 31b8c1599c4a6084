// The numbers of Node's Buffer (nodejs.org/api/buffer.html): what prelude/node/buffer.js builds on.
(function () {
  const out = (what, code, message) => Object.assign(new what(message), { code });
  const check = (b, at, n) => {
    if (typeof at !== 'number') throw out(TypeError, 'ERR_INVALID_ARG_TYPE', 'The "offset" argument must be of type number');
    if (!Number.isInteger(at) || at < 0 || at + n > b.length) throw out(RangeError, 'ERR_OUT_OF_RANGE', `The value of "offset" is out of range: ${at}`);
  };
  const view = (b) => new DataView(b.buffer, b.byteOffset, b.byteLength);
  const size = (n) => {
    if (!Number.isInteger(n) || n < 1 || n > 6) throw out(RangeError, 'ERR_OUT_OF_RANGE', 'The value of "byteLength" is out of range');
    return n;
  };
  const fits = (v, low, high) => {
    if (typeof v === 'bigint' ? v < low || v > high : !(v >= low && v <= high)) throw out(RangeError, 'ERR_OUT_OF_RANGE', `The value of "value" is out of range: ${v}`);
    return v;
  };

  class Buffer extends Uint8Array {
    constructor(v, a, b) { return typeof v === 'number' ? super(v) : Buffer.from(v, a, b); }
  }
  Object.setPrototypeOf(Buffer, Uint8Array);
  const proto = Buffer.prototype;
  const define = (name, value, ...others) => {
    for (const n of [name, ...others]) Object.defineProperty(proto, n, { value, writable: true, configurable: true, enumerable: false });
  };
  const low = (name) => name.replace('UInt', 'Uint');
  for (const [name, method, bytes, min, max] of [
    ['Int8', 'Int8', 1, -128, 127], ['UInt8', 'Uint8', 1, 0, 255], ['Int16', 'Int16', 2, -32768, 32767], ['UInt16', 'Uint16', 2, 0, 65535],
    ['Int32', 'Int32', 4, -(2 ** 31), 2 ** 31 - 1], ['UInt32', 'Uint32', 4, 0, 2 ** 32 - 1], ['Float', 'Float32', 4], ['Double', 'Float64', 8],
    ['BigInt64', 'BigInt64', 8, -(2n ** 63n), 2n ** 63n - 1n], ['BigUInt64', 'BigUint64', 8, 0n, 2n ** 64n - 1n],
  ]) {
    for (const end of bytes === 1 ? [''] : ['BE', 'LE']) {
      const get = `get${method}`;
      const set = `set${method}`;
      define(`read${name}${end}`, function (at = 0) {
        check(this, at, bytes);
        return view(this)[get](at, end === 'LE');
      }, low(`read${name}${end}`));
      define(`write${name}${end}`, function (v, at = 0) {
        if (min !== undefined) fits(v, min, max);
        check(this, at, bytes);
        view(this)[set](at, v, end === 'LE');
        return at + bytes;
      }, low(`write${name}${end}`));
    }
  }
  for (const end of ['BE', 'LE']) {
    const order = (n) => Array.from({ length: n }, (_, i) => (end === 'BE' ? i : n - 1 - i));
    for (const signed of [true, false]) {
      const name = signed ? `Int${end}` : `UInt${end}`;
      define(`read${name}`, function (at, n) {
        check(this, at, size(n));
        let v = 0;
        for (const i of order(n)) v = v * 256 + this[at + i];
        return signed && v >= 2 ** (8 * n - 1) ? v - 2 ** (8 * n) : v;
      }, low(`read${name}`));
      define(`write${name}`, function (v, at, n) {
        size(n);
        fits(v, signed ? -(2 ** (8 * n - 1)) : 0, signed ? 2 ** (8 * n - 1) - 1 : 2 ** (8 * n) - 1);
        check(this, at, n);
        if (v < 0) v += 2 ** (8 * n);
        for (const i of order(n).reverse()) {
          this[at + i] = v % 256;
          v = Math.floor(v / 256);
        }
        return at + n;
      }, low(`write${name}`));
    }
  }
  Buffer.poolSize = 8192;
  return { Buffer };
})()

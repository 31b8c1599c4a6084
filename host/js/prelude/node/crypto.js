// Of Node's crypto (nodejs.org/api/crypto.html): random values, hashes and HMAC, and the web's part.
(function (native) {
  const { Buffer } = native.part('node/buffer.js').exports;
  const names = { __proto__: null, md5: 'MD5', sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512', sha224: 'SHA-224' };
  const maxRandom = 2 ** 24; // bytes at once
  const hashOf = (name) => {
    const found = names[`${name}`.toLowerCase().replace('-', '').replace('rsa', '')];
    if (!found) throw Object.assign(new Error('Digest method not supported'), { code: 'ERR_CRYPTO_INVALID_DIGEST' });
    return found;
  };
  const bytesOf = (data, encoding) => {
    if (typeof data === 'string') return Buffer.from(data, encoding);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    if (data instanceof ArrayBuffer) return new Uint8Array(data).slice();
    throw Object.assign(new TypeError('The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView'), { code: 'ERR_INVALID_ARG_TYPE' });
  };
  class Hash {
    #parts = [];
    #finish;
    #done = false;
    constructor(finish, parts = []) {
      this.#finish = finish;
      this.#parts = parts;
    }
    update(data, encoding) {
      if (this.#done) throw Object.assign(new Error('Digest already called'), { code: 'ERR_CRYPTO_HASH_FINALIZED' });
      this.#parts.push(bytesOf(data, encoding));
      return this;
    }
    digest(encoding) {
      if (this.#done) throw Object.assign(new Error('Digest already called'), { code: 'ERR_CRYPTO_HASH_FINALIZED' });
      this.#done = true;
      const out = Buffer.from(this.#finish(Buffer.concat(this.#parts)));
      return encoding === undefined || encoding === 'buffer' ? out : out.toString(encoding);
    }
    copy() { return new Hash(this.#finish, [...this.#parts]); }
  }
  const keyOf = (key) => {
    if (typeof key === 'string' || ArrayBuffer.isView(key) || key instanceof ArrayBuffer) return bytesOf(key);
    throw Object.assign(new TypeError('The key must be a string or bytes'), { code: 'ERR_INVALID_ARG_TYPE' });
  };
  const later = (fn, done) => {
    if (done === undefined) return fn();
    let value;
    try {
      value = fn();
    } catch (e) {
      process.nextTick(done, e);
      return undefined;
    }
    process.nextTick(done, null, value);
    return undefined;
  };
  function randomBytes(size, done) {
    if (typeof size !== 'number' || !(size >= 0 && size <= maxRandom)) throw Object.assign(new RangeError(`The size must be 0 to ${maxRandom}`), { code: 'ERR_OUT_OF_RANGE' });
    return later(() => native.random(Buffer.alloc(size)), done);
  }
  function randomInt(min, max, done) {
    if (max === undefined || typeof max === 'function') [min, max, done] = [0, min, max];
    if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || !(max > min) || max - min >= 2 ** 48) {
      throw Object.assign(new RangeError('The range is empty or too large'), { code: 'ERR_OUT_OF_RANGE' });
    }
    return later(() => {
      const range = max - min;
      const limit = 2 ** 48 - (2 ** 48 % range);
      for (;;) {
        const n = native.random(Buffer.alloc(6)).readUIntBE(0, 6);
        if (n < limit) return min + (n % range);
      }
    }, done);
  }
  const exports = {
    randomBytes, randomInt,
    randomUUID: () => crypto.randomUUID(),
    randomFillSync: (view, at = 0, n = undefined) => {
      const bytes = new Uint8Array(view.buffer || view, view.byteOffset || 0, view.byteLength);
      native.random(bytes.subarray(at, n === undefined ? undefined : at + n));
      return view;
    },
    createHash: (name) => {
      const hash = hashOf(name);
      return new Hash((data) => native.hash(hash, data));
    },
    createHmac: (name, key) => {
      const [hash, secret] = [hashOf(name), keyOf(key)];
      return new Hash((data) => native.hmac(hash, secret, data));
    },
    hash: (name, data, encoding = 'hex') => exports.createHash(name).update(data).digest(encoding),
    timingSafeEqual: (a, b) => {
      if (a.byteLength !== b.byteLength) throw Object.assign(new RangeError('Input buffers must have the same byte length'), { code: 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH' });
      return native.sameBytes(a, b);
    },
    getHashes: () => Object.keys(names),
    webcrypto: crypto,
    subtle: crypto.subtle,
    getRandomValues: (view) => crypto.getRandomValues(view),
    constants: {},
  };
  return { exports };
});

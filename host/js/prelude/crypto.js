// The parts of the Web Cryptography API (w3.org/TR/webcrypto-2) that tokens and signatures need: random values, digests, HMAC.
(function (native) {
  const { random, digest, hmac, sameBytes } = native;
  const lengths = { 'SHA-1': 64, 'SHA-256': 64, 'SHA-384': 128, 'SHA-512': 128 };
  const fail = (text, name) => { throw new DOMException(text, name); };
  const nameOf = (a) => String(typeof a === 'object' && a !== null ? a.name : a).toUpperCase();
  const hashOf = (a) => {
    const name = nameOf(a);
    if (!(name in lengths)) fail(`The hash ${name} is not supported; SHA-1, SHA-256, SHA-384 and SHA-512 are`, 'NotSupportedError');
    return name;
  };
  const copy = (data) => {
    if (data instanceof ArrayBuffer) return new Uint8Array(data).slice();
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    throw new TypeError('The data must be an ArrayBuffer or a view on one');
  };
  const base64url = (b) => btoa(String.fromCharCode(...b)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const unbase64url = (s) => Uint8Array.from(atob(s.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));

  let secretOf, make;
  let allowed = false;
  class CryptoKey {
    #secret;
    #about;
    static {
      make = (secret, about) => {
        allowed = true;
        const key = new CryptoKey();
        allowed = false;
        key.#secret = secret;
        key.#about = about;
        return key;
      };
      secretOf = (key, usage) => {
        if (!(key instanceof CryptoKey)) throw new TypeError('The key must be a CryptoKey');
        if (usage && !key.usages.includes(usage)) fail(`The key is not for ${usage}`, 'InvalidAccessError');
        return key.#secret;
      };
    }
    constructor() { if (!allowed) throw new TypeError('Illegal constructor'); }
    get type() { return 'secret'; }
    get extractable() { return this.#about.extractable; }
    get algorithm() { return this.#about.algorithm; }
    get usages() { return this.#about.usages; }
  }
  const needHMAC = (algorithm) => {
    if (nameOf(algorithm) !== 'HMAC') fail(`${nameOf(algorithm)} is not supported; HMAC is`, 'NotSupportedError');
  };
  const hmacKey = (secret, hash, extractable, usages) => {
    for (const u of usages) if (u !== 'sign' && u !== 'verify') fail(`HMAC keys cannot be used for ${u}`, 'SyntaxError');
    if (usages.length === 0) fail('A key needs a usage', 'SyntaxError');
    if (secret.length === 0) fail('The key is empty', 'DataError');
    return make(secret, { extractable: !!extractable, usages: [...usages], algorithm: { name: 'HMAC', hash: { name: hash }, length: secret.length * 8 } });
  };
  const algs = { 'SHA-1': 'HS1', 'SHA-256': 'HS256', 'SHA-384': 'HS384', 'SHA-512': 'HS512' };

  const subtle = {
    async digest(algorithm, data) { return digest(hashOf(algorithm), copy(data)); },
    async importKey(format, data, algorithm, extractable, usages) {
      needHMAC(algorithm);
      const hash = hashOf(algorithm.hash);
      if (format === 'raw') return hmacKey(copy(data), hash, extractable, usages);
      if (format !== 'jwk') fail(`The key format ${format} is not supported; raw and jwk are`, 'NotSupportedError');
      if (data.kty !== 'oct' || (data.alg !== undefined && data.alg !== algs[hash])) fail('The JWK does not fit the algorithm', 'DataError');
      return hmacKey(unbase64url(data.k), hash, extractable, usages);
    },
    async exportKey(format, key) {
      const secret = secretOf(key);
      if (!key.extractable) fail('The key is not extractable', 'InvalidAccessError');
      if (format === 'raw') return secret.slice().buffer;
      if (format === 'jwk') return { kty: 'oct', k: base64url(secret), alg: algs[key.algorithm.hash.name], key_ops: [...key.usages], ext: true };
      return fail(`The key format ${format} is not supported; raw and jwk are`, 'NotSupportedError');
    },
    async generateKey(algorithm, extractable, usages) {
      needHMAC(algorithm);
      const hash = hashOf(algorithm.hash);
      const bits = algorithm.length === undefined ? lengths[hash] * 8 : algorithm.length;
      return hmacKey(random(new Uint8Array(Math.ceil(bits / 8))), hash, extractable, usages);
    },
    async sign(algorithm, key, data) {
      needHMAC(algorithm);
      return hmac(key.algorithm.hash.name, secretOf(key, 'sign'), copy(data));
    },
    async verify(algorithm, key, signature, data) {
      needHMAC(algorithm);
      return sameBytes(hmac(key.algorithm.hash.name, secretOf(key, 'verify'), copy(data)), copy(signature));
    },
  };

  const crypto = {
    subtle,
    getRandomValues(view) {
      if (!ArrayBuffer.isView(view) || view instanceof Float32Array || view instanceof Float64Array || view instanceof DataView) {
        fail('The argument must be an integer typed array', 'TypeMismatchError');
      }
      if (view.byteLength > 65536) fail('At most 65536 bytes at a time', 'QuotaExceededError');
      return random(view);
    },
    randomUUID() {
      const b = random(new Uint8Array(16));
      b[6] = (b[6] & 0x0f) | 0x40;
      b[8] = (b[8] & 0x3f) | 0x80;
      let hex = '';
      for (const x of b) hex += (x < 16 ? '0' : '') + x.toString(16);
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  };
  return { crypto, CryptoKey };
});

// The Web Cryptography API (w3.org/TR/webcrypto-2). What computes is native; what takes long runs beside the script.
(function (native) {
  const { subtle: run, random, part } = native;
  const keys = part('cryptokeys.js');
  const { inner, algorithm, hashOf, copy, fail } = keys;

  // use(key, name, usage) is what is inside a key that may do this.
  const use = (key, name, usage) => {
    const own = inner(key);
    if (own.algorithm.name !== name) fail(`The key is for ${own.algorithm.name}, not for ${name}`, 'InvalidAccessError');
    if (!own.usages.includes(usage)) fail(`The key is not for ${usage}`, 'InvalidAccessError');
    return own;
  };
  const need = (a, field) => {
    if (a[field] === undefined) throw new TypeError(`The algorithm ${a.name} needs ${field}`);
    return copy(a[field], field);
  };
  const count = (a, field, max) => {
    const n = Number(a[field]);
    if (a[field] === undefined || !(n >= 0 && n <= max)) throw new TypeError(`The algorithm ${a.name} needs ${field}, a number to ${max}`);
    return Math.trunc(n);
  };
  const unsupported = (name, what) => fail(`${name} does not ${what}`, 'NotSupportedError');
  const least = (args, n) => { if (args.length < n) throw new TypeError(`${n} arguments are needed, and ${args.length} are there`); };

  const signer = (a, key, usage) => {
    const name = algorithm(a);
    if (!['HMAC', 'RSASSA-PKCS1-v1_5', 'RSA-PSS', 'ECDSA', 'Ed25519'].includes(name)) unsupported(name, usage);
    const own = use(key, name, usage);
    const hash = name === 'ECDSA' ? hashOf(a.hash) : own.algorithm.hash ? own.algorithm.hash.name : '';
    return [name, own.handle, hash, name === 'RSA-PSS' ? count(a, 'saltLength', 8192) : 0];
  };
  // cipher gives the parameters of encrypt and decrypt after the handle.
  const cipher = (name, a) => {
    switch (name) {
      case 'RSA-OAEP': return [a.label === undefined ? new Uint8Array(0) : copy(a.label, 'label')];
      case 'AES-CBC': return [need(a, 'iv')];
      case 'AES-CTR': return [need(a, 'counter'), count(a, 'length', 255)];
      case 'AES-GCM': return [need(a, 'iv'), a.tagLength === undefined ? 128 : count(a, 'tagLength', 255),
        a.additionalData === undefined ? new Uint8Array(0) : copy(a.additionalData, 'additionalData')];
      default: return unsupported(name, 'encrypt');
    }
  };
  const crypt = (what, usage, a, key, data) => {
    const name = algorithm(a);
    const params = cipher(name, a);
    const own = use(key, name, usage);
    const hash = name === 'RSA-OAEP' ? own.algorithm.hash.name : '';
    return run(what, name, own.handle, data, hash, ...params);
  };

  const bits = async (a, key, length, usage) => {
    const name = algorithm(a);
    if (length === undefined) length = null;
    if (length !== null) length >>>= 0; // an unsigned long, as WebIDL has it
    const divided = (n) => {
      if (n === null || n % 8 !== 0) fail('The length must be a multiple of 8', 'OperationError');
      return n;
    };
    switch (name) {
      case 'HKDF':
        return run('hkdf', use(key, name, usage).handle, hashOf(a.hash), need(a, 'salt'), need(a, 'info'), divided(length));
      case 'PBKDF2': {
        const iterations = count(a, 'iterations', 2 ** 32 - 1);
        return run('pbkdf2', use(key, name, usage).handle, hashOf(a.hash), need(a, 'salt'), iterations, divided(length));
      }
      case 'ECDH': case 'X25519': {
        const own = use(key, name, usage);
        const other = inner(a.public);
        if (own.type !== 'private' || other.type !== 'public' || other.algorithm.name !== name ||
          other.algorithm.namedCurve !== own.algorithm.namedCurve) {
          fail('The public key does not fit the private one', 'InvalidAccessError');
        }
        return run('agree', own.handle, other.handle, length === null ? -1 : length);
      }
      default: return unsupported(name, 'derive');
    }
  };

  let allowed = false;
  class SubtleCrypto {
    constructor() { if (!allowed) throw new TypeError('Illegal constructor'); }
    async digest(a, data) {
      least(arguments, 2);
      return run('digest', hashOf(a), copy(data));
    }
    async generateKey(a, extractable, usages) {
      least(arguments, 3);
      return keys.generate(a, extractable, usages);
    }
    async importKey(format, data, a, extractable, usages) {
      least(arguments, 4);
      return keys.importKey(format, data, a, extractable, usages);
    }
    async exportKey(format, key) {
      least(arguments, 2);
      return keys.exportKey(format, key);
    }
    async sign(a, key, data) {
      least(arguments, 3);
      const bytes = copy(data);
      return run('sign', ...signer(a, key, 'sign'), bytes);
    }
    async verify(a, key, signature, data) {
      least(arguments, 4);
      const bytes = copy(data);
      return run('verify', ...signer(a, key, 'verify'), bytes, copy(signature, 'signature'));
    }
    async encrypt(a, key, data) {
      least(arguments, 3);
      return crypt('encrypt', 'encrypt', a, key, copy(data));
    }
    async decrypt(a, key, data) {
      least(arguments, 3);
      return crypt('decrypt', 'decrypt', a, key, copy(data));
    }
    async deriveBits(a, key, length) {
      least(arguments, 2);
      return bits(a, key, length, 'deriveBits');
    }
    async deriveKey(a, key, derived, extractable, usages) {
      least(arguments, 5);
      const length = keys.lengthOf(derived);
      const made = await bits(a, key, length, 'deriveKey');
      return keys.importKey('raw', made, derived, extractable, usages);
    }
    async wrapKey(format, key, wrapping, a) {
      least(arguments, 4);
      const name = algorithm(a);
      const plain = keys.exportKey(format, key);
      const bytes = format === 'jwk' ? native.encode(JSON.stringify(plain)) : new Uint8Array(plain);
      if (name === 'AES-KW') return run('wrap', use(wrapping, name, 'wrapKey').handle, bytes);
      return crypt('encrypt', 'wrapKey', a, wrapping, bytes);
    }
    async unwrapKey(format, wrapped, unwrapping, a, keyAlgorithm, extractable, usages) {
      least(arguments, 7);
      const name = algorithm(a);
      const bytes = copy(wrapped, 'wrapped key');
      const plain = await (name === 'AES-KW' ? run('unwrap', use(unwrapping, name, 'unwrapKey').handle, bytes) : crypt('decrypt', 'unwrapKey', a, unwrapping, bytes));
      if (format !== 'jwk') return keys.importKey(format, plain, keyAlgorithm, extractable, usages);
      let jwk;
      try {
        jwk = JSON.parse(native.decode('utf-8', plain, false));
      } catch (e) {
        fail('What was unwrapped is no JWK', 'DataError');
      }
      return keys.importKey('jwk', jwk, keyAlgorithm, extractable, usages);
    }
    get [Symbol.toStringTag]() { return 'SubtleCrypto'; }
  }

  const integers = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array];
  let subtle;
  class Crypto {
    constructor() { if (!allowed) throw new TypeError('Illegal constructor'); }
    get subtle() { return subtle; }
    getRandomValues(view) {
      if (!integers.some((C) => view instanceof C)) fail('The argument must be an integer typed array', 'TypeMismatchError');
      if (view.byteLength > 65536) fail('At most 65536 bytes at a time', 'QuotaExceededError');
      return random(view);
    }
    randomUUID() { return native.uuid(); }
    get [Symbol.toStringTag]() { return 'Crypto'; }
  }
  allowed = true;
  subtle = new SubtleCrypto();
  const crypto = new Crypto();
  allowed = false;
  return { crypto, Crypto, SubtleCrypto, CryptoKey: keys.CryptoKey };
});

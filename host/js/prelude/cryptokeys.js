// Keys of the Web Cryptography API (w3.org/TR/webcrypto-2): what CryptoKey is, and how keys are made, imported and exported. The
// numbers of a key are native, behind a handle that no script sees.
(function (native) {
  const { subtle } = native;
  const fail = (text, name) => { throw new DOMException(text, name); };
  const signing = { private: ['sign'], public: ['verify'] };
  const deriving = { private: ['deriveKey', 'deriveBits'], public: [] };
  const ciphering = { secret: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'] };
  // Which usages each type of key may have, by algorithm.
  const algorithms = {
    'RSASSA-PKCS1-v1_5': { family: 'rsa', allowed: signing, jwk: 'RS' },
    'RSA-PSS': { family: 'rsa', allowed: signing, jwk: 'PS' },
    'RSA-OAEP': { family: 'rsa', allowed: { private: ['decrypt', 'unwrapKey'], public: ['encrypt', 'wrapKey'] }, jwk: 'RSA-OAEP' },
    ECDSA: { family: 'ec', allowed: signing },
    ECDH: { family: 'ec', allowed: deriving },
    Ed25519: { family: 'okp', allowed: signing },
    X25519: { family: 'okp', allowed: deriving },
    'AES-GCM': { family: 'aes', allowed: ciphering, jwk: 'GCM' },
    'AES-CBC': { family: 'aes', allowed: ciphering, jwk: 'CBC' },
    'AES-CTR': { family: 'aes', allowed: ciphering, jwk: 'CTR' },
    'AES-KW': { family: 'aes', allowed: { secret: ['wrapKey', 'unwrapKey'] }, jwk: 'KW' },
    HMAC: { family: 'hmac', allowed: { secret: ['sign', 'verify'] }, jwk: 'HS' },
    HKDF: { family: 'kdf', allowed: { secret: ['deriveKey', 'deriveBits'] } },
    PBKDF2: { family: 'kdf', allowed: { secret: ['deriveKey', 'deriveBits'] } },
  };
  const names = new Map(Object.keys(algorithms).map((name) => [name.toUpperCase(), name]));
  const allUsages = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];
  const hashes = { __proto__: null, 'SHA-1': 64, 'SHA-256': 64, 'SHA-384': 128, 'SHA-512': 128 }; // to the block's bytes
  const maxField = 65536; // characters of one field of a JWK
  const curves = { __proto__: null, 'P-256': 32, 'P-384': 48, 'P-521': 66 }; // to a coordinate's bytes

  const nameOf = (a) => {
    const name = typeof a === 'object' && a !== null ? a.name : a;
    if (name === undefined || (typeof a !== 'object' && typeof a !== 'string')) throw new TypeError('The algorithm must be a name, or an object with a name');
    return `${name}`.toUpperCase();
  };
  const hashOf = (a) => {
    if (a === undefined) throw new TypeError('The algorithm needs a hash');
    const name = nameOf(a);
    if (!(name in hashes)) fail(`The hash ${name} is not supported; SHA-1, SHA-256, SHA-384 and SHA-512 are`, 'NotSupportedError');
    return name;
  };
  // algorithm(a) is a's canonical name.
  const algorithm = (a) => {
    const name = names.get(nameOf(a));
    if (name === undefined) fail(`The algorithm ${nameOf(a)} is not supported`, 'NotSupportedError');
    return name;
  };
  const curveOf = (a) => {
    if (a.namedCurve === undefined) throw new TypeError('The algorithm needs a namedCurve');
    if (!(a.namedCurve in curves)) fail(`The curve ${a.namedCurve} is not supported; P-256, P-384 and P-521 are`, 'NotSupportedError');
    return a.namedCurve;
  };
  const isBuffer = (data) => data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  // copy(data) is the bytes of a BufferSource, which the script may change from now on.
  const copy = (data, what = 'data') => {
    if (data instanceof ArrayBuffer) return new Uint8Array(data).slice();
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    throw new TypeError(`The ${what} must be an ArrayBuffer or a view on one`);
  };
  const base64url = (b) => native.base64(b).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const field = (jwk, name) => {
    if (typeof jwk[name] !== 'string' || jwk[name].length > maxField || /[^\w-]/.test(jwk[name])) fail(`The JWK has no proper ${name}`, 'DataError');
    return native.encodeText(jwk[name], 'base64url');
  };

  // What a key shows are copies: a script that changes them changes nothing that the key may do.
  const shownOf = (algorithm) => {
    const out = { ...algorithm };
    if (out.hash) out.hash = { ...out.hash };
    if (out.publicExponent) out.publicExponent = out.publicExponent.slice();
    return out;
  };
  let make, inner;
  let allowed = false;
  class CryptoKey {
    #about;
    #shown = null;
    static {
      make = (handle, type, algorithm, extractable, usages) => {
        allowed = true;
        const key = new CryptoKey();
        allowed = false;
        key.#about = { handle, type, algorithm, extractable: !!extractable, usages };
        return key;
      };
      inner = (key) => {
        if (typeof key !== 'object' || key === null || !(#about in key)) throw new TypeError('The key must be a CryptoKey');
        return key.#about;
      };
    }
    constructor() { if (!allowed) throw new TypeError('Illegal constructor'); }
    #show() {
      const { algorithm, usages } = this.#about;
      return this.#shown || (this.#shown = { algorithm: shownOf(algorithm), usages: [...usages] });
    }
    get type() { return this.#about.type; }
    get extractable() { return this.#about.extractable; }
    get algorithm() { return this.#show().algorithm; }
    get usages() { return this.#show().usages; }
    get [Symbol.toStringTag]() { return 'CryptoKey'; }
  }

  const checked = (usages) => {
    const list = [...new Set(usages)];
    for (const u of list) if (!allUsages.includes(u)) throw new TypeError(`${JSON.stringify(`${u}`)} is no usage of a key`);
    return list;
  };
  // usable(name, type, usages) refuses usages that such a key cannot have.
  const usable = (name, type, usages) => {
    const may = algorithms[name].allowed[type];
    for (const u of usages) if (!may.includes(u)) fail(`A ${type} key for ${name} cannot be used for ${u}`, 'SyntaxError');
    if (type !== 'public' && usages.length === 0) fail('The key needs a usage', 'SyntaxError');
  };
  // aboutOf(name, a) is the algorithm that a key will show, without what its numbers say.
  const aboutOf = (name, a) => {
    switch (algorithms[name].family) {
      case 'rsa': case 'hmac': return { name, hash: { name: hashOf(a.hash) } };
      case 'ec': return { name, namedCurve: curveOf(a) };
      default: return { name };
    }
  };
  const aesLength = (bits) => {
    if (bits === undefined) throw new TypeError('The algorithm needs a length');
    if (![128, 192, 256].includes(Number(bits))) fail('AES keys have 128, 192 or 256 bits', 'OperationError');
    return Number(bits);
  };
  const hmacLength = (a) => {
    if (a.length === undefined) return hashes[hashOf(a.hash)] * 8;
    if (!(a.length > 0 && a.length <= 1 << 20)) fail('An HMAC key has 1 to 1048576 bits', 'OperationError');
    return Number(a.length);
  };

  async function generate(a, extractable, usages) {
    const name = algorithm(a);
    usages = checked(usages);
    const { family, allowed: may } = algorithms[name];
    const about = aboutOf(name, a);
    if (family === 'kdf') fail(`${name} keys are imported, not generated`, 'NotSupportedError');
    if (family === 'aes' || family === 'hmac') {
      usable(name, 'secret', usages);
      about.length = family === 'aes' ? aesLength(a.length) : hmacLength(a);
      return make(subtle('secret', native.random(new Uint8Array(Math.ceil(about.length / 8)))), 'secret', about, extractable, usages);
    }
    for (const u of usages) if (!may.private.includes(u) && !may.public.includes(u)) fail(`A key pair for ${name} cannot be used for ${u}`, 'SyntaxError');
    const own = usages.filter((u) => may.private.includes(u));
    let pair;
    if (family === 'rsa') {
      if (a.modulusLength === undefined) throw new TypeError('The algorithm needs a modulusLength');
      about.modulusLength = Number(a.modulusLength);
      about.publicExponent = copy(a.publicExponent, 'publicExponent');
      pair = await subtle('generateRSA', about.modulusLength, about.publicExponent);
    } else {
      pair = subtle('generateEC', about.namedCurve || name);
    }
    if (own.length === 0) fail('The private key needs a usage', 'SyntaxError');
    return {
      publicKey: make(pair[1], 'public', about, true, usages.filter((u) => may.public.includes(u))),
      privateKey: make(pair[0], 'private', about, extractable, own),
    };
  }

  const checkJWK = (jwk, kty, name, extractable, usages) => {
    if (jwk.kty !== kty) fail(`The JWK's kty must be ${JSON.stringify(kty)}`, 'DataError');
    const use = ['sign', 'verify'].some((u) => usages.includes(u)) ? 'sig' : 'enc';
    if (usages.length && jwk.use !== undefined && jwk.use !== use) fail(`The JWK's use must be ${JSON.stringify(use)}`, 'DataError');
    if (jwk.key_ops !== undefined) {
      if (!Array.isArray(jwk.key_ops) || new Set(jwk.key_ops).size !== jwk.key_ops.length) fail("The JWK's key_ops must be a list without repetition", 'DataError');
      for (const u of usages) if (!jwk.key_ops.includes(u)) fail(`The JWK's key_ops have no ${u}`, 'DataError');
    }
    if (jwk.ext === false && extractable) fail('The JWK is not extractable', 'DataError');
  };
  const jwkAlg = (name, about, bytes) => {
    const hash = about.hash ? about.hash.name.slice(4) : '';
    switch (name) {
      case 'RSA-OAEP': return hash === '1' ? 'RSA-OAEP' : `RSA-OAEP-${hash}`;
      case 'RSASSA-PKCS1-v1_5': case 'RSA-PSS': case 'HMAC': return algorithms[name].jwk + hash;
      case 'ECDSA': return { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }[about.namedCurve];
      case 'ECDH': case 'X25519': case 'HKDF': case 'PBKDF2': return undefined;
      case 'Ed25519': return 'Ed25519';
      default: return `A${bytes * 8}${algorithms[name].jwk}`;
    }
  };
  const checkAlg = (jwk, want, ...more) => {
    if (jwk.alg !== undefined && want !== undefined && jwk.alg !== want && !more.includes(jwk.alg)) fail(`The JWK's alg must be ${JSON.stringify(want)}`, 'DataError');
  };

  // numbers(name, about, jwk) makes the handle of an asymmetric key of a JWK.
  const numbers = (name, about, jwk) => {
    const secret = jwk.d !== undefined;
    if (algorithms[name].family === 'rsa') {
      checkAlg(jwk, jwkAlg(name, about));
      if (jwk.oth !== undefined) fail('RSA keys with more than two primes are not supported', 'NotSupportedError');
      return subtle('rsaOfNumbers', ...['n', 'e', ...(secret ? ['d', 'p', 'q', 'dp', 'dq', 'qi'] : [])].map((f) => field(jwk, f)));
    }
    const curve = about.namedCurve || name;
    if (jwk.crv !== curve) fail(`The JWK's crv must be ${JSON.stringify(curve)}`, 'DataError');
    if (name === 'ECDSA') checkAlg(jwk, jwkAlg(name, about));
    if (name === 'Ed25519') checkAlg(jwk, 'EdDSA', 'Ed25519');
    return subtle('ecOfNumbers', curve, field(jwk, 'x'), algorithms[name].family === 'ec' ? field(jwk, 'y') : undefined, secret ? field(jwk, 'd') : undefined);
  };
  const importPair = (format, data, name, about, extractable, usages) => {
    const { family } = algorithms[name];
    let handle;
    let type = format === 'pkcs8' ? 'private' : 'public';
    if (format === 'jwk') {
      if (data.d !== undefined) type = 'private';
      usable(name, type, usages);
      checkJWK(data, { rsa: 'RSA', ec: 'EC', okp: 'OKP' }[family], name, extractable, usages);
      handle = numbers(name, about, data);
    } else {
      if (format === 'raw' && family === 'rsa') fail('RSA keys have no raw format', 'NotSupportedError');
      usable(name, type, usages);
      handle = subtle('import', format, family === 'rsa' ? 'rsa' : about.namedCurve || name, data);
    }
    if (family === 'rsa') [about.modulusLength, about.publicExponent] = [subtle('modulusLength', handle), new Uint8Array(subtle('publicExponent', handle))];
    return make(handle, type, about, extractable, usages);
  };
  const importSecret = (format, data, name, about, extractable, usages, a) => {
    const { family } = algorithms[name];
    usable(name, 'secret', usages);
    if (format !== 'raw' && (format !== 'jwk' || family === 'kdf')) fail(`${name} keys have no format ${format}`, 'NotSupportedError');
    let bytes = data;
    if (format === 'jwk') {
      checkJWK(data, 'oct', name, extractable, usages);
      bytes = field(data, 'k');
      checkAlg(data, jwkAlg(name, about, bytes.length));
    }
    if (family === 'kdf' && extractable) fail(`${name} keys cannot be extractable`, 'SyntaxError');
    if (family === 'aes' && ![16, 24, 32].includes(bytes.length)) fail('AES keys have 128, 192 or 256 bits', 'DataError');
    if (family === 'hmac') {
      if (bytes.length === 0) fail('The key is empty', 'DataError');
      if (a.length !== undefined && Math.ceil(a.length / 8) !== bytes.length) fail('The length does not fit the key', 'DataError');
    }
    if (family !== 'kdf') about.length = family === 'hmac' && a.length !== undefined ? Number(a.length) : bytes.length * 8;
    return make(subtle('secret', bytes), 'secret', about, extractable, usages);
  };
  function importKey(format, data, a, extractable, usages) {
    if (!['raw', 'pkcs8', 'spki', 'jwk'].includes(format)) throw new TypeError(`${JSON.stringify(`${format}`)} is no format of a key`);
    if (format === 'jwk' && (typeof data !== 'object' || data === null || isBuffer(data))) throw new TypeError('A JWK must be an object');
    if (format !== 'jwk') data = copy(data, 'key');
    const name = algorithm(a);
    usages = checked(usages);
    const about = aboutOf(name, a);
    const load = 'secret' in algorithms[name].allowed ? importSecret : importPair;
    return load(format, data, name, about, extractable, usages, a);
  }

  // exportJWK(key) takes what inner gave.
  function exportJWK(key) {
    const name = key.algorithm.name;
    const out = { key_ops: [...key.usages], ext: key.extractable };
    const put = (fields, values) => fields.forEach((f, i) => { out[f] = base64url(new Uint8Array(values[i])); });
    switch (algorithms[name].family) {
      case 'rsa':
        out.kty = 'RSA';
        put(key.type === 'public' ? ['n', 'e'] : ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'], subtle('numbers', key.handle));
        break;
      case 'ec':
        Object.assign(out, { kty: 'EC', crv: key.algorithm.namedCurve });
        put(key.type === 'public' ? ['x', 'y'] : ['x', 'y', 'd'], subtle('numbers', key.handle));
        break;
      case 'okp':
        Object.assign(out, { kty: 'OKP', crv: name });
        put(key.type === 'public' ? ['x'] : ['x', 'd'], subtle('numbers', key.handle));
        break;
      default:
        out.kty = 'oct';
        put(['k'], [subtle('export', 'raw', key.handle)]);
    }
    const alg = jwkAlg(name, key.algorithm, key.algorithm.length / 8);
    if (alg !== undefined && name !== 'ECDSA') out.alg = alg;
    return out;
  }
  function exportKey(format, key) {
    if (!['raw', 'pkcs8', 'spki', 'jwk'].includes(format)) throw new TypeError(`${JSON.stringify(`${format}`)} is no format of a key`);
    key = inner(key);
    const { name } = key.algorithm;
    const { family } = algorithms[name];
    if (family === 'kdf') fail(`${name} keys cannot be exported`, 'NotSupportedError');
    if (!key.extractable) fail('The key is not extractable', 'InvalidAccessError');
    if (format === 'jwk') return exportJWK(key);
    const fits = { secret: ['raw'], public: family === 'rsa' ? ['spki'] : ['spki', 'raw'], private: ['pkcs8'] }[key.type];
    if (!fits.includes(format)) {
      if (key.type === 'secret' || format === 'raw' && family === 'rsa') fail(`${name} keys have no format ${format}`, 'NotSupportedError');
      fail(`A ${key.type} key has no format ${format}`, 'InvalidAccessError');
    }
    return subtle('export', format, key.handle);
  }

  // lengthOf(a) is how many bits deriveKey needs for a key.
  function lengthOf(a) {
    const name = algorithm(a);
    if (algorithms[name].family === 'aes') return aesLength(a.length);
    if (name === 'HMAC') return hmacLength(a);
    if (algorithms[name].family === 'kdf') return null;
    return fail(`Keys for ${name} cannot be derived`, 'NotSupportedError');
  }
  return { CryptoKey, inner, algorithm, hashOf, copy, fail, generate, importKey, exportKey, lengthOf };
});

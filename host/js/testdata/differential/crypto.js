// crypto: known answers, round trips and errors.
import { thrown } from './run.mjs';

const { subtle } = crypto;
const utf8 = (s) => new TextEncoder().encode(s);
const seq = (n, from = 0) => Uint8Array.from({ length: n }, (_, i) => from + i);
const text = (b) => new TextDecoder().decode(b);
const ordered = (v) => (v instanceof Uint8Array ? [...v] : typeof v === 'object' ? Object.fromEntries(Object.keys(v).sort().map((n) => [n, ordered(v[n])])) : v);
const about = (k) => [k.type, k.extractable, JSON.stringify(ordered(k.algorithm)), k.usages.join()].join(' ');
// Node.js has a name of its own for keys that cannot be exported.
const refused = async (fn) => (await thrown(fn)).replace('Exception', 'Error');
const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
const sorted = (o) => Object.keys(o).sort();

// A P-256 key of RFC 7515, appendix A.3, an Ed25519 key of RFC 8037, and an RSA key of RFC 7515, appendix A.2.
const p256 = { kty: 'EC', crv: 'P-256', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0', d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI' };
const ed = { kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
const x25519 = (d, x) => ({ kty: 'OKP', crv: 'X25519', d, x });

export default {
  'digests': async (print) => { for (const h of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512', 'sha-256', { name: 'SHA-1' }]) print(h, await subtle.digest(h, utf8('abc'))); },
  'digests of views': async (print) => { const b = seq(10); for (const v of [b.buffer, b.subarray(2, 5), new DataView(b.buffer, 3), new Uint16Array(b.buffer, 0, 2)]) print(await subtle.digest('SHA-1', v)); print(await thrown(() => subtle.digest('SHA-1', 'text')), await thrown(() => subtle.digest('MD5', b)), await thrown(() => subtle.digest('SHA-1')), await thrown(() => subtle.digest({}, b))); },
  'HMAC': async (print) => {
    for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
      const k = await subtle.importKey('raw', utf8('Jefe'), { name: 'HMAC', hash }, true, ['sign', 'verify']);
      const s = await subtle.sign('HMAC', k, utf8('what do ya want for nothing?'));
      print(hash, s, about(k), await subtle.verify('HMAC', k, s, utf8('what do ya want for nothing?')), await subtle.verify('HMAC', k, s, utf8('x')), await subtle.verify('hmac', k, s.slice(1), utf8('x')));
    }
  },
  'HMAC keys': async (print) => {
    const k = await subtle.generateKey({ name: 'HMAC', hash: 'SHA-384' }, true, ['sign', 'verify']);
    const jwk = await subtle.exportKey('jwk', k); print(about(k), jwk.kty, jwk.alg, jwk.k.length, jwk.key_ops, jwk.ext, (await subtle.exportKey('raw', k)).byteLength);
    const again = await subtle.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-384' }, false, ['verify']); print(about(again));
    print((await subtle.exportKey('raw', await subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 128 }, true, ['sign']))).byteLength);
  },
  'HMAC JWKs that do not fit': async (print) => {
    const a = { name: 'HMAC', hash: 'SHA-256' }; const jwk = { kty: 'oct', k: 'AQIDBA', alg: 'HS256', key_ops: ['sign'], ext: true };
    print(about(await subtle.importKey('jwk', jwk, a, true, ['sign'])));
    for (const change of [{ kty: 'RSA' }, { alg: 'HS512' }, { key_ops: ['verify'] }, { ext: false }, { use: 'enc' }, { k: undefined }]) print(sorted(change), await thrown(() => subtle.importKey('jwk', { ...jwk, ...change }, a, true, ['sign'])));
  },
  'usages': async (print) => {
    const a = { name: 'HMAC', hash: 'SHA-256' };
    for (const u of [[], ['encrypt'], ['sign', 'sign'], ['nothing']]) print(u, await thrown(() => subtle.importKey('raw', seq(4), a, true, u)));
    const k = await subtle.importKey('raw', seq(4), a, false, ['sign']);
    print(await thrown(() => subtle.verify('HMAC', k, seq(1), seq(1))), await refused(() => subtle.exportKey('raw', k)), await thrown(() => subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, k, seq(1))), await thrown(() => subtle.sign('HMAC', {}, seq(1))));
  },
  'AES-GCM': async (print) => {
    const k = await subtle.importKey('raw', seq(16), 'AES-GCM', true, ['encrypt', 'decrypt']); print(about(k));
    for (const a of [{ iv: seq(12) }, { iv: seq(12), additionalData: utf8('more') }, { iv: seq(16) }, { iv: seq(12), tagLength: 96 }]) {
      const c = await subtle.encrypt({ name: 'AES-GCM', ...a }, k, utf8('hello')); print(c, text(await subtle.decrypt({ name: 'AES-GCM', ...a }, k, c)));
      const bad = new Uint8Array(c); bad[0] ^= 1; print(await thrown(() => subtle.decrypt({ name: 'AES-GCM', ...a }, k, bad)));
    }
    print(await subtle.encrypt({ name: 'AES-GCM', iv: seq(12) }, k, new Uint8Array(0)), (await subtle.decrypt({ name: 'AES-GCM', iv: seq(12) }, k, await subtle.encrypt({ name: 'AES-GCM', iv: seq(12) }, k, new Uint8Array(0)))).byteLength);
    print(await thrown(() => subtle.encrypt({ name: 'AES-GCM' }, k, seq(1))), await thrown(() => subtle.encrypt({ name: 'AES-GCM', iv: seq(12), tagLength: 100 }, k, seq(1))), await thrown(() => subtle.decrypt({ name: 'AES-GCM', iv: seq(12) }, k, seq(3))));
  },
  'AES-CBC': async (print) => {
    const k = await subtle.importKey('raw', seq(32), 'AES-CBC', false, ['encrypt', 'decrypt']); const a = { name: 'AES-CBC', iv: seq(16) };
    for (const n of [0, 1, 15, 16, 17]) { const c = await subtle.encrypt(a, k, seq(n)); print(c, await subtle.decrypt(a, k, c)); }
    print(await thrown(() => subtle.decrypt(a, k, seq(16))), await thrown(() => subtle.decrypt(a, k, seq(5))), await thrown(() => subtle.encrypt({ name: 'AES-CBC', iv: seq(8) }, k, seq(1))));
  },
  'AES-CTR': async (print) => {
    const k = await subtle.importKey('raw', seq(16), 'AES-CTR', false, ['encrypt', 'decrypt']); const all = new Uint8Array(16).fill(255);
    for (const [counter, length] of [[seq(16), 64], [all, 64], [all, 128], [all, 8], [seq(16), 1]]) { const a = { name: 'AES-CTR', counter, length }; const n = length === 1 ? 20 : 40; const c = await subtle.encrypt(a, k, seq(n)); print(length, c, text(await subtle.decrypt(a, k, c)) === text(seq(n))); }
    print(await thrown(() => subtle.encrypt({ name: 'AES-CTR', counter: seq(16), length: 1 }, k, seq(40))), await thrown(() => subtle.encrypt({ name: 'AES-CTR', counter: seq(15), length: 8 }, k, seq(1))), await thrown(() => subtle.encrypt({ name: 'AES-CTR', counter: seq(16), length: 0 }, k, seq(1))));
  },
  'AES keys': async (print) => {
    for (const name of ['AES-GCM', 'AES-CBC', 'AES-CTR', 'AES-KW']) for (const length of [128, 256]) {
      const k = await subtle.generateKey({ name, length }, true, name === 'AES-KW' ? ['wrapKey'] : ['encrypt']); const jwk = await subtle.exportKey('jwk', k); print(about(k), jwk.alg, jwk.k.length);
      print(about(await subtle.importKey('jwk', jwk, name, false, name === 'AES-KW' ? ['unwrapKey'] : []).catch((e) => ({ type: e.name, algorithm: 0, usages: [] }))));
    }
    print(await thrown(() => subtle.generateKey({ name: 'AES-GCM', length: 100 }, true, ['encrypt'])), await thrown(() => subtle.importKey('raw', seq(15), 'AES-GCM', true, ['encrypt'])), await thrown(() => subtle.generateKey({ name: 'AES-GCM' }, true, ['encrypt'])), await thrown(() => subtle.importKey('pkcs8', seq(16), 'AES-GCM', true, ['encrypt'])));
  },
  'AES-KW (RFC 3394)': async (print) => {
    const kek = await subtle.importKey('raw', seq(16), 'AES-KW', true, ['wrapKey', 'unwrapKey']);
    const k = await subtle.importKey('raw', Uint8Array.from([0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255]), 'AES-GCM', true, ['encrypt']);
    const w = await subtle.wrapKey('raw', k, kek, 'AES-KW'); print(w);
    const u = await subtle.unwrapKey('raw', w, kek, 'AES-KW', 'AES-GCM', true, ['encrypt', 'decrypt']); print(about(u), await subtle.exportKey('raw', u));
    const bad = new Uint8Array(w); bad[3] ^= 1; print(await thrown(() => subtle.unwrapKey('raw', bad, kek, 'AES-KW', 'AES-GCM', true, ['encrypt'])));
  },
  'wrapping in other ways': async (print) => {
    const k = await subtle.generateKey({ name: 'AES-CBC', length: 256 }, true, ['encrypt', 'decrypt']);
    const g = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['wrapKey', 'unwrapKey']); const a = { name: 'AES-GCM', iv: seq(12) };
    for (const format of ['raw', 'jwk']) { const w = await subtle.wrapKey(format, k, g, a); const u = await subtle.unwrapKey(format, w, g, a, 'AES-CBC', true, ['decrypt']); print(format, about(u), (await subtle.exportKey('jwk', u)).k === (await subtle.exportKey('jwk', k)).k); }
    const pair = await subtle.generateKey({ ...rsa, name: 'RSA-OAEP' }, false, ['wrapKey', 'unwrapKey']);
    const w = await subtle.wrapKey('raw', k, pair.publicKey, 'RSA-OAEP'); print(about(await subtle.unwrapKey('raw', w, pair.privateKey, 'RSA-OAEP', 'AES-CBC', true, ['encrypt'])));
    print(await refused(() => subtle.wrapKey('pkcs8', pair.privateKey, g, a)), await thrown(() => subtle.wrapKey('raw', k, pair.privateKey, 'RSA-OAEP')));
  },
  'HKDF (RFC 5869)': async (print) => {
    const k = await subtle.importKey('raw', new Uint8Array(22).fill(11), 'HKDF', false, ['deriveBits', 'deriveKey']); print(about(k));
    const a = { name: 'HKDF', hash: 'SHA-256', salt: seq(13), info: seq(10, 240) };
    print(await subtle.deriveBits(a, k, 336)); print(about(await subtle.deriveKey(a, k, { name: 'AES-GCM', length: 256 }, true, ['encrypt'])), about(await subtle.deriveKey(a, k, { name: 'HMAC', hash: 'SHA-512' }, true, ['sign'])));
    print(await thrown(() => subtle.deriveBits(a, k, 12)), await thrown(() => subtle.deriveBits(a, k, 255 * 256 + 8)), await thrown(() => subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: seq(1) }, k, 8)), await thrown(() => subtle.importKey('raw', seq(1), 'HKDF', true, ['deriveBits'])));
  },
  'PBKDF2': async (print) => {
    const k = await subtle.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits', 'deriveKey']);
    for (const [hash, iterations, length] of [['SHA-1', 1, 160], ['SHA-1', 4096, 160], ['SHA-256', 1000, 256], ['SHA-512', 10, 1024]]) print(await subtle.deriveBits({ name: 'PBKDF2', hash, iterations, salt: utf8('salt') }, k, length));
    print(about(await subtle.deriveKey({ name: 'PBKDF2', hash: 'SHA-256', iterations: 10, salt: seq(8) }, k, { name: 'AES-CBC', length: 128 }, true, ['decrypt'])));
    print(await thrown(() => subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', iterations: 0, salt: seq(1) }, k, 8)), await thrown(() => subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', iterations: 1, salt: seq(1) }, k, 7)), await thrown(() => subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', salt: seq(1) }, k, 8)));
  },
  'ECDSA with a known key': async (print) => {
    const { d, ...open } = p256; const a = { name: 'ECDSA', namedCurve: 'P-256' }; const how = { name: 'ECDSA', hash: 'SHA-256' };
    const own = await subtle.importKey('jwk', p256, a, true, ['sign']); const pub = await subtle.importKey('jwk', open, a, true, ['verify']); print(about(own), about(pub));
    const s = await subtle.sign(how, own, utf8('data')); print(s.byteLength, await subtle.verify(how, pub, s, utf8('data')), await subtle.verify(how, pub, s, utf8('other')), await subtle.verify({ name: 'ECDSA', hash: 'SHA-384' }, pub, s, utf8('data')), await subtle.verify(how, pub, seq(64), utf8('data')), await subtle.verify(how, pub, seq(3), utf8('data')));
    print(await subtle.exportKey('raw', pub)); print(await subtle.exportKey('spki', pub)); print(sorted(await subtle.exportKey('jwk', own)), (await subtle.exportKey('jwk', own)).d === d);
    const again = await subtle.importKey('pkcs8', await subtle.exportKey('pkcs8', own), a, true, ['sign']); print((await subtle.exportKey('jwk', again)).x === p256.x);
  },
  'ECDSA on every curve': async (print) => {
    for (const [namedCurve, hash] of [['P-256', 'SHA-256'], ['P-384', 'SHA-384'], ['P-521', 'SHA-512']]) {
      const p = await subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify']); const s = await subtle.sign({ name: 'ECDSA', hash }, p.privateKey, seq(9));
      const raw = await subtle.importKey('raw', await subtle.exportKey('raw', p.publicKey), { name: 'ECDSA', namedCurve }, true, ['verify']); const spki = await subtle.importKey('spki', await subtle.exportKey('spki', p.publicKey), { name: 'ECDSA', namedCurve }, true, ['verify']);
      print(about(p.privateKey), about(p.publicKey), s.byteLength, await subtle.verify({ name: 'ECDSA', hash }, raw, s, seq(9)), await subtle.verify({ name: 'ECDSA', hash }, spki, s, seq(9)));
    }
  },
  'EC keys that do not fit': async (print) => {
    const a = { name: 'ECDSA', namedCurve: 'P-256' };
    for (const change of [{ crv: 'P-384' }, { x: 'AAAA' }, { kty: 'RSA' }, { y: undefined }, { x: p256.y, y: p256.x }]) print(await thrown(() => subtle.importKey('jwk', { ...p256, ...change }, a, true, ['sign'])));
    print(await thrown(() => subtle.importKey('raw', seq(65), a, true, ['verify'])), await thrown(() => subtle.importKey('spki', seq(65), a, true, ['verify'])), await thrown(() => subtle.importKey('pkcs8', seq(65), a, true, ['sign'])), await thrown(() => subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-224' }, true, ['sign'])), await thrown(() => subtle.generateKey({ name: 'ECDSA' }, true, ['sign'])));
    print(await thrown(() => subtle.importKey('jwk', p256, a, true, ['verify'])), await thrown(() => subtle.generateKey(a, true, ['verify'])), await thrown(() => subtle.generateKey(a, true, ['encrypt'])), await thrown(() => subtle.importKey('jwk', p256, a, true, [])));
  },
  'ECDH': async (print) => {
    for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
      const a = { name: 'ECDH', namedCurve }; const [x, y] = [await subtle.generateKey(a, true, ['deriveBits', 'deriveKey']), await subtle.generateKey(a, true, ['deriveBits'])];
      const s = await subtle.deriveBits({ name: 'ECDH', public: y.publicKey }, x.privateKey, null); const t = await subtle.deriveBits({ name: 'ECDH', public: x.publicKey }, y.privateKey, 128);
      print(about(x.publicKey), s.byteLength, String(new Uint8Array(s).slice(0, 16)) === String(new Uint8Array(t)), about(await subtle.deriveKey({ name: 'ECDH', public: y.publicKey }, x.privateKey, { name: 'AES-GCM', length: 256 }, false, ['encrypt'])));
      print(await thrown(() => subtle.deriveBits({ name: 'ECDH', public: y.privateKey }, x.privateKey, 8)), await thrown(() => subtle.deriveBits({ name: 'ECDH', public: y.publicKey }, x.privateKey, 4096)));
    }
  },
  'X25519 (RFC 7748)': async (print) => {
    const hex = (s) => Uint8Array.from(s.match(/../g), (x) => parseInt(x, 16)); const url = (b) => btoa(String.fromCharCode(...b)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
    const a = x25519(url(hex('77076d0a7318a57d3c16c17251b26645df4c8ad3f1a7a7c0fb6f8a90e8e9f8a9')), '');
    const p = await subtle.generateKey('X25519', true, ['deriveBits']); const q = await subtle.generateKey({ name: 'X25519' }, true, ['deriveBits']);
    const s = await subtle.deriveBits({ name: 'X25519', public: q.publicKey }, p.privateKey, 256); const t = await subtle.deriveBits({ name: 'X25519', public: p.publicKey }, q.privateKey, 256);
    print(String(new Uint8Array(s)) === String(new Uint8Array(t)), s.byteLength, about(p.privateKey), about(p.publicKey), sorted(await subtle.exportKey('jwk', p.privateKey)), (await subtle.exportKey('raw', p.publicKey)).byteLength, (await subtle.exportKey('pkcs8', p.privateKey)).byteLength, (await subtle.exportKey('spki', p.publicKey)).byteLength, a.kty);
  },
  'Ed25519 (RFC 8032)': async (print) => {
    const own = await subtle.importKey('jwk', ed, 'Ed25519', true, ['sign']); const pub = await subtle.importKey('jwk', { kty: 'OKP', crv: 'Ed25519', x: ed.x }, { name: 'Ed25519' }, true, ['verify']); print(about(own), about(pub));
    const s = await subtle.sign('Ed25519', own, new Uint8Array(0)); print(s, await subtle.verify('Ed25519', pub, s, new Uint8Array(0)), await subtle.verify('Ed25519', pub, s, seq(1)));
    print(await subtle.exportKey('raw', pub), await subtle.exportKey('spki', pub), await subtle.exportKey('pkcs8', own));
    print(about(await subtle.importKey('pkcs8', await subtle.exportKey('pkcs8', own), 'Ed25519', false, ['sign'])), sorted(await subtle.exportKey('jwk', own)));
    print(await thrown(() => subtle.importKey('jwk', { ...ed, x: ed.d }, 'Ed25519', true, ['sign'])), await thrown(() => subtle.importKey('raw', seq(31), 'Ed25519', true, ['verify'])), await thrown(() => subtle.importKey('jwk', { ...ed, crv: 'Ed448' }, 'Ed25519', true, ['sign'])));
    const p = await subtle.generateKey('Ed25519', false, ['sign', 'verify']); print(await subtle.verify('Ed25519', p.publicKey, await subtle.sign('Ed25519', p.privateKey, seq(3)), seq(3)), await refused(() => subtle.exportKey('jwk', p.privateKey)));
  },
  'RSASSA-PKCS1-v1_5': async (print) => {
    const p = await subtle.generateKey({ ...rsa, name: 'RSASSA-PKCS1-v1_5' }, true, ['sign', 'verify']); print(about(p.privateKey), about(p.publicKey));
    const s = await subtle.sign('RSASSA-PKCS1-v1_5', p.privateKey, seq(5)); print(s.byteLength, await subtle.verify('RSASSA-PKCS1-v1_5', p.publicKey, s, seq(5)), await subtle.verify('RSASSA-PKCS1-v1_5', p.publicKey, s, seq(6)), await subtle.verify('RSASSA-PKCS1-v1_5', p.publicKey, s.slice(1), seq(5)));
    const a = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const jwk = await subtle.exportKey('jwk', p.privateKey); print(sorted(jwk), jwk.alg, jwk.e);
    for (const k of [await subtle.importKey('jwk', jwk, a, true, ['sign']), await subtle.importKey('pkcs8', await subtle.exportKey('pkcs8', p.privateKey), a, true, ['sign'])]) print(about(k), String(new Uint8Array(await subtle.sign('RSASSA-PKCS1-v1_5', k, seq(5)))) === String(new Uint8Array(s)));
    for (const k of [await subtle.importKey('jwk', await subtle.exportKey('jwk', p.publicKey), a, true, ['verify']), await subtle.importKey('spki', await subtle.exportKey('spki', p.publicKey), a, true, ['verify'])]) print(about(k), await subtle.verify('RSASSA-PKCS1-v1_5', k, s, seq(5)));
    print(await thrown(() => subtle.importKey('jwk', { ...jwk, alg: 'RS512' }, a, true, ['sign'])), await thrown(() => subtle.importKey('jwk', { ...jwk, q: undefined }, a, true, ['sign'])), await thrown(() => subtle.exportKey('spki', p.privateKey)), await thrown(() => subtle.exportKey('pkcs8', p.publicKey)));
  },
  'RSA-PSS': async (print) => {
    const p = await subtle.generateKey({ ...rsa, name: 'RSA-PSS', hash: 'SHA-384' }, true, ['sign', 'verify']);
    for (const saltLength of [1, 32, 48]) { const a = { name: 'RSA-PSS', saltLength }; const s = await subtle.sign(a, p.privateKey, seq(5)); print(await subtle.verify(a, p.publicKey, s, seq(5)), await subtle.verify(a, p.publicKey, s, seq(4)), await subtle.verify({ name: 'RSA-PSS', saltLength: saltLength + 1 }, p.publicKey, s, seq(5))); }
    print((await subtle.exportKey('jwk', p.publicKey)).alg, await thrown(() => subtle.sign('RSA-PSS', p.privateKey, seq(1))), await thrown(() => subtle.sign('RSASSA-PKCS1-v1_5', p.privateKey, seq(1))));
  },
  'RSA-OAEP': async (print) => {
    for (const hash of ['SHA-1', 'SHA-256']) {
      const p = await subtle.generateKey({ ...rsa, name: 'RSA-OAEP', hash }, true, ['encrypt', 'decrypt']); print((await subtle.exportKey('jwk', p.publicKey)).alg, about(p.publicKey), about(p.privateKey));
      for (const label of [undefined, utf8('label')]) { const a = label ? { name: 'RSA-OAEP', label } : { name: 'RSA-OAEP' }; const c = await subtle.encrypt(a, p.publicKey, utf8('secret')); print(c.byteLength, text(await subtle.decrypt(a, p.privateKey, c)), await thrown(() => subtle.decrypt({ name: 'RSA-OAEP', label: seq(3) }, p.privateKey, c))); }
      print(await thrown(() => subtle.encrypt('RSA-OAEP', p.publicKey, seq(250))), await thrown(() => subtle.encrypt('RSA-OAEP', p.privateKey, seq(1))));
    }
  },
  'algorithms and formats that are not there': async (print) => {
    print(await thrown(() => subtle.generateKey('none', true, ['sign'])), await thrown(() => subtle.importKey('raw', seq(1), 'DES', true, ['encrypt'])), await thrown(() => subtle.importKey('pem', seq(1), 'HKDF', false, ['deriveBits'])), await thrown(() => subtle.digest('SHA-257', seq(1))));
    print(await thrown(() => subtle.importKey('raw', { kty: 'oct' }, 'AES-GCM', true, ['encrypt'])));
    const k = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt', 'decrypt']);
    print(await thrown(() => subtle.exportKey('x', k)), await thrown(() => subtle.encrypt({ name: 'AES-CBC', iv: seq(16) }, k, seq(1))), await thrown(() => subtle.sign('AES-GCM', k, seq(1))), await thrown(() => subtle.deriveBits('AES-GCM', k, 8)));
  },
  'random values': async (print) => { const b = new Uint8Array(8); print(crypto.getRandomValues(b) === b, b.some((x) => x), crypto.getRandomValues(new BigInt64Array(1)).length, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()), crypto.randomUUID() !== crypto.randomUUID(), await thrown(() => crypto.getRandomValues(new Float64Array(1)))); },
  'objects': async (print) => { print(String(crypto), String(subtle), String(await subtle.importKey('raw', seq(1), 'HKDF', false, ['deriveBits'])), await thrown(() => new Crypto()), await thrown(() => new CryptoKey()), await thrown(() => new SubtleCrypto()), typeof crypto.subtle.digest); },
  'data changes after the call': async (print) => { const b = seq(4); const p = subtle.digest('SHA-1', b); b.fill(9); print(await p); },
};

// jose: JWS, JWT, JWE, JWK and JWKS with the algorithms in use.
import * as jose from 'jose';

const secret = new TextEncoder().encode('0123456789abcdef0123456789abcdef');
const payload = { sub: 'ann', role: 'admin' };
const failed = async (promise) => promise.then(() => 'no error', (e) => `${e.code} ${e.message}`);

async function signed(print, alg, pair) {
  const token = await new jose.SignJWT(payload).setProtectedHeader({ alg }).setIssuedAt(1700000000).setIssuer('me').setAudience('you').setExpirationTime(4000000000).sign(pair.privateKey);
  const { payload: p, protectedHeader: h } = await jose.jwtVerify(token, pair.publicKey, { issuer: 'me', audience: 'you' });
  print(alg, p, h);
  const other = token.slice(0, -6) + (token.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA');
  print(await failed(jose.jwtVerify(other, pair.publicKey)));
}

export default {
  'HS256': async (print) => {
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const key = new Uint8Array(64).fill(7);
      const token = await new jose.SignJWT(payload).setProtectedHeader({ alg, typ: 'JWT' }).setIssuedAt(1700000000).sign(key);
      print(token);
      print((await jose.jwtVerify(token, key)).payload);
    }
  },
  'claims': async (print) => {
    const make = (claims) => new jose.SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret);
    const at = { currentDate: new Date(1000000) };
    print(await failed(jose.jwtVerify(await make({ exp: 999 }), secret, at)));
    print(await failed(jose.jwtVerify(await make({ nbf: 2000 }), secret, at)));
    print(await failed(jose.jwtVerify(await make({ iss: 'x' }), secret, { issuer: 'y' })));
    print(await failed(jose.jwtVerify(await make({}), new Uint8Array(32))));
    print(await failed(jose.jwtVerify('not.a.token', secret)));
    print(await failed(jose.jwtVerify(await make({}), secret, { algorithms: ['HS512'] })));
    print(jose.decodeJwt(await make({ a: 1 })), jose.decodeProtectedHeader(await make({})));
  },
  'signatures': async (print) => {
    for (const alg of ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']) {
      await signed(print, alg, await jose.generateKeyPair(alg, { extractable: true }));
    }
  },
  'keys in PEM': async (print) => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      const pair = await jose.generateKeyPair(alg, { extractable: true });
      const pem = [await jose.exportPKCS8(pair.privateKey), await jose.exportSPKI(pair.publicKey)];
      print(pem.map((p) => p.split('\n')[0]));
      await signed(print, alg, { privateKey: await jose.importPKCS8(pem[0], alg), publicKey: await jose.importSPKI(pem[1], alg) });
    }
  },
  'keys in JWK': async (print) => {
    for (const alg of ['PS256', 'ES384', 'EdDSA']) {
      const pair = await jose.generateKeyPair(alg, { extractable: true });
      const [own, open] = [await jose.exportJWK(pair.privateKey), await jose.exportJWK(pair.publicKey)];
      print(Object.keys(own).sort(), Object.keys(open).sort());
      await signed(print, alg, { privateKey: await jose.importJWK(own, alg), publicKey: await jose.importJWK(open, alg) });
      print((await jose.calculateJwkThumbprint(open)).length, await jose.calculateJwkThumbprint(own) === await jose.calculateJwkThumbprint(open));
    }
    print(await jose.calculateJwkThumbprint({ kty: 'oct', k: 'AQID' }));
  },
  'a local JWKS': async (print) => {
    const [a, b] = [await jose.generateKeyPair('ES256', { extractable: true }), await jose.generateKeyPair('RS256', { extractable: true })];
    const keys = [{ ...await jose.exportJWK(a.publicKey), kid: 'a', alg: 'ES256', use: 'sig' }, { ...await jose.exportJWK(b.publicKey), kid: 'b', alg: 'RS256' }];
    const jwks = jose.createLocalJWKSet({ keys });
    for (const [kid, alg, pair] of [['a', 'ES256', a], ['b', 'RS256', b]]) {
      const token = await new jose.SignJWT(payload).setProtectedHeader({ alg, kid }).sign(pair.privateKey);
      print((await jose.jwtVerify(token, jwks)).protectedHeader);
    }
    const token = await new jose.SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'c' }).sign(a.privateKey);
    print(await failed(jose.jwtVerify(token, jwks)));
  },
  'encryption': async (print) => {
    const text = new TextEncoder().encode('a secret');
    for (const [alg, enc] of [['dir', 'A256GCM'], ['A256KW', 'A128GCM'], ['A128GCMKW', 'A256GCM'], ['RSA-OAEP-256', 'A256GCM'], ['RSA-OAEP', 'A128CBC-HS256'],
      ['ECDH-ES', 'A256GCM'], ['ECDH-ES+A256KW', 'A256CBC-HS512'], ['PBES2-HS256+A128KW', 'A256GCM']]) {
      const pair = alg === 'dir' ? null : alg.startsWith('RSA') || alg.startsWith('ECDH') ? await jose.generateKeyPair(alg, { extractable: true }) : null;
      const key = alg === 'A128GCMKW' ? secret.slice(0, 16) : secret;
      const jwe = await new jose.CompactEncrypt(text).setProtectedHeader({ alg, enc }).encrypt(pair ? pair.publicKey : key);
      const options = alg.startsWith('PBES2') ? { keyManagementAlgorithms: [alg] } : undefined;
      const { plaintext, protectedHeader } = await jose.compactDecrypt(jwe, pair ? pair.privateKey : key, options);
      print(new TextDecoder().decode(plaintext), protectedHeader.alg, protectedHeader.enc);
    }
    const pair = await jose.generateKeyPair('ECDH-ES', { crv: 'X25519', extractable: true });
    const jwt = await new jose.EncryptJWT(payload).setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' }).encrypt(pair.publicKey);
    print((await jose.jwtDecrypt(jwt, pair.privateKey)).payload);
    print(await failed(jose.jwtDecrypt(jwt.slice(0, -4) + 'AAAA', pair.privateKey)));
  },
  'other forms': async (print) => {
    const jws = await new jose.GeneralSign(new Uint8Array([1, 2, 3])).addSignature(secret).setProtectedHeader({ alg: 'HS256' }).done().sign();
    print(jws);
    print((await jose.generalVerify(jws, secret)).payload);
    const flat = await new jose.FlattenedSign(new Uint8Array([4])).setProtectedHeader({ alg: 'HS256', b64: false, crit: ['b64'] }).sign(secret);
    print(flat);
    print(new jose.UnsecuredJWT(payload).encode());
    print(await jose.exportJWK(await jose.generateSecret('HS256', { extractable: true })).then((k) => [k.kty, k.k.length]));
  },
};

package js_test

import (
	"errors"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

const derive = `const k = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits'])
	return (await crypto.subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: e.n}, k, 512)).byteLength`

// A derivation ends with the call, and takes the plugin with it nowhere.
func TestDerivationEndsWithTheCall(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", "export async function handle(e) { "+derive+" }", timeout(2*time.Second))
	var failed *host.Error
	if _, err := call(p, "handle", `{"n": 10000000}`, nil, nil); !errors.As(err, &failed) || failed.Kind != host.Timeout {
		t.Errorf("%v", err)
	}
	if r, err := call(p, "handle", `{"n": 1000}`, nil, nil); err != nil || r.meta != "64" {
		t.Error(r, err)
	}
}

// What would take too long is refused before it begins.
func TestCryptoBounds(t *testing.T) {
	for code, want := range map[string]string{
		`(async (e) => { ` + derive + ` })({n: 10000001}).catch((e) => e.name)`:                                                                                                                                                                                                                                   `"OperationError"`,
		`crypto.subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 16384, publicExponent: new Uint8Array([1, 0, 1])}, true, ['sign']).catch((e) => e.name)`:                                                                                                                                     `"OperationError"`,
		`crypto.subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 1])}, true, ['sign']).catch((e) => e.name)`:                                                                                                                                         `"OperationError"`,
		`crypto.subtle.importKey('jwk', {kty: 'RSA', e: 'AQAB', n: 'A'.repeat(2000) + 'Q'}, {name: 'RSA-PSS', hash: 'SHA-256'}, true, ['verify']).catch((e) => e.name)`:                                                                                                                                           `"DataError"`,
		`crypto.subtle.importKey('raw', new Uint8Array(8), 'HKDF', false, ['deriveBits']).then((k) => crypto.subtle.deriveBits({name: 'HKDF', hash: 'SHA-1', salt: new Uint8Array(1), info: new Uint8Array(1)}, k, 255 * 160 + 8)).catch((e) => e.name)`:                                                          `"OperationError"`,
		`crypto.subtle.digest('SHA-256', new Uint8Array(1 << 20)).then((d) => Buffer.from(d).toString('hex'))`:                                                                                                                                                                                                    `"30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"`,
		`crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt']).then((k) => crypto.subtle.encrypt({name: 'AES-GCM', iv: new Uint8Array(12), tagLength: 32}, k, new Uint8Array(1))).catch((e) => e.name)`:                                                                               `"NotSupportedError"`,
		`crypto.subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1])}, true, ['sign']).then((p) => crypto.subtle.sign({name: 'RSA-PSS', saltLength: 0}, p.privateKey, new Uint8Array(1)).catch((e) => e.name))`:                                   `"NotSupportedError"`,
		`crypto.subtle.importKey('raw', new Uint8Array(4), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign']).then((k) => [JSON.stringify(k), Object.keys(k), k.handle])`:                                                                                                                                          `["{}",[],null]`,
		`(async () => { const p = await crypto.subtle.generateKey({name: 'ECDSA', namedCurve: 'P-256'}, false, ['sign']); const s = () => crypto.subtle.sign({name: 'ECDSA', hash: 'SHA-256'}, p.privateKey, new Uint8Array(3)).then((b) => Buffer.from(b).toString('hex')); return await s() === await s() })()`: `true`,
	} {
		same(t, eval(t, "return await ("+code+")", nil), want)
	}
}

// A key that is imported where the script is loaded serves its calls.
func TestCryptoWhileLoading(t *testing.T) {
	p := open(t, "a.js", `const key = crypto.subtle.importKey('raw', new TextEncoder().encode('secret'), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign'])
const long = crypto.subtle.importKey('raw', new Uint8Array(4), 'PBKDF2', false, ['deriveBits']).then((k) => crypto.subtle.deriveBits({name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(4), iterations: 1000}, k, 128))
export const handle = async () => [(await crypto.subtle.sign('HMAC', await key, new Uint8Array(1))).byteLength, (await long).byteLength]`, pooled)
	for range 2 {
		if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != "[32,16]" {
			t.Error(r, err)
		}
	}
}

// What a script does to what a key shows changes nothing that the key may do.
func TestKeysShowCopies(t *testing.T) {
	same(t, eval(t, `const k = await crypto.subtle.importKey('raw', new Uint8Array(16), {name: 'HMAC', hash: 'SHA-256'}, false, ['verify'])
	const same = k.usages === k.usages && k.algorithm === k.algorithm
	k.usages.push('sign'); k.algorithm.hash.name = 'SHA-1'
	const failed = await crypto.subtle.sign('HMAC', k, new Uint8Array(1)).catch((e) => e.name)
	const mac = Buffer.from('b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad', 'hex')
	return [same, failed, await crypto.subtle.verify('HMAC', k, mac, new Uint8Array(0)), k.algorithm.hash.name]`, nil), `[true, "InvalidAccessError", true, "SHA-1"]`)
}

// Keys are made at once, whatever their size; what is too large for one is none.
func TestLargeKeys(t *testing.T) {
	same(t, eval(t, `const large = new Uint8Array(300000)
	const of = (format, data, a, usages) => crypto.subtle.importKey(format, data, a, false, usages).then((k) => k.type, (e) => e.name)
	const rsa = { name: 'RSA-PSS', hash: 'SHA-256' }
	const number = 'A'.repeat(400000)
	const base = await crypto.subtle.importKey('raw', large, 'PBKDF2', false, ['deriveBits'])
	const bits = (length) => crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(1), iterations: 1 }, base, length).then((b) => b.byteLength, (e) => e.name)
	return [await of('raw', large, { name: 'HMAC', hash: 'SHA-256' }, ['sign']), await bits('256'), await bits(null), await bits(7), await of('pkcs8', large, rsa, ['sign']),
	  await of('spki', large, rsa, ['verify']), await of('raw', large, { name: 'ECDSA', namedCurve: 'P-256' }, ['verify']),
	  await of('jwk', { kty: 'RSA', n: number, e: 'AQAB' }, rsa, ['verify']), await of('jwk', { kty: 'EC', crv: 'P-256', x: number, y: number }, { name: 'ECDSA', namedCurve: 'P-256' }, ['verify'])]`, nil),
		`["secret", 32, "OperationError", "OperationError", "DataError", "DataError", "DataError", "DataError", "DataError"]`)
}

// Of many keys that a call asks for at once, none is begun when its time is over.
func TestKeysAreMadeOneByOne(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", `export const handle = () => Promise.all(Array.from({ length: 500 }, () =>
	  crypto.subtle.generateKey({name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1])}, true, ['sign'])))`, timeout(2*time.Second))
	var failed *host.Error
	if _, err := call(p, "handle", "{}", nil, nil); !errors.As(err, &failed) || failed.Kind != host.Timeout {
		t.Error(err)
	}
}

// Keys that take seconds to make, asked for by many calls at once, leave a core to others.
func TestLongComputationsLeaveACore(t *testing.T) {
	p := open(t, "a.js", `export const handler = () => crypto.subtle.generateKey({ name: 'RSA-OAEP', modulusLength: 3072,
		publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['encrypt', 'decrypt']).then(() => 1)`, timeout(25*time.Second))
	var group sync.WaitGroup
	done := make(chan struct{})
	for range 6 {
		group.Go(func() {
			if _, err := call(p, "handle", `{}`, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	go func() { group.Wait(); close(done) }()
	limit, most := max(1, runtime.GOMAXPROCS(0)-1), 0
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-time.After(time.Millisecond):
			var stacks strings.Builder
			if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
				t.Fatal(err)
			}
			most = max(most, strings.Count(stacks.String(), "crypto/rsa.GenerateKey("))
		}
	}
	if most == 0 || most > limit {
		t.Errorf("%d keys were made at once; the limit is %d", most, limit)
	}
}

package web

import (
	"context"
	"crypto"
	"crypto/hmac"
	_ "crypto/md5"  // by its crypto.Hash
	_ "crypto/sha1" // hashes by their crypto.Hash
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"

	"github.com/postern/postern/host"
)

// Bounds of what crypto.subtle computes. Nothing stops an operation of the standard library, so each must end soon by itself.
const (
	besideBytes   = 256 << 10 // an operation on more bytes runs beside the script
	maxModulus    = 8192      // bits of an RSA key that is imported
	maxNewModulus = 4096      // bits of one that is made: seconds
	maxIterations = 10_000_000
	maxDerived    = 1 << 20 // bytes that deriveBits gives
	maxKeyData    = 8 << 10 // bytes of a key that is not symmetric, in any format: one of RSA has up to 4.7 KiB
)

// A Key is the numbers of a key, which scripts hold without seeing them. One of the fields is set.
type Key struct {
	secret  []byte
	private crypto.PrivateKey // *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey, *ecdh.PrivateKey for X25519
	public  crypto.PublicKey
}

func operationError(text string) error { return &Exception{"OperationError", text} }
func dataError(text string) error      { return &Exception{"DataError", text} }
func notSupported(text string) error   { return &Exception{"NotSupportedError", text} }

// A cryptoCall is the arguments of one operation: they belong to nobody else.
type cryptoCall struct {
	random io.Reader
	args   []any
}

func arg[T any](c *cryptoCall, i int) T {
	v, _ := c.args[i].(T)
	return v
}

func (c *cryptoCall) text(i int) string  { return arg[string](c, i) }
func (c *cryptoCall) bytes(i int) []byte { return arg[[]byte](c, i) }
func (c *cryptoCall) number(i int) int64 { return arg[int64](c, i) }
func (c *cryptoCall) key(i int) Key      { return *arg[*Key](c, i) }

// An Operation of crypto.subtle computes []byte, bool, int64, *Key or []any of these.
type Operation struct {
	args  int
	place place
	run   func(context.Context, *cryptoCall) (any, error)
}

// Args is how many arguments it has. Each is a []byte, string, int64, bool, *Key or nil.
func (op Operation) Args() int { return op.args }

// Beside reports whether it is to run beside the script, as it takes long on size bytes, and whether that is so whatever the size: such
// operations leave a core to the others.
func (op Operation) Beside(size int) (beside, heavy bool) {
	return op.place == always || op.place == bySize && size > besideBytes, op.place == always
}

// Run computes. args belong to nobody else while it does. Its error is an *Exception.
func (op Operation) Run(ctx context.Context, random io.Reader, args []any) (any, error) {
	v, err := op.run(ctx, &cryptoCall{random, args})
	var told *Exception
	if err != nil && !errors.As(err, &told) {
		err = operationError("The operation failed") // what the standard library says of a failure would tell too much of a secret
	}
	return v, err
}

// RunBeside is Run on a goroutine of its own, where a panic would end the process, when it is its turn everywhere.
func (op Operation) RunBeside(ctx context.Context, random io.Reader, args []any, turns ...chan struct{}) (v any, err error) {
	for _, turn := range turns {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, operationError(fmt.Sprint("The operation failed: ", r))
		}
	}()
	return op.Run(ctx, random, args)
}

// A RandomReader reads the random numbers of a call's effects.
type RandomReader struct{ From host.Random }

// Read fills p.
func (r RandomReader) Read(p []byte) (int, error) {
	r.From.Rand(p)
	return len(p), nil
}

// A place tells whether an operation runs beside the script.
type place int

const (
	bySize place = iota // where it has many bytes to work on
	here                // never: it makes or shows a key
	always              // always: it takes milliseconds and more, whatever the input
)

// Operations are all of them, by the names that the prelude uses.
func Operations() map[string]Operation {
	return map[string]Operation{
		"digest":         {2, bySize, digest},
		"sign":           {5, bySize, sign},
		"verify":         {6, bySize, verify},
		"encrypt":        {7, bySize, encrypt},
		"decrypt":        {7, bySize, decrypt},
		"wrap":           {2, bySize, wrap},
		"unwrap":         {2, bySize, unwrap},
		"hkdf":           {5, bySize, deriveHKDF},
		"pbkdf2":         {5, always, derivePBKDF2},
		"agree":          {3, bySize, agree},
		"secret":         {1, here, secretKey},
		"generateRSA":    {2, always, generateRSA},
		"generateEC":     {1, here, generateEC},
		"import":         {3, here, importKey},
		"export":         {2, here, exportKey},
		"numbers":        {1, here, keyNumbers},
		"rsaOfNumbers":   {8, here, rsaOfNumbers},
		"ecOfNumbers":    {4, here, ecOfNumbers},
		"modulusLength":  {1, here, modulusLength},
		"publicExponent": {1, here, publicExponent},
	}
}

// hashNamed returns the hash of a name that crypto.subtle uses; 0 for any other.
func hashNamed(name string) crypto.Hash {
	switch name {
	case "SHA-1":
		return crypto.SHA1
	case "SHA-256":
		return crypto.SHA256
	case "SHA-384":
		return crypto.SHA384
	case "SHA-512":
		return crypto.SHA512
	}
	return 0
}

func sum(name string, data []byte) []byte {
	h := hashNamed(name).New()
	h.Write(data)
	return h.Sum(nil)
}

func digest(_ context.Context, c *cryptoCall) (any, error) { return sum(c.text(0), c.bytes(1)), nil }

// nodeHash returns the hash that prelude/node/crypto.js calls name.
func nodeHash(name string) crypto.Hash {
	switch name {
	case "MD5":
		return crypto.MD5
	case "SHA-224":
		return crypto.SHA224
	}
	return hashNamed(name)
}

// Hash is a digest by a name of prelude/node/crypto.js, an *Exception for one that is not known.
func Hash(name string, data []byte) ([]byte, error) {
	kind := nodeHash(name)
	if kind == 0 {
		return nil, notSupported("no such hash: " + name)
	}
	h := kind.New()
	h.Write(data)
	return h.Sum(nil), nil
}

// HMAC is a keyed digest (RFC 2104), by the same names.
func HMAC(name string, key, data []byte) ([]byte, error) {
	kind := nodeHash(name)
	if kind == 0 {
		return nil, notSupported("no such hash: " + name)
	}
	h := hmac.New(kind.New, key)
	h.Write(data)
	return h.Sum(nil), nil
}

// UUID makes a random UUID (RFC 9562, section 5.4) of random bytes.
func UUID(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

package js

import (
	"context"
	"crypto"
	_ "crypto/sha1" // hashes by their crypto.Hash
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"

	"github.com/dop251/goja"

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

// A cryptoKey is the numbers of a key, which scripts hold without seeing them. One of the fields is set.
type cryptoKey struct {
	secret  []byte
	private crypto.PrivateKey // *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey, *ecdh.PrivateKey for X25519
	public  crypto.PublicKey
}

// A cryptoError becomes a DOMException.
type cryptoError struct{ name, text string }

func (e *cryptoError) Error() string { return e.text }

func operationError(text string) error { return &cryptoError{"OperationError", text} }
func dataError(text string) error      { return &cryptoError{"DataError", text} }
func notSupported(text string) error   { return &cryptoError{"NotSupportedError", text} }

// A cryptoCall is the arguments of one operation: they belong to nobody else.
type cryptoCall struct {
	random io.Reader
	args   []any
}

func arg[T any](c *cryptoCall, i int) T {
	v, _ := c.args[i].(T)
	return v
}

func (c *cryptoCall) text(i int) string   { return arg[string](c, i) }
func (c *cryptoCall) bytes(i int) []byte  { return arg[[]byte](c, i) }
func (c *cryptoCall) number(i int) int64  { return arg[int64](c, i) }
func (c *cryptoCall) key(i int) cryptoKey { return *arg[*cryptoKey](c, i) }

// A cryptoOp computes []byte, bool, int64, *cryptoKey or []any of these.
type cryptoOp struct {
	args  int
	place place
	run   func(context.Context, *cryptoCall) (any, error)
}

// A place tells whether an operation runs beside the script.
type place int

const (
	bySize place = iota // where it has many bytes to work on
	here                // never: it makes or shows a key
	beside              // always: it takes milliseconds and more, whatever the input
)

func cryptoOps() map[string]cryptoOp {
	return map[string]cryptoOp{
		"digest":         {2, bySize, digest},
		"sign":           {5, bySize, sign},
		"verify":         {6, bySize, verify},
		"encrypt":        {7, bySize, encrypt},
		"decrypt":        {7, bySize, decrypt},
		"wrap":           {2, bySize, wrap},
		"unwrap":         {2, bySize, unwrap},
		"hkdf":           {5, bySize, deriveHKDF},
		"pbkdf2":         {5, beside, derivePBKDF2},
		"agree":          {3, bySize, agree},
		"secret":         {1, here, secretKey},
		"generateRSA":    {2, beside, generateRSA},
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

// subtle(operation, ...arguments) computes at once, or, when that takes long, gives a promise and computes beside the
// script. While a script is loaded nothing can be beside it.
func (in *instance) subtle(fc goja.FunctionCall) goja.Value {
	op, known := in.module.runtime.crypto[fc.Argument(0).String()]
	if !known {
		in.throw("no such operation")
	}
	c := in.call
	call := &cryptoCall{random: randReader{c.world()}, args: make([]any, op.args)}
	size := 0
	for i := range op.args {
		v, n := in.cryptoArg(fc.Argument(i + 1))
		call.args[i] = v
		size += n
	}
	if c.loading || op.place == here || op.place == bySize && size <= besideBytes {
		v, err := op.run(c.ctx, call)
		if err != nil {
			in.cryptoFailed(err)
		}
		return in.cryptoResult(v)
	}
	for i, v := range call.args {
		if b, ok := v.([]byte); ok { // the script goes on, and has it
			call.args[i] = append([]byte(nil), b...)
		}
	}
	promise, resolve, reject := in.rt.NewPromise()
	turns := []chan struct{}{c.crunching()}
	if op.place == beside {
		turns = append(turns, in.module.runtime.crunch)
	}
	c.loop.begin(func() func() error {
		v, err := op.safely(c.ctx, call, turns...)
		return func() error {
			if err != nil {
				thrown := in.rt.Try(func() { in.cryptoFailed(err) })
				return reject(thrown.Value())
			}
			return resolve(in.cryptoResult(v))
		}
	})
	return in.rt.ToValue(promise)
}

// crunching is what an operation beside the script has to hold. One works at a time for a call: what has begun cannot be stopped, and
// burns its core beyond the call's end. For the same reason, all calls together leave one core to the others (Runtime.crunch).
func (c *call) crunching() chan struct{} {
	if c.crunch == nil {
		c.crunch = make(chan struct{}, 1)
	}
	return c.crunch
}

// safely runs an operation on a goroutine of its own, where a panic would end the process, when it is its turn everywhere.
func (op cryptoOp) safely(ctx context.Context, c *cryptoCall, turns ...chan struct{}) (v any, err error) {
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
	return op.run(ctx, c)
}

// cryptoArg takes one argument out of goja, and tells how many bytes it has.
func (in *instance) cryptoArg(v goja.Value) (any, int) {
	if b, ok := bytesOf(v); ok {
		return b, len(b)
	}
	switch x := v.Export().(type) {
	case string, int64, bool, *cryptoKey:
		return x, 0
	case float64:
		return int64(x), 0
	}
	return nil, 0
}

func (in *instance) cryptoResult(v any) goja.Value {
	switch x := v.(type) {
	case []byte:
		return in.rt.ToValue(in.rt.NewArrayBuffer(x))
	case []any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = in.cryptoResult(x[i])
		}
		return in.rt.NewArray(list...)
	}
	return in.rt.ToValue(v)
}

// cryptoFailed throws. What the standard library says of a failure would tell too much of a secret.
func (in *instance) cryptoFailed(err error) {
	var failed *cryptoError
	if errors.As(err, &failed) {
		in.domException(failed.text, failed.name)
	}
	in.domException("The operation failed", "OperationError")
}

// randReader reads the random numbers of the call's effects.
type randReader struct{ from host.Random }

// Read fills p.
func (r randReader) Read(p []byte) (int, error) {
	r.from.Rand(p)
	return len(p), nil
}

// uuid() is a random UUID.
func (in *instance) uuid(goja.FunctionCall) goja.Value { return in.rt.ToValue(in.call.requestID()) }

// base64(bytes) is text.
func (in *instance) base64(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(encodeBase64(in.needBytes(fc.Argument(0))))
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

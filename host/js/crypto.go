package js

import (
	"errors"

	"github.com/dop251/goja"

	"github.com/postern/postern/host/js/web"
)

// subtle(operation, ...arguments) computes at once, or, when that takes long, gives a promise and computes beside the
// script. While a script is loaded nothing can be beside it.
func (in *instance) subtle(fc goja.FunctionCall) goja.Value {
	op, known := in.module.runtime.crypto[fc.Argument(0).String()]
	if !known {
		in.throw("no such operation")
	}
	c := in.call
	random, args := web.RandomReader{From: c.world()}, make([]any, op.Args())
	size := 0
	for i := range args {
		v, n := in.cryptoArg(fc.Argument(i + 1))
		args[i] = v
		size += n
	}
	beside, heavy := op.Beside(size)
	if c.loading || !beside {
		v, err := op.Run(c.ctx, random, args)
		if err != nil {
			in.failWith(err)
		}
		return in.cryptoResult(v)
	}
	for i, v := range args {
		if b, ok := v.([]byte); ok { // the script goes on, and has it
			args[i] = append([]byte(nil), b...)
		}
	}
	promise, resolve, reject := in.rt.NewPromise()
	turns := []chan struct{}{c.crunching()}
	if heavy {
		turns = append(turns, in.module.runtime.crunch)
	}
	c.loop.begin(func() func() error {
		v, err := op.RunBeside(c.ctx, random, args, turns...)
		return func() error {
			if err != nil {
				thrown := in.rt.Try(func() { in.failWith(err) })
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

// cryptoArg takes one argument out of goja, and tells how many bytes it has.
func (in *instance) cryptoArg(v goja.Value) (any, int) {
	if b, ok := bytesOf(v); ok {
		return b, len(b)
	}
	switch x := v.Export().(type) {
	case string, int64, bool, *web.Key:
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

// failWith throws what the web API says went wrong.
func (in *instance) failWith(err error) {
	var told *web.Exception
	switch {
	case !errors.As(err, &told):
		in.domException("The operation failed", "OperationError")
	case told.Name == "TypeError":
		in.throw(told.Message)
	default:
		in.domException(told.Message, told.Name)
	}
}

// uuid() is a random UUID.
func (in *instance) uuid(goja.FunctionCall) goja.Value { return in.rt.ToValue(in.call.requestID()) }

// base64(bytes) is text.
func (in *instance) base64(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(encodeBase64(in.needBytes(fc.Argument(0))))
}

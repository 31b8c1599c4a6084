package js

import (
	"bytes"
	"errors"

	"github.com/dop251/goja"

	"github.com/postern/postern/host/js/web"
)

// codec(format, compress) makes one that compresses or unpacks a stream: input is given with write and end, and output taken with next.
func (in *instance) codec(fc goja.FunctionCall) goja.Value {
	k, err := web.NewCodec(fc.Argument(0).String(), fc.Argument(1).ToBoolean())
	if err != nil {
		in.failWith(err)
	}
	in.call.open.add(k)
	call := in.call
	obj := in.rt.NewObject()
	in.set(obj, "write", func(fc goja.FunctionCall) goja.Value {
		k.Write(in.needBytes(fc.Argument(0)))
		return goja.Undefined()
	})
	in.set(obj, "end", func(goja.FunctionCall) goja.Value {
		k.End()
		return goja.Undefined()
	})
	in.set(obj, "drop", func(goja.FunctionCall) goja.Value {
		call.open.close(k)
		return goja.Undefined()
	})
	in.set(obj, "next", func(goja.FunctionCall) goja.Value {
		call.live()
		piece, err := k.Next()
		if err != nil {
			call.open.close(k)
			if errors.Is(err, web.ErrEnded) {
				in.throw("The stream was made in a call that has ended")
			}
			in.throw("The data is malformed: " + err.Error())
		}
		if piece == nil {
			if k.Ended() {
				call.open.close(k)
			}
			return goja.Null()
		}
		return in.bytes(bytes.Clone(piece))
	})
	return obj
}

package js

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/buffer"

	"github.com/postern/postern/host/js/web"
)

// nodeModule is what require gives for a module of Node.js that is here, nil for any other.
func (in *instance) nodeModule(name string) goja.Value {
	file := "node/" + strings.TrimPrefix(name, "node:") + ".js"
	if in.module.runtime.preludes[file] == nil {
		return nil
	}
	part, err := in.tool(file)
	if err != nil {
		panic(err) // an interrupt, or the end of the stack
	}
	return part.Get("exports")
}

// baseBuffer() is goja_nodejs's module buffer.
func (in *instance) baseBuffer(goja.FunctionCall) goja.Value {
	module, exports := in.rt.NewObject(), in.rt.NewObject()
	in.set(module, "exports", exports)
	buffer.Require(in.rt, module)
	return exports
}

// encodeText(text, encoding) is text's bytes in one of Node's encodings, under their first names.
func (in *instance) encodeText(fc goja.FunctionCall) goja.Value {
	text := fc.Argument(0).ToString().(goja.String)
	switch fc.Argument(1).String() {
	case "hex":
		return in.bytes(web.HexBytes(text.String()))
	case "base64", "base64url":
		return in.bytes(web.Unbase64(text.String()))
	case "latin1", "ascii":
		out := make([]byte, text.Length())
		for i := range out {
			out[i] = byte(text.CharAt(i))
		}
		return in.bytes(out)
	case "utf16le":
		out := make([]byte, 2*text.Length())
		for i := range text.Length() {
			out[2*i], out[2*i+1] = byte(text.CharAt(i)), byte(text.CharAt(i)>>8)
		}
		return in.bytes(out)
	}
	return in.bytes([]byte(text.String()))
}

// decodeText(bytes, encoding) is the text of bytes; null for what is no UTF-8 when the encoding is "strict".
func (in *instance) decodeText(fc goja.FunctionCall) goja.Value {
	b := in.needBytes(fc.Argument(0))
	switch fc.Argument(1).String() {
	case "strict":
		if !utf8.Valid(b) {
			return goja.Null()
		}
	case "hex":
		return in.rt.ToValue(hex.EncodeToString(b))
	case "base64":
		return in.rt.ToValue(encodeBase64(b))
	case "base64url":
		return in.rt.ToValue(base64.RawURLEncoding.EncodeToString(b))
	case "latin1", "ascii":
		mask := byte(0xff)
		if fc.Argument(1).String() == "ascii" {
			mask = 0x7f
		}
		units := make([]uint16, len(b))
		for i := range b {
			units[i] = uint16(b[i] & mask)
		}
		return goja.StringFromUTF16(units)
	case "utf16le":
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		return goja.StringFromUTF16(units)
	}
	if utf8.Valid(b) {
		return in.rt.ToValue(string(b))
	}
	return in.rt.ToValue(web.RepairUTF8(b))
}

// unescapeBytes(text) is text with each %XX as a byte, and what is no escape as it is.
func (in *instance) unescapeBytes(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(web.RepairUTF8([]byte(web.PercentDecode(fc.Argument(0).String()))))
}

// hash(name, bytes) is a digest.
func (in *instance) hash(fc goja.FunctionCall) goja.Value {
	sum, err := web.Hash(fc.Argument(0).String(), in.needBytes(fc.Argument(1)))
	if err != nil {
		in.failWith(err)
	}
	return in.bytes(sum)
}

// hmac(name, key, bytes) is a keyed digest (RFC 2104).
func (in *instance) hmac(fc goja.FunctionCall) goja.Value {
	sum, err := web.HMAC(fc.Argument(0).String(), in.needBytes(fc.Argument(1)), in.needBytes(fc.Argument(2)))
	if err != nil {
		in.failWith(err)
	}
	return in.bytes(sum)
}

// sameBytes(a, b) compares in constant time.
func (in *instance) sameBytes(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(subtle.ConstantTimeCompare(in.needBytes(fc.Argument(0)), in.needBytes(fc.Argument(1))) == 1)
}

// An asyncContext carries the values of AsyncLocalStorage from where a promise is waited for to where it goes on. It is there
// from the moment that a script asks for it. Values that a call leaves behind are not the next one's.
type asyncContext struct {
	in     *instance
	call   *call // whose values they are
	values goja.Value
}

var _ goja.AsyncContextTracker = (*asyncContext)(nil)

func (a *asyncContext) now() goja.Value {
	if a.call != a.in.call {
		a.call, a.values = a.in.call, nil
	}
	return a.values
}

func (a *asyncContext) set(values goja.Value) { a.call, a.values = a.in.call, values }

// Grab returns the values of this moment.
func (a *asyncContext) Grab() any { return a.now() }

// Resumed puts them back.
func (a *asyncContext) Resumed(values any) {
	v, _ := values.(goja.Value)
	a.set(v)
}

// Exited forgets them: jobs run when nothing else does.
func (a *asyncContext) Exited() { a.set(nil) }

// asyncValues() is the values of this moment, undefined when there are none.
func (in *instance) asyncValues(goja.FunctionCall) goja.Value {
	if in.async == nil {
		in.async = &asyncContext{in: in}
		in.rt.SetAsyncContextTracker(in.async)
	}
	if v := in.async.now(); v != nil {
		return v
	}
	return goja.Undefined()
}

// setAsyncValues(values) sets them.
func (in *instance) setAsyncValues(fc goja.FunctionCall) goja.Value {
	in.asyncValues(fc)
	in.async.set(fc.Argument(0))
	return goja.Undefined()
}

// bound is a timer's function with the values of the moment when the timer was set.
func (in *instance) bound(fn goja.Callable) goja.Callable {
	if in.async == nil || in.async.now() == nil {
		return fn
	}
	values := in.async.values
	return func(this goja.Value, args ...goja.Value) (goja.Value, error) {
		in.async.set(values)
		defer in.async.set(nil)
		return fn(this, args...)
	}
}

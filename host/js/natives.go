package js

import (
	"encoding/base64"
	"reflect"
	"time"

	"github.com/dop251/goja"

	"github.com/postern/postern/host/js/web"
)

var arrayBufferType = reflect.TypeFor[goja.ArrayBuffer]()

func (in *instance) throw(text string) { panic(in.rt.NewTypeError(text)) }

// bytes makes a Uint8Array over b, which is given away.
func (in *instance) bytes(b []byte) goja.Value {
	v, err := in.rt.New(in.rt.Get("Uint8Array"), in.rt.ToValue(in.rt.NewArrayBuffer(b)))
	if err != nil {
		panic(err)
	}
	return v
}

// bytesOf returns the bytes of an ArrayBuffer or of a view on one, without a copy.
func bytesOf(v goja.Value) ([]byte, bool) {
	obj, ok := v.(*goja.Object)
	if !ok {
		return nil, false
	}
	switch t := obj.ExportType(); {
	case t == arrayBufferType:
		buf := obj.Export().(goja.ArrayBuffer)
		return buf.Bytes(), true
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Interface: // a typed array
	case obj.ClassName() == "Object" && obj.GetSymbol(goja.SymToStringTag) != nil && obj.GetSymbol(goja.SymToStringTag).String() == "DataView":
	default:
		return nil, false
	}
	inner, ok := obj.Get("buffer").(*goja.Object)
	if !ok || inner.ExportType() != arrayBufferType {
		return nil, false
	}
	buf, ok := inner.Export().(goja.ArrayBuffer)
	if !ok || buf.Detached() {
		return nil, false
	}
	start, n := obj.Get("byteOffset").ToInteger(), obj.Get("byteLength").ToInteger()
	all := buf.Bytes()
	if start < 0 || n < 0 || start+n > int64(len(all)) {
		return nil, false
	}
	return all[start : start+n], true
}

func (in *instance) needBytes(v goja.Value) []byte {
	b, ok := bytesOf(v)
	if !ok {
		in.throw("the argument must be an ArrayBuffer or a view on one")
	}
	return b
}

func (in *instance) setTimeout(fc goja.FunctionCall) goja.Value { return in.setTimer(fc, 1, false) }

func (in *instance) setInterval(fc goja.FunctionCall) goja.Value { return in.setTimer(fc, 1, true) }

func (in *instance) setImmediate(fc goja.FunctionCall) goja.Value { return in.setTimer(fc, 0, false) }

// setTimer adds a timer; its delay is argument 1 when skip is 1. Delays below a millisecond are one, and those that do not
// fit 31 bits too, as in Node.js.
func (in *instance) setTimer(fc goja.FunctionCall, skip int, repeat bool) goja.Value {
	if in.call.loading {
		in.throw("timers can be set within a call only, not while the script is loaded")
	}
	fn, ok := goja.AssertFunction(fc.Argument(0))
	if !ok {
		in.throw("the first argument must be a function")
	}
	tm := &timer{fn: in.bound(fn), at: in.call.world().Now()}
	if skip == 1 {
		ms := fc.Argument(1).ToFloat()
		if !(ms >= 1 && ms <= 1<<31-1) {
			ms = 1
		}
		d := time.Duration(ms * float64(time.Millisecond))
		tm.at = tm.at.Add(d)
		if repeat {
			tm.every = d
		}
	}
	if len(fc.Arguments) > 1+skip {
		tm.args = append(tm.args, fc.Arguments[1+skip:]...)
	}
	return in.rt.ToValue(in.call.loop.addTimer(tm))
}

func (in *instance) clearTimer(fc goja.FunctionCall) goja.Value {
	if v := fc.Argument(0); !goja.IsUndefined(v) && !goja.IsNull(v) {
		in.call.loop.clearTimer(v.ToInteger())
	}
	return goja.Undefined()
}

// now() is the milliseconds since the call began, with fractions.
func (in *instance) now(goja.FunctionCall) goja.Value {
	return in.rt.ToValue(float64(in.call.world().Now().Sub(in.call.start)) / float64(time.Millisecond))
}

// turn() is the number of the instance's call: what the prelude keeps for one call is not the next one's.
func (in *instance) turn(goja.FunctionCall) goja.Value { return in.rt.ToValue(in.calls) }

// timeOrigin() is when the call began, in milliseconds since 1970.
func (in *instance) timeOrigin(goja.FunctionCall) goja.Value {
	return in.rt.ToValue(float64(in.call.start.UnixMicro()) / 1000)
}

func encodeBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// atob follows the "forgiving-base64 decode" of infra.spec.whatwg.org: white space and missing padding are
// fine. The result has one character for each byte; null means that the text is malformed.
func (in *instance) atob(fc goja.FunctionCall) goja.Value {
	if len(fc.Arguments) == 0 {
		in.throw("atob needs an argument")
	}
	raw, ok := web.Atob(fc.Argument(0).String())
	if !ok {
		in.domException("The string is not correctly encoded", "InvalidCharacterError")
	}
	units := make([]uint16, len(raw))
	for i, b := range raw {
		units[i] = uint16(b)
	}
	return goja.StringFromUTF16(units)
}

func (in *instance) btoa(fc goja.FunctionCall) goja.Value {
	if len(fc.Arguments) == 0 {
		in.throw("btoa needs an argument")
	}
	text, ok := web.Btoa(fc.Argument(0).String())
	if !ok {
		in.domException("The string contains a character outside of Latin-1", "InvalidCharacterError")
	}
	return in.rt.ToValue(text)
}

func (in *instance) domException(text, name string) { panic(in.domError(text, name)) }

// domError makes a DOMException.
func (in *instance) domError(text, name string) goja.Value {
	v, err := in.rt.New(in.rt.GlobalObject().Get("DOMException"), in.rt.ToValue(text), in.rt.ToValue(name))
	if err != nil {
		panic(err)
	}
	return v
}

// encode(text) is UTF-8.
func (in *instance) encode(fc goja.FunctionCall) goja.Value {
	return in.bytes([]byte(fc.Argument(0).String()))
}

// scalar(text) is text with U+FFFD for each lone surrogate: a USVString (webidl.spec.whatwg.org).
func (in *instance) scalar(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(fc.Argument(0).String())
}

// decode(label, bytes, fatal) is text; null when fatal and malformed. The labels are those of encoding.spec.whatwg.org
// after text.js has folded them.
func (in *instance) decode(fc goja.FunctionCall) goja.Value {
	text, ok := web.Decode(fc.Argument(0).String(), in.needBytes(fc.Argument(1)), fc.Argument(2).ToBoolean())
	if !ok {
		return goja.Null()
	}
	return in.rt.ToValue(text)
}

// random(view) fills a view.
func (in *instance) random(fc goja.FunctionCall) goja.Value {
	in.call.world().Rand(in.needBytes(fc.Argument(0)))
	return fc.Argument(0)
}

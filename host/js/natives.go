package js

import (
	"encoding/base64"
	"reflect"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
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
	text := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\f\r", r) {
			return -1
		}
		return r
	}, fc.Argument(0).String())
	if len(text)%4 == 0 {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
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
	text := fc.Argument(0).String()
	raw := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			in.domException("The string contains a character outside of Latin-1", "InvalidCharacterError")
		}
		raw = append(raw, byte(r))
	}
	return in.rt.ToValue(encodeBase64(raw))
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
	b := in.needBytes(fc.Argument(1))
	fatal := fc.Argument(2).ToBoolean()
	switch fc.Argument(0).String() {
	case "utf-16le", "utf-16be":
		low := 0
		if fc.Argument(0).String() == "utf-16be" {
			low = 1
		}
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i+low]) | uint16(b[2*i+1-low])<<8
		}
		text := utf16.Decode(units)
		odd := len(b)%2 == 1
		if fatal && (odd || strings.ContainsRune(string(text), utf8.RuneError)) {
			return goja.Null()
		}
		if odd {
			text = append(text, utf8.RuneError)
		}
		return in.rt.ToValue(string(text))
	case "windows-1252":
		text := make([]rune, len(b))
		for i, c := range b {
			text[i] = rune(c)
			if c >= 0x80 && c < 0xa0 {
				text[i] = windows1252[c-0x80]
			}
		}
		return in.rt.ToValue(string(text))
	}
	if utf8.Valid(b) {
		return in.rt.ToValue(string(b))
	}
	if fatal {
		return goja.Null()
	}
	return in.rt.ToValue(repairUTF8(b))
}

// What windows-1252 has between 0x80 and 0x9f (encoding.spec.whatwg.org, index-windows-1252).
var windows1252 = [32]rune{0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d,
	0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178}

// repairUTF8 puts one U+FFFD for each maximal part of a malformed sequence, as the web does (encoding.spec.whatwg.org,
// "UTF-8 decoder"), where Go puts one for each byte.
func repairUTF8(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = malformed(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// malformed returns the length of the longest start of b that a well-formed sequence could have, 1 at least.
func malformed(b []byte) int {
	low, high, need := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		need = 1
	case c >= 0xe0 && c <= 0xef:
		need = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		need = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for ; n <= need && n < len(b) && b[n] >= low && b[n] <= high; n++ {
		low, high = 0x80, 0xbf
	}
	return n
}

// random(view) fills a view.
func (in *instance) random(fc goja.FunctionCall) goja.Value {
	in.call.world().Rand(in.needBytes(fc.Argument(0)))
	return fc.Argument(0)
}

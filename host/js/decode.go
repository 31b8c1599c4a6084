package js

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// maxDepth bounds nested arrays and objects in JSON: the decoder recurses, and so does much of what scripts do with
// the result, on a Go stack whose exhaustion would end the process. encoding/json has 10,000.
const maxDepth = 2000

var (
	errJSONEnd   = errors.New("Unexpected end of JSON input")
	errJSONDepth = fmt.Errorf("JSON is nested deeper than %d levels", maxDepth)
)

// A decoder makes JavaScript values of JSON text (RFC 8259). It is several times faster than goja's own, which goes
// through encoding/json's tokens. Errors have the words that JavaScript engines use.
type decoder struct {
	rt    *goja.Runtime
	data  string
	pos   int
	depth int
	items []any // of the arrays being read
}

func decodeJSON(rt *goja.Runtime, data string) (goja.Value, error) {
	d := decoder{rt: rt, data: data}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if d.space(); d.pos < len(d.data) {
		return nil, d.unexpected()
	}
	return v, nil
}

func (d *decoder) unexpected() error {
	if d.pos >= len(d.data) {
		return errJSONEnd
	}
	r, _ := utf8.DecodeRuneInString(d.data[d.pos:])
	return fmt.Errorf("Unexpected token %q in JSON at position %d", r, d.pos)
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) value() (goja.Value, error) {
	d.space()
	if d.pos >= len(d.data) {
		return nil, errJSONEnd
	}
	switch c := d.data[d.pos]; c {
	case '{':
		return d.nested(d.object)
	case '[':
		return d.nested(d.array)
	case '"':
		return d.string()
	case 't':
		return d.word("true", d.rt.ToValue(true))
	case 'f':
		return d.word("false", d.rt.ToValue(false))
	case 'n':
		return d.word("null", goja.Null())
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return d.number()
		}
		return nil, d.unexpected()
	}
}

func (d *decoder) nested(read func() (goja.Value, error)) (goja.Value, error) {
	if d.depth++; d.depth > maxDepth {
		return nil, errJSONDepth
	}
	d.pos++
	v, err := read()
	d.depth--
	return v, err
}

func (d *decoder) word(w string, v goja.Value) (goja.Value, error) {
	for i := range len(w) {
		if d.pos >= len(d.data) || d.data[d.pos] != w[i] {
			return nil, d.unexpected()
		}
		d.pos++
	}
	return v, nil
}

// next skips space and returns the byte there, or 0 at the end.
func (d *decoder) next() byte {
	d.space()
	if d.pos >= len(d.data) {
		return 0
	}
	return d.data[d.pos]
}

func (d *decoder) object() (goja.Value, error) {
	obj := d.rt.NewObject()
	if d.next() == '}' {
		d.pos++
		return obj, nil
	}
	for {
		if d.next() != '"' {
			return nil, d.unexpected()
		}
		key, units, err := d.text()
		if err != nil {
			return nil, err
		}
		if d.next() != ':' {
			return nil, d.unexpected()
		}
		d.pos++
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		if err := define(d.rt, obj, key, units, v); err != nil {
			return nil, err
		}
		switch d.next() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return obj, nil
		default:
			return nil, d.unexpected()
		}
	}
}

// define makes an own property. "__proto__" is a name like any other in JSON (ECMA-262, CreateDataProperty),
// while Set would change the prototype.
func define(rt *goja.Runtime, obj *goja.Object, key string, units []uint16, v goja.Value) error {
	if units != nil { // a name with a lone surrogate, which no Go string can hold
		key = string(utf16.Decode(units))
	}
	if key == "__proto__" {
		return obj.DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
	}
	return obj.Set(key, v)
}

func (d *decoder) array() (goja.Value, error) {
	if d.next() == ']' {
		d.pos++
		return d.rt.NewArray(), nil
	}
	start := len(d.items)
	for {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		d.items = append(d.items, v)
		switch d.next() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			arr := d.rt.NewArray(d.items[start:]...)
			d.items = d.items[:start]
			return arr, nil
		default:
			return nil, d.unexpected()
		}
	}
}

func (d *decoder) string() (goja.Value, error) {
	s, units, err := d.text()
	if err != nil {
		return nil, err
	}
	if units != nil {
		return goja.StringFromUTF16(units), nil
	}
	return d.rt.ToValue(s), nil
}

// text reads a string literal. Text that holds a lone surrogate comes as UTF-16, all other as UTF-8.
func (d *decoder) text() (string, []uint16, error) {
	d.pos++
	start := d.pos
	for i := start; i < len(d.data); i++ {
		switch c := d.data[i]; {
		case c == '"':
			d.pos = i + 1
			return d.data[start:i], nil, nil
		case c == '\\':
			return d.escaped(start, i)
		case c < ' ':
			d.pos = i
			return "", nil, d.unexpected()
		}
	}
	d.pos = len(d.data)
	return "", nil, errJSONEnd
}

func (d *decoder) escaped(start, i int) (string, []uint16, error) {
	buf := append(make([]byte, 0, 2*(i-start)+16), d.data[start:i]...)
	lone := false
	for i < len(d.data) {
		c := d.data[i]
		switch {
		case c == '"':
			d.pos = i + 1
			if lone {
				return "", wtf8(buf), nil
			}
			return string(buf), nil, nil
		case c < ' ':
			d.pos = i
			return "", nil, d.unexpected()
		case c != '\\':
			buf = append(buf, c)
			i++
			continue
		}
		r, n := escape(d.data[i:])
		if n == 0 {
			d.pos = min(i+1, len(d.data))
			return "", nil, d.unexpected()
		}
		if i += n; utf16.IsSurrogate(r) {
			lone = true
			buf = append(buf, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
		} else {
			buf = utf8.AppendRune(buf, r)
		}
	}
	d.pos = len(d.data)
	return "", nil, errJSONEnd
}

// escape decodes the escape sequence that s starts with, with both halves of a surrogate pair, and tells its length;
// 0 means that it is malformed.
func escape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, ok := hex4(s[2:])
		if !ok {
			return 0, 0
		}
		if utf16.IsSurrogate(r) && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if low, ok := hex4(s[8:]); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return pair, 12
				}
			}
		}
		return r, 6
	}
	return 0, 0
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(n), err == nil && s[0] != '+' && s[0] != '_'
}

// wtf8 decodes UTF-8 that may hold surrogates.
func wtf8(b []byte) []uint16 {
	units := make([]uint16, 0, len(b))
	for len(b) > 0 {
		if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n != 1 {
			units = utf16.AppendRune(units, r)
			b = b[n:]
			continue
		}
		if len(b) >= 3 && b[0] == 0xed && b[1] >= 0xa0 {
			units = append(units, uint16(b[0]&0x0f)<<12|uint16(b[1]&0x3f)<<6|uint16(b[2]&0x3f))
			b = b[3:]
			continue
		}
		units = append(units, utf8.RuneError)
		b = b[1:]
	}
	return units
}

// number reads a number by the grammar of RFC 8259, section 6, which is narrower than strconv's.
func (d *decoder) number() (goja.Value, error) {
	start, whole := d.pos, true
	if d.data[d.pos] == '-' {
		d.pos++
	}
	switch first := d.digits(); {
	case first == 0:
		return nil, d.unexpected()
	case first > 1 && d.data[d.pos-first] == '0':
		d.pos -= first - 1
		return nil, d.unexpected()
	}
	if d.pos < len(d.data) && d.data[d.pos] == '.' {
		whole = false
		if d.pos++; d.digits() == 0 {
			return nil, d.unexpected()
		}
	}
	if d.pos < len(d.data) && d.data[d.pos]|0x20 == 'e' {
		whole = false
		d.pos++
		if d.pos < len(d.data) && (d.data[d.pos] == '+' || d.data[d.pos] == '-') {
			d.pos++
		}
		if d.digits() == 0 {
			return nil, d.unexpected()
		}
	}
	text := d.data[start:d.pos]
	if whole && len(text) < 16 {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n != 0 || text[0] != '-') {
			return d.rt.ToValue(n), nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, err
	}
	return d.rt.ToValue(f), nil
}

func (d *decoder) digits() int {
	start := d.pos
	for d.pos < len(d.data) && '0' <= d.data[d.pos] && d.data[d.pos] <= '9' {
		d.pos++
	}
	return d.pos - start
}

package postern

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// A decoder reads an event in one pass and keeps what its caller has fields for. encoding/json goes over each byte
// several times, which is dear in a guest, and an event is decoded for each request. The host has checked that it is JSON.
// After the first error, everything is empty.
type decoder struct {
	b   []byte
	i   int
	err error
}

// decode has fields read a whole event, which must be an object.
func decode(event []byte, field func(d *decoder, key string)) error {
	d := &decoder{b: event}
	if d.peek() != '{' && d.err == nil {
		return errors.New("the event is not a JSON object")
	}
	d.object(field)
	if d.peek(); d.err == nil && d.i < len(d.b) {
		d.fail("the end")
	}
	if d.err != nil {
		return fmt.Errorf("the event: %w", d.err)
	}
	return nil
}

func (d *decoder) fail(want string) {
	if d.err == nil {
		d.err = fmt.Errorf("want %s at byte %d", want, d.i)
	}
	d.i = len(d.b)
}

// peek returns the next byte that is not white space, 0 at the end.
func (d *decoder) peek() byte {
	for d.i < len(d.b) {
		switch c := d.b[d.i]; c {
		case ' ', '\t', '\r', '\n':
			d.i++
		default:
			return c
		}
	}
	return 0
}

// expect takes the byte c.
func (d *decoder) expect(c byte) bool {
	if d.peek() != c {
		d.fail(strconv.QuoteRune(rune(c)))
		return false
	}
	d.i++
	return true
}

// list takes items between two brackets, or null.
func (d *decoder) list(open, end byte, item func()) {
	if d.null() || !d.expect(open) {
		return
	}
	if d.peek() == end {
		d.i++
		return
	}
	for d.err == nil {
		item()
		if d.peek() == end {
			d.i++
			return
		}
		d.expect(',')
	}
}

// object takes an object, or null. field must take the value.
func (d *decoder) object(field func(d *decoder, key string)) {
	d.list('{', '}', func() {
		key := d.text()
		d.expect(':')
		field(d, key)
	})
}

// null takes null, if it comes next.
func (d *decoder) null() bool { return d.peek() == 'n' && d.word("null") }

func (d *decoder) word(w string) bool {
	if len(d.b)-d.i < len(w) || string(d.b[d.i:d.i+len(w)]) != w {
		d.fail(w)
		return false
	}
	d.i += len(w)
	return true
}

// text takes a string; null is the empty one.
func (d *decoder) text() string {
	if d.null() || !d.expect('"') {
		return ""
	}
	b, start := d.b, d.i
	for i := start; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			d.i = i + 1
			return string(b[start:i])
		case c == '\\' || c < ' ' || c >= 0x80: // escapes, and what may be no UTF-8
			d.i = start
			return d.escaped()
		}
	}
	d.fail(`'"'`)
	return ""
}

func (d *decoder) escaped() (s string) {
	start := d.i - 1
	for ; d.i < len(d.b); d.i++ {
		switch d.b[d.i] {
		case '\\':
			d.i++
		case '"':
			d.i++
			if err := json.Unmarshal(d.b[start:d.i], &s); err != nil {
				d.fail("a string")
			}
			return s
		}
	}
	d.fail(`'"'`)
	return ""
}

func (d *decoder) texts() (list []string) {
	if d.peek() == '[' {
		list = []string{}
	}
	d.list('[', ']', func() { list = append(list, d.text()) })
	return list
}

func (d *decoder) textMap() (m map[string]string) {
	if d.peek() == '{' {
		m = map[string]string{}
	}
	d.object(func(d *decoder, key string) { m[key] = d.text() })
	return m
}

func (d *decoder) anyMap() (m map[string]any) {
	if d.peek() == '{' {
		m = map[string]any{}
	}
	d.object(func(d *decoder, key string) { m[key] = d.value() })
	return m
}

// value takes anything, as encoding/json represents it.
func (d *decoder) value() any {
	switch d.peek() {
	case '{':
		return d.anyMap()
	case '[':
		list := []any{}
		d.list('[', ']', func() { list = append(list, d.value()) })
		return list
	case '"':
		return d.text()
	case 't':
		return d.word("true")
	case 'f':
		d.word("false")
		return false
	case 'n':
		d.word("null")
		return nil
	}
	f, err := strconv.ParseFloat(d.number(), 64)
	if err != nil {
		d.fail("a value")
	}
	return f
}

// number takes the letters of a number.
func (d *decoder) number() string {
	d.peek()
	start := d.i
	for d.i < len(d.b) {
		c := d.b[d.i]
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		d.i++
	}
	return string(d.b[start:d.i])
}

// integer takes a whole number; null is 0.
func (d *decoder) integer() int64 {
	if d.null() {
		return 0
	}
	n, err := strconv.ParseInt(d.number(), 10, 64)
	if err != nil {
		d.fail("a whole number")
	}
	return n
}

// skip takes a value that nobody wants.
func (d *decoder) skip() {
	depth := 0
	for d.err == nil {
		switch d.peek() {
		case '{', '[':
			depth++
			d.i++
		case '}', ']':
			depth--
			d.i++
		case ',', ':':
			d.i++
			continue
		case '"':
			d.text()
		case 't', 'f', 'n':
			d.value()
		default:
			if d.number() == "" {
				d.fail("a value")
			}
		}
		if depth <= 0 {
			return
		}
	}
}

package tree

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// Limits bound what a document may cost. A field that is zero has its default.
type Limits struct {
	Depth  int // of lists and maps in each other; 512
	Bytes  int // of the text; 10 MiB, which is the most that API Gateway takes
	Values int // in the whole document, lists and maps included; 1,048,576
}

// maxNumber is the longest text of a number, in bytes: reading one takes more than linear time.
const maxNumber = 4096

func (l Limits) orDefaults() Limits {
	if l.Depth <= 0 {
		l.Depth = 512
	}
	if l.Bytes <= 0 {
		l.Bytes = 10 << 20
	}
	if l.Values <= 0 {
		l.Values = 1 << 20
	}
	return l
}

type limitError struct {
	what string
	most int
}

func (e limitError) Error() string { return fmt.Sprintf("more than %d %s", e.most, e.what) }

var (
	errDeep  = errors.New("it is too deep, or holds itself")
	errLarge = errors.New("it is too large")
)

// Decode reads one JSON value (RFC 8259). Of a key that is given twice the last value counts, in the place of the first; invalid UTF-8 and
// halves of surrogate pairs become U+FFFD. The error is a *host.Error that tells line and column: Invalid for what is no JSON, TooLarge
// where a limit was passed. Strings do not keep data alive.
func Decode(data []byte, limits Limits) (any, error) {
	limits = limits.orDefaults()
	if len(data) > limits.Bytes {
		return nil, &host.Error{Op: "read JSON", Kind: host.TooLarge, Err: limitError{"bytes", limits.Bytes}}
	}
	d := &decoder{data: data, limits: limits, values: limits.Values, depth: limits.Depth}
	v, err := d.value()
	if err == nil {
		if d.space(); d.at < len(data) {
			err = d.unexpected("after the value")
		}
	}
	if err != nil {
		return nil, d.locate(err)
	}
	return v, nil
}

type decoder struct {
	data   []byte
	at     int
	limits Limits
	values int // that may still come
	depth  int
	buffer []byte
	names  map[string]string // keys that came already: records have the same ones
}

func (d *decoder) locate(err error) error {
	kind := host.Invalid
	var passed limitError
	if errors.As(err, &passed) {
		kind = host.TooLarge
	}
	before := d.data[:min(d.at, len(d.data))]
	line := bytes.Count(before, []byte{'\n'}) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return &host.Error{Op: "read JSON", Kind: kind, Err: fmt.Errorf("line %d, column %d: %w", line, column, err)}
}

func (d *decoder) unexpected(where string) error {
	if d.at >= len(d.data) {
		return errors.New("the text ends " + where)
	}
	r, _ := utf8.DecodeRune(d.data[d.at:])
	return fmt.Errorf("unexpected %q %s", r, where)
}

func (d *decoder) space() {
	for d.at < len(d.data) {
		switch d.data[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// peek skips space and returns the next byte, or 0 at the end: NUL begins nothing.
func (d *decoder) peek() byte {
	d.space()
	if d.at < len(d.data) {
		return d.data[d.at]
	}
	return 0
}

func (d *decoder) value() (any, error) {
	if d.values--; d.values < 0 {
		return nil, limitError{"values", d.limits.Values}
	}
	switch c := d.peek(); {
	case c == '{':
		return d.nested((*decoder).object)
	case c == '[':
		return d.nested((*decoder).array)
	case c == '"':
		s, err := d.text()
		if err != nil {
			return nil, err
		}
		return string(s), nil
	case c == 't':
		return true, d.word("true")
	case c == 'f':
		return false, d.word("false")
	case c == 'n':
		return nil, d.word("null")
	case c == '-' || '0' <= c && c <= '9':
		return d.number()
	}
	return nil, d.unexpected("where a value should be")
}

func (d *decoder) word(word string) error {
	for i := range len(word) {
		if d.at >= len(d.data) || d.data[d.at] != word[i] {
			return d.unexpected("in " + word)
		}
		d.at++
	}
	return nil
}

func (d *decoder) nested(read func(*decoder) (any, error)) (any, error) {
	if d.depth--; d.depth < 0 {
		return nil, limitError{"levels", d.limits.Depth}
	}
	d.at++
	v, err := read(d)
	d.depth++
	return v, err
}

func (d *decoder) array() (any, error) {
	list := &List{}
	if d.peek() == ']' {
		d.at++
		return list, nil
	}
	for {
		item, err := d.value()
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, item)
		switch d.peek() {
		case ',':
			d.at++
		case ']':
			d.at++
			return list, nil
		default:
			return nil, d.unexpected("in an array")
		}
	}
}

func (d *decoder) object() (any, error) {
	m := &Map{}
	if d.peek() == '}' {
		d.at++
		return m, nil
	}
	for {
		if d.peek() != '"' {
			return nil, d.unexpected("where a key should be")
		}
		text, err := d.text()
		if err != nil {
			return nil, err
		}
		key := d.name(text)
		if d.peek() != ':' {
			return nil, d.unexpected("after a key")
		}
		d.at++
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		m.Put(key, value)
		switch d.peek() {
		case ',':
			d.at++
		case '}':
			d.at++
			return m, nil
		default:
			return nil, d.unexpected("in an object")
		}
	}
}

// name returns a key as a string, the same one for the same key.
func (d *decoder) name(text []byte) string {
	if name, ok := d.names[string(text)]; ok {
		return name
	}
	name := string(text)
	if d.names == nil {
		d.names = map[string]string{}
	}
	d.names[name] = name
	return name
}

func (d *decoder) number() (any, error) {
	start, integer := d.at, true
	if d.data[d.at] == '-' {
		d.at++
	}
	if d.at < len(d.data) && d.data[d.at] == '0' {
		d.at++
	} else if err := d.digits(); err != nil {
		return nil, err
	}
	if d.at < len(d.data) && d.data[d.at] == '.' {
		d.at++
		integer = false
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	if d.at < len(d.data) && d.data[d.at]|0x20 == 'e' {
		d.at++
		integer = false
		if d.at < len(d.data) && (d.data[d.at] == '+' || d.data[d.at] == '-') {
			d.at++
		}
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	if d.at-start > maxNumber {
		return nil, limitError{"characters in a number", maxNumber}
	}
	return number(string(d.data[start:d.at]), integer), nil
}

func (d *decoder) digits() error {
	start := d.at
	for d.at < len(d.data) && '0' <= d.data[d.at] && d.data[d.at] <= '9' {
		d.at++
	}
	if d.at == start {
		return d.unexpected("in a number")
	}
	return nil
}

// number gives the text of a JSON number its class.
func number(text string, integer bool) any {
	if integer && text != "-0" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			if int64(int32(n)) == n {
				return int32(n)
			}
			return n
		}
		n, _ := new(big.Int).SetString(text, 10)
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	var room [32]byte
	if err == nil && string(appendFloat(room[:0], f)) == text {
		return f
	}
	return Decimal(text)
}

package quickjs

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"

	"github.com/postern/postern/host/js/web"
)

// What crosses the border to the guest and back: a tag, then what belongs to it, lengths as four bytes, all little-endian.
const (
	tagUndefined = iota // nil in Go
	tagNull             // null{}
	tagFalse
	tagTrue
	tagNumber // float64; other numbers are written as one
	tagText   // string: UTF-8, where the guest writes lone surrogates as if they were characters
	tagUTF16  // utf16
	tagBytes  // []byte: a Uint8Array, and from the guest whatever holds bytes
	tagBuffer // buffer: an ArrayBuffer
	tagList   // []any
	tagHandle // handle
	tagError  // a name and a message
)

type (
	null   struct{}
	utf16  []uint16
	buffer []byte
	handle int32 // stands for something of the host's
)

var errValue = errors.New("the guest wrote no value")

// decode reads the values of b. Bytes are a view on b.
func decode(b []byte) ([]any, error) {
	var list []any
	for len(b) > 0 {
		v, rest, err := decodeOne(b, 0)
		if err != nil {
			return nil, err
		}
		list, b = append(list, v), rest
	}
	return list, nil
}

const maxDepth = 20 // of lists in lists

func decodeOne(b []byte, depth int) (any, []byte, error) {
	if len(b) == 0 || depth > maxDepth {
		return nil, nil, errValue
	}
	tag, b := b[0], b[1:]
	switch tag {
	case tagUndefined:
		return nil, b, nil
	case tagNull:
		return null{}, b, nil
	case tagFalse, tagTrue:
		return tag == tagTrue, b, nil
	case tagNumber:
		if len(b) < 8 {
			return nil, nil, errValue
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:], nil
	}
	if len(b) < 4 {
		return nil, nil, errValue
	}
	n := int(binary.LittleEndian.Uint32(b))
	b = b[4:]
	switch tag {
	case tagHandle:
		return handle(n), b, nil
	case tagList:
		return decodeList(b, n, depth)
	case tagText, tagBytes:
		if n > len(b) {
			return nil, nil, errValue
		}
		if tag == tagText {
			return text(b[:n]), b[n:], nil
		}
		return b[:n:n], b[n:], nil
	}
	return nil, nil, errValue
}

func decodeList(b []byte, n, depth int) (any, []byte, error) {
	if n > len(b) { // each has a byte at least
		return nil, nil, errValue
	}
	list := make([]any, n)
	for i := range list {
		var err error
		if list[i], b, err = decodeOne(b, depth+1); err != nil {
			return nil, nil, err
		}
	}
	return list, b, nil
}

// text is a USVString (webidl.spec.whatwg.org): lone surrogates become U+FFFD.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= 3 && b[0] == 0xed { // a surrogate
			n = 3
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return string(out)
}

func appendLength(b []byte, tag byte, n int) []byte {
	return binary.LittleEndian.AppendUint32(append(b, tag), uint32(n))
}

func appendNumber(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, tagNumber), math.Float64bits(f))
}

// encode appends a value.
func encode(b []byte, v any) []byte {
	switch x := v.(type) {
	case null:
		return append(b, tagNull)
	case bool:
		if x {
			return append(b, tagTrue)
		}
		return append(b, tagFalse)
	case float64:
		return appendNumber(b, x)
	case int:
		return appendNumber(b, float64(x))
	case int64:
		return appendNumber(b, float64(x))
	case string:
		return append(appendLength(b, tagText, len(x)), x...)
	case utf16:
		b = appendLength(b, tagUTF16, 2*len(x))
		for _, unit := range x {
			b = binary.LittleEndian.AppendUint16(b, unit)
		}
		return b
	case []byte:
		return append(appendLength(b, tagBytes, len(x)), x...)
	case buffer:
		return append(appendLength(b, tagBuffer, len(x)), x...)
	case handle:
		return appendLength(b, tagHandle, int(x))
	case []string:
		b = appendLength(b, tagList, len(x))
		for _, s := range x {
			b = encode(b, s)
		}
		return b
	case []any:
		b = appendLength(b, tagList, len(x))
		for _, item := range x {
			b = encode(b, item)
		}
		return b
	case *web.Exception:
		return encode(encode(append(b, tagError), x.Name), x.Message)
	}
	return append(b, tagUndefined)
}

package tree

import (
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// Append writes a value that Decode returned, or that was built of such, as compact JSON. It never ends for a value that holds itself: use
// Encode for those that a template may have changed. What is no value of this package is written as null, and so are infinities and NaN.
func Append(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return AppendString(dst, v)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendFloat(dst, v)
	case *big.Int:
		if v == nil {
			break
		}
		return v.Append(dst, 10)
	case Decimal:
		return append(dst, v...)
	case *List:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = Append(dst, item)
		}
		return append(dst, ']')
	case *Map:
		dst = append(dst, '{')
		first := true
		for key, value := range v.All() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(AppendString(dst, key), ':')
			dst = Append(dst, value)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// Encode is Append for values of which it is not known that they end. The error is a *host.Error, TooLarge where a limit was passed.
func Encode(v any, limits Limits) ([]byte, error) {
	limits = limits.orDefaults()
	size, values := limits.Bytes, limits.Values
	if err := measure(v, limits.Depth, &size, &values); err != nil {
		return nil, &host.Error{Op: "write JSON", Kind: host.TooLarge, Err: err}
	}
	dst := Append(nil, v)
	if len(dst) > limits.Bytes {
		return nil, &host.Error{Op: "write JSON", Kind: host.TooLarge, Err: limitError{"bytes", limits.Bytes}}
	}
	return dst, nil
}

// measure takes from size at least nothing more than what Append will write, so that it can stop before memory is spent.
func measure(v any, depth int, size, values *int) error {
	*values--
	*size--
	switch v := v.(type) {
	case string:
		*size -= len(v)
	case Decimal:
		*size -= len(v) - 1
	case *big.Int:
		*size -= v.BitLen() / 4
	case *List:
		if depth--; depth < 0 {
			return errDeep
		}
		for _, item := range v.Items {
			if err := measure(item, depth, size, values); err != nil {
				return err
			}
		}
	case *Map:
		if depth--; depth < 0 {
			return errDeep
		}
		for key, value := range v.All() {
			*size -= len(key) + 3
			if err := measure(value, depth, size, values); err != nil {
				return err
			}
		}
	}
	if *size < 0 || *values < 0 {
		return errLarge
	}
	return nil
}

// appendFloat writes the shortest text that is read as the same float64, with a fraction always, so that it stays a float.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return append(dst, "null"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, '.', '0')
}

const hex = "0123456789abcdef"

// AppendString writes a string as JSON, in quotes. Only what JSON requires is escaped; invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

package vtl

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/postern/postern/host/mapping/tree"
)

// An Escaper is $util (reference 1.5). Its limits are those for what parseJson reads.
type Escaper struct{ JSON tree.Limits }

var _ Object = Escaper{}

// Get has nothing: $util has methods alone.
func (Escaper) Get(string) (any, bool) { return nil, false }

// Call has escapeJavaScript, parseJson, urlEncode, urlDecode, base64Encode and base64Decode, of one argument each. Of null they make null,
// and of other values they take the text.
func (e Escaper) Call(_ context.Context, name string, args []any) (any, bool, error) {
	if len(args) != 1 {
		return nil, false, nil
	}
	var method func(string) (any, error)
	switch name {
	case "escapeJavaScript":
		method = func(s string) (any, error) { return EscapeJavaScript(s), nil }
	case "parseJson":
		method = func(s string) (any, error) { return tree.Decode([]byte(s), e.JSON) }
	case "urlEncode":
		method = func(s string) (any, error) { return urlEncode(s), nil }
	case "urlDecode":
		method = func(s string) (any, error) { return urlDecode(s) }
	case "base64Encode":
		method = func(s string) (any, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }
	case "base64Decode":
		method = base64Decode
	default:
		return nil, false, nil
	}
	if args[0] == nil {
		return nil, true, nil
	}
	s, err := Text(args[0])
	if err != nil {
		return nil, true, err
	}
	v, err := method(s)
	return v, true, err
}

// EscapeJavaScript is StringEscapeUtils.escapeJavaScript of Apache Commons Lang 2: both quotes, the slash and the backslash get a backslash, and
// what is no printable ASCII becomes \uXXXX.
func EscapeJavaScript(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for _, c := range s {
		switch {
		case c == '\'', c == '"', c == '\\', c == '/':
			b.WriteByte('\\')
			b.WriteByte(byte(c))
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\f':
			b.WriteString(`\f`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c > '~' && c != 0x7f:
			for _, u := range utf16.AppendRune(nil, c) {
				fmt.Fprintf(&b, `\u%04X`, u)
			}
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// isPlain reports whether a text stays as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > 0x7f, c == '\'', c == '"', c == '\\', c == '/':
			return false
		}
	}
	return true
}

// urlEncode is URLEncoder.encode in UTF-8.
func urlEncode(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch c := s[i]; {
		case isLetter(c), isDigit(c), c == '.', c == '-', c == '*', c == '_':
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// urlDecode is URLDecoder.decode in UTF-8: a % without two digits is an error.
func urlDecode(s string) (any, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+3 > len(s) {
				return nil, errors.New("an incomplete % escape")
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return nil, fmt.Errorf("%s is no %% escape", quoted(s[i:i+3]))
			}
			b = append(b, byte(n))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return validUTF8(b), nil
}

// base64Decode skips what is not of the alphabet, takes the URL-safe one too, and stops at the padding, as Apache Commons Codec does.
func base64Decode(s string) (any, error) {
	s, _, _ = strings.Cut(s, "=")
	clean := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == '-':
			clean = append(clean, '+')
		case c == '_':
			clean = append(clean, '/')
		case isLetter(c), isDigit(c), c == '+', c == '/':
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	b := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, err := base64.RawStdEncoding.Decode(b, clean)
	if err != nil {
		return nil, err
	}
	return validUTF8(b[:n]), nil
}

// validUTF8 has U+FFFD for each byte that is part of no character.
func validUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}

package host

import (
	"iter"
	"strings"
)

// Unescape undoes percent-encoding once (RFC 3986, section 2.1). What is not a whole escape stays as it is.
func Unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	return string(AppendUnescaped(make([]byte, 0, len(s)), s))
}

// AppendUnescaped appends what Unescape returns.
func AppendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if IsEscape(s, i) {
			dst = append(dst, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}

// IsEscape reports whether a whole percent-escape starts at s[i].
func IsEscape(s string, i int) bool {
	return s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16
}

// unhex returns the value of a hexadecimal digit, and 16 for what is none.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// QueryParams yields the parameters of a query in order, decoded as forms are: a plus is a space (reference: API
// Gateway, recorded).
func QueryParams(query string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for query != "" {
			var part string
			if part, query, _ = strings.Cut(query, "&"); part == "" {
				continue
			}
			name, value, _ := strings.Cut(part, "=")
			if !yield(unescapeForm(name), unescapeForm(value)) {
				return
			}
		}
	}
}

func unescapeForm(s string) string {
	if strings.IndexByte(s, '+') >= 0 {
		s = strings.ReplaceAll(s, "+", " ")
	}
	return Unescape(s)
}

// IsToken reports whether s is a token (RFC 9110, section 5.6.2), as methods and names of fields are.
func IsToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if ('a' > c|0x20 || c|0x20 > 'z') && ('0' > c || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// IsFieldValue reports whether s can stand in one field line: no control character but tab (RFC 9110, section 5.5).
func IsFieldValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// IsConnectionField reports whether a field frames a message or concerns one connection alone (RFC 9110, section 7.6.1):
// the gateway sets those, never a plugin.
func IsConnectionField(name string) bool {
	switch len(name) { // most names are ruled out by their length
	case 2, 7, 10, 14, 16, 17:
	default:
		return false
	}
	for _, f := range [...]string{"te", "trailer", "upgrade", "connection", "keep-alive", "content-length", "proxy-connection", "transfer-encoding"} {
		if equalFold(f, name) {
			return true
		}
	}
	return false
}

package mapping

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// parameters yields the parameters of a query in order, decoded as forms are (reference 1.3, "Query").
func parameters(query string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for part := range strings.SplitSeq(query, "&") {
			if part == "" {
				continue
			}
			name, value, _ := strings.Cut(part, "=")
			if !yield(decode(name, true), decode(value, true)) {
				return
			}
		}
	}
}

// decode undoes percent-encoding once; what is not a whole escape stays as it is. In forms a plus is a space.
func decode(s string, form bool) string {
	if strings.IndexByte(s, '%') < 0 && (!form || strings.IndexByte(s, '+') < 0) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+' && form:
			b = append(b, ' ')
		case escape(s, i):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// escape reports whether a whole percent-escape starts at i.
func escape(s string, i int) bool {
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

func alphanumeric(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

// The characters beside letters and digits that stand for themselves (RFC 3986, sections 2.3, 3.3 and 3.4).
const (
	unreserved = "-._~"
	inSegment  = unreserved + "!$&'()*+,;=:@"
	inPath     = inSegment + "/"
	// What clients send in queries although it should be encoded is let be, but for what could end the query or the line.
	inQuery = inPath + "?[]{}|^`\"<>\\"
)

// appendEscaped appends s with whole escapes as they are and everything encoded that is neither a letter, a digit nor in safe.
func appendEscaped(b []byte, s, safe string) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		if c := s[i]; alphanumeric(c) || strings.IndexByte(safe, c) >= 0 || escape(s, i) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2), as names of fields are.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !alphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// checkField holds a guest's override to one field line that does not frame the message (RFC 9110, sections 5.5 and 7.6.1;
// reference 1.4.4, "Targets that are illegal").
func checkField(name, value string) error {
	if !isToken(name) {
		return fmt.Errorf("%q is no name of a header", name)
	}
	if connectionField(name) {
		return fmt.Errorf("the header %s cannot be overridden", name)
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return errors.New("the value of the header " + name + " has a control character")
		}
	}
	return nil
}

// connectionField reports whether a field frames a message or concerns the connection alone.
func connectionField(name string) bool {
	for _, f := range [...]string{"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"} {
		if strings.EqualFold(f, name) {
			return true
		}
	}
	return false
}

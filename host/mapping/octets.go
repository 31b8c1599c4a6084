package mapping

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

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
		if c := s[i]; alphanumeric(c) || strings.IndexByte(safe, c) >= 0 || host.IsEscape(s, i) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// EscapePath returns a path in which everything is encoded that no path can have. Whole escapes stay as they are.
func EscapePath(path string) string { return string(appendEscaped(nil, path, inPath)) }

// checkField holds a guest's override to one field line that does not frame the message (RFC 9110, sections 5.5 and 7.6.1;
// reference 1.4.4, "Targets that are illegal").
func checkField(name, value string) error {
	if !host.IsToken(name) {
		return fmt.Errorf("%q is no name of a header", name)
	}
	if host.IsConnectionField(name) {
		return fmt.Errorf("the header %s cannot be overridden", name)
	}
	if !host.IsFieldValue(value) {
		return errors.New("the value of the header " + name + " has a control character")
	}
	return nil
}

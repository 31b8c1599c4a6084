package vtl

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ranges are the classes that Java has for ASCII alone, as the inside of a set, and the same for all but them.
var ranges = map[string][2]string{
	"d":      {`0-9`, `\x00-/:-\uffff`},
	"w":      {`a-zA-Z_0-9`, "\\x00-/:-@\\[-\\^`{-\\uffff"},
	"s":      {` \t\n\x0b\f\r`, `\x00-\x08\x0e-\x1f!-\uffff`},
	"h":      {` \t\u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000`, ``},
	"v":      {`\n\x0b\f\r\u0085\u2028\u2029`, ``},
	"Lower":  {`a-z`, "\\x00-`{-\\uffff"},
	"Upper":  {`A-Z`, `\x00-@\[-\uffff`},
	"Alpha":  {`a-zA-Z`, "\\x00-@\\[-`{-\\uffff"},
	"Digit":  {`0-9`, `\x00-/:-\uffff`},
	"Alnum":  {`a-zA-Z0-9`, "\\x00-/:-@\\[-`{-\\uffff"},
	"Punct":  {"!-/:-@\\[-`{-~", `\x00- 0-9A-Za-z\x7f-\uffff`},
	"Space":  {` \t\n\x0b\f\r`, `\x00-\x08\x0e-\x1f!-\uffff`},
	"ASCII":  {`\x00-\x7f`, `\x80-\uffff`},
	"XDigit": {`0-9a-fA-F`, "\\x00-/:-@G-`g-\\uffff"},
	"Blank":  {` \t`, `\x00-\x08\x0a-\x1f!-\uffff`},
	"Cntrl":  {`\x00-\x1f\x7f`, ` -~\x80-\uffff`},
	"Graph":  {`!-~`, `\x00- \x7f-\uffff`},
	"Print":  {` -~`, `\x00-\x1f\x7f-\uffff`},
}

// escape translates what begins with a backslash.
func (t *translator) escape(inSet bool) error {
	if t.at+1 >= len(t.in) {
		return errors.New("it ends in a backslash")
	}
	c := t.in[t.at+1]
	switch {
	case !isLetter(c) && !isDigit(c):
		t.copy(2)
		return nil
	case c == 'd' || c == 'w' || c == 's' || c == 'h' || c == 'v':
		t.at += 2
		return t.class(string(c), false, inSet)
	case c == 'D' || c == 'W' || c == 'S':
		t.at += 2
		return t.class(strings.ToLower(string(c)), true, inSet)
	case c == 'p' || c == 'P':
		return t.property(c == 'P', inSet)
	case c == 'Q':
		return t.quotation()
	case c == 'x' || c == 'u':
		return t.hexadecimal(c)
	case strings.IndexByte("tnrfae", c) >= 0:
		t.copy(2)
		return nil
	case c == 'c' && t.at+2 < len(t.in) && isLetter(t.in[t.at+2]):
		t.copy(3)
		return nil
	case c == '0':
		return errors.New(`octal escapes are not supported`)
	case inSet:
		return fmt.Errorf(`\%c in a set is not supported`, c)
	case c == 'Z':
		t.out = append(t.out, lastLineEnd...)
		t.at += 2
		return nil
	case c == 'R':
		t.out = append(t.out, `(?:\r\n|[\n\x0b\f\r\u0085\u2028\u2029])`...)
		t.at += 2
		return nil
	case c == 'k', strings.IndexByte("bBAzG", c) >= 0, isDigit(c):
		t.copy(2)
		return nil
	}
	return fmt.Errorf(`\%c is not supported`, c)
}

func (t *translator) class(name string, not, inSet bool) error {
	r, ok := ranges[name]
	switch {
	case !ok:
		return fmt.Errorf(`\p{%s} is not supported`, name)
	case inSet && not && r[1] == "":
		return fmt.Errorf(`\%s is not supported`, name)
	case inSet && not:
		t.out = append(t.out, r[1]...)
	case inSet:
		t.out = append(t.out, r[0]...)
	case not:
		t.out = append(t.out, "[^"+r[0]+"]"...)
	default:
		t.out = append(t.out, "["+r[0]+"]"...)
	}
	return nil
}

// property translates \p{Name}: the POSIX names are ASCII, the general categories those of Unicode.
func (t *translator) property(not, inSet bool) error {
	rest := t.in[t.at+2:]
	name := rest[:min(1, len(rest))]
	size := len(name)
	if strings.HasPrefix(rest, "{") {
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return errors.New("a property's name is not closed")
		}
		name, size = rest[1:end], end+1
	}
	t.at += 2 + size
	if _, ok := ranges[name]; ok && len(name) > 1 {
		return t.class(name, not, inSet)
	}
	if n := len(name); n < 1 || n > 2 || !isLetter(name[0]) {
		return fmt.Errorf(`\p{%s} is not supported`, name)
	}
	letter := "p"
	if not {
		letter = "P"
	}
	t.out = append(t.out, `\`+letter+"{"+name+"}"...)
	return nil
}

// quotation is \Q...\E. A quantifier after it repeats its last character.
func (t *translator) quotation() error {
	text, _, _ := strings.Cut(t.in[t.at+2:], `\E`)
	t.at = min(len(t.in), t.at+2+len(text)+2)
	for _, c := range text {
		t.atom = len(t.out)
		if c < 0x80 && !isLetter(byte(c)) && !isDigit(byte(c)) && c > ' ' {
			t.out = append(t.out, '\\')
		}
		t.out = utf8.AppendRune(t.out, c)
	}
	return nil
}

func (t *translator) hexadecimal(c byte) error {
	n := 2
	if c == 'u' {
		n = 4
	}
	if t.at+2+n > len(t.in) {
		return fmt.Errorf(`\%c needs %d digits`, c, n)
	}
	for _, d := range []byte(t.in[t.at+2 : t.at+2+n]) {
		if !isDigit(d) && (d|0x20 < 'a' || d|0x20 > 'f') {
			return fmt.Errorf(`\%c needs %d digits`, c, n)
		}
	}
	t.copy(2 + n)
	return nil
}

package jsonpath

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/postern/postern/host/mapping/tree"
)

// unescape resolves the backslashes of a string or name; false for a wrong \u.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	var b strings.Builder
	var high rune // the first half of a pair that the next \u may complete
	flush := func() {
		if high != 0 {
			b.WriteRune(utf8.RuneError)
			high = 0
		}
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			if s[i] != '\\' {
				flush()
				b.WriteByte(s[i])
			}
			continue
		}
		i++
		if s[i] != 'u' {
			flush()
			if at := strings.IndexByte("rftnb", s[i]); at >= 0 {
				b.WriteByte("\r\f\t\n\b"[at])
			} else {
				b.WriteByte(s[i])
			}
			continue
		}
		if i+4 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
		if err != nil {
			return "", false
		}
		i += 4
		switch r := rune(n); {
		case high != 0 && utf16.DecodeRune(high, r) != utf8.RuneError:
			b.WriteRune(utf16.DecodeRune(high, r))
			high = 0
		case utf16.IsSurrogate(r):
			flush()
			high = r
		default:
			flush()
			b.WriteRune(r)
		}
	}
	flush()
	return b.String(), true
}

var errLiteral = errors.New("the JSON literal is wrong")

// literal reads JSON as the library does in a path: strings may stand in single quotes or, without those, in none.
func literal(text string) (any, error) {
	if v, err := tree.Decode([]byte(text), tree.Limits{Depth: maxNesting}); err == nil {
		return v, nil
	}
	l := &lenient{text: text}
	v, err := l.value(0)
	if err == nil {
		if l.space(); l.at < len(l.text) {
			err = errLiteral
		}
	}
	return v, err
}

type lenient struct {
	text string
	at   int
}

func (l *lenient) space() {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
}

func (l *lenient) peek() byte {
	if l.space(); l.at < len(l.text) {
		return l.text[l.at]
	}
	return 0
}

func (l *lenient) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, errLiteral
	}
	switch l.peek() {
	case '[':
		list := &tree.List{}
		err := l.items(']', func() error {
			v, err := l.value(depth + 1)
			list.Items = append(list.Items, v)
			return err
		})
		return list, err
	case '{':
		m := &tree.Map{}
		err := l.items('}', func() error {
			key, err := l.scalar(":")
			if err != nil || l.peek() != ':' {
				return errLiteral
			}
			l.at++
			v, err := l.value(depth + 1)
			name, ok := key.(string)
			if !ok {
				name = string(tree.Append(nil, key))
			}
			m.Put(name, v)
			return err
		})
		return m, err
	}
	return l.scalar("")
}

func (l *lenient) items(close byte, one func() error) error {
	for l.at++; l.peek() != close; {
		if err := one(); err != nil {
			return err
		}
		switch l.peek() {
		case ',':
			l.at++
		case close:
		default:
			return errLiteral
		}
	}
	l.at++
	return nil
}

func (l *lenient) scalar(ends string) (any, error) {
	if c := l.peek(); c == '\'' || c == '"' {
		end, ok := unescaped(l.text, l.at+1, c)
		if !ok {
			return nil, errLiteral
		}
		text, ok := unescape(l.text[l.at+1 : end])
		if !ok {
			return nil, errLiteral
		}
		l.at = end + 1
		return text, nil
	}
	start := l.at
	for l.at < len(l.text) && strings.IndexByte(",]}"+ends, l.text[l.at]) < 0 {
		l.at++
	}
	text := strings.TrimRight(l.text[start:l.at], " \t\r\n")
	if text == "" {
		return nil, errLiteral
	}
	if v, err := tree.Decode([]byte(text), tree.Limits{}); err == nil {
		return v, nil
	}
	return text, nil
}

package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A dictionary is one of structured fields (RFC 9651, section 3.2), or parameters. It has no key twice: of a signature, nothing is to be
// overridden.
type dictionary []member

// A member has a value: a list, string, token, []byte, int64 or bool.
type member struct {
	key   string
	value any
}

// A list is an inner list with its parameters.
type list struct {
	items  []item
	params dictionary
}

type item struct {
	value  any
	params dictionary
}

type token string

func (d dictionary) has(key string) bool { return d.get(key) != nil }

// get returns a value, or nil.
func (d dictionary) get(key string) any {
	for _, m := range d {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// parseDictionary reads a field. Decimals, dates and display strings, which signatures have none of, are errors.
func parseDictionary(text string) (dictionary, error) {
	p := &parser{text: strings.Trim(text, " ")}
	var d dictionary
	for p.text != "" && p.err == nil {
		key := p.key()
		var value any = true
		if p.take('=') {
			value = p.member()
		} else {
			p.params()
		}
		if d.has(key) {
			p.fail("%q is there twice", key)
		}
		d = append(d, member{key, value})
		p.trim(" \t")
		if p.text == "" || p.err != nil {
			break
		}
		if !p.take(',') {
			p.fail("a comma is missing")
		}
		if p.trim(" \t"); p.text == "" {
			p.fail("there is nothing behind the last comma")
		}
	}
	return d, p.err
}

// A parser takes from the beginning of a text. After an error nothing counts.
type parser struct {
	text string
	err  error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.text = ""
}

func (p *parser) trim(what string) { p.text = strings.TrimLeft(p.text, what) }

func (p *parser) peek() byte {
	if p.text == "" {
		return 0
	}
	return p.text[0]
}

func (p *parser) take(c byte) bool {
	if p.peek() != c || p.text == "" {
		return false
	}
	p.text = p.text[1:]
	return true
}

// span takes the longest beginning of which every byte is in.
func (p *parser) span(in func(c byte) bool) string {
	n := 0
	for n < len(p.text) && in(p.text[n]) {
		n++
	}
	taken := p.text[:n]
	p.text = p.text[n:]
	return taken
}

func lower(c byte) bool { return c >= 'a' && c <= 'z' }
func digit(c byte) bool { return c >= '0' && c <= '9' }

func (p *parser) key() string {
	if c := p.peek(); !lower(c) && c != '*' {
		p.fail("a key is missing")
	}
	return p.span(func(c byte) bool { return lower(c) || digit(c) || strings.IndexByte("_-.*", c) >= 0 })
}

func (p *parser) member() any {
	if p.peek() == '(' {
		return p.list()
	}
	value := p.bare()
	p.params()
	return value
}

func (p *parser) list() list {
	var l list
	p.take('(')
	for {
		p.trim(" ")
		if p.take(')') {
			l.params = p.params()
			return l
		}
		one := item{value: p.bare()}
		one.params = p.params()
		l.items = append(l.items, one)
		if c := p.peek(); p.err == nil && c != ' ' && c != ')' {
			p.fail("an inner list has no end")
		}
		if p.err != nil {
			return l
		}
	}
}

func (p *parser) params() dictionary {
	var d dictionary
	for p.take(';') {
		p.trim(" ")
		key := p.key()
		var value any = true
		if p.take('=') {
			value = p.bare()
		}
		if d.has(key) {
			p.fail("the parameter %q is there twice", key)
		}
		d = append(d, member{key, value})
	}
	return d
}

func (p *parser) bare() any {
	switch c := p.peek(); {
	case c == '"':
		return p.string()
	case c == ':':
		return p.bytes()
	case c == '-' || digit(c):
		return p.integer()
	case c == '?':
		return p.boolean()
	case lower(c|0x20) || c == '*':
		return token(p.span(func(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte(`"(),;<=>?@[\]{}`, c) < 0 }))
	}
	p.fail("a value is missing, or of a kind that no signature has")
	return nil
}

func (p *parser) string() string {
	var b strings.Builder
	p.take('"')
	for p.text != "" {
		c := p.text[0]
		p.text = p.text[1:]
		switch {
		case c == '"':
			return b.String()
		case c == '\\':
			if c = p.peek(); c != '"' && c != '\\' {
				p.fail("a string has a wrong escape")
				return ""
			}
			p.text = p.text[1:]
		case c < ' ' || c > '~':
			p.fail("a string has a character that it cannot have")
			return ""
		}
		b.WriteByte(c)
	}
	p.fail("a string has no end")
	return ""
}

func (p *parser) bytes() []byte {
	p.take(':')
	encoded, rest, ok := strings.Cut(p.text, ":")
	data, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || strings.ContainsAny(encoded, "\r\n") {
		p.fail("a byte sequence is not base64 between colons")
		return nil
	}
	p.text = rest
	return data
}

// integer takes at most 15 digits (RFC 9651, section 3.3.1).
func (p *parser) integer() int64 {
	sign := ""
	if p.take('-') {
		sign = "-"
	}
	digits := p.span(digit)
	n, err := strconv.ParseInt(sign+digits, 10, 64)
	if err != nil || len(digits) > 15 || p.peek() == '.' {
		p.fail("a number is no integer")
	}
	return n
}

func (p *parser) boolean() bool {
	p.take('?')
	yes := p.take('1')
	if !yes && !p.take('0') {
		p.fail("a boolean is neither ?0 nor ?1")
	}
	return yes
}

// serialize writes an inner list as the standard has it (RFC 9651, section 4.1.1.1), however it was written.
func (l list) serialize() string {
	items := make([]string, len(l.items))
	for i, one := range l.items {
		items[i] = serializeBare(one.value) + one.params.serialize()
	}
	return "(" + strings.Join(items, " ") + ")" + l.params.serialize()
}

func (d dictionary) serialize() string {
	var b strings.Builder
	for _, m := range d {
		b.WriteString(";" + m.key)
		if m.value != true {
			b.WriteString("=" + serializeBare(m.value))
		}
	}
	return b.String()
}

func serializeBare(value any) string {
	switch v := value.(type) {
	case string:
		return serializeString(v)
	case token:
		return string(v)
	case []byte:
		return ":" + base64.StdEncoding.EncodeToString(v) + ":"
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		if v {
			return "?1"
		}
		return "?0"
	}
	panic(errors.New("a value that the parser does not make"))
}

func serializeString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

package jsonpath

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

const (
	maxPath    = 16 << 10 // bytes
	maxNesting = 32       // of paths in filters and functions, and of parentheses
)

// Compile reads a path. One that begins with neither $ nor @ is taken as if "$." stood before it. The error is a *host.Error of kind
// Invalid that names the character, counted from one, at which the path is wrong.
func Compile(path string) (*Path, error) {
	p, err := compile(path, 0, 0)
	if err == nil {
		return p, nil
	}
	var at syntaxError
	if errors.As(err, &at) {
		err = fmt.Errorf("character %d: %s", len([]rune(path[:min(max(at.at, 0), len(path))]))+1, at.what)
	}
	return nil, &host.Error{Op: fmt.Sprintf("compile JSONPath %.200q", path), Kind: host.Invalid, Err: err}
}

// A syntaxError is at a byte of the path that Compile was given.
type syntaxError struct {
	at   int
	what string
}

func (e syntaxError) Error() string { return e.what }

// A parser reads a path, or the text of a filter, which begins at offset in the path that Compile was given.
type parser struct {
	text   string
	at     int
	offset int
	depth  int
	steps  []step
}

func (p *parser) fail(at int, format string, args ...any) error {
	return syntaxError{p.offset + at, fmt.Sprintf(format, args...)}
}

func compile(text string, offset, depth int) (*Path, error) {
	if len(text) > maxPath {
		return nil, syntaxError{offset, fmt.Sprintf("the path is longer than %d bytes", maxPath)}
	}
	if depth > maxNesting {
		return nil, syntaxError{offset, fmt.Sprintf("more than %d levels of paths in paths", maxNesting)}
	}
	offset += len(text) - len(strings.TrimLeft(text, " "))
	text = strings.Trim(text, " ")
	if text == "" {
		return nil, syntaxError{offset, "the path is empty"}
	}
	if text[0] != '$' && text[0] != '@' {
		text, offset = "$."+text, offset-2
	}
	p := &parser{text: text, offset: offset, depth: depth}
	if text[len(text)-1] == '.' {
		return nil, p.fail(len(text)-1, "a path may not end with a dot")
	}
	p.at = 1
	if len(text) > 1 {
		if c := text[1]; c != '.' && c != '[' {
			return nil, p.fail(1, "%q where a dot or [ should be", c)
		}
		for more := true; more; {
			if err := p.step(); err != nil {
				return nil, err
			}
			// The library takes the last character for the end whatever it is, and so for part of what stands before it.
			more = p.at < len(text)-1
		}
	}
	if n := len(p.steps); n > 0 && p.steps[n-1].kind == stepScan {
		return nil, p.fail(len(text), "a path may not end with ..")
	}
	return p.finish()
}

// finish turns $..a.f() into $.f($..a): a function at the end of a path that scans takes all that was found.
func (p *parser) finish() (*Path, error) {
	root := p.text[0] == '$'
	n := len(p.steps)
	if n < 2 || p.steps[0].kind != stepScan || p.steps[n-1].kind != stepFunction {
		return newPath(p.text, root, p.steps), nil
	}
	first := 0
	for p.steps[first].kind != stepFunction {
		first++
	}
	if first == 1 {
		return nil, p.fail(0, "a function directly after ..")
	}
	inner := newPath(p.text, true, p.steps[:first:first])
	outer := append([]step{}, p.steps[first:]...)
	outer[0].args = []argument{{path: inner}}
	return newPath(p.text, true, outer), nil
}

func (p *parser) peek(at int) byte {
	if at < len(p.text) {
		return p.text[at]
	}
	return 0
}

// significant returns the place of the first byte from at on that is no space.
func (p *parser) significant(at int) int {
	for p.peek(at) == ' ' {
		at++
	}
	return at
}

func (p *parser) step() error {
	switch p.peek(p.at) {
	case '[':
		return p.bracket()
	case '*':
		p.at++
		p.steps = append(p.steps, step{kind: stepWildcard})
		return nil
	case '.':
		p.at++
		if p.peek(p.at) == '.' {
			p.at++
			p.steps = append(p.steps, step{kind: stepScan})
		}
		switch p.peek(p.at) {
		case '.':
			return p.fail(p.at, "too many dots")
		case '[', '*':
			return p.step()
		}
	}
	return p.name()
}

func (p *parser) name() error {
	start := p.at
	if c := p.peek(p.at); c == 0 || strings.IndexByte("[*. ", c) >= 0 {
		return p.fail(p.at, "a name should be here")
	}
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ':
			return p.fail(p.at, "a name with a space has to be written in brackets: ['my name']")
		case '.', '[':
			p.steps = append(p.steps, step{kind: stepNames, names: []string{p.text[start:p.at]}})
			return nil
		case '(':
			return p.call(p.text[start:p.at], start)
		}
		p.at++
	}
	p.steps = append(p.steps, step{kind: stepNames, names: []string{p.text[start:p.at]}})
	return nil
}

func (p *parser) bracket() error {
	inside := p.significant(p.at + 1)
	switch c := p.peek(inside); {
	case c == '\'' || c == '"':
		return p.quoted(inside, c)
	case '0' <= c && c <= '9' || c == '-' || c == ':':
		return p.numbers()
	case c == '*':
		end := p.significant(inside + 1)
		if p.peek(end) != ']' {
			return p.fail(end, "] should be here")
		}
		p.at = end + 1
		p.steps = append(p.steps, step{kind: stepWildcard})
		return nil
	case c == '?':
		return p.question(inside)
	}
	return p.fail(inside, "a name in quotes, a number, *, or ?( should be here")
}

// quoted reads one or several names: ['a','b'].
func (p *parser) quoted(at int, quote byte) error {
	var names []string
	for {
		if p.peek(at) != quote {
			return p.fail(at, "a name in %c should be here", quote)
		}
		end := at + 1
		for end < len(p.text) && p.text[end] != quote {
			if p.text[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(p.text) {
			return p.fail(at, "the name is not closed with %c", quote)
		}
		name, ok := unescape(p.text[at+1 : end])
		if !ok {
			return p.fail(at, "a wrong \\u in the name")
		}
		names = append(names, name)
		at = p.significant(end + 1)
		switch p.peek(at) {
		case ',':
			for at++; at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[at]) >= 0; {
				at++
			}
		case ']':
			p.at = at + 1
			p.steps = append(p.steps, step{kind: stepNames, names: names})
			return nil
		default:
			return p.fail(at, "a comma or ] should be here")
		}
	}
}

// numbers reads indexes and slices.
func (p *parser) numbers() error {
	start := p.at + 1
	n := strings.IndexByte(p.text[start:], ']')
	if n < 0 {
		return p.fail(p.at, "] is missing")
	}
	text := strings.Trim(p.text[start:start+n], " ")
	p.at = start + n + 1
	if strings.IndexByte(text, ':') >= 0 {
		return p.slice(text, start)
	}
	s := step{kind: stepIndexes}
	for _, part := range strings.Split(text, ",") {
		index, err := strconv.ParseInt(strings.Trim(part, " "), 10, 32)
		if err != nil || strings.HasPrefix(strings.Trim(part, " "), "+") {
			return p.fail(start, "%q is no index", part)
		}
		s.indexes = append(s.indexes, int(index))
	}
	p.steps = append(p.steps, s)
	return nil
}

// slice reads the two ends. A third part, the step of RFC 9535, is read over as the library does.
func (p *parser) slice(text string, start int) error {
	s := step{kind: stepSlice}
	parts := strings.Split(text, ":")
	for i, part := range parts {
		if i < 2 && part != "" {
			end, err := strconv.ParseInt(part, 10, 32)
			if err != nil || part[0] == '+' {
				return p.fail(start, "%q is no end of a slice", part)
			}
			n := int(end)
			if i == 0 {
				s.from = &n
			} else {
				s.to = &n
			}
		} else if strings.Trim(part, "0123456789-") != "" {
			return p.fail(start, "%q is no part of a slice", part)
		}
	}
	if s.from == nil && s.to == nil {
		return p.fail(start, "a slice needs one end at least")
	}
	p.steps = append(p.steps, s)
	return nil
}

// question reads a filter.
func (p *parser) question(at int) error {
	open := p.significant(at + 1)
	if p.peek(open) != '(' {
		return p.fail(open, "( should be here")
	}
	end, ok := closing(p.text, open, '(', ')', true)
	if !ok {
		return p.fail(open, "the filter is not closed with )")
	}
	last := p.significant(end + 1)
	if p.peek(last) != ']' {
		return p.fail(last, "] should be here")
	}
	inner := &parser{text: p.text[open : end+1], offset: p.offset + open, depth: p.depth + 1}
	filter, err := inner.filter()
	if err != nil {
		return err
	}
	p.at = last + 1
	p.steps = append(p.steps, step{kind: stepFilter, filter: filter})
	return nil
}

// closing returns the place of the bracket that closes the one at start, reading over strings, and over /regular expressions/ if asked to.
func closing(text string, start int, open, close byte, slashes bool) (int, bool) {
	depth := 0
	for at := start; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\'' || c == '"' || c == '/' && slashes:
			end, ok := unescaped(text, at+1, c)
			if !ok {
				return 0, false
			}
			at = end
		case c == open:
			depth++
		case c == close:
			if depth--; depth == 0 {
				return at, true
			}
		}
	}
	return 0, false
}

// unescaped returns the place of the first c from at on that no backslash stands before.
func unescaped(text string, at int, c byte) (int, bool) {
	for ; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case c:
			return at, true
		}
	}
	return 0, false
}

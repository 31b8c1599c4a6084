package jsonpath

import (
	"regexp"
	"strings"
)

// filter reads the whole text as a condition in parentheses.
func (p *parser) filter() (condition, error) {
	c, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.at < len(p.text) {
		return nil, p.fail(p.at, "%q after the filter", p.text[p.at:])
	}
	return c, nil
}

func (p *parser) blanks() { p.at = p.significant(p.at) }

func (p *parser) or(depth int) (condition, error) {
	return p.chain("||", func() (condition, error) {
		return p.chain("&&", func() (condition, error) { return p.operand(depth) }, func(all []condition) condition { return allOf(all) })
	}, func(all []condition) condition { return anyOf(all) })
}

// chain reads one or several conditions with an operator between them.
func (p *parser) chain(operator string, one func() (condition, error), join func([]condition) condition) (condition, error) {
	var all []condition
	for {
		c, err := one()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		if p.blanks(); !strings.HasPrefix(p.text[p.at:], operator) {
			break
		}
		p.at += len(operator)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return join(all), nil
}

func (p *parser) operand(depth int) (condition, error) {
	if depth > maxNesting {
		return nil, p.fail(p.at, "more than %d levels of parentheses", maxNesting)
	}
	p.blanks()
	switch p.peek(p.at) {
	case '!':
		at := p.at
		p.at++
		p.blanks()
		if c := p.peek(p.at); c == '$' || c == '@' {
			p.at = at
			return p.comparison()
		}
		c, err := p.operand(depth + 1)
		return not{c}, err
	case '(':
		p.at++
		c, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.blanks(); p.peek(p.at) != ')' {
			return nil, p.fail(p.at, ") or an operator should be here")
		}
		p.at++
		return c, nil
	}
	return p.comparison()
}

func (p *parser) comparison() (condition, error) {
	negated := p.peek(p.at) == '!'
	if negated {
		p.at++
		p.blanks()
	}
	start := p.at
	left, err := p.operandValue()
	if err != nil {
		return nil, err
	}
	p.blanks()
	op, ok := p.operator()
	if !ok {
		path, isPath := left.(*Path)
		if !isPath {
			return nil, p.fail(start, "a path should be here: a value alone is no condition")
		}
		return exists{path, !negated}, nil
	}
	right, err := p.operandValue()
	if err != nil {
		return nil, err
	}
	return comparison{op: op, left: left, right: right}, nil
}

// operator reads an operator, if there is one. One in letters has to have a space behind it.
func (p *parser) operator() (operator, bool) {
	end := p.at
	if strings.IndexByte("<>=~!", p.peek(end)) >= 0 && end < len(p.text) {
		for end < len(p.text) && strings.IndexByte("<>=~!", p.text[end]) >= 0 {
			end++
		}
	} else {
		for end < len(p.text) && p.text[end] != ' ' {
			end++
		}
	}
	op, ok := operators[strings.ToLower(p.text[p.at:end])]
	if ok {
		p.at = end
	}
	return op, ok
}

// operandValue reads a path or a literal: it returns a *Path or a node.
func (p *parser) operandValue() (any, error) {
	p.blanks()
	switch c := p.peek(p.at); c {
	case '$', '@':
		return p.path()
	case '!':
		p.at++
		if p.blanks(); p.peek(p.at) == '$' || p.peek(p.at) == '@' {
			return p.path()
		}
		return nil, p.fail(p.at, "a path should be here")
	case '\'', '"':
		end, ok := unescaped(p.text, p.at+1, c)
		if !ok {
			return nil, p.fail(p.at, "the string is not closed with %c", c)
		}
		text, ok := unescape(p.text[p.at+1 : end])
		if !ok {
			return nil, p.fail(p.at, "a wrong \\u in the string")
		}
		p.at = end + 1
		return node{kind: nodeString, text: text}, nil
	case '{', '[':
		close := c + 2 // in ASCII both closing brackets are two after the opening ones
		end, ok := closing(p.text, p.at, c, close, false)
		if !ok {
			return nil, p.fail(p.at, "%c is missing", close)
		}
		v, err := literal(p.text[p.at : end+1])
		if err != nil {
			return nil, p.fail(p.at, "%v", err)
		}
		p.at = end + 1
		return node{kind: nodeJSON, json: v, literal: true}, nil
	case '/':
		return p.pattern()
	}
	for word, n := range words {
		if strings.HasPrefix(p.text[p.at:], word) {
			p.at += len(word)
			return n, nil
		}
	}
	return p.number()
}

func (p *parser) number() (any, error) {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("0123456789-.eE", p.text[p.at]) >= 0 {
		p.at++
	}
	text := p.text[start:p.at]
	if _, ok := parseDecimal(text); !ok {
		return nil, p.fail(start, "a path or a literal should be here")
	}
	return node{kind: nodeNumber, text: text}, nil
}

// path reads a path in a filter: up to a space, an operator in signs, or the parenthesis that closes the condition.
func (p *parser) path() (any, error) {
	start := p.at
	p.at++
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c == '[' {
			end, ok := closing(p.text, p.at, '[', ']', false)
			if !ok {
				return nil, p.fail(p.at, "] is missing")
			}
			p.at = end + 1
			continue
		}
		if strings.IndexByte("<>=~! ", c) >= 0 {
			break
		}
		if c == ')' && !p.closesCall(start) {
			break
		}
		p.at++
	}
	return compile(p.text[start:p.at], p.offset+start, p.depth)
}

// closesCall reports whether the ) at hand is that of a function without arguments, of a path that began at start.
func (p *parser) closesCall(start int) bool {
	at := p.at - 1
	for at > start && p.text[at] == ' ' {
		at--
	}
	return p.text[at] == '(' && strings.LastIndexByte(p.text[start+1:at], '.') >= 0
}

// pattern reads /regular expression/flags. The whole of a text has to match it.
func (p *parser) pattern() (any, error) {
	start := p.at
	end, ok := unescaped(p.text, p.at+1, '/')
	if !ok {
		return nil, p.fail(start, "the regular expression is not closed with /")
	}
	p.at = end + 1
	for p.at < len(p.text) && strings.IndexByte("dixmsuU", p.text[p.at]) >= 0 {
		p.at++
	}
	flags := ""
	for _, f := range p.text[end+1 : p.at] {
		switch f {
		case 'i', 's', 'm':
			flags += string(f)
		case 'u', 'U', 'd': // letters of all scripts, and \n as the only line end: how Go's are in any case
		default:
			return nil, p.fail(end+1, "the flag %c of a regular expression is not supported", f)
		}
	}
	text := strings.ReplaceAll(p.text[start+1:end], `\/`, `/`)
	if flags != "" {
		flags = "(?" + flags + ")"
	}
	if _, err := regexp.Compile(text); err != nil {
		return nil, p.fail(start, "%v", err)
	}
	re, err := regexp.Compile(flags + `\A(?:` + text + `)\z`)
	if err != nil {
		return nil, p.fail(start, "%v", err)
	}
	return node{kind: nodePattern, pattern: re}, nil
}

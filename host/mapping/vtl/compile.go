package vtl

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
)

// A compiler turns a parse tree into what runs. It goes through the tree in the order in which Velocity initialises it: macros are known
// from then on, and tokens lose their escapes, which shows in what is written for macros that do not exist.
type compiler struct {
	macros map[string]*macro // what was there before
	added  map[string]*macro
	known  *macroNames
	place  func(at int) int // from an offset in the source to one in the template
	late   []func()         // what needs all tokens as they are in the end
}

// source parses and compiles.
func (c *compiler) source(src string, depth int) (node, error) {
	root, err := parse(src, c.known, depth)
	if err != nil {
		if e, ok := err.(*syntaxError); ok {
			e.at = c.place(e.at)
		}
		return nil, err
	}
	body, err := c.block(root, depth)
	if err != nil {
		return nil, err
	}
	for _, f := range c.late {
		f()
	}
	c.late = nil
	return body, nil
}

func (c *compiler) fail(t *token, text string) error {
	return &syntaxError{at: c.place(t.start), text: text}
}

// block compiles statements, and joins text that stands together.
func (c *compiler) block(s *syntax, depth int) (block, error) {
	var b block
	for _, kid := range s.kids {
		n, err := c.statement(kid, depth)
		if err != nil {
			return nil, err
		}
		t, ok := n.(text)
		if !ok {
			b = append(b, n)
			continue
		}
		if t == "" {
			continue
		}
		if len(b) > 0 {
			if before, ok := b[len(b)-1].(text); ok {
				b[len(b)-1] = before + t
				continue
			}
		}
		b = append(b, t)
	}
	return b, nil
}

func (c *compiler) statement(s *syntax, depth int) (node, error) {
	switch s.kind {
	case synText:
		return text(s.first.literal()), nil
	case synTextBlock:
		image := s.first.image
		return text(image[3 : len(image)-3]), nil
	case synEscape:
		return text(s.text), nil
	case synEscapedDirective:
		return text(s.first.image), nil
	case synComment:
		image := s.first.image
		if i := strings.Index(image, "##"); i >= 0 {
			return text(image[:i]), nil
		}
		before, _, found := strings.Cut(image, "#*")
		if !found {
			before = ""
		}
		return text(before), nil
	case synIf:
		return c.ifNode(s, depth)
	case synSet:
		return c.set(s, depth)
	case synDirective:
		return c.directive(s, depth)
	case synBlock:
		return c.block(s, depth)
	}
	return c.expr(s, depth)
}

func (c *compiler) ifNode(s *syntax, depth int) (node, error) {
	condition, err := c.expr(s.kids[0], depth)
	if err != nil {
		return nil, err
	}
	body, err := c.block(s.kids[1], depth)
	if err != nil {
		return nil, err
	}
	n := ifNode{{condition, body}}
	for _, kid := range s.kids[2:] {
		b := branch{}
		if kid.kind == synElseIf {
			if b.condition, err = c.expr(kid.kids[0], depth); err != nil {
				return nil, err
			}
		}
		if b.body, err = c.block(kid.kids[len(kid.kids)-1], depth); err != nil {
			return nil, err
		}
		n = append(n, b)
	}
	return n, nil
}

func (c *compiler) set(s *syntax, depth int) (node, error) {
	left, err := c.reference(s.kids[0], depth)
	if err != nil {
		return nil, err
	}
	right, err := c.expr(s.kids[1], depth)
	if err != nil {
		return nil, err
	}
	name := s.kids[0].first.image
	if name != "" {
		name = name[1:]
	}
	return &setNode{left: left, name: name, right: right}, nil
}

func (c *compiler) exprs(list []*syntax, depth int) ([]expr, error) {
	out := make([]expr, len(list))
	for i, s := range list {
		e, err := c.expr(s, depth)
		if err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

// remember keeps an expression's text, once all tokens are as they stay.
func (c *compiler) remember(p interface{ setLiteral(string) }, s *syntax) {
	c.late = append(c.late, func() { p.setLiteral(s.literal()) })
}

func (c *compiler) expr(s *syntax, depth int) (expr, error) {
	switch s.kind {
	case synReference:
		return c.reference(s, depth)
	case synString:
		return c.stringLiteral(s, depth)
	case synExpression:
		e, err := c.expr(s.kids[0], depth)
		if err != nil {
			return nil, err
		}
		n := &groupExpr{expr: e}
		c.late = append(c.late, func() { n.text = s.literal() })
		return n, nil
	}
	kids, err := c.exprs(s.kids, depth)
	if err != nil {
		return nil, err
	}
	at := c.place(s.first.start)
	var e interface {
		expr
		setLiteral(string)
	}
	switch s.kind {
	case synInteger, synFloat:
		v, ok := numberLiteral(s.kind, s.first.image)
		if !ok {
			return nil, c.fail(s.first, quoted(s.first.image)+" is no number")
		}
		e = &constant{v: v}
	case synTrue, synFalse:
		e = &constant{v: s.kind == synTrue}
	case synRange:
		e = &rangeExpr{from: kids[0], to: kids[1], at: at}
	case synMap:
		e = &mapExpr{pairs: kids, at: at}
	case synList:
		e = &listExpr{items: kids, at: at}
	case synNot:
		e = &notExpr{of: kids[0]}
	case synAnd, synOr:
		e = &logicExpr{left: kids[0], right: kids[1], decides: s.kind == synOr}
	case synEqual, synNotEqual:
		e = &equalExpr{left: kids[0], right: kids[1], not: s.kind == synNotEqual, at: at}
	case synLess, synLessEqual, synGreater, synGreaterEqual:
		e = &compareExpr{left: kids[0], right: kids[1], op: s.kind}
	case synAdd, synSubtract, synMultiply, synDivide, synModulus:
		e = &mathExpr{left: kids[0], right: kids[1], op: s.kind, at: at}
	default: // a word, or a block where a loop's list should be
		e = &constant{}
	}
	c.remember(e, s)
	return e, nil
}

// A groupExpr is an expression with its text, which is that of the whole.
type groupExpr struct {
	expr
	text string
}

func (g *groupExpr) literal() string { return g.text }

// numberLiteral is false for a number right after a #, which is part of its token.
func numberLiteral(kind syntaxKind, image string) (any, bool) {
	if strings.HasPrefix(image, "#") {
		return nil, false
	}
	if kind == synFloat {
		f, _ := strconv.ParseFloat(image, 64) // out of range is infinite, as in Java
		return f, true
	}
	return integerLiteral(image), true
}

func integerLiteral(image string) any {
	if n, err := strconv.ParseInt(image, 10, 64); err == nil {
		if int64(int32(n)) == n {
			return int32(n)
		}
		return n
	}
	n, _ := new(big.Int).SetString(image, 10)
	return n
}

// stringLiteral takes the quotes off; a double-quoted string with a $ or a # is a template in itself.
func (c *compiler) stringLiteral(s *syntax, depth int) (expr, error) {
	image := s.first.image
	quote := image[0]
	value := image[1 : len(image)-1]
	template := quote == '"' && strings.ContainsAny(value, "$#")
	if quote == '"' {
		var ok bool
		if value, ok = unescapeUnicode(value); !ok {
			return nil, c.fail(s.first, `\u in a string needs four hexadecimal digits`)
		}
	}
	value = strings.ReplaceAll(value, string(quote)+string(quote), string(quote))
	if !template {
		e := &constant{v: value}
		c.remember(e, s)
		return e, nil
	}
	if depth++; depth > maxNesting {
		return nil, c.fail(s.first, "nested too deep")
	}
	e := &interpolated{cut: !strings.Contains(value, "##")}
	if e.cut {
		value += " "
	}
	outer, late := c.place, c.late
	c.late = nil
	c.place = func(at int) int { return outer(s.first.start + 1 + min(at, len(image)-2)) }
	body, err := c.source(value, depth)
	c.place, c.late = outer, late
	if err != nil {
		return nil, err
	}
	e.body = body
	c.remember(e, s)
	return e, nil
}

// unescapeUnicode replaces \uXXXX, and false where it is not that.
func unescapeUnicode(s string) (string, bool) {
	if !strings.Contains(s, `\u`) {
		return s, true
	}
	var b strings.Builder
	var units []uint16
	flush := func() {
		for _, r := range utf16.Decode(units) {
			b.WriteRune(r)
		}
		units = units[:0]
	}
	for {
		i := strings.Index(s, `\u`)
		if i < 0 {
			flush()
			b.WriteString(s)
			return b.String(), true
		}
		if i > 0 {
			flush()
		}
		b.WriteString(s[:i])
		if len(s) < i+6 {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+2:i+6], 16, 16)
		if err != nil {
			return "", false
		}
		units = append(units, uint16(n))
		s = s[i+6:]
	}
}

package vtl

import "strings"

// maxNesting bounds how deep expressions, blocks and strings within strings may go.
const maxNesting = 200

// A syntaxError is at an offset of what is being parsed.
type syntaxError struct {
	at   int
	text string
}

func (e *syntaxError) Error() string { return e.text }

// A parser looks as far ahead as the grammar says and no further, since each token's lexical state follows from those before it. The first
// error sticks, and makes everything after it the end of the template.
type parser struct {
	lex     lexer
	tok     *token // the last one that was consumed
	err     error
	depth   int
	scanned int // tokens, by all that looked ahead
	macros  *macroNames
}

// macroNames are the macros that are known while parsing: they make \#name an escape.
type macroNames struct {
	seen    map[string]bool // by this compilation
	defined func(name string) bool
}

func (m *macroNames) has(name string) bool {
	return m.seen[name] || m.defined != nil && m.defined(name)
}

// parse reads a whole template.
func parse(src string, macros *macroNames, depth int) (*syntax, error) {
	p := &parser{lex: lexer{src: src, state: inText}, tok: &token{}, macros: macros, depth: depth}
	root := p.open(synRoot)
	for p.err == nil && p.peek(1).kind != tokEOF {
		p.add(root, p.statement())
	}
	p.close(root)
	return root, p.err
}

// peek returns the token n places ahead.
func (p *parser) peek(n int) *token {
	t := p.tok
	for range n {
		t = p.after(t)
	}
	return t
}

func (p *parser) after(t *token) *token {
	if t.next == nil {
		t.next = p.read()
	}
	return t.next
}

func (p *parser) read() *token {
	if p.err != nil {
		return &token{kind: tokEOF, start: len(p.lex.src)}
	}
	t, err := p.lex.next()
	if err != nil {
		p.err = err
		return &token{kind: tokEOF, start: len(p.lex.src)}
	}
	return t
}

func (p *parser) consume(kind tokenKind) *token {
	t := p.peek(1)
	if t.kind != kind {
		p.unexpected()
		return t
	}
	p.tok = t
	return t
}

func (p *parser) accept(kind tokenKind) bool {
	if p.peek(1).kind != kind {
		return false
	}
	p.tok = p.peek(1)
	return true
}

func (p *parser) unexpected() {
	t := p.peek(1)
	text := "unexpected " + quoted(t.image)
	if t.kind == tokEOF {
		text = "unexpected end of the template"
	}
	p.fail(t.start, text)
}

func (p *parser) fail(at int, text string) {
	if p.err == nil {
		p.err = &syntaxError{at: at, text: text}
	}
}

func (p *parser) open(kind syntaxKind) *syntax { return &syntax{kind: kind, first: p.peek(1)} }
func (p *parser) close(s *syntax) *syntax      { s.last = p.tok; return s }

func (p *parser) add(s, kid *syntax) {
	if kid != nil {
		s.kids = append(s.kids, kid)
	}
}

// leaf is a node of one token.
func (p *parser) leaf(kind syntaxKind) *syntax {
	s := p.open(kind)
	p.tok = p.peek(1)
	return p.close(s)
}

// nest guards a production that may contain itself.
func (p *parser) nest() bool {
	p.depth++
	if p.depth > maxNesting {
		p.fail(p.peek(1).start, "nested too deep")
		return false
	}
	return p.err == nil
}

func (p *parser) statement() *syntax {
	defer func() { p.depth-- }()
	if !p.nest() {
		return nil
	}
	if p.peek(1).kind == tokIf {
		return p.ifStatement()
	}
	if p.referenceAhead() {
		return p.reference()
	}
	switch p.peek(1).kind {
	case tokLineComment:
		s := p.leaf(synComment)
		p.accept(tokLineCommentEnd)
		return p.close(s)
	case tokFormalComment, tokMultiComment:
		return p.leaf(synComment)
	case tokTextBlock:
		return p.leaf(synTextBlock)
	case tokSet:
		return p.set()
	case tokEscapeDirective:
		s := p.leaf(synEscapedDirective)
		s.first.image = p.escapedDirective(s.first.image)
		return s
	case tokDoubleEscape:
		return p.escape()
	case tokWord, tokBracketedWord:
		return p.directive()
	case tokLeftParen, tokRightParen, tokEscape, tokText, tokString, tokInteger, tokFloat, tokDot, tokCurlyOpen, tokCurlyClose, tokEmptyIndex:
		return p.leaf(synText)
	}
	p.unexpected()
	return nil
}

// startsStatement reports whether the next token goes on with a block.
func (p *parser) startsStatement() bool {
	switch p.peek(1).kind {
	case tokLeftParen, tokRightParen, tokEscapeDirective, tokSet, tokLineComment, tokDoubleEscape, tokEscape, tokText, tokFormalComment,
		tokMultiComment, tokTextBlock, tokString, tokIf, tokInteger, tokFloat, tokWord, tokBracketedWord, tokIdentifier, tokDot,
		tokCurlyOpen, tokCurlyClose, tokEmptyIndex:
		return p.err == nil
	}
	return false
}

func (p *parser) block() *syntax {
	s := p.open(synBlock)
	for p.startsStatement() {
		p.add(s, p.statement())
	}
	return p.close(s)
}

func (p *parser) condition() *syntax {
	p.accept(tokSpace)
	p.consume(tokLeftParen)
	s := p.expression()
	p.consume(tokRightParen)
	return s
}

func (p *parser) ifStatement() *syntax {
	s := p.open(synIf)
	p.consume(tokIf)
	p.add(s, p.condition())
	p.add(s, p.block())
	for p.peek(1).kind == tokElseIf {
		e := p.open(synElseIf)
		p.consume(tokElseIf)
		p.add(e, p.condition())
		p.add(e, p.block())
		p.add(s, p.close(e))
	}
	if p.peek(1).kind == tokElse {
		e := p.open(synElse)
		p.consume(tokElse)
		p.add(e, p.block())
		p.add(s, p.close(e))
	}
	p.end(s.first, "#if")
	return p.close(s)
}

// end expects #end, and says what it was to end.
func (p *parser) end(opened *token, what string) {
	if p.peek(1).kind == tokEOF && p.err == nil {
		p.fail(opened.start, what+" has no #end")
	}
	p.consume(tokEnd)
}

func (p *parser) set() *syntax {
	s := p.open(synSet)
	p.consume(tokSet)
	p.accept(tokSpace)
	p.add(s, p.reference())
	p.accept(tokSpace)
	p.consume(tokAssign)
	p.add(s, p.expression())
	p.consume(tokRightParen)
	p.lex.inSet = false
	p.peek(1) // the grammar looks for the end of the line here, which cannot come
	return p.close(s)
}

// escapedDirective halves the backslashes before the name of a directive that exists.
func (p *parser) escapedDirective(image string) string {
	last := strings.LastIndexByte(image, '\\')
	directive := image[last+1:]
	name := strings.TrimSuffix(strings.TrimPrefix(directive[1:], "{"), "}")
	if formOf(name) != formNone || p.macros.has(name) || isControl(name) {
		return image[:last/2] + directive
	}
	return image
}

// escape reads pairs of backslashes, which stand for one each before a directive.
func (p *parser) escape() *syntax {
	s := p.open(synEscape)
	count := 0
	for p.accept(tokDoubleEscape) {
		count++
	}
	p.close(s)
	following := p.peek(1)
	control := false
	switch following.kind {
	case tokIf, tokElse, tokElseIf, tokEnd:
		control = true
	}
	if name := following.image[min(1, len(following.image)):]; formOf(name) != formNone || p.macros.has(name) {
		control = true
	}
	if control {
		s.text = strings.Repeat(`\`, count)
	} else {
		s.text = strings.Repeat(`\\`, count)
	}
	return s
}

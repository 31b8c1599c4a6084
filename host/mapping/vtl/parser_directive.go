package vtl

import "strings"

// directive reads #name, with its arguments and its block where it has them. Nothing tells a macro's call from text but its name and
// parentheses: what is no macro when it runs is written as it stood.
func (p *parser) directive() *syntax {
	s := p.open(synDirective)
	t := p.peek(1)
	p.tok = t
	if t.kind == tokBracketedWord {
		s.text = t.image[2 : len(t.image)-1]
	} else {
		s.text = t.image[1:]
	}
	form := formOf(s.text)
	if form == formNone {
		form = formLine
		if strings.HasPrefix(s.text, "@") {
			form = formBlock
		}
	}
	p.lex.state = inDirective
	if !p.lex.openParenAhead() {
		if s.text == "macro" {
			p.fail(t.start, "#macro needs a name in parentheses")
		}
		p.lex.pop()
		return p.close(s)
	}
	p.arguments(s)
	p.accept(tokSpace)
	p.consume(tokRightParen)
	if form == formLine {
		return p.close(s)
	}
	p.add(s, p.block())
	p.end(s.first, "#"+s.text)
	if s.text == "macro" && p.err == nil {
		if len(s.kids) < 2 {
			p.fail(t.start, "#macro needs a name in parentheses")
		} else {
			p.macros.seen[s.kids[0].first.image] = true
		}
	}
	return p.close(s)
}

func (p *parser) arguments(s *syntax) {
	p.accept(tokSpace)
	p.consume(tokLeftParen)
	isMacro := formOf(s.text) == formNone && p.macros.defined != nil && p.macros.defined(s.text)
	for n := 0; p.argumentAhead(); n++ {
		p.accept(tokSpace)
		if p.accept(tokComma) {
			p.accept(tokSpace)
		}
		arg := p.argument()
		if p.err != nil {
			return
		}
		word := arg.kind == synWord
		switch {
		case s.text == "macro" && n == 0:
			if !word {
				p.fail(arg.first.start, "the first argument of #macro is its name")
			}
		case word && (isMacro || formOf(s.text) != formNone && (s.text != "foreach" || n != 1)):
			p.fail(arg.first.start, "#"+s.text+" cannot take "+quoted(arg.first.image))
		}
		p.add(s, arg)
	}
}

// argument reads one argument of a directive.
func (p *parser) argument() *syntax {
	defer func() { p.depth-- }()
	if !p.nest() {
		return nil
	}
	switch p.peek(1).kind {
	case tokIdentifier, tokCurlyOpen:
		return p.reference()
	case tokWord:
		return p.leaf(synWord)
	case tokString:
		return p.leaf(synString)
	case tokInteger:
		return p.leaf(synInteger)
	}
	if p.rangeAhead() {
		return p.integerRange()
	}
	switch p.peek(1).kind {
	case tokFloat:
		return p.leaf(synFloat)
	case tokMapOpen:
		return p.mapLiteral()
	case tokListOpen:
		return p.listLiteral()
	case tokTrue:
		return p.leaf(synTrue)
	case tokFalse:
		return p.leaf(synFalse)
	}
	p.unexpected()
	return nil
}

// reference reads $name, ${name}, and what follows it: indexes, properties and methods.
func (p *parser) reference() *syntax {
	defer func() { p.depth-- }()
	s := p.open(synReference)
	if !p.nest() {
		return s
	}
	switch p.peek(1).kind {
	case tokIdentifier:
		p.path(s)
	case tokCurlyOpen:
		p.consume(tokCurlyOpen)
		p.path(s)
		p.consume(tokCurlyClose)
	default:
		p.unexpected()
	}
	return p.close(s)
}

func (p *parser) path(s *syntax) {
	p.consume(tokIdentifier)
	p.indexes(s)
	for p.err == nil && p.dotAhead() {
		p.consume(tokDot)
		if p.methodAhead() {
			p.add(s, p.method())
		} else if p.peek(1).kind == tokIdentifier {
			p.add(s, p.leaf(synIdentifier))
		} else {
			p.unexpected()
		}
		p.indexes(s)
	}
}

func (p *parser) indexes(s *syntax) {
	for p.err == nil && p.peek(1).kind == tokIndexOpen {
		i := p.open(synIndex)
		p.consume(tokIndexOpen)
		p.accept(tokSpace)
		switch p.peek(1).kind {
		case tokString:
			p.add(i, p.leaf(synString))
		case tokInteger:
			p.add(i, p.leaf(synInteger))
		case tokTrue:
			p.add(i, p.leaf(synTrue))
		case tokFalse:
			p.add(i, p.leaf(synFalse))
		case tokIdentifier, tokCurlyOpen:
			p.add(i, p.reference())
		default:
			p.unexpected()
		}
		p.accept(tokSpace)
		p.consume(tokIndexClose)
		p.add(s, p.close(i))
	}
}

func (p *parser) method() *syntax {
	s := p.open(synMethod)
	p.add(s, p.leaf(synIdentifier))
	p.consume(tokLeftParen)
	if p.parameterAhead() {
		p.add(s, p.parameter())
		for p.err == nil && p.accept(tokComma) {
			p.add(s, p.parameter())
		}
	}
	p.consume(tokCallClose)
	return p.close(s)
}

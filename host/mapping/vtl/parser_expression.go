package vtl

func (p *parser) expression() *syntax {
	defer func() { p.depth-- }()
	s := p.open(synExpression)
	if !p.nest() {
		return s
	}
	p.add(s, p.or())
	return p.close(s)
}

// binary reads a left-associative chain. As in Velocity, an operation's text is that of its right side.
func (p *parser) binary(operand func() *syntax, kinds func(tokenKind) (syntaxKind, bool)) *syntax {
	left := operand()
	for p.err == nil {
		kind, ok := kinds(p.peek(1).kind)
		if !ok {
			break
		}
		p.tok = p.peek(1)
		s := p.open(kind)
		s.kids = []*syntax{left, operand()}
		left = p.close(s)
	}
	return left
}

func (p *parser) or() *syntax {
	return p.binary(p.and, func(k tokenKind) (syntaxKind, bool) { return synOr, k == tokOr })
}

func (p *parser) and() *syntax {
	return p.binary(p.equality, func(k tokenKind) (syntaxKind, bool) { return synAnd, k == tokAnd })
}

func (p *parser) equality() *syntax {
	return p.binary(p.relation, func(k tokenKind) (syntaxKind, bool) {
		switch k {
		case tokEqual:
			return synEqual, true
		case tokNotEqual:
			return synNotEqual, true
		}
		return 0, false
	})
}

func (p *parser) relation() *syntax {
	return p.binary(p.sum, func(k tokenKind) (syntaxKind, bool) {
		switch k {
		case tokLess:
			return synLess, true
		case tokGreater:
			return synGreater, true
		case tokLessEqual:
			return synLessEqual, true
		case tokGreaterEqual:
			return synGreaterEqual, true
		}
		return 0, false
	})
}

func (p *parser) sum() *syntax {
	return p.binary(p.product, func(k tokenKind) (syntaxKind, bool) {
		switch k {
		case tokPlus:
			return synAdd, true
		case tokMinus:
			return synSubtract, true
		}
		return 0, false
	})
}

func (p *parser) product() *syntax {
	return p.binary(p.unary, func(k tokenKind) (syntaxKind, bool) {
		switch k {
		case tokMultiply:
			return synMultiply, true
		case tokDivide:
			return synDivide, true
		case tokModulus:
			return synModulus, true
		}
		return 0, false
	})
}

func (p *parser) unary() *syntax {
	defer func() { p.depth-- }()
	if !p.nest() {
		return p.close(p.open(synFalse))
	}
	if !p.notAhead() {
		return p.primary()
	}
	p.accept(tokSpace)
	p.consume(tokNot)
	s := p.open(synNot)
	p.add(s, p.unary())
	return p.close(s)
}

func (p *parser) primary() *syntax {
	p.accept(tokSpace)
	var s *syntax
	switch p.peek(1).kind {
	case tokString:
		s = p.leaf(synString)
	case tokIdentifier, tokCurlyOpen:
		s = p.reference()
	case tokInteger:
		s = p.leaf(synInteger)
	default:
		s = p.otherPrimary()
	}
	p.accept(tokSpace)
	return s
}

func (p *parser) otherPrimary() *syntax {
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
	case tokLeftParen:
		p.consume(tokLeftParen)
		s := p.expression()
		p.consume(tokRightParen)
		return s
	}
	p.unexpected()
	return p.close(p.open(synFalse))
}

// parameter reads an argument of a method, or an element of a list or a map. It is no expression: $a.b(1 + 2) is an error.
func (p *parser) parameter() *syntax {
	defer func() { p.depth-- }()
	if !p.nest() {
		return nil
	}
	p.accept(tokSpace)
	var s *syntax
	switch p.peek(1).kind {
	case tokString:
		s = p.leaf(synString)
	case tokInteger:
		s = p.leaf(synInteger)
	default:
		switch {
		case p.rangeAhead():
			s = p.integerRange()
		case p.peek(1).kind == tokMapOpen:
			s = p.mapLiteral()
		case p.peek(1).kind == tokListOpen:
			s = p.listLiteral()
		case p.peek(1).kind == tokTrue:
			s = p.leaf(synTrue)
		case p.peek(1).kind == tokFalse:
			s = p.leaf(synFalse)
		case p.peek(1).kind == tokIdentifier, p.peek(1).kind == tokCurlyOpen:
			s = p.reference()
		case p.peek(1).kind == tokFloat:
			s = p.leaf(synFloat)
		default:
			p.unexpected()
		}
	}
	p.accept(tokSpace)
	return s
}

func (p *parser) mapLiteral() *syntax {
	s := p.open(synMap)
	p.consume(tokMapOpen)
	if p.pairAhead() {
		p.pair(s)
		for p.err == nil && p.accept(tokComma) {
			p.pair(s)
		}
	} else {
		p.accept(tokSpace)
	}
	if !p.accept(tokMapClose) && !p.accept(tokCurlyClose) {
		p.unexpected()
	}
	return p.close(s)
}

func (p *parser) pair(s *syntax) {
	p.add(s, p.parameter())
	p.consume(tokColon)
	p.add(s, p.parameter())
}

func (p *parser) listLiteral() *syntax {
	s := p.open(synList)
	p.consume(tokListOpen)
	if p.parameterAhead() {
		p.add(s, p.parameter())
		for p.err == nil && p.accept(tokComma) {
			p.add(s, p.parameter())
		}
	}
	p.consume(tokListClose)
	return p.close(s)
}

func (p *parser) integerRange() *syntax {
	s := p.open(synRange)
	p.consume(tokListOpen)
	p.accept(tokSpace)
	p.add(s, p.bound())
	p.accept(tokSpace)
	p.consume(tokDoubleDot)
	p.accept(tokSpace)
	p.add(s, p.bound())
	p.accept(tokSpace)
	p.consume(tokListClose)
	return p.close(s)
}

func (p *parser) bound() *syntax {
	if p.peek(1).kind == tokInteger {
		return p.leaf(synInteger)
	}
	return p.reference()
}

package vtl

import (
	"math"
	"slices"
)

// maxScan bounds the tokens that all looking ahead in one template may go over: nested lists are read again and again.
const maxScan = 4 << 20

// A scan looks ahead through the grammar without building anything. Once it has gone through limit tokens, all that follows is taken to match.
type scan struct {
	p     *parser
	tok   *token // the last one that matched
	left  int    // tokens before it is done
	depth int
}

func (p *parser) scan(limit int) *scan { return &scan{p: p, tok: p.tok, left: limit} }

func (s *scan) done() bool { return s.left == 0 }

func (s *scan) token(kinds ...tokenKind) bool {
	if s.done() {
		return true
	}
	if s.p.scanned++; s.p.scanned > maxScan {
		s.p.fail(s.tok.start, "too complex")
		return false
	}
	following := s.p.after(s.tok)
	if !slices.Contains(kinds, following.kind) {
		return false
	}
	s.tok = following
	s.left--
	return true
}

// maybe goes back where production did not match.
func (s *scan) maybe(production func() bool) bool {
	if s.done() {
		return true
	}
	tok, left := s.tok, s.left
	if s.depth < maxNesting && s.p.err == nil {
		s.depth++
		ok := production()
		s.depth--
		if ok {
			return true
		}
	}
	s.tok, s.left = tok, left
	return false
}

func (s *scan) space() { s.maybe(func() bool { return s.token(tokSpace) }) }

func (s *scan) many(production func() bool) {
	for !s.done() && s.maybe(production) {
	}
}

func (s *scan) reference() bool {
	return s.maybe(func() bool { return s.token(tokIdentifier) && s.pathTail() }) ||
		s.maybe(func() bool {
			return s.token(tokCurlyOpen) && s.token(tokIdentifier) && s.pathTail() && s.token(tokCurlyClose)
		})
}

func (s *scan) pathTail() bool {
	s.many(s.index)
	s.many(func() bool {
		if !s.token(tokDot) {
			return false
		}
		if !s.maybe(s.method) && !s.token(tokIdentifier) {
			return false
		}
		s.many(s.index)
		return true
	})
	return true
}

func (s *scan) index() bool {
	if !s.token(tokIndexOpen) {
		return false
	}
	s.space()
	if !s.maybe(func() bool { return s.token(tokString, tokInteger, tokTrue, tokFalse) }) && !s.reference() {
		return false
	}
	s.space()
	return s.token(tokIndexClose)
}

func (s *scan) method() bool {
	if !s.token(tokIdentifier) || !s.token(tokLeftParen) {
		return false
	}
	s.maybe(func() bool { return s.list(s.parameter) })
	return s.token(tokCallClose)
}

func (s *scan) list(element func() bool) bool {
	if !element() {
		return false
	}
	s.many(func() bool { return s.token(tokComma) && element() })
	return true
}

func (s *scan) parameter() bool {
	s.space()
	ok := s.maybe(func() bool { return s.token(tokString, tokInteger) }) || s.maybe(s.wholeRange) || s.maybe(s.mapLiteral) ||
		s.maybe(s.listLiteral) || s.maybe(func() bool { return s.token(tokTrue, tokFalse) }) || s.reference() ||
		s.maybe(func() bool { return s.token(tokFloat) })
	if ok {
		s.space()
	}
	return ok
}

func (s *scan) rangeHead() bool {
	if !s.token(tokListOpen) {
		return false
	}
	s.space()
	if !s.reference() && !s.token(tokInteger) {
		return false
	}
	s.space()
	return s.token(tokDoubleDot)
}

func (s *scan) wholeRange() bool {
	if !s.rangeHead() {
		return false
	}
	s.space()
	if !s.reference() && !s.token(tokInteger) {
		return false
	}
	s.space()
	return s.token(tokListClose)
}

func (s *scan) pair() bool { return s.parameter() && s.token(tokColon) && s.parameter() }

func (s *scan) mapLiteral() bool {
	if !s.token(tokMapOpen) {
		return false
	}
	if !s.maybe(func() bool { return s.list(s.pair) }) {
		s.space()
	}
	return s.token(tokMapClose, tokCurlyClose)
}

func (s *scan) listLiteral() bool {
	if !s.token(tokListOpen) {
		return false
	}
	s.maybe(func() bool { return s.list(s.parameter) })
	return s.token(tokListClose)
}

func (s *scan) argument() bool {
	return s.reference() || s.maybe(func() bool { return s.token(tokWord, tokString, tokInteger) }) || s.maybe(s.wholeRange) ||
		s.maybe(func() bool { return s.token(tokFloat) }) || s.maybe(s.mapLiteral) || s.maybe(s.listLiteral) || s.token(tokTrue, tokFalse)
}

func (s *scan) unary() bool {
	if s.maybe(func() bool { s.space(); return s.token(tokNot) && s.unary() }) {
		return true
	}
	s.space()
	return s.reference() || s.token(tokString, tokInteger, tokFloat, tokMapOpen, tokListOpen, tokTrue, tokFalse, tokLeftParen)
}

func (p *parser) referenceAhead() bool { return p.scan(2).reference() }
func (p *parser) dotAhead() bool {
	s := p.scan(2)
	return s.token(tokDot) && (s.method() || s.token(tokIdentifier))
}
func (p *parser) methodAhead() bool { return p.scan(3).method() }
func (p *parser) pairAhead() bool {
	s := p.scan(2)
	return s.list(s.pair)
}
func (p *parser) rangeAhead() bool { return p.scan(math.MaxInt).rangeHead() }
func (p *parser) notAhead() bool {
	s := p.scan(2)
	s.space()
	return s.token(tokNot) && s.unary()
}

// argumentAhead reports whether a directive has one more argument.
func (p *parser) argumentAhead() bool {
	if p.err != nil {
		return false
	}
	s := p.scan(2)
	s.space()
	s.maybe(func() bool {
		if !s.token(tokComma) {
			return false
		}
		s.space()
		return true
	})
	return s.argument()
}

// parameterAhead reports whether the next token starts a parameter.
func (p *parser) parameterAhead() bool {
	switch p.peek(1).kind {
	case tokSpace, tokString, tokInteger, tokListOpen, tokMapOpen, tokTrue, tokFalse, tokIdentifier, tokCurlyOpen, tokFloat:
		return p.err == nil
	}
	return false
}

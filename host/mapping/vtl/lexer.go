package vtl

// A lexer reads tokens when the parser asks for them, and not before: the parser changes the state too.
type lexer struct {
	src    string
	pos    int
	state  lexState
	stack  []lexFrame
	lparen int
	rparen int

	inComment bool
	inSet     bool
}

type lexFrame struct {
	lparen, rparen int
	state          lexState
}

func (l *lexer) push() {
	l.stack = append(l.stack, lexFrame{l.lparen, l.rparen, l.state})
	l.lparen = 0
}

// pop goes back to the state below; at the bottom that is text.
func (l *lexer) pop() bool {
	if len(l.stack) == 0 {
		l.lparen = 0
		l.state = inText
		return false
	}
	f := l.stack[len(l.stack)-1]
	l.stack = l.stack[:len(l.stack)-1]
	l.lparen, l.rparen, l.state = f.lparen, f.rparen, f.state
	return true
}

// next reads a token. Special tokens hang on the one that follows them.
func (l *lexer) next() (*token, error) {
	var special *token
	for {
		start := l.pos
		if start >= len(l.src) {
			return &token{kind: tokEOF, start: start, special: special}, nil
		}
		kind, err := l.longest(start)
		if err != nil {
			return nil, err
		}
		switch kind {
		case tokSkip:
		case tokReferenceEnd, tokDirectiveEnd:
			t := &token{kind: kind, image: l.src[start:l.pos], start: start, special: special}
			if special != nil {
				special.next = t
			}
			special = t
			l.pos--
			l.pop()
		default:
			t := &token{kind: kind, image: l.src[start:l.pos], start: start, special: special}
			l.act(t)
			return t, nil
		}
	}
}

// longest goes on until something that is a token by itself has been read.
func (l *lexer) longest(start int) (tokenKind, error) {
	for {
		if l.pos >= len(l.src) {
			return 0, &syntaxError{at: start, text: "unexpected end of the template after " + quoted(l.src[start:])}
		}
		kind, length := l.match()
		if length == 0 {
			return 0, &syntaxError{at: l.pos, text: "unexpected " + quoted(l.src[l.pos:])}
		}
		l.pos += length
		switch kind {
		case tokDollar, tokDollarBang, tokBlockOpen, tokFormalOpen, tokMultiOpen, tokHash:
			l.actMore(kind)
		case tokMore:
		default:
			return kind, nil
		}
	}
}

// actMore changes the state for what goes on in the next token.
func (l *lexer) actMore(kind tokenKind) {
	if l.inComment {
		return
	}
	switch kind {
	case tokDollar, tokDollarBang:
		if l.state == inReference {
			l.pop()
		}
		l.push()
		l.state = inReference
	case tokHash:
		if l.state == inReference || l.state == inModifier {
			l.pop()
		}
		l.push()
		l.state = inHash
	case tokBlockOpen:
		l.enterComment(inTextBlock)
	case tokFormalOpen:
		l.pos-- // what follows the second * may be the end of the comment
		l.enterComment(inFormalComment)
	case tokMultiOpen:
		l.enterComment(inMultiComment)
	}
}

func (l *lexer) enterComment(state lexState) {
	l.inComment = true
	l.push()
	l.state = state
}

// act changes the state for a whole token.
func (l *lexer) act(t *token) {
	switch t.kind {
	case tokIndexOpen:
		l.push()
		l.state = inIndex
	case tokLeftParen:
		if !l.inComment {
			l.lparen++
		}
		if l.state == inModifier {
			l.state = inCall
		}
	case tokRightParen:
		l.closeParen()
	case tokCallClose:
		l.state = inReference
	case tokSet:
		if !l.inComment {
			l.push()
			l.inSet = true
			l.state = inDirective
			l.lparen++
		}
	case tokLineComment:
		if !l.inComment {
			if l.state == inReference {
				l.pop()
			}
			l.enterComment(inLineComment)
		}
	case tokLineCommentEnd, tokFormalComment, tokMultiComment, tokTextBlock:
		l.inComment = false
		l.pop()
	case tokString:
		if l.state == inDirective && !l.inSet && l.lparen == 0 {
			l.pop()
		}
	case tokIndexClose, tokEnd, tokElse, tokCurlyClose:
		l.pop()
	case tokIf, tokElseIf:
		l.state = inDirective
	case tokInteger:
		if n := len(t.image); n > 2 && t.image[n-2:] == ".." {
			t.image = t.image[:n-2]
			l.pos -= 2
		}
		if l.lparen == 0 && !l.inSet && l.state != inCall && l.state != inIndex {
			l.pop()
		}
	case tokFloat:
		if l.lparen == 0 && !l.inSet && l.state != inCall {
			l.pop()
		}
	case tokDot:
		l.pos--
		t.image = "."
		l.state = inModifier
	}
}

// closeParen leaves the states that have no open parenthesis, and the one that this parenthesis closes.
func (l *lexer) closeParen() {
	if l.inComment {
		return
	}
	for {
		if l.lparen > 0 {
			if l.lparen == l.rparen+1 {
				l.pop()
			} else {
				l.rparen++
			}
			return
		}
		if !l.pop() {
			return
		}
	}
}

// openParenAhead reports whether the next thing but white space is a parenthesis.
func (l *lexer) openParenAhead() bool {
	for i := l.pos; i < len(l.src); i++ {
		switch l.src[i] {
		case '(':
			return true
		case ' ', '\t', '\n', '\r':
		default:
			return false
		}
	}
	return false
}

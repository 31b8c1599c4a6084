package vtl

import "strings"

// A tokenKind is what the lexer makes of a piece of a template. Where two kinds match the same text, the first here wins.
type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIndexOpen
	tokIndexClose
	tokListOpen
	tokListClose
	tokComma
	tokDoubleDot
	tokColon
	tokMapOpen
	tokMapClose
	tokLeftParen
	tokRightParen
	tokCallClose
	tokEscapeDirective
	tokSet
	tokDollar     // goes on in the next token
	tokDollarBang // goes on in the next token
	tokBlockOpen  // goes on in the next token
	tokFormalOpen // goes on in the next token
	tokMultiOpen  // goes on in the next token
	tokHash       // goes on in the next token
	tokLineComment
	tokDoubleEscape
	tokEscape
	tokText
	tokLineCommentEnd
	tokFormalComment
	tokMultiComment
	tokTextBlock
	tokMore // one character of a text block
	tokSkip // one character of a comment
	tokSpace
	tokString
	tokTrue
	tokFalse
	tokMinus
	tokPlus
	tokMultiply
	tokDivide
	tokModulus
	tokAnd
	tokOr
	tokLess
	tokLessEqual
	tokGreater
	tokGreaterEqual
	tokEqual
	tokNotEqual
	tokNot
	tokAssign
	tokEnd
	tokIf
	tokElseIf
	tokElse
	tokInteger
	tokFloat
	tokWord
	tokBracketedWord
	tokIdentifier
	tokDot
	tokCurlyOpen
	tokCurlyClose
	tokReferenceEnd // special: it goes back to where it came from
	tokDirectiveEnd // special: it goes back to where it came from
	tokEmptyIndex
	tokKinds
)

// A token is a piece of a template. Its image is what it stands for in output and in names, which escapes change.
type token struct {
	kind    tokenKind
	image   string
	start   int    // offset in the source
	special *token // what was read in vain before it
	next    *token
}

// A lexState says which tokens may come. The states and their changes are those of Velocity's grammar: what is text and what is a directive
// depends on them, and so does the white space that goes.
type lexState uint8

const (
	inReference lexState = iota
	inModifier           // after a dot
	inIndex
	inDirective
	inCall // the arguments of a method
	inText
	inTextBlock
	inMultiComment
	inFormalComment
	inLineComment
	inHash // after #, before the directive's name
	lexStates
)

// specialText is what remains of the tokens that were read in vain before t: a lonely $ and its backslashes.
func (t *token) specialText() string {
	if t.special == nil || strings.HasPrefix(t.special.image, "##") {
		return ""
	}
	first := t.special
	for first.special != nil {
		first = first.special
	}
	var b strings.Builder
	for ; first != nil; first = first.next {
		image := first.image
		for i := 0; i < len(image); i++ {
			switch image[i] {
			case '#', '$':
				b.WriteByte(image[i])
			case '\\':
				j := i
				for j < len(image) && image[j] == '\\' {
					j++
				}
				if j < len(image) && image[j] == '$' {
					b.WriteString(image[i : j+1])
					i = j + 1
				}
			}
		}
	}
	return b.String()
}

// literal is the token as it stood in the template.
func (t *token) literal() string {
	if t.kind == tokMultiComment {
		return ""
	}
	return t.specialText() + t.image
}

// literalOf is the text from first to last.
func literalOf(first, last *token) string {
	if first == last {
		return first.literal()
	}
	var b strings.Builder
	for t := first; t != nil; t = t.next {
		b.WriteString(t.literal())
		if t == last {
			break
		}
	}
	return b.String()
}

// imagesOf is literalOf without what was read in vain.
func imagesOf(first, last *token) string {
	var b strings.Builder
	for t := first; t != nil; t = t.next {
		b.WriteString(t.image)
		if t == last {
			break
		}
	}
	return b.String()
}

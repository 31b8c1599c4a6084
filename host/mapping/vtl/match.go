package vtl

import "strings"

type stateSet uint16

func states(list ...lexState) stateSet {
	var s stateSet
	for _, state := range list {
		s |= 1 << state
	}
	return s
}

// A rule recognises a token at the start of a text. Either text or match is set.
type rule struct {
	kind  tokenKind
	in    stateSet
	text  string
	match func(s string) int // the length of the longest match, or 0
}

const everywhere = stateSet(1<<lexStates - 1)

// rules are in the order of the kinds: the first of the longest wins.
var rules = [...]rule{
	{kind: tokIndexOpen, in: states(inReference, inModifier), text: "["},
	{kind: tokIndexClose, in: states(inIndex), text: "]"},
	{kind: tokListOpen, in: states(inDirective, inCall), text: "["},
	{kind: tokListClose, in: states(inDirective, inCall), text: "]"},
	{kind: tokComma, in: states(inDirective, inCall), text: ","},
	{kind: tokDoubleDot, in: states(inDirective, inCall), text: ".."},
	{kind: tokColon, in: states(inDirective, inCall), text: ":"},
	{kind: tokMapOpen, in: states(inDirective, inCall), text: "{"},
	{kind: tokMapClose, in: states(inDirective, inCall), text: "}"},
	{kind: tokLeftParen, in: states(inDirective, inModifier), text: "("},
	{kind: tokRightParen, in: states(inDirective), match: matchRightParen},
	{kind: tokCallClose, in: states(inCall), text: ")"},
	{kind: tokEscapeDirective, in: states(inText), match: matchEscapeDirective},
	{kind: tokSet, in: states(inText, inReference, inModifier, inCall), match: matchSet},
	{kind: tokDollar, in: everywhere, match: matchDollar},
	{kind: tokDollarBang, in: everywhere, match: matchDollarBang},
	{kind: tokBlockOpen, in: everywhere, text: "#[["},
	{kind: tokFormalOpen, in: everywhere, match: matchFormalOpen},
	{kind: tokMultiOpen, in: everywhere, text: "#*"},
	{kind: tokHash, in: everywhere, text: "#"},
	{kind: tokLineComment, in: states(inText, inReference, inDirective, inHash), text: "##"},
	{kind: tokDoubleEscape, in: states(inText), text: `\\`},
	{kind: tokEscape, in: states(inText), text: `\`},
	{kind: tokText, in: states(inText), match: matchText},
	{kind: tokLineCommentEnd, in: states(inLineComment), match: matchNewline},
	{kind: tokFormalComment, in: states(inFormalComment), text: "*#"},
	{kind: tokMultiComment, in: states(inMultiComment), text: "*#"},
	{kind: tokTextBlock, in: states(inTextBlock), text: "]]#"},
	{kind: tokMore, in: states(inTextBlock), match: matchAny},
	{kind: tokSkip, in: states(inLineComment, inFormalComment, inMultiComment), match: matchAny},
	{kind: tokSpace, in: states(inDirective, inCall, inIndex), match: matchSpace},
	{kind: tokString, in: states(inDirective, inCall, inIndex), match: matchString},
	{kind: tokTrue, in: states(inReference, inDirective, inModifier, inCall, inIndex), text: "true"},
	{kind: tokFalse, in: states(inReference, inDirective, inModifier, inCall, inIndex), text: "false"},
	{kind: tokMinus, in: states(inDirective), text: "-"},
	{kind: tokPlus, in: states(inDirective), text: "+"},
	{kind: tokMultiply, in: states(inDirective), text: "*"},
	{kind: tokDivide, in: states(inDirective), text: "/"},
	{kind: tokModulus, in: states(inDirective), text: "%"},
	{kind: tokAnd, in: states(inDirective), match: either("&&", "and")},
	{kind: tokOr, in: states(inDirective), match: either("||", "or")},
	{kind: tokLess, in: states(inDirective), match: either("<", "lt")},
	{kind: tokLessEqual, in: states(inDirective), match: either("<=", "le")},
	{kind: tokGreater, in: states(inDirective), match: either(">", "gt")},
	{kind: tokGreaterEqual, in: states(inDirective), match: either(">=", "ge")},
	{kind: tokEqual, in: states(inDirective), match: either("==", "eq")},
	{kind: tokNotEqual, in: states(inDirective), match: either("!=", "ne")},
	{kind: tokNot, in: states(inDirective), match: either("!", "not")},
	{kind: tokAssign, in: states(inDirective), text: "="},
	{kind: tokEnd, in: states(inHash), match: keyword("end", true)},
	{kind: tokIf, in: states(inHash), match: keyword("if", false)},
	{kind: tokElseIf, in: states(inHash), match: keyword("elseif", false)},
	{kind: tokElse, in: states(inHash), match: keyword("else", true)},
	{kind: tokInteger, in: states(inHash, inDirective, inCall, inIndex), match: matchInteger},
	{kind: tokFloat, in: states(inHash, inDirective, inCall, inIndex), match: matchFloat},
	{kind: tokWord, in: states(inHash, inDirective), match: matchWord},
	{kind: tokBracketedWord, in: states(inHash, inDirective), match: matchBracketedWord},
	{kind: tokIdentifier, in: states(inReference, inModifier, inCall), match: matchIdentifier},
	{kind: tokDot, in: states(inReference, inModifier, inCall), match: matchDot},
	{kind: tokCurlyOpen, in: states(inReference, inModifier), text: "{"},
	{kind: tokCurlyClose, in: states(inReference, inModifier), text: "}"},
	{kind: tokReferenceEnd, in: states(inReference, inModifier), match: matchAny},
	{kind: tokDirectiveEnd, in: states(inHash), match: matchAny},
	{kind: tokEmptyIndex, in: states(inText, inReference), match: matchEmptyIndex},
}

// match returns the longest token at the lexer's place, and its length; 0 where there is none.
func (l *lexer) match() (tokenKind, int) {
	s := l.src[l.pos:]
	if l.state == inText { // nearly all of most templates
		if n := matchText(s); n > 0 {
			if m := matchSet(s); m > n {
				return tokSet, m
			}
			return tokText, n
		}
	}
	var best tokenKind
	longest := 0
	here := stateSet(1) << l.state
	for i := range rules {
		r := &rules[i]
		if r.in&here == 0 {
			continue
		}
		n := 0
		if r.match != nil {
			n = r.match(s)
		} else if strings.HasPrefix(s, r.text) {
			n = len(r.text)
		}
		if n > longest {
			best, longest = r.kind, n
		}
	}
	return best, longest
}

func either(a, b string) func(string) int {
	return func(s string) int {
		switch {
		case strings.HasPrefix(s, a):
			return len(a)
		case strings.HasPrefix(s, b):
			return len(b)
		}
		return 0
	}
}

// keyword matches a directive's name, plain or in braces, with the rest of its line where only white space follows and line is set.
func keyword(name string, line bool) func(string) int {
	braced := "{" + name + "}"
	return func(s string) int {
		n := either(name, braced)(s)
		if n > 0 && line {
			n += restOfLine(s[n:])
		}
		return n
	}
}

// restOfLine is the length of white space and the line's end, or 0 where something else follows.
func restOfLine(s string) int {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if n := matchNewline(s[i:]); n > 0 {
		return i + n
	}
	return 0
}

func matchNewline(s string) int {
	switch {
	case strings.HasPrefix(s, "\r\n"):
		return 2
	case s != "" && (s[0] == '\n' || s[0] == '\r'):
		return 1
	}
	return 0
}

func matchRightParen(s string) int {
	if s == "" || s[0] != ')' {
		return 0
	}
	return 1 + restOfLine(s[1:])
}

func backslashes(s string) int {
	n := 0
	for n < len(s) && s[n] == '\\' {
		n++
	}
	return n
}

func matchEscapeDirective(s string) int {
	n := backslashes(s)
	if n%2 == 0 || n >= len(s) || s[n] != '#' {
		return 0
	}
	name := max(matchWord(s[n+1:]), matchBracketedWord(s[n+1:]))
	if name == 0 {
		return 0
	}
	return n + 1 + name
}

func matchSet(s string) int {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	n := either("#set", "#{set}")(s[i:])
	if n == 0 {
		return 0
	}
	for i += n; i < len(s) && s[i] == ' '; i++ {
	}
	if i < len(s) && s[i] == '(' {
		return i + 1
	}
	return 0
}

func matchDollar(s string) int {
	n := backslashes(s)
	if n < len(s) && s[n] == '$' {
		return n + 1
	}
	return 0
}

func matchDollarBang(s string) int {
	n := matchDollar(s)
	if n == 0 {
		return 0
	}
	n += backslashes(s[n:])
	if n < len(s) && s[n] == '!' {
		return n + 1
	}
	return 0
}

func matchFormalOpen(s string) int {
	if strings.HasPrefix(s, "#**") && len(s) > 3 && s[3] != '#' {
		return 4
	}
	return 0
}

package vtl

// A syntaxKind is a production of the grammar that leaves a node.
type syntaxKind uint8

const (
	synRoot syntaxKind = iota
	synText
	synTextBlock
	synComment
	synEscape           // backslashes before something
	synEscapedDirective // \#if
	synReference
	synIdentifier
	synMethod
	synIndex
	synIf
	synElseIf
	synElse
	synSet
	synDirective
	synBlock
	synExpression
	synOr
	synAnd
	synEqual
	synNotEqual
	synLess
	synGreater
	synLessEqual
	synGreaterEqual
	synAdd
	synSubtract
	synMultiply
	synDivide
	synModulus
	synNot
	synString
	synInteger
	synFloat
	synTrue
	synFalse
	synRange
	synMap
	synList
	synWord
)

// A syntax is a node of the parse tree, which compile turns into what runs.
type syntax struct {
	kind        syntaxKind
	first, last *token
	kids        []*syntax
	text        string // a directive's name, or an escape's output
}

func (s *syntax) literal() string { return literalOf(s.first, s.last) }

// directiveForm says how a directive of the language is written.
type directiveForm uint8

const (
	formNone  directiveForm = iota
	formLine                // #break
	formBlock               // #foreach(...) ... #end
)

// formOf knows the directives that are not part of the grammar itself.
func formOf(name string) directiveForm {
	switch name {
	case "break", "evaluate", "include", "parse", "stop":
		return formLine
	case "define", "foreach", "literal", "macro":
		return formBlock
	}
	return formNone
}

func isControl(name string) bool {
	switch name {
	case "if", "end", "set", "else", "elseif":
		return true
	}
	return false
}

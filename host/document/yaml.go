package document

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// yaml reads a document of YAML.
func (r *reader) yaml(data []byte) *Node {
	tokens := tokenize(string(data))
	if !r.checkTokens(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err, data)
		return nil
	}
	body := r.onlyDocument(file)
	if body == nil {
		return nil
	}
	b := treeBuilder{reader: r, anchors: map[string]*Node{}}
	root := b.node(body, r.at(1, 1))
	if root == nil || b.refused {
		return nil
	}
	return root
}

// tokenize returns the words and signs of a text. The lexer forgets a tag that ends the text without the end of a line.
func tokenize(text string) token.Tokens {
	tokens := lexer.Tokenize(text)
	last := text[strings.LastIndexAny(text, " \t\r\n")+1:]
	if strings.HasPrefix(last, "!") && (len(tokens) == 0 || !strings.HasSuffix(tokens[len(tokens)-1].Value, last)) {
		return lexer.Tokenize(text + "\n")
	}
	return tokens
}

// atToken returns the place of a token; its columns count characters.
func (r *reader) atToken(t *token.Token) place {
	if t == nil || t.Position == nil {
		return r.at(1, 1)
	}
	before, _ := slices.BinarySearch(r.tagColumns[t.Position.Line], t.Position.Column) // the lexer does not count the end of a tag
	return r.at(max(1, t.Position.Line), max(1, t.Position.Column)+before)
}

// onlyDocument returns the one document of a file.
func (r *reader) onlyDocument(file *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			r.add(r.atToken(start(doc.Body)), RuleSyntax, "a second document begins here; a file has one").Hint = "remove the line ---"
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		r.add(r.at(1, 1), RuleRequired, "the file is empty")
	}
	return body
}

// checkTokens holds the bounds before the parser, which has none, sees the file; and refuses what is not supported.
func (r *reader) checkTokens(tokens token.Tokens) bool {
	if len(tokens) > r.limits.Tokens {
		r.add(r.atToken(tokens[r.limits.Tokens]), RuleTooLarge, fmt.Sprintf("the file has more than %d words and signs", r.limits.Tokens))
		return false
	}
	var n nesting
	ok := true
	for _, t := range tokens {
		switch t.Type {
		case token.TagType:
			if ok = r.checkTag(t) && ok; n.tags > 0 {
				r.add(r.atToken(t), RuleSyntax, "a value has one tag, and this is a second") // each is a recursion of the parser
				return false
			}
		case token.DirectiveType:
			r.add(r.atToken(t), RuleUnsupported, "YAML directives are not supported").Hint = "remove the line"
			return false
		}
		n.see(t)
		if n.depth() > r.limits.Depth || n.keys > r.limits.Keys {
			message := fmt.Sprintf("values are nested more than %d deep", r.limits.Depth)
			if n.keys > r.limits.Keys {
				message = fmt.Sprintf("an object has more than %d keys", r.limits.Keys)
			}
			r.add(r.atToken(t), RuleTooLarge, message)
			return false
		}
	}
	return ok
}

// checkTag refuses a tag that stands for nothing.
func (r *reader) checkTag(t *token.Token) bool {
	if r.tags != nil {
		if _, ok := r.tags(t.Value); ok {
			r.tagColumns[t.Position.Line] = append(r.tagColumns[t.Position.Line], t.Position.Column)
			return true
		}
		r.add(r.atToken(t), RuleUnsupported, "the tag "+Quote(t.Value)+" is not known here")
		return false
	}
	r.add(r.atToken(t), RuleUnsupported, "YAML tags such as "+Quote(t.Value)+" are not supported").Hint = "remove it"
	return false
}

// nesting follows how deep tokens are in each other, as far as it takes to bound the parser's recursion.
type nesting struct {
	flow   int     // brackets and braces that are open
	blocks []block // indented objects and lists that are open, outermost first
	keys   int     // of the block that a key was last seen in
	tags   int     // tags of the value that comes next
}

type block struct {
	column, keys int
	list         bool
}

func (n *nesting) depth() int { return n.flow + len(n.blocks) }

func (n *nesting) see(t *token.Token) {
	switch {
	case t.Type == token.TagType:
		n.tags++
	case t.Type != token.CommentType && t.Type != token.AnchorType && (t.Prev == nil || t.Prev.Type != token.AnchorType):
		n.tags = 0
	}
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.flow++
	case token.MappingEndType, token.SequenceEndType:
		n.flow = max(0, n.flow-1)
	case token.SequenceEntryType, token.MappingKeyType:
		n.enter(t.Position.Column, t.Type == token.SequenceEntryType)
	case token.MappingValueType:
		if n.flow == 0 && t.Prev != nil {
			n.enter(t.Prev.Position.Column, false)
		}
	}
}

// enter notes an entry of a list, or a key of an object, that begins at a column. A list may stand at the
// column of the key that it is the value of.
func (n *nesting) enter(column int, list bool) {
	if n.flow > 0 {
		return
	}
	for len(n.blocks) > 0 {
		top := n.blocks[len(n.blocks)-1]
		if top.column < column || top.column == column && (top.list == list || list) {
			break
		}
		n.blocks = n.blocks[:len(n.blocks)-1]
	}
	if len(n.blocks) == 0 || n.blocks[len(n.blocks)-1].column != column || n.blocks[len(n.blocks)-1].list != list {
		n.blocks = append(n.blocks, block{column: column, list: list})
	}
	top := &n.blocks[len(n.blocks)-1]
	top.keys++
	if n.keys = top.keys; list {
		n.keys = 0
	}
}

// clearer has our words for what the YAML library says, and a hint.
var clearer = map[string][2]string{
	"sequence end token ']' not found":                                   {"the list that starts here is not closed", "add ]"},
	"could not find flow mapping end token '}'":                          {"the object that starts here is not closed", "add }"},
	"',' or '}' must be specified":                                       {"expected , or }", "close the object, or put a value that holds { } [ ] , or : in quotes"},
	"',' or ']' must be specified":                                       {"expected , or ]", "close the list, or put a value that holds { } [ ] , or : in quotes"},
	"mapping value is not allowed in this context":                       {"a second \": \" in one line", "put the value in quotes"},
	"could not find end character of double-quoted text":                 {"the quoted text that starts here does not end", `add "`},
	"could not find end character of single-quoted text":                 {"the quoted text that starts here does not end", "add '"},
	"non-map value is specified":                                         {"expected a key, a colon and a space", ""},
	"value is not allowed in this context":                               {"this does not belong here", "check the indentation"},
	"found an invalid key for this map":                                  {"a key must be text before a colon", ""},
	"'@' is a reserved character":                                        {"a value cannot begin with @", "put the value in quotes"},
	"'`' is a reserved character":                                        {"a value cannot begin with `", "put the value in quotes"},
	"unexpected scalar value type":                                       {"a value is missing before this, or this cannot be one", ""},
	"unexpected key name":                                                {"a key cannot stand here", "check the indentation"},
	"value is not allowed in this context. map key-value is pre-defined": {"this does not belong after the value", "put the whole value in quotes"},
}

// syntax reports the parser's error, of which there is never more than one.
func (r *reader) syntax(err error, data []byte) {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		r.add(r.at(1, 1), RuleSyntax, "not YAML: "+err.Error())
		return
	}
	at := r.atToken(ye.GetToken())
	line := SourceLine(data, at.pos.Line)
	if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
		at.pos.Column = strings.Index(indent, "\t") + 1
		r.add(at, RuleSyntax, "a tab cannot indent").Hint = "use spaces"
		return
	}
	message, hint := ye.GetMessage(), ""
	if words, ok := clearer[message]; ok {
		message, hint = words[0], words[1]
	}
	r.add(at, RuleSyntax, message).Hint = hint
}

package definition

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/postern/postern/host"
)

// Bounds of a file. They stand far above what people write, and below what would keep the reader busy: the
// YAML parser recurses with the depth of values and takes quadratic time over the keys of one object.
const (
	maxFile   = 4 << 20 // bytes
	maxTokens = 300_000
	maxKeys   = 20_000  // in one object
	maxDepth  = 64      // values within values
	maxNodes  = 200_000 // values, with every alias counted as often as it is used
)

// readTree turns a file into a tree, and reports why it cannot. It returns nil when there is nothing to look at.
func (r *report) readTree(data []byte) *node {
	if len(data) > maxFile {
		r.add(r.at(1, 1), RuleTooLarge, fmt.Sprintf("the file has %d bytes; a definition may have %d", len(data), maxFile))
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if line, column := invalidText(data); line > 0 {
		r.add(r.at(line, column), RuleSyntax, "this byte is not text").Hint = "save the file as UTF-8"
		return nil
	}
	tokens := lexer.Tokenize(string(data))
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
	b := treeBuilder{report: r, anchors: map[string]*node{}}
	root := b.node(body, r.at(1, 1))
	if root == nil || b.refused {
		return nil
	}
	if root.shape != shapeObject {
		r.add(place{pos: root.pos}, RuleWrongType, fmt.Sprintf("the file must be an object with keys such as apis and functions, not %s", root.shape))
		return nil
	}
	root.pos = r.at(1, 1).pos
	return root
}

// at returns a place of the file itself.
func (r *report) at(line, column int) place {
	return place{pos: host.Position{File: r.file, Line: line, Column: column}}
}

// atToken returns the place of a token; its columns count characters.
func (r *report) atToken(t *token.Token) place {
	if t == nil || t.Position == nil {
		return r.at(1, 1)
	}
	return r.at(max(1, t.Position.Line), max(1, t.Position.Column))
}

// invalidText finds the first byte that is not UTF-8, or NUL, and returns zeros when there is none.
func invalidText(data []byte) (line, column int) {
	line, column = 1, 1
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size == 1 || c == 0 {
			return line, column
		}
		i += size
		column++
		if c == '\n' {
			line, column = line+1, 1
		}
	}
	return 0, 0
}

// onlyDocument returns the one document of a file.
func (r *report) onlyDocument(file *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			r.add(r.atToken(start(doc.Body)), RuleSyntax, "a second document begins here; a definition is one document").Hint = "remove the line ---"
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		r.add(r.at(1, 1), RuleRequired, "the file is empty").Hint = "a definition has apis or functions"
	}
	return body
}

// checkTokens holds the bounds before the parser, which has none, sees the file; and refuses what is not supported.
func (r *report) checkTokens(tokens token.Tokens) bool {
	if len(tokens) > maxTokens {
		r.add(r.atToken(tokens[maxTokens]), RuleTooLarge, fmt.Sprintf("the file has more than %d words and signs", maxTokens))
		return false
	}
	var n nesting
	ok := true
	for _, t := range tokens {
		switch t.Type {
		case token.TagType:
			r.add(r.atToken(t), RuleUnsupported, "YAML tags such as "+quote(t.Value)+" are not supported").Hint = "remove it"
			ok = false
		case token.DirectiveType:
			r.add(r.atToken(t), RuleUnsupported, "YAML directives are not supported").Hint = "remove the line"
			return false
		}
		n.see(t)
		if n.depth() > maxDepth || n.keys > maxKeys {
			message := fmt.Sprintf("values are nested more than %d deep", maxDepth)
			if n.keys > maxKeys {
				message = fmt.Sprintf("an object has more than %d keys", maxKeys)
			}
			r.add(r.atToken(t), RuleTooLarge, message)
			return false
		}
	}
	return ok
}

// nesting follows how deep tokens are in each other, as far as it takes to bound the parser's recursion.
type nesting struct {
	flow   int     // brackets and braces that are open
	blocks []block // indented objects and lists that are open, outermost first
	keys   int     // of the block that a key was last seen in
}

type block struct {
	column, keys int
	list         bool
}

func (n *nesting) depth() int { return n.flow + len(n.blocks) }

func (n *nesting) see(t *token.Token) {
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
	"unexpected key name":                                                {"a key cannot stand here", "check the indentation"},
	"value is not allowed in this context. map key-value is pre-defined": {"this does not belong after the value", "put the whole value in quotes"},
}

// syntax reports the parser's error, of which there is never more than one.
func (r *report) syntax(err error, data []byte) {
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

// Package document reads YAML and JSON into trees of values with their places, within bounds, and says what is wrong with
// them: each error has a file, a line and a column. It writes trees back for people, such that they are read as the same. What the
// values mean is for its callers to say.
//
// JSON is read by encoding/json, though it is YAML too: documents of JSON are often written by machines and large, and the YAML
// parser takes several times as long for them.
package document

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// Limits bound a document. What is 0 has the default, which stands far above what people write, and below what would keep the
// reader busy: the YAML parser recurses with the depth of values and takes quadratic time over the keys of one object.
type Limits struct {
	Bytes  int
	Tokens int // words and signs of YAML
	Keys   int // in one object of YAML
	Depth  int // values within values
	Nodes  int // values, with every alias counted as often as it is used
}

// The default limits.
const (
	DefaultBytes  = 4 << 20
	DefaultTokens = 300_000
	DefaultKeys   = 20_000
	DefaultDepth  = 64
	DefaultNodes  = 200_000
)

// Parse reads a document; name is its file, for places. A name that ends in .json says that it is JSON; other documents may be either.
// The error is Errors with everything that is wrong, in the order of the document, and errors.Is(err, host.Invalid) holds. Beside
// it, the tree may be what could be read, or nil.
func Parse(name string, data []byte, limits Limits) (*Node, error) {
	return ParseTagged(name, data, limits, nil)
}

// ParseTagged is Parse for documents that give a meaning to tags of YAML, as templates of CloudFormation do. It asks key what a tag such
// as "!Ref" stands for: `!Ref x` is read as the object {"Ref": x} when it answers "Ref" and true. Other tags are refused, as Parse refuses all.
func ParseTagged(name string, data []byte, limits Limits, key func(tag string) (string, bool)) (*Node, error) {
	r := &reader{file: name, tags: key, tagColumns: map[int][]int{}, limits: Limits{
		Bytes:  cmp.Or(limits.Bytes, DefaultBytes),
		Tokens: cmp.Or(limits.Tokens, DefaultTokens),
		Keys:   cmp.Or(limits.Keys, DefaultKeys),
		Depth:  cmp.Or(limits.Depth, DefaultDepth),
		Nodes:  cmp.Or(limits.Nodes, DefaultNodes),
	}}
	root := r.read(data)
	if len(r.errs) == 0 {
		return root, nil
	}
	if len(r.errs) > MaxErrors {
		root = nil // so much is wrong that nothing else needs to be said
	}
	return root, r.errs.Finish(name, data)
}

// A reader reads one document.
type reader struct {
	file   string
	limits Limits
	tags   func(tag string) (key string, ok bool) // nil for none

	tagColumns map[int][]int // where tags stand, by their lines
	errs       Errors
}

// A place is where a value stands: in the file, and in the tree of values.
type place struct {
	pos  host.Position
	path string
}

// add appends an error and returns it, so that a hint can be added.
func (r *reader) add(at place, rule, message string) *Error {
	e := &Error{Pos: at.pos, Path: at.path, Rule: rule, Message: message}
	r.errs = append(r.errs, e)
	return e
}

// suggest is Suggest for errors that will be shown: it takes time.
func (r *reader) suggest(name string, known []string) string {
	if len(r.errs) > 2*MaxErrors {
		return ""
	}
	return Suggest(name, known)
}

// read turns a document into a tree, and reports why it cannot. It returns nil when there is nothing to look at.
func (r *reader) read(data []byte) *Node {
	if len(data) > r.limits.Bytes {
		r.add(r.at(1, 1), RuleTooLarge, fmt.Sprintf("the file has more than %d bytes", r.limits.Bytes))
		return nil
	}
	trimmed := bytes.TrimPrefix(data, []byte("\ufeff"))
	if line, column := invalidText(trimmed); line > 0 {
		r.add(r.at(line, column), RuleSyntax, "this byte is not text").Hint = "save the file as UTF-8"
		return nil
	}
	if isJSON(r.file, trimmed) {
		return r.json(trimmed)
	}
	return r.yaml(bytes.ReplaceAll(trimmed, []byte("\r\n"), []byte("\n"))) // one line break either way (YAML 1.2.2, 5.4); the lexer counts two after a comment
}

// isJSON reports whether a document is to be read as JSON. A scalar is the same in YAML.
func isJSON(name string, data []byte) bool {
	if strings.EqualFold(path.Ext(name), ".json") {
		return true
	}
	start := bytes.TrimLeft(data, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[') && json.Valid(data)
}

// at returns a place of the file itself.
func (r *reader) at(line, column int) place {
	return place{pos: host.Position{File: r.file, Line: line, Column: column}}
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

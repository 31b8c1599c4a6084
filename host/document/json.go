package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// A jsonReader makes nodes of JSON's tokens (RFC 8259).
type jsonReader struct {
	*reader
	data  []byte
	dec   *json.Decoder
	nodes int
	cursor
}

// A cursor follows the place of an offset, which only grows. Columns count characters.
type cursor struct{ offset, line, column int }

// to moves the cursor on.
func (c *cursor) to(data []byte, offset int) {
	for c.offset < offset {
		b := data[c.offset]
		switch {
		case b == '\n':
			c.line, c.column = c.line+1, 1
		case utf8.RuneStart(b):
			c.column++
		}
		c.offset++
	}
}

// json reads a document of JSON. It returns nil when it is none, or over a bound.
func (r *reader) json(data []byte) *Node {
	j := &jsonReader{reader: r, data: data, dec: json.NewDecoder(bytes.NewReader(data)), cursor: cursor{line: 1, column: 1}}
	j.dec.UseNumber()
	root, ok := j.value("", 1)
	if !ok {
		return nil
	}
	if pos, err := j.peek(); !errors.Is(err, io.EOF) {
		r.add(place{pos: pos}, RuleSyntax, "this does not belong after the value").Hint = "a document of JSON has one value"
		return nil
	}
	return root
}

// peek moves to the next token, and returns where it begins. The error is io.EOF at the end.
func (j *jsonReader) peek() (host.Position, error) {
	at := int(j.dec.InputOffset())
	for at < len(j.data) && (j.data[at] <= ' ' || j.data[at] == ',' || j.data[at] == ':') {
		at++
	}
	j.to(j.data, at)
	pos := j.at(j.line, j.column).pos
	if at == len(j.data) {
		return pos, io.EOF
	}
	return pos, nil
}

// next returns the next token with its place, and reports what is none.
func (j *jsonReader) next(path string) (token json.Token, pos host.Position, ok bool) {
	pos, _ = j.peek()
	token, err := j.dec.Token()
	if err == nil {
		return token, pos, true
	}
	j.syntax(pos, path, err)
	return nil, pos, false
}

// syntax reports why the token that should be at pos is none. The decoder counts offsets from here or there; those of a whole document
// are its own.
func (j *jsonReader) syntax(pos host.Position, path string, err error) {
	var whole json.RawMessage
	var syntax *json.SyntaxError
	errors.As(json.Unmarshal(j.data, &whole), &syntax)
	switch {
	case len(bytes.TrimSpace(j.data)) == 0:
		j.add(j.reader.at(1, 1), RuleRequired, "the file is empty")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		j.add(place{pos, path}, RuleSyntax, "the document ends too early").Hint = "a text, list or object is not closed"
	case syntax != nil:
		end := cursor{line: 1, column: 1}
		end.to(j.data, min(len(j.data), max(0, int(syntax.Offset)-1)))
		j.add(place{j.at(end.line, end.column).pos, path}, RuleSyntax, "not JSON: "+syntax.Error())
	default:
		j.add(place{pos, path}, RuleSyntax, "not JSON: "+err.Error())
	}
}

// value reads one value, which has so many others around it and itself.
func (j *jsonReader) value(path string, depth int) (*Node, bool) {
	token, pos, ok := j.next(path)
	if !ok {
		return nil, false
	}
	j.nodes++
	switch {
	case j.nodes > j.limits.Nodes:
		j.add(place{pos, path}, RuleTooLarge, fmt.Sprintf("the file has more than %d values", j.limits.Nodes))
		return nil, false
	case depth > j.limits.Depth:
		j.add(place{pos, path}, RuleTooLarge, fmt.Sprintf("values are nested more than %d deep", j.limits.Depth))
		return nil, false
	}
	n := &Node{Pos: pos}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return n, j.object(n, path, depth)
		}
		return n, j.list(n, path, depth)
	case bool:
		n.Shape, n.Scalar, n.Text = Bool, t, strconv.FormatBool(t)
	case string:
		n.Shape, n.Scalar, n.Text = Text, t, t
	case json.Number:
		return n, j.number(n, t, path)
	default:
		n.Text = "null"
	}
	return n, true
}

func (j *jsonReader) list(n *Node, path string, depth int) bool {
	n.Shape = List
	for j.dec.More() {
		item, ok := j.value(IndexPath(path, len(n.Items)), depth+1)
		if !ok {
			return false
		}
		n.Items = append(n.Items, item)
	}
	_, _, ok := j.next(path)
	return ok
}

func (j *jsonReader) object(n *Node, path string, depth int) bool {
	n.Shape = Object
	lines := map[string]int{}
	for j.dec.More() {
		token, pos, ok := j.next(path)
		if !ok {
			return false
		}
		key, _ := token.(string) // the decoder takes nothing else for a key
		at := place{pos, KeyPath(path, key)}
		value, ok := j.value(at.path, depth+1)
		if !ok {
			return false
		}
		if line, twice := lines[key]; twice {
			j.add(at, RuleDuplicateKey, fmt.Sprintf("%s is already set in line %d", Quote(key), line)).Hint = "remove one of them"
			continue
		}
		lines[key] = pos.Line
		n.Members = append(n.Members, Member{key, pos, value})
	}
	_, _, ok := j.next(path)
	return ok
}

// number takes a whole number for one as long as it fits.
func (j *jsonReader) number(n *Node, t json.Number, path string) bool {
	n.Text = t.String()
	if i, err := strconv.ParseInt(n.Text, 10, 64); err == nil {
		n.Shape, n.Scalar = Integer, i
		return true
	}
	if u, err := strconv.ParseUint(n.Text, 10, 64); err == nil {
		n.Shape, n.Scalar = Integer, u
		return true
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if err != nil {
		j.add(place{n.Pos, path}, RuleInvalidValue, Quote(n.Text)+" is larger than any number")
		return false
	}
	n.Shape, n.Scalar = Number, f
	return true
}

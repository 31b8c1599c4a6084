package jsonpath

import (
	"math/big"
	"reflect"
	"regexp"
	"strings"

	"github.com/postern/postern/host/mapping/tree"
)

type nodeKind uint8

const (
	nodeUndefined nodeKind = iota // a path that leads nowhere: it equals nothing, itself neither
	nodeNull
	nodeBool
	nodeNumber
	nodeString
	nodeJSON
	nodePattern
)

// A node is an operand of a comparison: a literal, or what a path leads to.
type node struct {
	kind    nodeKind
	bool    bool
	text    string // of a string; of a number as it was written
	json    any    // a *tree.Map or *tree.List
	literal bool   // the JSON stands in the path
	pattern *regexp.Regexp
}

// words are the literals in letters.
var words = map[string]node{
	"true":  {kind: nodeBool, bool: true},
	"false": {kind: nodeBool},
	"null":  {kind: nodeNull},
}

func nodeOf(v any) node {
	switch v := v.(type) {
	case nil:
		return node{kind: nodeNull}
	case bool:
		return node{kind: nodeBool, bool: v}
	case string:
		return node{kind: nodeString, text: v}
	case *tree.Map, *tree.List:
		return node{kind: nodeJSON, json: v}
	case int32, int64, float64, tree.Decimal, *big.Int:
		return node{kind: nodeNumber, text: string(tree.Append(nil, v))}
	}
	return node{kind: nodeUndefined}
}

// elementOf is nodeOf for an element of an array that is compared with others: the library takes texts that look like JSON for JSON, those
// that look like paths for paths, which equal nothing, and takes quotes off. It cannot compare arrays and objects in arrays.
func elementOf(v any) (node, error) {
	text, ok := v.(string)
	if !ok {
		n := nodeOf(v)
		if n.kind == nodeJSON {
			return n, errElement
		}
		return n, nil
	}
	trimmed := strings.TrimSpace(text)
	if trimmed != "" && (trimmed[0] == '$' || trimmed[0] == '@') {
		if _, err := compile(trimmed, 0, 0); err == nil {
			return node{kind: nodeUndefined}, nil
		}
	}
	if len(trimmed) > 1 && (trimmed[0] == '[' || trimmed[0] == '{') && trimmed[len(trimmed)-1] == trimmed[0]+2 {
		if v, err := literal(trimmed); err == nil {
			return node{kind: nodeJSON, json: v, literal: true}, nil
		}
	}
	if n := len(text); n > 1 && (text[0] == '\'' || text[0] == '"') && text[n-1] == text[0] {
		text = text[1 : n-1]
	}
	if unescaped, ok := unescape(text); ok {
		text = unescaped
	}
	return node{kind: nodeString, text: text}, nil
}

// list returns the elements of a node that is an array. A node that is no JSON at all fits no operator on arrays.
func (n node) list(w *walk) (elements []node, ok bool, err error) {
	if n.kind != nodeJSON {
		return nil, false, errFilter
	}
	list, ok := n.json.(*tree.List)
	if !ok {
		return nil, false, nil
	}
	if err := w.charge(len(list.Items)); err != nil {
		return nil, false, err
	}
	elements = make([]node, len(list.Items))
	for i, item := range list.Items {
		if text, isText := item.(string); isText {
			if err := w.charge(len(text) / 16); err != nil { // it may be read as a path or JSON
				return nil, false, err
			}
		}
		if elements[i], err = elementOf(item); err != nil {
			return nil, false, err
		}
	}
	return elements, true, nil
}

// equal is the operator ==, which takes a number and a string for equal if they are as numbers, or as texts, by what stands at the left.
func (n node) equal(w *walk, other node) (bool, error) {
	if err := w.charge(1 + min(len(n.text), len(other.text))/64); err != nil {
		return false, err
	}
	switch n.kind {
	case nodeNull:
		return other.kind == nodeNull, nil
	case nodeBool:
		return other.kind == nodeBool && n.bool == other.bool, nil
	case nodeString:
		return (other.kind == nodeString || other.kind == nodeNumber) && n.text == other.text, nil
	case nodeNumber:
		if other.kind != nodeNumber && other.kind != nodeString {
			return false, nil
		}
		order, ok := compareDecimals(n.text, other.text)
		return ok && order == 0, nil
	case nodeJSON:
		if other.kind != nodeJSON || n.literal {
			return false, nil
		}
		return w.same(n.json, other.json, 0)
	}
	return false, nil
}

// same compares JSON as Java does: numbers of different classes differ.
func (w *walk) same(a, b any, depth int) (bool, error) {
	if depth > w.limits.Depth {
		return false, limitError{"levels", w.limits.Depth}
	}
	if err := w.charge(1); err != nil {
		return false, err
	}
	switch a := a.(type) {
	case *tree.List:
		b, ok := b.(*tree.List)
		if !ok || len(a.Items) != len(b.Items) {
			return false, nil
		}
		for i := range a.Items {
			if ok, err := w.same(a.Items[i], b.Items[i], depth+1); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	case *tree.Map:
		b, ok := b.(*tree.Map)
		if !ok || a.Len() != b.Len() {
			return false, nil
		}
		for key, value := range a.All() {
			other, ok := b.Get(key)
			if !ok {
				return false, nil
			}
			if ok, err := w.same(value, other, depth+1); err != nil || !ok {
				return false, err
			}
		}
		return true, nil
	case *big.Int:
		b, ok := b.(*big.Int)
		return ok && a.Cmp(b) == 0, nil
	case tree.Decimal, float64:
		f, _ := number(a)
		switch b.(type) {
		case tree.Decimal, float64:
			g, _ := number(b)
			return f == g, nil
		}
		return false, nil
	}
	return reflect.TypeOf(a) == reflect.TypeOf(b) && a == b, nil
}

// input is what a regular expression is matched against.
func (n node) input() string {
	switch n.kind {
	case nodeString, nodeNumber:
		return n.text
	case nodeBool:
		if n.bool {
			return "true"
		}
		return "false"
	}
	return ""
}

package jsonpath

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/postern/postern/host/mapping/tree"
)

var errElement = errors.New("an array or object in an array cannot be compared")

// A condition is a filter, or a part of one.
type condition interface {
	// holds tests a value. errFilter: the whole filter does not hold, a ! before it notwithstanding.
	holds(w *walk, item any) (bool, error)
}

type (
	allOf []condition
	anyOf []condition
	not   struct{ of condition }

	// exists tests whether there is such a path.
	exists struct {
		path *Path
		want bool
	}

	// A comparison has a *Path or a node at either side.
	comparison struct {
		op          operator
		left, right any
	}
)

func (c allOf) holds(w *walk, item any) (bool, error) {
	for _, one := range c {
		if ok, err := one.holds(w, item); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (c anyOf) holds(w *walk, item any) (bool, error) {
	for _, one := range c {
		if ok, err := one.holds(w, item); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func (c not) holds(w *walk, item any) (bool, error) {
	ok, err := c.of.holds(w, item)
	return !ok, err
}

// holds reads the path from the item, also one that begins with $: the library does so where only existence is asked for. An indefinite
// path exists always, unless a property in it is missing.
func (c exists) holds(w *walk, item any) (bool, error) {
	_, err := w.read(c.path, item, true)
	if errors.Is(err, ErrMissing) {
		return !c.want, nil
	}
	return c.want, err
}

func (c comparison) holds(w *walk, item any) (bool, error) {
	left, err := w.operand(c.left, item)
	if err != nil {
		return false, err
	}
	right, err := w.operand(c.right, item)
	if err != nil {
		return false, err
	}
	return c.op.holds(w, left, right)
}

func (w *walk) operand(of, item any) (node, error) {
	p, ok := of.(*Path)
	if !ok {
		return of.(node), nil
	}
	key := cached{p, w.strict}
	if p.root {
		if v, ok := w.cache[key]; ok {
			return nodeOf(v), nil
		}
		item = w.doc
	}
	v, err := w.read(p, item, w.strict)
	if errors.Is(err, ErrMissing) {
		return node{kind: nodeUndefined}, nil
	}
	if err != nil {
		return node{}, err
	}
	if p.root {
		if w.cache == nil {
			w.cache = map[cached]any{}
		}
		w.cache[key] = v
	}
	return nodeOf(v), nil
}

type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opSame // === and !== compare values of one class
	opNotSame
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opMatches
	opIn
	opNotIn
	opContains
	opSize
	opEmpty
	opSubset
	opAny
	opNone
	opNever // operators that the library has for its own builders, and which hold for no text
	opExists
)

var operators = map[string]operator{
	"==": opEqual, "!=": opNotEqual, "===": opSame, "!==": opNotSame, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
	"=~": opMatches, "in": opIn, "nin": opNotIn, "contains": opContains, "size": opSize, "empty": opEmpty, "subsetof": opSubset,
	"anyof": opAny, "noneof": opNone, "all": opNever, "type": opNever, "matches": opNever, "exists": opExists,
}

func (op operator) holds(w *walk, left, right node) (bool, error) {
	switch op {
	case opEqual, opNotEqual:
		ok, err := left.equal(w, right)
		return ok != (op == opNotEqual), err
	case opSame, opNotSame:
		if left.kind != right.kind {
			return op == opNotSame, nil
		}
		ok, err := left.equal(w, right)
		return ok != (op == opNotSame), err
	case opLess, opLessEqual, opGreater, opGreaterEqual:
		return op.ordered(w, left, right)
	case opMatches:
		return matches(w, left, right)
	case opIn, opNotIn:
		ok, err := isIn(w, left, right)
		return ok != (op == opNotIn), err
	case opContains:
		return contains(w, left, right)
	case opSize:
		return hasSize(left, right), nil
	case opEmpty:
		return isEmpty(left, right)
	case opSubset, opAny, opNone:
		return op.ofLists(w, left, right)
	case opExists:
		if left.kind != nodeBool || right.kind != nodeBool {
			return false, errFilter
		}
		return left.bool == right.bool, nil
	}
	return false, errFilter
}

func (op operator) ordered(w *walk, left, right node) (bool, error) {
	var order int
	switch {
	case left.kind == nodeNumber && right.kind == nodeNumber:
		order, _ = compareDecimals(left.text, right.text)
	case left.kind == nodeString && right.kind == nodeString:
		order = compareTexts(left.text, right.text)
	default:
		return false, nil
	}
	if err := w.charge(min(len(left.text), len(right.text)) / 64); err != nil {
		return false, err
	}
	switch op {
	case opLess:
		return order < 0, nil
	case opLessEqual:
		return order <= 0, nil
	case opGreater:
		return order > 0, nil
	}
	return order >= 0, nil
}

// compareTexts orders by UTF-16 units, as Java does.
func compareTexts(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && (n < len(a) && a[n]&0xC0 == 0x80 || n < len(b) && b[n]&0xC0 == 0x80) {
		n-- // to the beginning of a character
	}
	x, y := firstUnits(a[n:]), firstUnits(b[n:])
	for i := range x {
		if x[i] != y[i] {
			return x[i] - y[i]
		}
	}
	return 0
}

// firstUnits returns the UTF-16 units of the first character, -1 for none.
func firstUnits(s string) [2]int {
	if s == "" {
		return [2]int{-1, -1}
	}
	r, _ := utf8.DecodeRuneInString(s)
	if r >= 0x10000 {
		high, low := utf16.EncodeRune(r)
		return [2]int{int(high), int(low)}
	}
	return [2]int{int(r), -1}
}

func isIn(w *walk, left, right node) (bool, error) {
	elements, ok, err := right.list(w)
	if err != nil || !ok {
		return false, err
	}
	return among(w, left, elements)
}

func among(w *walk, n node, elements []node) (bool, error) {
	for _, element := range elements {
		if ok, err := n.equal(w, element); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func contains(w *walk, left, right node) (bool, error) {
	if left.kind == nodeString && right.kind == nodeString {
		return strings.Contains(left.text, right.text), w.charge(1 + len(left.text)/64)
	}
	if left.kind != nodeJSON {
		return false, nil
	}
	elements, ok, err := left.list(w)
	if err != nil || !ok {
		return false, err
	}
	return among(w, right, elements)
}

func hasSize(left, right node) bool {
	if right.kind != nodeNumber {
		return false
	}
	want, err := strconv.ParseFloat(right.text, 64)
	if err != nil {
		return false
	}
	switch left.kind {
	case nodeString:
		return units(left.text) == int(want)
	case nodeJSON:
		if list, ok := left.json.(*tree.List); ok {
			return len(list.Items) == int(want)
		}
		return int(want) == -1
	}
	return false
}

func isEmpty(left, right node) (bool, error) {
	if left.kind != nodeString && left.kind != nodeJSON {
		return false, nil
	}
	if right.kind != nodeBool {
		return false, errFilter
	}
	empty := left.text == ""
	switch v := left.json.(type) {
	case *tree.List:
		empty = len(v.Items) == 0
	case *tree.Map:
		empty = v.Len() == 0
	}
	return empty == right.bool, nil
}

func (op operator) ofLists(w *walk, left, right node) (bool, error) {
	theirs, ok, err := right.list(w)
	if err != nil || !ok {
		return false, err
	}
	ours, ok, err := left.list(w)
	if err != nil || !ok {
		return false, err
	}
	for _, one := range ours {
		ok, err := among(w, one, theirs)
		if err != nil {
			return false, err
		}
		if op == opSubset && !ok {
			return false, nil
		}
		if op != opSubset && ok {
			return op == opAny, nil
		}
	}
	return op != opAny, nil
}

func matches(w *walk, left, right node) (bool, error) {
	if (left.kind == nodePattern) == (right.kind == nodePattern) {
		return false, nil
	}
	pattern, input := right.pattern, left
	if left.kind == nodePattern {
		pattern, input = left.pattern, right
	}
	inputs := []node{input}
	if _, ok := input.json.(*tree.List); ok {
		elements, _, err := input.list(w)
		if err != nil {
			return false, err
		}
		inputs = elements
	}
	for _, one := range inputs {
		text := one.input()
		if err := w.charge(1 + len(text)/64); err != nil {
			return false, err
		}
		if pattern.MatchString(text) {
			return true, nil
		}
	}
	return false, nil
}

package vtl

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/postern/postern/host/mapping/tree"
)

// The classes beyond JSON's that values may have.
type (
	// An array is what split returns: its size is fixed.
	array struct{ items []any }
	// A view is a map's keys, values or entries.
	view struct {
		m  *tree.Map
		of viewKind
	}
	// An entry is one of a map.
	entry struct {
		m   *tree.Map
		key any
	}
	// A char is what charAt returns.
	char uint16
)

type viewKind uint8

const (
	viewKeys viewKind = iota
	viewValues
	viewEntries
)

// fromHost takes Go's own number types for Java's.
func fromHost(v any) any {
	switch n := v.(type) {
	case int:
		if int(int32(n)) == n {
			return int32(n)
		}
		return int64(n)
	case float32:
		return float64(n)
	}
	return v
}

// text is Java's toString; false for null.
func (r *run) text(v any) (string, bool, error) {
	switch v := v.(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	case *blockValue:
		return v.text(r)
	}
	b, err := r.appendText(nil, v, 0)
	if err != nil {
		return "", false, err
	}
	if err := r.charge(len(b)); err != nil {
		return "", false, err
	}
	return string(b), true, nil
}

// appendText writes a value as Java prints it: [a, b] and {k=v}. It stops before it has written more than the run may have in memory.
func (r *run) appendText(b []byte, v any, depth int) ([]byte, error) {
	if len(b) > r.limits.Memory-r.memory {
		return nil, limitError("bytes of memory", r.limits.Memory)
	}
	if depth > r.limits.Depth {
		return nil, limitError("levels", r.limits.Depth)
	}
	if err := r.tick(); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return append(b, v...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int32:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return append(b, floatText(v)...), nil
	case *big.Int:
		if v.BitLen() > maxBits {
			return nil, limitError("bits of a number", maxBits)
		}
		return v.Append(b, 10), nil
	case tree.Decimal:
		return append(b, v...), nil
	case char:
		return append(b, string(rune(v))...), nil
	case *tree.List:
		return r.appendItems(b, v, v.Items, depth)
	case *tree.Map:
		return r.appendMap(b, v, depth)
	case *view:
		return r.appendItems(b, v, v.items(), depth)
	case *entry:
		return r.appendEntry(b, v.key, v.value(), depth)
	case *array:
		return append(b, "[Ljava.lang.String;"...), nil
	case *loopScope:
		if v.values == nil {
			return append(b, "{}"...), nil
		}
		return r.appendMap(b, v.values, depth)
	case *blockValue:
		s, ok, err := v.text(r)
		if !ok && err == nil {
			s = "null"
		}
		return append(b, s...), err
	case fmt.Stringer:
		return append(b, v.String()...), nil
	case Viewer:
		return r.appendMap(b, v.Map(), depth)
	}
	return b, nil
}

func (r *run) appendItems(b []byte, self any, items []any, depth int) ([]byte, error) {
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ", "...)
		}
		if item == self {
			b = append(b, "(this Collection)"...)
			continue
		}
		var err error
		if b, err = r.appendText(b, item, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (r *run) appendMap(b []byte, m *tree.Map, depth int) ([]byte, error) {
	b = append(b, '{')
	first := true
	for k, v := range m.All() {
		if !first {
			b = append(b, ", "...)
		}
		first = false
		if v == any(m) {
			v = "(this Map)"
		}
		var err error
		if b, err = r.appendEntry(b, keyValue(k), v, depth); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func (r *run) appendEntry(b []byte, k, v any, depth int) ([]byte, error) {
	b, err := r.appendText(b, k, depth+1)
	if err != nil {
		return nil, err
	}
	return r.appendText(append(b, '='), v, depth+1)
}

// classOf names what equals must agree on, and which methods there are.
func classOf(v any) class {
	switch v.(type) {
	case string:
		return classString
	case bool:
		return classBoolean
	case int32:
		return classInteger
	case int64:
		return classLong
	case float64, tree.Decimal:
		return classDouble
	case *big.Int:
		return classBigInteger
	case char:
		return classCharacter
	case *tree.List:
		return classList
	case *tree.Map:
		return classMap
	case *array:
		return classArray
	case *view:
		return classView
	case *entry:
		return classEntry
	case *loopScope:
		return classLoop
	case *blockValue:
		return classBlock
	case iterator:
		return classIterator
	}
	return classObject
}

type class uint8

const (
	classObject class = iota // of the host
	classString
	classBoolean
	classInteger
	classLong
	classDouble
	classBigInteger
	classCharacter
	classList
	classMap
	classArray
	classView
	classEntry
	classLoop
	classBlock
	classIterator
)

func sameClass(a, b any) bool {
	ca, cb := classOf(a), classOf(b)
	if ca != cb {
		return false
	}
	if ca == classView {
		return a.(*view).of == b.(*view).of
	}
	return true
}

// equal is Java's equals. Lists and maps compare by their elements, and numbers of different classes are not equal.
func (r *run) equal(a, b any, depth int) (bool, error) {
	if depth > r.limits.Depth {
		return false, limitError("levels", r.limits.Depth)
	}
	if err := r.tick(); err != nil {
		return false, err
	}
	a, b = plainNumber(a), plainNumber(b)
	switch x := a.(type) {
	case *big.Int:
		y, ok := b.(*big.Int)
		return ok && x.Cmp(y) == 0, nil
	case *tree.List:
		y, ok := b.(*tree.List)
		if !ok || x == y {
			return ok, nil
		}
		return r.equalItems(x.Items, y.Items, depth)
	case *tree.Map:
		y, ok := b.(*tree.Map)
		if !ok || x == y {
			return ok, nil
		}
		return r.equalMaps(x, y, depth)
	case *view:
		y, ok := b.(*view)
		if !ok || x == y || x.of == viewValues {
			return a == b, nil
		}
		if len(x.items()) != len(y.items()) {
			return false, nil
		}
		for _, item := range x.items() {
			if has, err := r.contains(y.items(), item); !has || err != nil {
				return false, err
			}
		}
		return y.of == x.of, nil
	case *entry:
		y, ok := b.(*entry)
		if !ok {
			return false, nil
		}
		if same, err := r.equal(x.key, y.key, depth+1); !same || err != nil {
			return false, err
		}
		return r.equal(x.value(), y.value(), depth+1)
	case float64:
		y, ok := b.(float64)
		return ok && (x == y || x != x && y != y), nil
	}
	return canCompare(a) && canCompare(b) && a == b, nil
}

// canCompare guards == against values of the host that have none.
func canCompare(v any) bool {
	switch v.(type) {
	case nil, string, bool, int32, int64, float64, char, *array, *loopScope, *blockValue:
		return true
	case Object:
		return fmt.Sprintf("%T", v)[0] == '*'
	}
	return false
}

func (r *run) equalItems(x, y []any, depth int) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	for i := range x {
		if same, err := r.equal(x[i], y[i], depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalMaps(x, y *tree.Map, depth int) (bool, error) {
	if x.Len() != y.Len() {
		return false, nil
	}
	for k, v := range x.All() {
		w, ok := y.Get(k)
		if !ok {
			return false, nil
		}
		if same, err := r.equal(v, w, depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *run) contains(items []any, v any) (bool, error) {
	i, err := r.index(items, v)
	return i >= 0, err
}

func (r *run) index(items []any, v any) (int, error) {
	for i, item := range items {
		if same, err := r.equal(v, item, 0); same || err != nil {
			return i, err
		}
	}
	return -1, nil
}

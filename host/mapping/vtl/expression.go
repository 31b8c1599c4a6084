package vtl

import (
	"math/big"

	"github.com/postern/postern/host/mapping/tree"
)

// A constant is a number, true, false or a string without references.
type constant struct {
	plain
	v any
}

func (c *constant) value(*run, scope) (any, error) { return c.v, nil }

func (c *constant) truth(*run, scope) (bool, error) {
	b, ok := c.v.(bool)
	return ok && b, nil
}

// A template is a string with references in it.
type interpolated struct {
	plain
	body node
	cut  bool // a space was added to end the last reference, and goes again
}

func (n *interpolated) value(r *run, s scope) (any, error) {
	text, err := r.capture(func() error { return n.body.render(r, s) })
	if err != nil {
		return nil, err
	}
	if n.cut && text != "" {
		text = text[:len(text)-1]
	}
	return text, nil
}

type listExpr struct {
	plain
	items []expr
	at    int
}

func (n *listExpr) value(r *run, s scope) (any, error) {
	if err := r.charge(len(n.items) * slotCost); err != nil {
		return nil, r.fail(n.at, err)
	}
	items := make([]any, len(n.items))
	for i, e := range n.items {
		v, err := e.value(r, s)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return &tree.List{Items: items}, nil
}

type mapExpr struct {
	plain
	pairs []expr
	at    int
}

func (n *mapExpr) value(r *run, s scope) (any, error) {
	m := newMap()
	for i := 0; i+1 < len(n.pairs); i += 2 {
		k, err := n.pairs[i].value(r, s)
		if err != nil {
			return nil, err
		}
		v, err := n.pairs[i+1].value(r, s)
		if err != nil {
			return nil, err
		}
		if _, err := r.put(m, k, v); err != nil {
			return nil, r.fail(n.at, err)
		}
	}
	return m, nil
}

type rangeExpr struct {
	plain
	from, to expr
	at       int
}

// value counts up or down, both ends included. What is no number makes no range.
func (n *rangeExpr) value(r *run, s scope) (any, error) {
	a, err := n.from.value(r, s)
	if err != nil {
		return nil, err
	}
	b, err := n.to.value(r, s)
	if err != nil || !isNumber(a) || !isNumber(b) {
		return nil, err
	}
	from, to := int64(toInt32(a)), int64(toInt32(b))
	step := int64(1)
	if from >= to {
		step = -1
	}
	size := (to-from)*step + 1
	if err := r.chargeItems(size); err != nil {
		return nil, r.fail(n.at, err)
	}
	items := make([]any, size)
	for i := range items {
		items[i] = int32(from + int64(i)*step)
	}
	return &tree.List{Items: items}, nil
}

type notExpr struct {
	plain
	of expr
}

func (n *notExpr) truth(r *run, s scope) (bool, error) {
	ok, err := n.of.truth(r, s)
	return !ok && err == nil, err
}

func (n *notExpr) value(r *run, s scope) (any, error) { return asValue(n.truth(r, s)) }

func asValue(ok bool, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return ok, nil
}

// logicExpr is && or ||, by what decides it.
type logicExpr struct {
	plain
	left, right expr
	decides     bool // the truth of left that makes right superfluous
}

func (n *logicExpr) truth(r *run, s scope) (bool, error) {
	ok, err := n.left.truth(r, s)
	if err != nil || ok == n.decides {
		return ok, err
	}
	return n.right.truth(r, s)
}

func (n *logicExpr) value(r *run, s scope) (any, error) { return asValue(n.truth(r, s)) }

// An equalExpr is == or !=.
type equalExpr struct {
	plain
	left, right expr
	not         bool
	at          int
}

func (n *equalExpr) truth(r *run, s scope) (bool, error) {
	a, err := n.left.value(r, s)
	if err != nil {
		return false, err
	}
	b, err := n.right.value(r, s)
	if err != nil {
		return false, err
	}
	equal, err := r.looseEqual(a, b)
	if err != nil {
		return false, r.fail(n.at, err)
	}
	return equal != n.not, nil
}

func (n *equalExpr) value(r *run, s scope) (any, error) { return asValue(n.truth(r, s)) }

// looseEqual is ==: numbers compare by value, two of one class as Java's equals does, the rest by their text.
func (r *run) looseEqual(a, b any) (bool, error) {
	if r.dialect == Amazon && (a == nil && b == "" || b == nil && a == "") {
		return true, nil
	}
	if isNumber(a) && isNumber(b) {
		return compareNumbers(a, b) == 0, nil
	}
	if a != nil && b != nil && sameClass(a, b) {
		return r.equal(a, b, 0)
	}
	x, okX, err := r.text(a)
	if err != nil {
		return false, err
	}
	y, okY, err := r.text(b)
	return okX == okY && x == y, err
}

type compareExpr struct {
	plain
	left, right expr
	op          syntaxKind
}

// truth is false where a side is no number.
func (n *compareExpr) truth(r *run, s scope) (bool, error) {
	a, err := n.left.value(r, s)
	if err != nil {
		return false, err
	}
	b, err := n.right.value(r, s)
	if err != nil || !isNumber(a) || !isNumber(b) {
		return false, err
	}
	c := compareNumbers(a, b)
	switch n.op {
	case synLess:
		return c < 0, nil
	case synLessEqual:
		return c <= 0, nil
	case synGreater:
		return c > 0, nil
	default:
		return c >= 0, nil
	}
}

func (n *compareExpr) value(r *run, s scope) (any, error) { return asValue(n.truth(r, s)) }

type mathExpr struct {
	plain
	left, right expr
	op          syntaxKind
	at          int
}

// value calculates. + with a string on either side joins texts, where null is the reference as it was written; else a side that is no number,
// and a division by zero, give null.
func (n *mathExpr) value(r *run, s scope) (any, error) {
	if err := r.tick(); err != nil {
		return nil, err
	}
	a, err := n.left.value(r, s)
	if err != nil {
		return nil, err
	}
	b, err := n.right.value(r, s)
	if err != nil {
		return nil, err
	}
	_, leftText := a.(string)
	_, rightText := b.(string)
	if n.op == synAdd && (leftText || rightText) {
		return n.join(r, a, b)
	}
	if !isNumber(a) || !isNumber(b) {
		return nil, nil
	}
	v, err := calculate(n.op, a, b)
	if err != nil {
		return nil, r.fail(n.at, err)
	}
	if big, ok := v.(*big.Int); ok {
		if err := r.charge(big.BitLen() / 8); err != nil {
			return nil, r.fail(n.at, err)
		}
	}
	return v, nil
}

func (n *mathExpr) join(r *run, a, b any) (any, error) {
	if a == nil {
		a = r.missing(n.left.literal())
	} else if b == nil {
		b = r.missing(n.right.literal())
	}
	x, _, err := r.text(a)
	if err != nil {
		return nil, r.fail(n.at, err)
	}
	y, _, err := r.text(b)
	if err != nil {
		return nil, r.fail(n.at, err)
	}
	if err := r.charge(len(x) + len(y)); err != nil {
		return nil, r.fail(n.at, err)
	}
	return x + y, nil
}

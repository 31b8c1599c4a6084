package vtl

import "strings"

// A node writes to the output.
type node interface {
	render(r *run, s scope) error
}

// An expr has a value. Its truth is not that of its value: a literal, for example, is never true.
type expr interface {
	node
	value(r *run, s scope) (any, error)
	truth(r *run, s scope) (bool, error)
	literal() string // as it was written
}

type text string

func (t text) render(r *run, _ scope) error { return r.write(string(t)) }

type block []node

func (b block) render(r *run, s scope) error {
	for _, n := range b {
		if err := n.render(r, s); err != nil {
			return err
		}
	}
	return nil
}

// A branch is one of #if, #elseif, #else. The last has no condition.
type branch struct {
	condition expr
	body      node
}

type ifNode []branch

func (n ifNode) render(r *run, s scope) error {
	if err := r.tick(); err != nil {
		return err
	}
	for _, b := range n {
		ok := b.condition == nil
		if !ok {
			var err error
			if ok, err = b.condition.truth(r, s); err != nil {
				return err
			}
		}
		if ok {
			return b.body.render(r, s)
		}
	}
	return nil
}

// A brokenNode is an error, but only where it is reached.
type brokenNode struct {
	at   int
	text string
}

func (n *brokenNode) render(r *run, _ scope) error { return r.failf(n.at, "%s", n.text) }

type setNode struct {
	left  *reference
	name  string // what is set where left is a name alone
	right expr
}

// render assigns. A null leaves things as they are, as Velocity does by default.
func (n *setNode) render(r *run, s scope) error {
	if err := r.tick(); err != nil {
		return err
	}
	v, err := n.right.value(r, s)
	if err != nil || v == nil {
		return err
	}
	if len(n.left.path) == 0 {
		if err := r.charge(len(n.name)); err != nil {
			return r.fail(n.left.at, err)
		}
		s.put(n.name, v)
		return nil
	}
	return n.left.assign(r, s, v)
}

// A stop unwinds to what it is for.
type stop struct {
	owner   any  // the loop that $foreach is of
	nearest bool // or the nearest that stops at all
}

func (*stop) Error() string { return "#break of a loop that has ended" }

// stopsAt reports whether err ends here, and not further out. A plain #stop ends the template, or the #evaluate.
func stopsAt(err error, here any, outermost bool) bool {
	s, ok := err.(*stop)
	if !ok {
		return false
	}
	return s.nearest || s.owner == nil && outermost || s.owner != nil && s.owner == here
}

type stopNode struct{ message expr }

func (n *stopNode) render(r *run, s scope) error {
	if n.message != nil {
		if _, err := n.message.value(r, s); err != nil {
			return err
		}
	}
	return &stop{}
}

type breakNode struct {
	of expr
	at int
}

func (n *breakNode) render(r *run, s scope) error {
	if n.of == nil {
		return &stop{nearest: true}
	}
	v, err := n.of.value(r, s)
	if err != nil {
		return err
	}
	loop, ok := v.(*loopScope)
	if !ok {
		return r.failf(n.at, "%s is not the scope of a loop", n.of.literal())
	}
	return &stop{owner: loop.owner}
}

// A defineNode names a block, which is rendered each time the name is used.
type defineNode struct {
	name string
	body node
}

// maxDefine is how deep a #define may use itself before it has no value.
const maxDefine = 2

func (n *defineNode) render(_ *run, s scope) error {
	s.put(n.name, &blockValue{scope: s, body: n.body, max: maxDefine})
	return nil
}

// A blockValue is a block as a value: of #define, or $bodyContent.
type blockValue struct {
	scope scope // where it was made: what its text form is rendered in
	body  node
	depth int
	max   int
}

// renderIn writes the block with the variables of where it is used; false when it is too deep in itself.
func (b *blockValue) renderIn(r *run, s scope) (bool, error) {
	b.depth++
	if b.depth > b.max {
		b.depth--
		return false, nil
	}
	if err := r.enter(); err != nil {
		return false, err
	}
	err := b.body.render(r, s)
	r.leave()
	if err != nil && !stopsAt(err, b, false) {
		return false, err
	}
	b.depth--
	return true, nil
}

// text renders the block into a string; false where it has none.
func (b *blockValue) text(r *run) (string, bool, error) {
	var ok bool
	s, err := r.capture(func() (err error) {
		ok, err = b.renderIn(r, b.scope)
		return err
	})
	return s, ok, err
}

// An evaluateNode parses and renders what its argument says.
type evaluateNode struct {
	source expr
	at     int
}

func (n *evaluateNode) render(r *run, s scope) error {
	v, err := n.source.value(r, s)
	if err != nil {
		return err
	}
	src, _, err := r.text(v)
	if err != nil {
		return r.fail(n.at, err)
	}
	if err := r.charge(len(src) * parseCost); err != nil {
		return r.fail(n.at, err)
	}
	if err := r.enter(); err != nil {
		return r.fail(n.at, err)
	}
	defer r.leave()
	c := &compiler{macros: r.macros, known: &macroNames{seen: r.seen, defined: r.hasMacro}, place: func(int) int { return n.at }}
	body, err := c.source(src, 0)
	if err != nil {
		return r.fail(n.at, err)
	}
	if r.added == nil {
		r.added = map[string]*macro{}
	}
	for name, m := range c.added {
		r.added[name] = m
	}
	if err := body.render(r, s); err != nil && !stopsAt(err, n, true) {
		return err
	}
	return nil
}

// A plain is an expression that writes nothing where a directive renders it.
type plain struct{ text string }

func (plain) render(*run, scope) error        { return nil }
func (plain) truth(*run, scope) (bool, error) { return false, nil }
func (p plain) literal() string               { return p.text }
func (plain) value(*run, scope) (any, error)  { return nil, nil }
func (p *plain) setLiteral(text string)       { p.text = text }
func lowerFirst(name string) string           { return strings.ToLower(name[:1]) + name[1:] }

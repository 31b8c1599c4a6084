package vtl

import "strings"

type stepKind uint8

const (
	stepProperty stepKind = iota
	stepMethod
	stepIndex
)

// A step is .name, .name(args) or [arg].
type step struct {
	kind stepKind
	name string
	args []expr
	at   int
}

// A reference is $name with what follows it. Where it has no value, null is written: the reference as it stood, or nothing for a quiet one.
type reference struct {
	root string
	path []step
	null string
	text string
	at   int

	escaped   bool   // \$name
	noValue   bool   // $\!name
	runt      bool   // no $ before it: text
	escPrefix string // half of the backslashes before it
	prefix0   string // what else stands before the $
}

func (n *reference) literal() string { return n.text }

// prefix takes the first token apart: backslashes, text, $, ! and {.
func (n *reference) prefix(s *syntax) {
	t := s.first
	if strings.Contains(t.image, `\!`) {
		dollar := strings.IndexByte(t.image, '$')
		i := dollar + strings.IndexByte(t.image[dollar:], '\\')
		count := backslashes(t.image[i:])
		n.null = t.image[:i+count-1] + t.image[i+count:]
		n.root, n.noValue = n.null, true
		return
	}
	if i := backslashes(t.image); i > 0 {
		n.escaped = i%2 != 0
		n.escPrefix = t.image[:i/2]
		t.image = t.image[i:]
	}
	if i := strings.LastIndexByte(t.image, '$'); i > 0 {
		n.prefix0 = t.image[:i]
		t.image = t.image[i:]
	}
	n.null = s.literal()
	switch {
	case strings.HasPrefix(t.image, "$!"):
		if !n.escaped {
			n.null = ""
		}
		if strings.HasPrefix(t.image, "$!{") {
			n.root = t.next.image
		} else {
			n.root = t.image[2:]
		}
	case t.image == "${":
		n.root = t.next.image
	case strings.HasPrefix(t.image, "$"):
		n.root = t.image[1:]
	default:
		n.runt, n.root = true, t.image
	}
}

func (n *reference) value(r *run, s scope) (any, error) {
	if n.noValue || n.runt {
		return nil, nil
	}
	return n.resolve(r, s)
}

func (n *reference) resolve(r *run, s scope) (any, error) {
	if err := r.tick(); err != nil {
		return nil, err
	}
	v, err := s.get(r, n.root)
	for i := 0; i < len(n.path) && v != nil && err == nil; i++ {
		v, err = n.path[i].follow(r, s, v)
	}
	return v, err
}

func (st *step) follow(r *run, s scope, v any) (any, error) {
	if st.kind == stepProperty {
		v, err := r.property(v, st.name)
		if err != nil {
			err = r.fail(st.at, err)
		}
		return v, err
	}
	args := make([]any, len(st.args))
	for i, e := range st.args {
		a, err := e.value(r, s)
		if err != nil {
			return nil, err
		}
		args[i] = a
	}
	name := st.name
	if st.kind == stepIndex {
		name = "get"
		var err error
		if args[0], err = r.fromEnd(v, args[0]); err != nil {
			return nil, r.fail(st.at, err)
		}
	}
	v, err := r.call(v, name, args)
	if err != nil {
		return nil, r.fail(st.at, err)
	}
	return v, nil
}

func (n *reference) truth(r *run, s scope) (bool, error) {
	if n.runt {
		return false, nil
	}
	v, err := n.resolve(r, s)
	if err != nil || v == nil {
		return false, err
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case *blockValue:
		_, ok, err := v.text(r)
		return ok, err
	}
	return true, nil
}

func (n *reference) render(r *run, s scope) error {
	if n.runt {
		return r.write(n.root)
	}
	v, err := n.resolve(r, s)
	if err != nil {
		return err
	}
	if n.escaped {
		text := n.escPrefix
		if v == nil {
			text += `\`
		}
		return r.write(text + n.nullText(s))
	}
	if b, ok := v.(*blockValue); ok {
		if ok, err := b.renderIn(r, s); ok || err != nil {
			return err
		}
	}
	out, ok, err := r.text(v)
	if err != nil {
		return r.fail(n.at, err)
	}
	if !ok {
		if r.dialect == Amazon {
			return r.write(n.escPrefix + n.prefix0)
		}
		return r.write(n.escPrefix + n.escPrefix + n.prefix0 + n.nullText(s))
	}
	if err := r.write(n.escPrefix); err != nil {
		return err
	}
	if err := r.write(n.prefix0); err != nil {
		return err
	}
	return r.write(out)
}

// nullText is the reference as it stood, or in a macro the argument as the caller wrote it.
func (n *reference) nullText(s scope) string {
	if text, ok := s.literalOf(n.null); ok {
		return text
	}
	return n.null
}

// assign sets what the path leads to. Where something on the way has no value, or the last cannot be set, nothing happens.
func (n *reference) assign(r *run, s scope, v any) error {
	target, err := s.get(r, n.root)
	for i := 0; i < len(n.path)-1 && target != nil && err == nil; i++ {
		target, err = n.path[i].follow(r, s, target)
	}
	if err != nil || target == nil {
		return err
	}
	last := &n.path[len(n.path)-1]
	if last.kind != stepIndex {
		if err := r.setProperty(target, last.name, v); err != nil {
			return r.fail(last.at, err)
		}
		return nil
	}
	key, err := last.args[0].value(r, s)
	if err != nil {
		return err
	}
	if key, err = r.fromEnd(target, key); err == nil {
		err = r.setIndex(target, key, v)
	}
	if err != nil {
		return r.fail(last.at, err)
	}
	return nil
}

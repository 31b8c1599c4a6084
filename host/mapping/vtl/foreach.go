package vtl

import (
	"errors"

	"github.com/postern/postern/host/mapping/tree"
)

const (
	foreachName = "foreach"
	countName   = "velocityCount"
	hasNextName = "velocityHasNext"
)

var errModified = errors.New("a collection changed while #foreach went over it")

// A foreachNode goes over the elements of a list, or the values of a map. Over anything else it does nothing.
type foreachNode struct {
	name string
	list expr
	body node
	at   int
}

// A loopScope is $foreach.
type loopScope struct {
	owner    *foreachNode
	parent   *loopScope
	replaced any
	index    int32
	hasNext  bool
	values   *tree.Map // what the template set in it
}

func (n *foreachNode) render(r *run, s scope) error {
	v, err := n.list.value(r, s)
	if err != nil {
		return err
	}
	next := r.iterate(v)
	if next == nil {
		return nil
	}
	saved := [3]any{}
	for i, name := range [...]string{n.name, countName, hasNextName} {
		if saved[i], err = s.get(r, name); err != nil {
			return err
		}
	}
	outer, err := s.get(r, foreachName)
	if err != nil {
		return err
	}
	loop := &loopScope{owner: n, index: -1}
	if parent, ok := outer.(*loopScope); ok {
		loop.parent = parent
	} else {
		loop.replaced = outer
	}
	s.put(foreachName, loop)
	err = n.loop(r, s, loop, next)
	if err != nil && !stopsAt(err, n, false) {
		if _, ok := err.(*stop); !ok {
			return err
		}
	} else {
		err = nil
	}
	for i, name := range [...]string{n.name, countName, hasNextName} {
		if saved[i] != nil {
			s.put(name, saved[i])
		} else {
			s.remove(name)
		}
	}
	if restoreErr := n.restore(r, s); restoreErr != nil {
		return restoreErr
	}
	return err
}

// restore takes $foreach back to what it was outside, unless the template put something else there.
func (n *foreachNode) restore(r *run, s scope) error {
	v, err := s.get(r, foreachName)
	if err != nil {
		return err
	}
	loop, ok := v.(*loopScope)
	switch {
	case !ok:
	case loop.parent != nil:
		s.put(foreachName, loop.parent)
	case loop.outside() != nil:
		s.put(foreachName, loop.outside())
	default:
		s.remove(foreachName)
	}
	return nil
}

func (n *foreachNode) loop(r *run, s scope, loop *loopScope, next iterator) error {
	var hidden *nullScope
	for count := 1; next.hasNext(); count++ {
		if err := r.iteration(count); err != nil {
			return r.fail(n.at, err)
		}
		v, err := next.next()
		if err != nil {
			return r.fail(n.at, err)
		}
		more := next.hasNext()
		s.put(countName, int32(count))
		s.put(hasNextName, more)
		s.put(n.name, v)
		loop.index++
		loop.hasNext = more
		inner := s
		if v == nil {
			if hidden == nil {
				hidden = &nullScope{scope: s, name: n.name, active: true}
			}
			inner = hidden
		}
		if err := n.body.render(r, inner); err != nil {
			return err
		}
	}
	return nil
}

// outside is what $foreach was before the outermost of the loops.
func (l *loopScope) outside() any {
	if l.replaced == nil && l.parent != nil {
		return l.parent.outside()
	}
	return l.replaced
}

func (l *loopScope) topmost() *loopScope {
	for l.parent != nil {
		l = l.parent
	}
	return l
}

// property returns one of the members that every loop has.
func (l *loopScope) property(name string) (any, bool) {
	switch name {
	case "index":
		return l.index, true
	case "count":
		return l.index + 1, true
	case "hasNext":
		return l.hasNext, true
	case "first":
		return l.index < 1, true
	case "last":
		return !l.hasNext, true
	case "parent":
		if l.parent == nil {
			return nil, true
		}
		return l.parent, true
	case "topmost":
		return l.topmost(), true
	case "replaced":
		return l.outside(), true
	}
	return nil, false
}

// get returns what a template set in this loop's scope, or in one around it.
func (l *loopScope) get(r *run, key any) (any, error) {
	for ; l != nil; l = l.parent {
		if l.values == nil {
			continue
		}
		if v, ok, err := r.mapGet(l.values, key); ok || err != nil {
			return v, err
		}
	}
	return nil, nil
}

// An iterator goes over a collection once.
type iterator interface {
	hasNext() bool
	next() (any, error)
}

// listIterator notices when its list grows or shrinks, as Java's does.
type listIterator struct {
	list *tree.List
	size int
	at   int
}

func (it *listIterator) hasNext() bool { return it.at != len(it.list.Items) }

func (it *listIterator) next() (any, error) {
	if len(it.list.Items) != it.size {
		return nil, errModified
	}
	if it.at >= it.size {
		return nil, errors.New("no such element")
	}
	it.at++
	return it.list.Items[it.at-1], nil
}

// mapIterator goes over keys, values or entries in the order of insertion.
type mapIterator struct {
	m    *tree.Map
	keys []any
	at   int
	of   func(m *tree.Map, key any) any
}

func (it *mapIterator) hasNext() bool { return it.at < len(it.keys) }

func (it *mapIterator) next() (any, error) {
	if it.m.Len() != len(it.keys) {
		return nil, errModified
	}
	if it.at >= len(it.keys) {
		return nil, errors.New("no such element")
	}
	it.at++
	return it.of(it.m, it.keys[it.at-1]), nil
}

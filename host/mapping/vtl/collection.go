package vtl

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/postern/postern/host/mapping/tree"
)

func newMap() *tree.Map { return &tree.Map{} }

// A tree.Map has texts as keys, and a map of a template may have others: they are kept as keyMark, a letter for their class, and their text.
const keyMark = "\x00"

var errKey = errors.New("a map's key must be a string, a number, true, false or null")

// mapKey is the text that a key is kept under.
func mapKey(v any) (string, error) {
	switch k := plainNumber(v).(type) {
	case string:
		if k != "" && k[:1] == keyMark {
			return keyMark + "s" + k, nil
		}
		return k, nil
	case nil:
		return keyMark + "n", nil
	case bool:
		return keyMark + "b" + strconv.FormatBool(k), nil
	case int32:
		return keyMark + "i" + strconv.Itoa(int(k)), nil
	case int64:
		return keyMark + "l" + strconv.FormatInt(k, 10), nil
	case float64:
		return keyMark + "d" + strconv.FormatFloat(k, 'g', -1, 64), nil
	}
	return "", errKey
}

// keyValue is the key that a text stands for.
func keyValue(key string) any {
	if len(key) < 2 || key[:1] != keyMark {
		return key
	}
	text := key[2:]
	switch key[1] {
	case 's':
		return text
	case 'b':
		return text == "true"
	case 'i':
		n, _ := strconv.ParseInt(text, 10, 32)
		return int32(n)
	case 'l':
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	case 'd':
		f, _ := strconv.ParseFloat(text, 64)
		return f
	}
	return nil
}

// put returns what was there before.
func (r *run) put(m *tree.Map, k, v any) (any, error) {
	key, err := mapKey(k)
	if err != nil {
		return nil, err
	}
	before, had := m.Get(key)
	if !had {
		if err := r.charge(entryCost + len(key)); err != nil {
			return nil, err
		}
	}
	m.Put(key, v)
	return before, nil
}

// mapGet looks a key up; a key that cannot be in a map is not.
func (r *run) mapGet(m *tree.Map, k any) (any, bool, error) {
	key, err := mapKey(k)
	if err != nil {
		return nil, false, nil
	}
	v, ok := m.Get(key)
	return v, ok, r.tick()
}

func mapKeys(m *tree.Map) []any {
	keys := make([]any, 0, m.Len())
	for _, k := range m.Keys() {
		keys = append(keys, keyValue(k))
	}
	return keys
}

func (v *view) items() []any {
	items := make([]any, 0, v.m.Len())
	for k, value := range v.m.All() {
		switch v.of {
		case viewKeys:
			items = append(items, keyValue(k))
		case viewValues:
			items = append(items, value)
		default:
			items = append(items, &entry{m: v.m, key: keyValue(k)})
		}
	}
	return items
}

func (v *view) iterator() iterator {
	it := &mapIterator{m: v.m, keys: mapKeys(v.m)}
	switch v.of {
	case viewKeys:
		it.of = func(_ *tree.Map, key any) any { return key }
	case viewValues:
		it.of = func(m *tree.Map, key any) any { return (&entry{m: m, key: key}).value() }
	default:
		it.of = func(m *tree.Map, key any) any { return &entry{m: m, key: key} }
	}
	return it
}

func (e *entry) value() any {
	key, err := mapKey(e.key)
	if err != nil {
		return nil
	}
	v, _ := e.m.Get(key)
	return v
}

// iterate returns what #foreach goes over, or nil.
func (r *run) iterate(v any) iterator {
	switch v := v.(type) {
	case *tree.List:
		return &listIterator{list: v, size: len(v.Items)}
	case *array:
		return &listIterator{list: &tree.List{Items: v.items}, size: len(v.items)}
	case *tree.Map:
		return (&view{m: v, of: viewValues}).iterator()
	case *view:
		return v.iterator()
	case *loopScope:
		if v.values == nil {
			return &listIterator{list: &tree.List{}}
		}
		return (&view{m: v.values, of: viewValues}).iterator()
	case iterator:
		return v
	case Viewer:
		return (&view{m: v.Map(), of: viewValues}).iterator()
	}
	return nil
}

// itemsOf returns the elements of what Java calls a Collection.
func itemsOf(v any) ([]any, bool) {
	switch v := v.(type) {
	case *tree.List:
		return v.Items, true
	case *view:
		return v.items(), true
	}
	return nil, false
}

// fromEnd makes a negative index one from the end.
func (r *run) fromEnd(v, index any) (any, error) {
	i, ok := index.(int32)
	if !ok || i >= 0 {
		return index, nil
	}
	size, err := r.call(v, "size", nil)
	if err != nil {
		return nil, err
	}
	n, ok := size.(int32)
	if !ok {
		return nil, fmt.Errorf("[%d] of a value without size", i)
	}
	return n + i, nil
}

func outOfBounds(i, size int) error { return fmt.Errorf("index %d of %d elements", i, size) }

// setIndex is $a[key] = v: an element of a list, or an entry of a map. Anything else does not change.
func (r *run) setIndex(target, key, v any) error {
	switch target := target.(type) {
	case *tree.Map:
		_, err := r.put(target, key, v)
		return err
	case *loopScope:
		return r.setLoop(target, key, v)
	case *tree.List:
		return setItem(target.Items, key, v)
	case *array:
		return setItem(target.items, key, v)
	case Setter:
		if name, ok := key.(string); ok {
			_, err := r.setObject(target, name, v)
			return err
		}
	}
	return nil
}

func setItem(items []any, key, v any) error {
	i, ok := key.(int32)
	if !ok {
		return nil
	}
	if i < 0 || int(i) >= len(items) {
		return outOfBounds(int(i), len(items))
	}
	items[i] = v
	return nil
}

func (r *run) setLoop(l *loopScope, key, v any) error {
	if l.values == nil {
		l.values = newMap()
	}
	_, err := r.put(l.values, key, v)
	return err
}

// setProperty is $a.name = v.
func (r *run) setProperty(target any, name string, v any) error {
	switch target := target.(type) {
	case *tree.Map:
		_, err := r.put(target, name, v)
		return err
	case *loopScope:
		return r.setLoop(target, name, v)
	case Setter:
		_, err := r.setObject(target, name, v)
		return err
	}
	return nil
}

// setObject hands a value to the host, which knows no blocks.
func (r *run) setObject(target Setter, name string, v any) (bool, error) {
	if b, ok := v.(*blockValue); ok {
		text, ok, err := b.text(r)
		if err != nil || !ok {
			return false, err
		}
		v = text
	}
	return target.Set(name, v)
}

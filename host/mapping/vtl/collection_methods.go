package vtl

import (
	"cmp"
	"errors"
	"slices"

	"github.com/postern/postern/host/mapping/tree"
)

// collectionQuestion has what lists, views and arrays answer about their elements.
func (r *run) collectionQuestion(items []any, name string, args []any) (any, bool, error) {
	switch {
	case len(args) == 0:
		switch name {
		case "size":
			return int32(len(items)), true, nil
		case "isEmpty":
			return len(items) == 0, true, nil
		case "toArray":
			return &array{items: slices.Clone(items)}, true, r.chargeItems(int64(len(items)))
		}
	case name == "contains" && len(args) == 1:
		ok, err := r.contains(items, args[0])
		return ok, true, err
	case name == "containsAll" && takes(args, "C"):
		of, ok := itemsOf(args[0])
		if !ok {
			return nil, true, errNull
		}
		for _, item := range of {
			if ok, err := r.contains(items, item); !ok || err != nil {
				return false, true, err
			}
		}
		return true, true, nil
	}
	return nil, false, nil
}

// listQuestion has what only lists and arrays answer.
func (r *run) listQuestion(items []any, name string, args []any) (any, bool, error) {
	switch {
	case name == "get" && takes(args, "i"):
		i := int(args[0].(int32))
		if i < 0 || i >= len(items) {
			return nil, true, outOfBounds(i, len(items))
		}
		return items[i], true, nil
	case name == "indexOf" && len(args) == 1:
		i, err := r.index(items, args[0])
		return int32(i), true, err
	case name == "lastIndexOf" && len(args) == 1:
		for i, item := range slices.Backward(items) {
			if same, err := r.equal(args[0], item, 0); same || err != nil {
				return int32(i), true, err
			}
		}
		return int32(-1), true, nil
	case name == "subList" && takes(args, "ii"):
		from, to := int(args[0].(int32)), int(args[1].(int32))
		if from < 0 || to > len(items) || from > to {
			return nil, true, outOfBounds(from, len(items))
		}
		return &tree.List{Items: slices.Clone(items[from:to])}, true, r.chargeItems(int64(to - from))
	}
	return r.collectionQuestion(items, name, args)
}

func (r *run) arrayMethod(a *array, name string, args []any) (any, bool, error) {
	switch {
	case name == "set" && takes(args, "io"):
		before, ok, err := r.listQuestion(a.items, "get", args[:1])
		if err == nil {
			a.items[args[0].(int32)] = args[1]
		}
		return before, ok, err
	case name == "add" && len(args) == 1, name == "remove" && takes(args, "i"):
		return nil, true, errUnsupported
	}
	return r.listQuestion(a.items, name, args)
}

func (r *run) listMethod(l *tree.List, name string, args []any) (any, bool, error) {
	if v, ok, err := r.listQuestion(l.Items, name, args); ok || err != nil {
		return v, ok, err
	}
	switch {
	case len(args) == 0:
		switch name {
		case "clear":
			l.Items = nil
			return "", true, nil
		case "iterator", "listIterator":
			return &listIterator{list: l, size: len(l.Items)}, true, nil
		case "clone":
			return &tree.List{Items: slices.Clone(l.Items)}, true, r.chargeItems(int64(len(l.Items)))
		}
	case name == "set" && takes(args, "io"):
		i := int(args[0].(int32))
		if i < 0 || i >= len(l.Items) {
			return nil, true, outOfBounds(i, len(l.Items))
		}
		before := l.Items[i]
		l.Items[i] = args[1]
		return before, true, nil
	case name == "sort" && takes(args, "o") && args[0] == nil:
		return "", true, r.sort(l.Items)
	case name == "remove" && takes(args, "i"):
		i := int(args[0].(int32))
		if i < 0 || i >= len(l.Items) {
			return nil, true, outOfBounds(i, len(l.Items))
		}
		before := l.Items[i]
		l.Items = slices.Delete(l.Items, i, i+1)
		return before, true, nil
	case name == "remove" && len(args) == 1:
		i, err := r.index(l.Items, args[0])
		if i >= 0 && err == nil {
			l.Items = slices.Delete(l.Items, i, i+1)
		}
		return i >= 0, true, err
	case (name == "removeAll" || name == "retainAll") && takes(args, "C"):
		return r.removeAll(l, args[0], name == "retainAll")
	}
	return r.listAdd(l, name, args)
}

func (r *run) listAdd(l *tree.List, name string, args []any) (any, bool, error) {
	at, items := len(l.Items), []any(nil)
	positioned := len(args) == 2 && fits(args[0], 'i')
	switch {
	case name == "add" && len(args) == 1:
		items = args
	case name == "add" && positioned:
		items = args[1:]
	case name == "addAll" && (takes(args, "C") || takes(args, "iC")):
		var ok bool
		if items, ok = itemsOf(args[len(args)-1]); !ok {
			return nil, true, errNull
		}
	default:
		return nil, false, nil
	}
	if positioned {
		if at = int(args[0].(int32)); at < 0 || at > len(l.Items) {
			return nil, true, outOfBounds(at, len(l.Items))
		}
	}
	if err := r.chargeItems(int64(len(items))); err != nil {
		return nil, true, err
	}
	l.Items = slices.Insert(l.Items, at, slices.Clone(items)...)
	if positioned && name == "add" {
		return "", true, nil
	}
	return len(items) > 0, true, nil
}

func (r *run) removeAll(l *tree.List, of any, retain bool) (any, bool, error) {
	items, ok := itemsOf(of)
	if !ok {
		return nil, true, errNull
	}
	kept := make([]any, 0, len(l.Items))
	for _, item := range l.Items {
		has, err := r.contains(items, item)
		if err != nil {
			return nil, true, err
		}
		if has == retain {
			kept = append(kept, item)
		}
	}
	changed := len(kept) != len(l.Items)
	l.Items = kept
	return changed, true, nil
}

var errNoOrder = errors.New("values of different classes have no order")

// sort orders by the elements' own order, which all must have in common.
func (r *run) sort(items []any) error {
	var failed error
	slices.SortStableFunc(items, func(a, b any) int {
		if err := r.tick(); err != nil && failed == nil {
			failed = err
		}
		x, okX := a.(string)
		y, okY := b.(string)
		switch {
		case failed != nil:
			return 0
		case okX && okY:
			return int(compareText(x, y, false))
		case isNumber(a) && sameClass(a, b):
			return cmp.Compare(compareNumbers(a, b), 0)
		}
		failed = errNoOrder
		return 0
	})
	return failed
}

func (r *run) mapMethod(m *tree.Map, name string, args []any) (any, bool, error) {
	switch len(args) {
	case 0:
		return mapWhole(m, name)
	case 1:
		switch name {
		case "get":
			v, _, err := r.mapGet(m, args[0])
			return v, true, err
		case "containsKey":
			_, ok, err := r.mapGet(m, args[0])
			return ok, true, err
		case "containsValue":
			ok, err := r.contains((&view{m: m, of: viewValues}).items(), args[0])
			return ok, true, err
		case "remove":
			v, err := r.mapRemove(m, args[0])
			return v, true, err
		case "putAll":
			if !takes(args, "M") {
				return nil, false, nil
			}
			return "", true, r.putAll(m, args[0])
		}
	case 2:
		return r.mapPair(m, name, args[0], args[1])
	}
	return nil, false, nil
}

func mapWhole(m *tree.Map, name string) (any, bool, error) {
	switch name {
	case "size":
		return int32(m.Len()), true, nil
	case "isEmpty":
		return m.Len() == 0, true, nil
	case "keySet":
		return &view{m: m, of: viewKeys}, true, nil
	case "values":
		return &view{m: m, of: viewValues}, true, nil
	case "entrySet":
		return &view{m: m, of: viewEntries}, true, nil
	case "clear":
		clearMap(m)
		return "", true, nil
	}
	return nil, false, nil
}

func clearMap(m *tree.Map) {
	for k := range m.All() {
		m.Delete(k)
	}
}

// mapPair has the methods of a key and a value.
func (r *run) mapPair(m *tree.Map, name string, k, v any) (any, bool, error) {
	before, had, err := r.mapGet(m, k)
	if err != nil {
		return nil, true, err
	}
	switch name {
	case "put":
		before, err = r.put(m, k, v)
	case "putIfAbsent":
		if before == nil {
			_, err = r.put(m, k, v)
		}
	case "replace":
		if had {
			_, err = r.put(m, k, v)
		}
	case "getOrDefault":
		if !had {
			before = v
		}
	case "remove":
		same, err := r.equal(before, v, 0)
		if err == nil && had && same {
			_, err = r.mapRemove(m, k)
		}
		return had && same, true, err
	default:
		return nil, false, nil
	}
	return before, true, err
}

func (r *run) mapRemove(m *tree.Map, k any) (any, error) {
	v, ok, err := r.mapGet(m, k)
	if !ok || err != nil {
		return nil, err
	}
	key, err := mapKey(k)
	if err == nil {
		m.Delete(key)
	}
	return v, err
}

func (r *run) putAll(m *tree.Map, of any) error {
	if l, ok := of.(*loopScope); ok {
		of = l.values
	}
	if viewer, ok := of.(Viewer); ok {
		of = viewer.Map()
	}
	from, ok := of.(*tree.Map)
	if !ok {
		return errNull
	}
	if from == m || from == nil {
		return nil
	}
	for k, v := range from.All() {
		if _, err := r.put(m, keyValue(k), v); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) viewMethod(v *view, name string, args []any) (any, bool, error) {
	if answer, ok, err := r.collectionQuestion(v.items(), name, args); ok || err != nil {
		return answer, ok, err
	}
	switch {
	case name == "iterator" && len(args) == 0:
		return v.iterator(), true, nil
	case name == "clear" && len(args) == 0:
		clearMap(v.m)
		return "", true, nil
	case name == "add" && len(args) == 1, name == "addAll" && takes(args, "C"):
		return nil, true, errUnsupported
	case name == "remove" && len(args) == 1:
		i, err := r.index(v.items(), args[0])
		if i >= 0 && err == nil {
			_, err = r.mapRemove(v.m, mapKeys(v.m)[i])
		}
		return i >= 0, true, err
	}
	return nil, false, nil
}

func (r *run) entryMethod(e *entry, name string, args []any) (any, bool, error) {
	switch {
	case name == "getKey" && len(args) == 0:
		return e.key, true, nil
	case name == "getValue" && len(args) == 0:
		return e.value(), true, nil
	case name == "setValue" && len(args) == 1:
		before, err := r.put(e.m, e.key, args[0])
		return before, true, err
	}
	return nil, false, nil
}

func iteratorMethod(it iterator, name string, args []any) (any, bool, error) {
	switch {
	case name == "hasNext" && len(args) == 0:
		return it.hasNext(), true, nil
	case name == "next" && len(args) == 0:
		v, err := it.next()
		return v, true, err
	}
	return nil, false, nil
}

// loopMethod is a method of $foreach: its getters, and those of the map that templates may use it as.
func (r *run) loopMethod(l *loopScope, name string, args []any) (any, bool, error) {
	if len(args) == 0 {
		switch name {
		case "getIndex", "getCount", "getHasNext", "getFirst", "getLast", "getParent", "getTopmost", "getReplaced":
			v, _ := l.property(lowerFirst(name[3:]))
			return v, true, nil
		case "isFirst", "isLast":
			v, _ := l.property(lowerFirst(name[2:]))
			return v, true, nil
		case "hasNext":
			return l.hasNext, true, nil
		}
	}
	if name == "get" && len(args) == 1 {
		v, err := l.get(r, args[0])
		return v, true, err
	}
	if l.values == nil {
		l.values = newMap()
	}
	return r.mapMethod(l.values, name, args)
}

package definition

import (
	"reflect"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// A val is one scalar. It stays unwritten when the file has another type there, which the schema has reported.
type val[T any] struct {
	place
	Value T
}

// or returns the value, or def where it is not written.
func (v val[T]) or(def T) T {
	if v.written() {
		return v.Value
	}
	return def
}

// A list is a list of values.
type list[T any] struct {
	place
	items []T
}

// A dict is an object whose keys are the user's own, in the order of the file.
type dict[T any] struct {
	place
	entries []entry[T]
}

type entry[T any] struct {
	place // of the key
	Key   string
	Value T
}

// keys returns the names that the dict defines.
func (d *dict[T]) keys() []string {
	keys := make([]string, len(d.entries))
	for i := range d.entries {
		keys[i] = d.entries[i].Key
	}
	return keys
}

// A tree is any value.
type tree struct {
	place
	node *document.Node
}

// A decoder takes what it can use of a node, and leaves the rest: the schema has said what is wrong with it.
// The place is that of the value.
type decoder interface {
	decode(n *document.Node, at place)
}

func (v *val[T]) decode(n *document.Node, at place) {
	if value, ok := n.Scalar.(T); ok && n.Shape != document.Null {
		v.place, v.Value = at, value
	}
}

func (l *list[T]) decode(n *document.Node, at place) {
	if n.Shape != document.List {
		return
	}
	l.place = at
	l.items = make([]T, len(n.Items))
	for i, item := range n.Items {
		decode(&l.items[i], item, place{item.Pos, document.IndexPath(at.path, i)})
	}
}

func (d *dict[T]) decode(n *document.Node, at place) {
	if n.Shape != document.Object {
		return
	}
	d.place = at
	d.entries = make([]entry[T], len(n.Members))
	for i, m := range n.Members {
		path := KeyPath(at.path, m.Key)
		d.entries[i].place, d.entries[i].Key = place{m.Pos, path}, m.Key
		decode(&d.entries[i].Value, m.Value, place{m.Value.Pos, path})
	}
}

func (t *tree) decode(n *document.Node, at place) { t.place, t.node = at, n }

func (p *pluginDef) decode(n *document.Node, at place) {
	if n.Shape == document.Text {
		p.place = at
		p.Plugin.decode(n, at)
		return
	}
	decodeObject(p, n, at)
}

func (m *mappingDef) decode(n *document.Node, at place) {
	if n.Shape == document.Text {
		m.place = at
		m.Plugin.decode(n, at)
		return
	}
	decodeObject(m, n, at)
}

func (o *onErrorDef) decode(n *document.Node, at place) {
	if n.Shape == document.Text {
		o.place, o.Mode = at, n.Text
		return
	}
	decodeObject(o, n, at)
}

func (t *targetDef) decode(n *document.Node, at place) {
	if n.Shape == document.Text {
		t.place = at
		t.URL.decode(n, at)
		return
	}
	decodeObject(t, n, at)
}

// decode fills what into points to.
func decode(into any, n *document.Node, at place) {
	if d, ok := into.(decoder); ok {
		d.decode(n, at)
		return
	}
	decodeObject(into, n, at)
}

// decodeObject fills the fields of a struct from the keys that their tags name. The struct embeds a place.
func decodeObject(into any, n *document.Node, at place) {
	if n.Shape != document.Object {
		return
	}
	into.(interface{ setPlace(place) }).setPlace(at)
	decodeFields(reflect.ValueOf(into).Elem(), n, at)
}

func decodeFields(v reflect.Value, n *document.Node, at place) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key := field.Tag.Get("key")
		switch {
		case key != "":
			if m := n.Member(key); m != nil {
				decode(v.Field(i).Addr().Interface(), m.Value, place{m.Value.Pos, KeyPath(at.path, key)})
			}
		case embedded(field.Type):
			decodeFields(v.Field(i), n, at)
		}
	}
}

// embedded reports whether a struct's keys stand beside those of the one that it is part of.
func embedded(typ reflect.Type) bool {
	return typ == reflect.TypeFor[settingsDef]() || typ == reflect.TypeFor[restDef]()
}

// setting pairs a value with the place that set it.
func setting[T any](v T, at place) host.Setting[T] { return host.Setting[T]{Value: v, Pos: at.pos} }

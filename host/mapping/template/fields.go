package template

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
	"github.com/postern/postern/host/mapping/vtl"
)

// fields are the parameters of one place that a template may override, such as $context.requestOverride.header: a map, in which each name is set
// once at most (reference 1.5: a second time is a 5XX).
type fields struct {
	place  string
	of     *overrides
	header bool        // names have no case, and must be those of fields
	before host.Header // what an earlier template set
	shown  map[string]any
	built  *tree.Map
	set    map[string]bool
}

// Map has what was set, and what an earlier template set.
func (f *fields) Map() *tree.Map {
	if f.built != nil {
		return f.built
	}
	f.built, f.shown, f.set = &tree.Map{}, map[string]any{}, map[string]bool{}
	for _, field := range f.before {
		name := f.name(field.Name)
		switch old := f.shown[name].(type) {
		case nil:
			f.shown[name] = field.Value
		case *tree.List:
			old.Items = append(old.Items, field.Value)
		default:
			f.shown[name] = &tree.List{Items: []any{old, field.Value}}
		}
		f.built.Put(name, f.shown[name])
	}
	return f.built
}

// name is the one under which a parameter is in the map.
func (f *fields) name(name string) string {
	if f.header {
		if known, ok := foldedName(f.Map(), name); ok {
			return known
		}
	}
	return name
}

// Get returns a parameter.
func (f *fields) Get(name string) (any, bool) { return lookup(f.Map(), name, f.header) }

// Call has what must not pass by Set, and looks names of headers up without case.
func (f *fields) Call(_ context.Context, name string, args []any) (any, bool, error) {
	if key, ok := foldedKey(f.header, name, args); ok {
		_, has := f.Get(key)
		return has, true, nil
	}
	if name == "putAll" && len(args) == 1 {
		ok, err := f.setAll(args[0])
		return "", ok, err
	}
	return nil, false, nil
}

// Set overrides a parameter. Null changes nothing.
func (f *fields) Set(name string, value any) (bool, error) {
	if value == nil {
		return true, nil
	}
	m := f.Map()
	name = f.name(name)
	if f.set[name] {
		return false, overriddenTwice(f.place + "." + name)
	}
	texts, err := texts(value)
	if err != nil {
		return false, err
	}
	if err := f.of.charge(name, texts); err != nil {
		return false, err
	}
	for _, text := range texts {
		if err := f.check(name, text); err != nil {
			return false, err
		}
	}
	f.set[name] = true
	m.Put(name, value)
	return true, nil
}

func (f *fields) setAll(value any) (bool, error) {
	if viewer, ok := value.(vtl.Viewer); ok {
		value = viewer.Map()
	}
	m, ok := value.(*tree.Map)
	if !ok || m == f.built {
		return ok, nil
	}
	for name, v := range m.All() {
		if _, err := f.Set(name, v); err != nil {
			return false, err
		}
	}
	return true, nil
}

// check refuses what cannot be sent, and fields that the gateway makes itself (reference 1.4.4, "Targets that are illegal").
func (f *fields) check(name, value string) error {
	if !f.header {
		return nil
	}
	switch {
	case !host.IsToken(name):
		return fmt.Errorf("%q is no name of a header", name)
	case host.IsConnectionField(name):
		return fmt.Errorf("the header %s cannot be overridden", name)
	case !host.IsFieldValue(value):
		return fmt.Errorf("the value of the header %s has a control character", name)
	}
	return nil
}

// read returns what this run left in the map. Methods of maps may have changed it besides Set, so all is looked at again.
func (f *fields) read() (host.Header, error) {
	if f.built == nil {
		return nil, nil
	}
	var h host.Header
	for name, value := range f.built.All() {
		if old, ok := f.shown[name]; value == nil || ok && !f.set[name] && old == value {
			continue
		}
		values, err := texts(value)
		if err != nil {
			return nil, err
		}
		if err := f.of.charge(name, values); err != nil {
			return nil, err
		}
		for _, text := range values {
			if err := f.check(name, text); err != nil {
				return nil, err
			}
			h.Add(name, text)
		}
	}
	return h, nil
}

// texts are the values that a parameter gets: each element of a list is one, null is none.
func texts(value any) ([]string, error) {
	list, ok := value.(*tree.List)
	if !ok {
		list = &tree.List{Items: []any{value}}
	}
	values := make([]string, 0, len(list.Items))
	for _, item := range list.Items {
		if item == nil {
			continue
		}
		text, err := vtl.Text(item)
		if err != nil {
			return nil, err
		}
		values = append(values, strings.ToValidUTF8(text, "\uFFFD"))
	}
	return values, nil
}

// charge counts what is overridden.
func (o *overrides) charge(name string, values []string) error {
	o.values += max(1, len(values))
	o.bytes += len(name)
	for _, v := range values {
		o.bytes += len(name) + len(v)
	}
	switch {
	case o.values > o.opts.Overrides:
		return &host.LimitError{Limit: "values that are overridden", Value: strconv.Itoa(o.opts.Overrides), Origin: "template"}
	case o.bytes > o.opts.OverrideBytes:
		return &host.LimitError{Limit: "bytes that are overridden", Value: strconv.Itoa(o.opts.OverrideBytes), Origin: "template"}
	}
	return nil
}

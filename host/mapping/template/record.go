package template

import (
	"context"
	"strings"

	"github.com/postern/postern/host/mapping/tree"
)

// A record is a map that is made when the template first looks at it. What the template puts there stays for the run.
type record struct {
	build func() *tree.Map
	one   func(name string) (any, bool) // finds a value without the map, until there is one; nil builds it
	fold  bool                          // names are looked up without case
	built *tree.Map
}

// Map returns the map itself.
func (r *record) Map() *tree.Map {
	if r.built == nil {
		r.built = r.build()
	}
	return r.built
}

// Get returns the value of a name.
func (r *record) Get(name string) (any, bool) {
	if r.built == nil && r.one != nil {
		return r.one(name)
	}
	return lookup(r.Map(), name, r.fold)
}

// Call has containsKey without case; everything else is the map's.
func (r *record) Call(_ context.Context, name string, args []any) (any, bool, error) {
	if key, ok := foldedKey(r.fold, name, args); ok {
		_, has := r.Get(key)
		return has, true, nil
	}
	return nil, false, nil
}

func foldedKey(fold bool, name string, args []any) (string, bool) {
	if !fold || name != "containsKey" || len(args) != 1 {
		return "", false
	}
	key, ok := args[0].(string)
	return key, ok
}

func lookup(m *tree.Map, name string, fold bool) (any, bool) {
	v, ok := m.Get(name)
	if ok || !fold {
		return v, ok
	}
	key, ok := foldedName(m, name)
	if !ok {
		return nil, false
	}
	return m.Get(key)
}

// foldedName returns the name that a map has for one in another case.
func foldedName(m *tree.Map, name string) (string, bool) {
	for key := range m.All() {
		if strings.EqualFold(key, name) {
			return key, true
		}
	}
	return "", false
}

// A silentRecord prints nothing, as Amazon's $context.identity does (reference 1.5.1 [REC]).
type silentRecord struct{ record }

// String returns "".
func (*silentRecord) String() string { return "" }

package jsonpath

import (
	"errors"
	"fmt"

	"github.com/postern/postern/host/mapping/tree"
)

// A walk is the evaluation of one path.
type walk struct {
	*reading
	path    *Path
	strict  bool // a property that is missing is an error, wherever it is: how Jayway tests for existence
	results []any
}

func (r *reading) read(p *Path, from any, strict bool) (any, error) {
	w := &walk{reading: r, path: p, strict: strict}
	if err := w.at(0, from); err != nil {
		return nil, err
	}
	if !p.definite {
		return &tree.List{Items: w.results}, nil
	}
	if len(w.results) == 0 {
		return nil, ErrMissing
	}
	return w.results[len(w.results)-1], nil
}

// at applies the steps from number i on to a value.
func (w *walk) at(i int, v any) error {
	if err := w.charge(1); err != nil {
		return err
	}
	if i == len(w.path.steps) {
		return w.add(v)
	}
	s := &w.path.steps[i]
	switch s.kind {
	case stepNames:
		return w.names(i, s, v)
	case stepWildcard:
		return w.wildcard(i, v)
	case stepIndexes, stepSlice:
		return w.items(i, s, v)
	case stepFilter:
		return w.filter(i, s, v)
	case stepScan:
		return w.scan(i, v, 0)
	}
	result, err := w.call(s, v)
	if err != nil {
		return err
	}
	if i+1 < len(w.path.steps) {
		if err := w.add(result); err != nil {
			return err
		}
	}
	return w.at(i+1, result)
}

func (w *walk) add(v any) error {
	if w.reading.results--; w.reading.results < 0 {
		return limitError{"results", w.limits.Results}
	}
	w.results = append(w.results, v)
	return nil
}

func (w *walk) names(i int, s *step, v any) error {
	m, ok := v.(*tree.Map)
	if !ok {
		if s.upstream {
			return fmt.Errorf("%w: %q of what is no object", ErrMissing, s.names[0])
		}
		return nil
	}
	last := i == len(w.path.steps)-1
	if last && len(s.names) > 1 {
		return w.several(s, m)
	}
	for _, name := range s.names {
		value, ok := m.Get(name)
		if !ok {
			if w.strict || !last && s.upstream && len(s.names) == 1 {
				return fmt.Errorf("%w: %q", ErrMissing, name)
			}
			continue
		}
		if err := w.at(i+1, value); err != nil {
			return err
		}
	}
	return nil
}

// several makes one object of those names that there are.
func (w *walk) several(s *step, m *tree.Map) error {
	merged := &tree.Map{}
	for _, name := range s.names {
		value, ok := m.Get(name)
		if ok {
			merged.Put(name, value)
		} else if w.strict {
			return fmt.Errorf("%w: %q", ErrMissing, name)
		}
	}
	if err := w.charge(len(s.names)); err != nil {
		return err
	}
	return w.add(merged)
}

func (w *walk) wildcard(i int, v any) error {
	switch v := v.(type) {
	case *tree.Map:
		for _, value := range v.All() {
			if err := w.at(i+1, value); err != nil {
				return err
			}
		}
	case *tree.List:
		for _, item := range v.Items {
			if err := w.at(i+1, item); err != nil && (w.strict || !errors.Is(err, ErrMissing)) {
				return err
			}
		}
	}
	return nil
}

func (w *walk) items(i int, s *step, v any) error {
	list, ok := v.(*tree.List)
	if !ok {
		if s.upstream {
			return fmt.Errorf("%w: an index of what is no array", ErrMissing)
		}
		return nil
	}
	if s.kind == stepIndexes {
		for _, index := range s.indexes {
			if err := w.item(i, list, index); err != nil {
				return err
			}
		}
		return nil
	}
	from, to := s.bounds(len(list.Items))
	for index := from; index < to; index++ {
		if err := w.item(i, list, index); err != nil {
			return err
		}
	}
	return nil
}

// bounds returns the indexes that a slice is of. A negative one counts from the end, as of any index: with two ends Jayway takes no notice
// of that, and goes from the one to the other.
func (s *step) bounds(n int) (from, to int) {
	switch {
	case s.to == nil:
		if from = *s.from; from < 0 {
			from += n
		}
		return max(from, 0), n
	case s.from == nil:
		if to = *s.to; to < 0 {
			to += n
		}
		return 0, min(to, n)
	}
	return max(*s.from, -n), min(*s.to, n)
}

func (w *walk) item(i int, list *tree.List, index int) error {
	if index < 0 {
		index += len(list.Items)
	}
	if index < 0 || index >= len(list.Items) {
		return nil
	}
	return w.at(i+1, list.Items[index])
}

func (w *walk) filter(i int, s *step, v any) error {
	switch v := v.(type) {
	case *tree.Map:
		ok, err := w.accepts(s, v)
		if err != nil || !ok {
			return err
		}
		return w.at(i+1, v)
	case *tree.List:
		for _, item := range v.Items {
			ok, err := w.accepts(s, item)
			if err != nil {
				return err
			}
			if ok {
				if err := w.at(i+1, item); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if s.upstream {
		return fmt.Errorf("%w: a filter of what is neither array nor object", errFilter)
	}
	return nil
}

func (w *walk) accepts(s *step, item any) (bool, error) {
	if err := w.charge(1); err != nil {
		return false, err
	}
	ok, err := s.filter.holds(w, item)
	if errors.Is(err, errFilter) {
		return false, nil
	}
	return ok, err
}

// scan applies the step after .. to a value and to all that are in it.
func (w *walk) scan(i int, v any, depth int) error {
	if depth > w.limits.Depth {
		return limitError{"levels", w.limits.Depth}
	}
	if err := w.charge(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case *tree.Map:
		if err := w.scanned(i, v); err != nil {
			return err
		}
		for _, value := range v.All() {
			if err := w.scan(i, value, depth+1); err != nil {
				return err
			}
		}
	case *tree.List:
		if err := w.scanned(i, v); err != nil {
			return err
		}
		for _, item := range v.Items {
			if err := w.scan(i, item, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanned applies the step after .. to one value, if it is of the kind that the step looks for.
func (w *walk) scanned(i int, v any) error {
	s := &w.path.steps[i+1]
	m, isMap := v.(*tree.Map)
	switch s.kind {
	case stepNames:
		if !isMap {
			return nil
		}
		if s.definite(i+2 == len(w.path.steps)) {
			for _, name := range s.names {
				if _, ok := m.Get(name); !ok {
					return nil
				}
			}
		}
	case stepIndexes, stepSlice:
		if isMap {
			return nil
		}
	case stepFilter:
		if ok, err := w.accepts(s, v); err != nil || !ok {
			return err
		}
	case stepFunction:
		return nil
	}
	return w.at(i+1, v)
}

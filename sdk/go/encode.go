package postern

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// An encoder writes an object, member by member; encoding/json would be dear in a guest, see decoder.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) key(name string) {
	if len(e.b) == 0 {
		e.b = append(make([]byte, 0, 256), '{')
	} else {
		e.b = append(e.b, ',')
	}
	e.text(name)
	e.b = append(e.b, ':')
}

// end returns the object.
func (e *encoder) end() ([]byte, error) {
	if len(e.b) == 0 {
		return []byte("{}"), nil
	}
	return append(e.b, '}'), e.err
}

func (e *encoder) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			e.any(s)
			return
		}
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, s...)
	e.b = append(e.b, '"')
}

func (e *encoder) number(n int) { e.b = strconv.AppendInt(e.b, int64(n), 10) }

func (e *encoder) bool(v bool) { e.b = strconv.AppendBool(e.b, v) }

// textMap writes names in order, so that equal maps are equal bytes.
func (e *encoder) textMap(m map[string]string) {
	inner := encoder{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		inner.key(name)
		inner.text(m[name])
	}
	b, err := inner.end()
	e.raw(b, err)
}

func (e *encoder) raw(b []byte, err error) {
	e.b = append(e.b, b...)
	if e.err == nil {
		e.err = err
	}
}

// any writes what may be anything.
func (e *encoder) any(v any) {
	if s, ok := v.(map[string]any); ok {
		e.anyMap(s)
		return
	}
	b, err := json.Marshal(v)
	e.raw(b, err)
}

// anyMap spares maps of strings, numbers and truths the way through encoding/json.
func (e *encoder) anyMap(m map[string]any) {
	inner := encoder{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		inner.key(name)
		switch v := m[name].(type) {
		case string:
			inner.text(v)
		case int:
			inner.number(v)
		case bool:
			inner.bool(v)
		default:
			inner.any(v)
		}
	}
	b, err := inner.end()
	e.raw(b, err)
}

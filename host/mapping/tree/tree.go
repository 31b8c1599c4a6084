package tree

import (
	"iter"
	"strconv"
)

// A Decimal is a number with a fraction or an exponent, as JSON writes it, that a float64 would not print as it was written.
type Decimal string

// String returns the number as it was written.
func (d Decimal) String() string { return string(d) }

// Float64 returns the nearest float64; an infinity where it is out of range, as Java's Double has it.
func (d Decimal) Float64() float64 {
	f, _ := strconv.ParseFloat(string(d), 64) // the text is a number: an error is one of range, and f is right then
	return f
}

// A List is a JSON array that can be changed by all who hold it.
type List struct{ Items []any }

// A Map is a JSON object that can be changed by all who hold it, and keeps its keys in the order in which they were first put. The zero
// value is empty and ready. It is not safe for use by several goroutines while one of them changes it.
type Map struct {
	entries []entry
	index   map[string]int // from key to its place in entries, once there are many
	dead    int            // entries that were deleted and not yet swept out
}

type entry struct {
	key   string
	value any
	dead  bool
}

// indexed is the number of entries from which an index is faster than looking at all.
const indexed = 9

// Len returns the number of keys.
func (m *Map) Len() int { return len(m.entries) - m.dead }

// Get returns the value of a key, and whether there is such a key.
func (m *Map) Get(key string) (value any, ok bool) {
	if i := m.find(key); i >= 0 {
		return m.entries[i].value, true
	}
	return nil, false
}

// Put sets the value of a key. A key that is there already keeps its place in the order, a new one is the last. While All runs, the value
// of a key that is there may be set; a new key may not be put.
func (m *Map) Put(key string, value any) {
	if i := m.find(key); i >= 0 {
		m.entries[i].value = value
		return
	}
	if m.dead > indexed && m.dead > len(m.entries)/2 {
		m.sweep()
	}
	m.entries = append(m.entries, entry{key: key, value: value})
	switch {
	case m.index != nil:
		m.index[key] = len(m.entries) - 1
	case len(m.entries) >= indexed:
		m.reindex()
	}
}

// Delete takes a key away, and reports whether it was there. It may be called while All runs.
func (m *Map) Delete(key string) bool {
	i := m.find(key)
	if i < 0 {
		return false
	}
	m.entries[i] = entry{dead: true}
	m.dead++
	delete(m.index, key)
	return true
}

// All returns the keys and values in order.
func (m *Map) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for i := 0; i < len(m.entries); i++ {
			if e := &m.entries[i]; !e.dead && !yield(e.key, e.value) {
				return
			}
		}
	}
}

// Keys returns the keys in order.
func (m *Map) Keys() []string {
	keys := make([]string, 0, m.Len())
	for key := range m.All() {
		keys = append(keys, key)
	}
	return keys
}

func (m *Map) find(key string) int {
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range m.entries {
		if e := &m.entries[i]; e.key == key && !e.dead {
			return i
		}
	}
	return -1
}

// sweep drops the entries that were deleted.
func (m *Map) sweep() {
	kept := make([]entry, 0, m.Len()+1)
	for _, e := range m.entries {
		if !e.dead {
			kept = append(kept, e)
		}
	}
	m.entries, m.dead, m.index = kept, 0, nil
	if len(kept) >= indexed {
		m.reindex()
	}
}

func (m *Map) reindex() {
	m.index = make(map[string]int, 2*len(m.entries))
	for i, e := range m.entries {
		if !e.dead {
			m.index[e.key] = i
		}
	}
}

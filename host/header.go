package host

import (
	"slices"
	"strings"
)

// A Field is one header field line.
type Field struct{ Name, Value string }

// A Header is a list of field lines in the order in which they came. Look-ups ignore case (RFC 9110, section 5.1).
// The zero value is an empty header.
type Header []Field

// Get returns the first value of name, or "".
func (h Header) Get(name string) string {
	for i := range h {
		if equalFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Has reports whether there is a field called name.
func (h Header) Has(name string) bool {
	for i := range h {
		if equalFold(h[i].Name, name) {
			return true
		}
	}
	return false
}

// Values returns all values of name in order, nil for none.
func (h Header) Values(name string) []string {
	var vs []string
	for i := range h {
		if equalFold(h[i].Name, name) {
			vs = append(vs, h[i].Value)
		}
	}
	return vs
}

// Add appends a field line.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Set leaves one field line of that name, at the place of the first.
func (h *Header) Set(name, value string) {
	for i := range *h {
		if equalFold((*h)[i].Name, name) {
			(*h)[i].Value = value
			rest := slices.DeleteFunc((*h)[i+1:], func(f Field) bool { return equalFold(f.Name, name) })
			*h = (*h)[:i+1+len(rest)]
			return
		}
	}
	h.Add(name, value)
}

// Del removes every field line of that name.
func (h *Header) Del(name string) {
	*h = slices.DeleteFunc(*h, func(f Field) bool { return equalFold(f.Name, name) })
}

// IsEventStream reports whether the Content-Type is that of server-sent events (HTML standard, section 9.2.2).
func (h Header) IsEventStream() bool {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
}

// Clone returns a copy that shares no memory with h, with room for a few more fields.
func (h Header) Clone() Header {
	if h == nil {
		return nil
	}
	return append(make(Header, 0, len(h)+4), h...)
}

func equalFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

package host

import "strconv"

// A Position is a place in a user's file. Lines and columns count from 1; zero means unknown.
type Position struct {
	File   string `json:"file,omitempty"` // as the user would name it: relative to the project's folder
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// IsZero reports whether the position is unknown.
func (p Position) IsZero() bool { return p == Position{} }

// String returns file:line:column, as far as it is known.
func (p Position) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
		if p.Column > 0 {
			s += ":" + strconv.Itoa(p.Column)
		}
	}
	return s
}

// A Setting is a value together with the place that set it. A zero Pos says that it is a default.
type Setting[T any] struct {
	Value T
	Pos   Position
}

// Default returns a setting that nobody wrote.
func Default[T any](v T) Setting[T] { return Setting[T]{Value: v} }

// Origin names the place that set the value, or "default".
func (s Setting[T]) Origin() string {
	if s.Pos.IsZero() {
		return "default"
	}
	return s.Pos.String()
}

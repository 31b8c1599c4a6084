package main

import (
	"bytes"
	"strings"
	"testing"
)

// A page takes what is written, and counts how often it was sent on its way.
type page struct {
	bytes.Buffer
	flushed int
}

func (p *page) Flush() error {
	p.flushed++
	return nil
}

func TestNumberLines(t *testing.T) {
	for text, want := range map[string]string{"": "", "a\nb\n": "1  a\n2  b\n", "a\n\nb": "1  a\n2  \n3  b"} {
		var out page
		if err := numberLines(&out, strings.NewReader(text)); err != nil || out.String() != want || out.flushed != strings.Count(want, "  ") {
			t.Errorf("%q: got %q in %d pieces, %v", text, out.String(), out.flushed, err)
		}
	}
}

package catalog

import (
	"context"
	"iter"
)

// A View is the state at one revision. It is immutable.
type View struct {
	Revision uint64 // of the root document: grows with each change; 0 while nothing was ever written
}

// View reads the state as it is now.
func (c *Catalog) View(ctx context.Context) (*View, error) {
	panic("catalog: not written yet")
}

// Watch yields the revision of the state now, and again after each change of the state or of a secret, until ctx ends.
func (c *Catalog) Watch(ctx context.Context) iter.Seq2[uint64, error] {
	panic("catalog: not written yet")
}

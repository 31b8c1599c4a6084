package catalog

import (
	"context"
	"time"
)

// Collect deletes the blobs that nothing names and that are older than age, and returns how many.
func (c *Catalog) Collect(ctx context.Context, age time.Duration) (int, error) {
	panic("catalog: not written yet")
}

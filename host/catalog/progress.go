package catalog

import (
	"context"
	"fmt"
)

type progressKey struct{}

// WithProgress returns a context whose changes tell what takes long to f.
func WithProgress(ctx context.Context, f func(line string)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// progress tells what takes long to whoever wants to know.
func (c *Catalog) progress(ctx context.Context, format string, args ...any) {
	f := c.opts.Progress
	if own, ok := ctx.Value(progressKey{}).(func(string)); ok {
		f = own
	}
	if f != nil {
		f(fmt.Sprintf(format, args...))
	}
}

package js

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/postern/postern/host"
)

// loadEffects is what the code outside of functions may do when nobody called yet: tell the time, take random
// numbers, and log.
type loadEffects struct {
	logger *slog.Logger
	plugin string
}

var _ host.Effects = (*loadEffects)(nil)

// Now returns the time.
func (*loadEffects) Now() time.Time { return time.Now() }

// Sleep waits.
func (*loadEffects) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rand fills p.
func (*loadEffects) Rand(p []byte) { _, _ = rand.Read(p) }

// Fetch refuses.
func (*loadEffects) Fetch(context.Context, *host.Request) (*host.Response, error) {
	return nil, &host.Error{Op: "fetch", Kind: host.Forbidden, Err: errors.New("nothing is called yet")}
}

// Secret has none: secrets are for calls.
func (*loadEffects) Secret(context.Context, string) (string, bool) { return "", false }

// Log writes to the runtime's logger.
func (l *loadEffects) Log(ctx context.Context, level slog.Level, message string) {
	l.logger.Log(ctx, level, "script", "plugin", l.plugin, "message", message)
}

// Span opens none.
func (*loadEffects) Span(context.Context, string) func(string) { return func(string) {} }

// TraceParent returns "".
func (*loadEffects) TraceParent() string { return "" }

package host

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"
)

// StartEffects are those of an instance that starts, or of code that is loaded. No call stands behind it, so it can tell the time, take
// random bytes, read its secrets and log, and reach nothing.
type StartEffects struct {
	Logger *slog.Logger
	Plugin *PluginConfig
}

var _ Effects = (*StartEffects)(nil)

// Now returns the time.
func (*StartEffects) Now() time.Time { return time.Now() }

// Sleep waits for d, or for ctx to end, whose error it returns.
func (*StartEffects) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rand fills p from the system's source, which never fails (crypto/rand).
func (*StartEffects) Rand(p []byte) { _, _ = rand.Read(p) }

// Secret returns one that the plugin declares.
func (s *StartEffects) Secret(_ context.Context, name string) (string, bool) {
	for i := range s.Plugin.Secrets {
		if secret := &s.Plugin.Secrets[i]; secret.Name == name {
			return secret.Value.Reveal(), true
		}
	}
	return "", false
}

// Log writes to the host's log.
func (s *StartEffects) Log(ctx context.Context, level slog.Level, message string) {
	s.Logger.LogAttrs(ctx, level, message, slog.String("plugin", s.Plugin.Name))
}

// Span opens none.
func (*StartEffects) Span(context.Context, string) func(string) { return func(string) {} }

// TraceParent returns "".
func (*StartEffects) TraceParent() string { return "" }

func starting(op string) error {
	return &Error{Op: op, Kind: Forbidden, Err: errors.New("a plugin cannot do this while it starts")}
}

// Fetch refuses, with Kind Forbidden, as do those below.
func (*StartEffects) Fetch(context.Context, *Request) (*Response, error) {
	return nil, starting("fetch")
}

// KVGet refuses.
func (*StartEffects) KVGet(context.Context, string) (KVEntry, error) {
	return KVEntry{}, starting("get from the map")
}

// KVPut refuses.
func (*StartEffects) KVPut(context.Context, string, []byte, KVOptions) (int64, error) {
	return 0, starting("put into the map")
}

// KVDelete refuses.
func (*StartEffects) KVDelete(context.Context, string, int64) error {
	return starting("delete from the map")
}

// KVKeys refuses.
func (*StartEffects) KVKeys(context.Context, string, string) ([]string, error) {
	return nil, starting("list the map")
}

// Metric refuses.
func (*StartEffects) Metric(context.Context, MetricKind, string, float64) error {
	return starting("record a metric")
}

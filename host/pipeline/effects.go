package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// An effects is what one plugin call may do to the world.
type effects struct {
	plugin   *plugin
	call     *pluginCall
	span     trace.Span // of the call, where that is recorded, and else of what called
	recorded bool
	fetches  fetches
}

var _ host.Effects = (*effects)(nil)

// Now returns the time of day.
func (*effects) Now() time.Time { return time.Now() }

// Sleep waits for d, or for the end of the call.
func (*effects) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Rand fills p with bytes of the system's cryptographic source, which never fails (crypto/rand).
func (*effects) Rand(p []byte) { _, _ = rand.Read(p) }

// Secret returns a declared secret.
func (e *effects) Secret(_ context.Context, name string) (string, bool) {
	for i := range e.plugin.cfg.Secrets {
		if s := &e.plugin.cfg.Secrets[i]; s.Name == name {
			return s.Value.Reveal(), true
		}
	}
	return "", false
}

// KVGet reads the plugin's map.
func (e *effects) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	if e.plugin.kv == nil {
		return host.KVEntry{}, errNoStore
	}
	return e.plugin.kv.KVGet(ctx, key)
}

// KVPut writes to the plugin's map.
func (e *effects) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	if e.plugin.kv == nil {
		return 0, errNoStore
	}
	return e.plugin.kv.KVPut(ctx, key, value, o)
}

// KVDelete removes from the plugin's map.
func (e *effects) KVDelete(ctx context.Context, key string, revision int64) error {
	if e.plugin.kv == nil {
		return errNoStore
	}
	return e.plugin.kv.KVDelete(ctx, key, revision)
}

// KVKeys lists the plugin's map.
func (e *effects) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	if e.plugin.kv == nil {
		return nil, errNoStore
	}
	return e.plugin.kv.KVKeys(ctx, prefix, after)
}

var errNoStore = &host.Error{Op: "the plugin's map", Kind: host.Unavailable, Err: errors.New("this host has no store")}

// Metric records one of the guest's own metrics.
func (e *effects) Metric(ctx context.Context, kind host.MetricKind, name string, value float64) error {
	return e.call.telemetry.Metrics.Guest(e.plugin.cfg.Name).Record(ctx, kind, name, value)
}

// Log writes a line of the guest's to the host's log, with the plugin and what it is called for.
func (e *effects) Log(ctx context.Context, level slog.Level, message string) {
	if e.call.tail != nil {
		e.call.tail.add(level, message)
	}
	logger := e.call.telemetry.Logger
	if !logger.Enabled(ctx, level) {
		return
	}
	m := &e.call.exchange.Match
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs, slog.String("plugin", e.plugin.cfg.Name), slog.String("request_id", e.call.exchange.ID))
	if m.API != nil {
		attrs = append(attrs, slog.String("api", m.API.Name), slog.String("stage", m.Stage.Name))
	}
	if m.Route != nil {
		attrs = append(attrs, slog.String("route", m.Route.Key))
	}
	if f := e.call.function; f != nil {
		attrs = appendFunction(attrs, f.def, e.call.alias)
	}
	logger.LogAttrs(ctx, level, message, attrs...)
}

// TraceParent returns the W3C traceparent of the call's span (Trace Context, section 3.2).
func (e *effects) TraceParent() string {
	return telemetry.TraceParent(trace.ContextWithSpanContext(context.Background(), e.span.SpanContext()))
}

// Span opens a child of the call's span.
func (e *effects) Span(ctx context.Context, name string) func(string) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return func(string) {}
	}
	_, span := e.call.telemetry.Tracer.Start(ctx, name)
	return func(errorText string) {
		if errorText != "" {
			span.SetStatus(codes.Error, errorText)
		}
		span.End()
	}
}

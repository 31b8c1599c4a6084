package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type trustedKey struct{}

// WithTrusted marks the remote parent in ctx as one that a trusted proxy sent, so that its sampling is believed.
func WithTrusted(ctx context.Context) context.Context {
	return context.WithValue(ctx, trustedKey{}, true)
}

func isTrusted(ctx context.Context) bool { return ctx.Value(trustedKey{}) != nil }

// distrustful decides for a remote parent that is not trusted as it would for a root span. Such a client keeps its
// trace id, so that its own logs lead to the trace, but it can neither make the gateway record nor stop it.
type distrustful struct{ inner sdktrace.Sampler }

// ShouldSample decides. A sampler by ratio looks at the trace id, which such a client chooses too; so it is shown a random
// one instead.
func (d distrustful) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	if !parent.IsRemote() || !parent.IsValid() || isTrusted(p.ParentContext) {
		return d.inner.ShouldSample(p)
	}
	p.ParentContext = context.Background()
	binary.NativeEndian.PutUint64(p.TraceID[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(p.TraceID[8:], rand.Uint64())
	result := d.inner.ShouldSample(p)
	result.Tracestate = parent.TraceState()
	return result
}

// Description names the sampler below.
func (d distrustful) Description() string { return d.inner.Description() }

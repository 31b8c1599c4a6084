package telemetry

import (
	"context"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
)

// The header fields of W3C Trace Context and W3C Baggage.
const (
	fieldParent  = "traceparent"
	fieldState   = "tracestate"
	fieldBaggage = "baggage"
)

// A Propagator reads and writes the W3C trace context. It works on host.Header itself, because the carriers of
// OpenTelemetry's own propagators cost an allocation for each look-up. When tracing is off, or OTEL_PROPAGATORS is
// none, it does nothing, and the fields pass the gateway like any other. The zero value does nothing.
type Propagator struct {
	traceContext bool
	baggage      bool
}

// Extract returns ctx with the remote parent that h names. From a trusted peer it also takes baggage, and marks
// the parent so that its sampling decision is believed. What is malformed is ignored, as the standard asks.
func (p *Propagator) Extract(ctx context.Context, h host.Header, trusted bool) context.Context {
	if !p.traceContext && !p.baggage {
		return ctx
	}
	var parent, state, bag string
	parents := 0
	for i := range h {
		switch len(h[i].Name) {
		case len(fieldParent):
			if strings.EqualFold(h[i].Name, fieldParent) {
				parent = h[i].Value
				parents++
			}
		case len(fieldState):
			if strings.EqualFold(h[i].Name, fieldState) {
				state = joinList(state, h[i].Value)
			}
		case len(fieldBaggage):
			if strings.EqualFold(h[i].Name, fieldBaggage) {
				bag = joinList(bag, h[i].Value)
			}
		}
	}
	if p.baggage && trusted && bag != "" {
		if b, err := baggage.Parse(bag); err == nil {
			ctx = baggage.ContextWithBaggage(ctx, b)
		}
	}
	if !p.traceContext || parents != 1 {
		return ctx
	}
	sc, ok := parseParent(parent, state)
	if !ok {
		return ctx
	}
	if trusted {
		ctx = WithTrusted(ctx)
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

// Inject replaces the trace context in h by ctx's span, and the baggage by ctx's: what an untrusted client sent goes no
// further. It leaves h alone when ctx has no span.
func (p *Propagator) Inject(ctx context.Context, h *host.Header) {
	if p.traceContext {
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
			h.Set(fieldParent, formatParent(sc))
			if state := sc.TraceState(); state.Len() > 0 {
				h.Set(fieldState, state.String())
			} else if h.Has(fieldState) {
				h.Del(fieldState)
			}
		}
	}
	if p.baggage {
		if b := baggage.FromContext(ctx); b.Len() > 0 {
			h.Set(fieldBaggage, b.String())
		} else if h.Has(fieldBaggage) {
			h.Del(fieldBaggage)
		}
	}
}

// TraceParent returns the W3C traceparent of ctx's span, "" when there is none.
func TraceParent(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	return formatParent(sc)
}

func joinList(a, b string) string {
	if a == "" {
		return b
	}
	return a + "," + b
}

// parentLength is the length of a traceparent of version 00.
const parentLength = 2 + 1 + 32 + 1 + 16 + 1 + 2

// knownFlags are the trace flags that are passed on: sampled, and random (W3C Trace Context level 2, section 3.2.2.5).
const knownFlags = trace.FlagsSampled | 0x02

// parseParent reads a traceparent (W3C Trace Context, section 3.2.2): version 00, or the start of a later one.
func parseParent(v, state string) (trace.SpanContext, bool) {
	if len(v) < parentLength || v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return trace.SpanContext{}, false
	}
	if len(v) > parentLength && (v[:2] == "00" || v[parentLength] != '-') {
		return trace.SpanContext{}, false
	}
	var version, flags [1]byte
	var c trace.SpanContextConfig
	if !unhex(version[:], v[:2]) || version[0] == 0xff || !unhex(c.TraceID[:], v[3:35]) ||
		!unhex(c.SpanID[:], v[36:52]) || !unhex(flags[:], v[53:55]) {
		return trace.SpanContext{}, false
	}
	c.TraceFlags = trace.TraceFlags(flags[0]) & knownFlags
	if state != "" {
		// A malformed tracestate is dropped, and the parent kept (section 3.3).
		c.TraceState, _ = trace.ParseTraceState(state)
	}
	sc := trace.NewSpanContext(c)
	return sc, sc.IsValid()
}

// unhex decodes lower-case hexadecimal digits, the only ones that the standard allows.
func unhex(dst []byte, s string) bool {
	for i := range dst {
		hi, lo := digit(s[2*i]), digit(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

func formatParent(sc trace.SpanContext) string {
	var b [parentLength]byte
	id, span, flags := sc.TraceID(), sc.SpanID(), byte(sc.TraceFlags())
	b[0], b[1], b[2] = '0', '0', '-'
	hex.Encode(b[3:35], id[:])
	b[35] = '-'
	hex.Encode(b[36:52], span[:])
	b[52] = '-'
	hex.Encode(b[53:55], []byte{flags})
	return string(b[:])
}

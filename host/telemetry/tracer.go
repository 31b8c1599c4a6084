package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// A tracer makes spans that are encoded to OTLP the moment they end. The SDK's keep each span as a tree of objects, copy
// it for the exporter, and there make a second tree of protobuf messages: BenchmarkTracer has them side by side. What
// is left out is what Postern has no use for, span processors and the recording of panics.
type tracer struct {
	embedded.Tracer
	sampler sdktrace.Sampler
	limits  spanLimits
	batch   *batcher

	attributes, encoders sync.Pool // what spans that ended have left to others; empty is as good
}

// spanLimits bound a span (OpenTelemetry specification, "Span Limits").
type spanLimits struct {
	attributes, events, links int
	value                     int // letters of a text; 0 for no limit
}

// Start makes a span. It records when the sampler says so; otherwise it carries its context alone.
func (t *tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if ctx == nil {
		ctx = context.Background() // the API's contract for all tracers
	}
	config := trace.NewSpanStartConfig(opts...)
	var parent trace.SpanContext
	if config.NewRoot() {
		ctx = trace.ContextWithSpanContext(ctx, parent)
	} else {
		parent = trace.SpanContextFromContext(ctx)
	}
	c := trace.SpanContextConfig{TraceID: parent.TraceID(), SpanID: newSpanID(), TraceFlags: parent.TraceFlags() &^ trace.FlagsSampled}
	if !c.TraceID.IsValid() {
		parent = trace.SpanContext{}
		c.TraceID = newTraceID()
	}
	decision := t.sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: ctx, TraceID: c.TraceID, Name: name,
		Kind: config.SpanKind(), Attributes: config.Attributes(), Links: config.Links()})
	c.TraceState = decision.Tracestate
	if decision.Decision != sdktrace.RecordAndSample {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(c))
		return ctx, trace.SpanFromContext(ctx)
	}
	c.TraceFlags |= trace.FlagsSampled
	s := &span{tracer: t, context: trace.NewSpanContext(c), parent: parent, name: name, kind: config.SpanKind(), start: config.Timestamp()}
	if s.kind == trace.SpanKindUnspecified || s.kind > trace.SpanKindConsumer {
		s.kind = trace.SpanKindInternal
	}
	if s.start.IsZero() {
		s.start = time.Now()
	}
	for _, link := range config.Links() {
		s.AddLink(link)
	}
	s.SetAttributes(decision.Attributes...)
	s.SetAttributes(config.Attributes()...)
	return trace.ContextWithSpan(ctx, s), s
}

func newTraceID() (id trace.TraceID) {
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64()|1) // never all zero
	return id
}

func newSpanID() (id trace.SpanID) {
	binary.NativeEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// A span is recording until it ends. It is safe for concurrent use.
type span struct {
	embedded.Span
	tracer          *tracer
	context, parent trace.SpanContext
	kind            trace.SpanKind
	start, end      time.Time

	mu            sync.Mutex // guards what follows
	ended         bool
	name          string
	status        codes.Code
	statusText    string
	attributes    *attributes // lent by the tracer, from the first attribute to the end
	events        []event
	links         []trace.Link
	dropped       int // attributes over the limit
	droppedEvents int
	droppedLinks  int
}

type event struct {
	name       string
	time       time.Time
	attributes []attribute.KeyValue
}

// attributes is a list that goes from span to span: it is needed from the first attribute to the end only.
type attributes struct{ list []attribute.KeyValue }

func (t *tracer) takeAttributes() *attributes {
	if a, ok := t.attributes.Get().(*attributes); ok {
		return a
	}
	return &attributes{make([]attribute.KeyValue, 0, 16)}
}

func (t *tracer) takeEncoder() *encoder {
	if e, ok := t.encoders.Get().(*encoder); ok {
		return e
	}
	e := make(encoder, 0, 1024)
	return &e
}

// End ends the span and hands it over. Only the first call counts.
func (s *span) End(opts ...trace.SpanEndOption) {
	end := time.Time{}
	if len(opts) > 0 {
		config := trace.NewSpanEndConfig(opts...)
		end = config.Timestamp()
	}
	if end.IsZero() {
		end = s.start.Add(time.Since(s.start)) // by the monotonic clock, where start has it
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended, s.end = true, end
	if s.attributes == nil {
		s.attributes = s.tracer.takeAttributes()
	}
	e := s.tracer.takeEncoder()
	*e = appendSpan((*e)[:0], s)
	clear(s.attributes.list)
	s.attributes.list = s.attributes.list[:0]
	s.tracer.attributes.Put(s.attributes)
	s.attributes = nil
	s.mu.Unlock()
	s.tracer.batch.add(*e)
	s.tracer.encoders.Put(e)
}

// SetAttributes sets attributes; the last value of a key holds.
func (s *span) SetAttributes(kvs ...attribute.KeyValue) {
	if len(kvs) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if s.attributes == nil {
		s.attributes = s.tracer.takeAttributes()
	}
	for i := range kvs {
		s.set(&kvs[i])
	}
}

func (s *span) set(kv *attribute.KeyValue) {
	if !kv.Valid() {
		s.dropped++
		return
	}
	list := s.attributes.list
	for i := range list {
		if list[i].Key == kv.Key {
			list[i] = s.tracer.limits.truncate(*kv)
			return
		}
	}
	if len(list) >= s.tracer.limits.attributes {
		s.dropped++
		return
	}
	s.attributes.list = append(list, s.tracer.limits.truncate(*kv))
}

func (l *spanLimits) truncate(kv attribute.KeyValue) attribute.KeyValue {
	if l.value == 0 || kv.Value.Type() != attribute.STRING || len(kv.Value.AsString()) <= l.value {
		return kv
	}
	text, n := kv.Value.AsString(), 0
	for i := range text {
		if n == l.value {
			return kv.Key.String(text[:i])
		}
		n++
	}
	return kv
}

// AddEvent adds an event.
func (s *span) AddEvent(name string, opts ...trace.EventOption) {
	config := trace.NewEventConfig(opts...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.events = appendLast(s.events, event{name, config.Timestamp(), config.Attributes()}, s.tracer.limits.events, &s.droppedEvents)
	}
}

// appendLast appends to a list that keeps the last items, as the SDK's does: the end of a story tells more than its beginning.
func appendLast[T any](list []T, item T, limit int, dropped *int) []T {
	switch {
	case limit == 0:
		*dropped++
		return list
	case len(list) >= limit:
		*dropped++
		copy(list, list[1:])
		list[len(list)-1] = item
		return list
	}
	return append(list, item)
}

// RecordError adds an exception event (semantic conventions, "Exceptions in spans").
func (s *span) RecordError(err error, opts ...trace.EventOption) {
	if err == nil {
		return
	}
	kind := reflect.TypeOf(err)
	opts = append(opts, trace.WithAttributes(attribute.String("exception.type", kind.String()), attribute.String("exception.message", err.Error())))
	s.AddEvent("exception", opts...)
}

// AddLink adds a link, unless it leads nowhere and says nothing.
func (s *span) AddLink(link trace.Link) {
	if !link.SpanContext.IsValid() && len(link.Attributes) == 0 && link.SpanContext.TraceState().Len() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.links = appendLast(s.links, link, s.tracer.limits.links, &s.droppedLinks)
	}
}

// SetStatus sets the status. Ok is final, and Unset changes nothing (OpenTelemetry specification, "Set Status").
func (s *span) SetStatus(c codes.Code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.status == codes.Ok || c == codes.Unset {
		return
	}
	s.status, s.statusText = c, ""
	if c == codes.Error {
		s.statusText = description
	}
}

// SetName renames the span.
func (s *span) SetName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.name = name
	}
}

// IsRecording reports whether the span has not ended.
func (s *span) IsRecording() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended
}

// SpanContext returns the span's ids. It never changes.
func (s *span) SpanContext() trace.SpanContext { return s.context }

// TracerProvider returns a provider of this one tracer, whatever name it is asked for.
func (s *span) TracerProvider() trace.TracerProvider { return provider{tracer: s.tracer} }

type provider struct {
	embedded.TracerProvider
	tracer *tracer
}

func (p provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return p.tracer }

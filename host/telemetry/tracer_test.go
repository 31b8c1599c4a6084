package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// A capture is the SDK's client, and a sink, that keeps the spans.
type capture struct {
	mu    sync.Mutex
	spans []*tracepb.Span
	hold  chan struct{} // when set, send waits for it
}

func (c *capture) Start(context.Context) error { return nil }
func (c *capture) Stop(context.Context) error  { return nil }
func (c *capture) close(context.Context) error { return nil }

func (c *capture) UploadTraces(_ context.Context, batches []*tracepb.ResourceSpans) error {
	for _, s := range batches[0].GetScopeSpans() {
		c.spans = append(c.spans, s.GetSpans()...)
	}
	return nil
}

func (c *capture) send(ctx context.Context, encoded []byte) error {
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var decoded tracepb.ScopeSpans
	if err := proto.Unmarshal(encoded, &decoded); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, decoded.GetSpans()...)
	return nil
}

func newTestTracer(s sink, limits batchLimits) (*tracer, *bytes.Buffer) {
	var log bytes.Buffer
	reports := &reporter{log: slog.New(slog.NewTextHandler(&log, nil))}
	return &tracer{sampler: sdktrace.ParentBased(sdktrace.AlwaysSample()), batch: newBatcher(s, limits, reports),
		limits: spanLimits{attributes: 16, events: 3, links: 2, value: 20_000}}, &log
}

// What Postern's tracer sends is what OpenTelemetry's SDK and exporter make of the same calls.
func TestSpansAreOpenTelemetrys(t *testing.T) {
	theirs, ours := &capture{}, &capture{}
	reference, err := otlptrace.New(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(reference), sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{
		AttributeValueDepthLimit: -1, AttributeCountLimit: 16, EventCountLimit: 3, LinkCountLimit: 2, AttributePerEventCountLimit: 128, AttributePerLinkCountLimit: 128, AttributeValueLengthLimit: 20_000}))
	tracer, _ := newTestTracer(ours, batchLimits{queue: 100, size: 100, delay: time.Hour, timeout: time.Minute})
	exercise(t, provider.Tracer("x"))
	exercise(t, tracer)
	if err := tracer.batch.shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(theirs.spans, ours.spans, protocmp.Transform(), protocmp.IgnoreFields(&tracepb.Span{}, "span_id"),
		protocmp.FilterField(&tracepb.Span{}, "trace_id", cmp.Comparer(func(a, b []byte) bool { // those of roots are random
			return bytes.Equal(a, b) || a[0] != 1 && b[0] != 1
		}))); diff != "" {
		t.Error(diff)
	}
	if len(ours.spans) != 9 {
		t.Errorf("%d spans", len(ours.spans))
	}
}

// exercise makes spans of every kind, over every limit.
func exercise(t *testing.T, tracer trace.Tracer) {
	t.Helper()
	state, err := trace.ParseTraceState("a=1,b=2")
	if err != nil {
		t.Fatal(err)
	}
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled | 2, TraceState: state, Remote: true})
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), remote)
	start, end := trace.WithTimestamp(time.Unix(100, 7)), trace.WithTimestamp(time.Unix(101, 9))
	for kind := trace.SpanKindUnspecified; kind <= trace.SpanKindConsumer+1; kind++ {
		_, span := tracer.Start(ctx, "span", start, trace.WithSpanKind(kind), trace.WithAttributes(every()...),
			trace.WithLinks(trace.Link{SpanContext: remote, Attributes: every()[:2]}, trace.Link{SpanContext: remote}, trace.Link{}, trace.Link{SpanContext: remote}))
		span.SetAttributes(attribute.String("string", "again"), attribute.KeyValue{})
		span.AddEvent("event", trace.WithAttributes(every()[:3]...), start)
		span.RecordError(errors.New("broken"), start)
		span.RecordError(nil)
		span.AddEvent("third", start)
		span.AddEvent("fourth", start)
		span.SetStatus(codes.Code(kind%3), "first")
		span.SetStatus(codes.Error, strings.Repeat("x", 200))
		span.SetStatus(codes.Unset, "nothing")
		span.SetName("renamed")
		if !span.IsRecording() || !span.SpanContext().IsSampled() {
			t.Error("the span does not record")
		}
		span.End(end)
		span.SetName("ended")
		span.SetAttributes(attribute.Int("late", 1))
		span.AddEvent("late")
		span.End()
		if span.IsRecording() {
			t.Error("the span records after its end")
		}
	}
	_, plain := tracer.Start(context.Background(), "", trace.WithTimestamp(time.Unix(-5, 0)))
	plain.End(end)
	_, root := tracer.Start(ctx, "root", trace.WithNewRoot(), start)
	root.End(end)
	_, dropped := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, remote.WithTraceFlags(0)), "unsampled", start)
	if sc := dropped.SpanContext(); dropped.IsRecording() || sc.IsSampled() || sc.TraceID() != remote.TraceID() || sc.SpanID() == remote.SpanID() || sc.TraceState().Len() != 2 {
		t.Errorf("an unsampled span: %+v", sc)
	}
	dropped.End()
}

// every has an attribute of each type, zero values and long ones among them.
func every() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("string", "text"), attribute.String("empty", ""), attribute.String("long", strings.Repeat("lång ", 5000)),
		attribute.Int("int", 7), attribute.Int("negative", -7), attribute.Int("zero", 0), attribute.Bool("true", true), attribute.Bool("false", false),
		attribute.Float64("float", 1.5), attribute.Float64("float zero", 0), attribute.StringSlice("strings", []string{"a", "", strings.Repeat("b", 300)}),
		attribute.IntSlice("ints", []int{1, -2, 0}), attribute.BoolSlice("bools", []bool{true, false}), attribute.Float64Slice("floats", []float64{1, 0}),
		attribute.StringSlice("none", nil), attribute.ByteSlice("bytes", []byte{0, 255}), attribute.String("dropped", "over the limit"),
	}
}

func TestSpanIsSafeForConcurrentUse(t *testing.T) {
	kept := &capture{}
	tracer, _ := newTestTracer(kept, batchLimits{queue: 10_000, size: 7, delay: time.Millisecond, timeout: time.Minute})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				_, span := tracer.Start(t.Context(), "x")
				var users sync.WaitGroup
				for range 3 {
					users.Go(func() {
						span.SetAttributes(attribute.Int("n", 1))
						span.AddEvent("e")
						span.End()
						span.SetAttributes(attribute.Int("late", 1))
					})
				}
				users.Wait()
			}
		})
	}
	all.Wait()
	if err := tracer.batch.shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(kept.spans) != 1600 {
		t.Errorf("%d spans arrived, want 1600", len(kept.spans))
	}
	for _, s := range kept.spans {
		for _, kv := range s.GetAttributes() {
			if kv.GetKey() != "n" {
				t.Fatalf("an attribute that came after the end: %v", kv)
			}
		}
	}
}

// A sink that does not keep up costs spans, and neither time nor memory.
func TestQueueIsBounded(t *testing.T) {
	kept := &capture{hold: make(chan struct{})}
	tracer, log := newTestTracer(kept, batchLimits{queue: 10, size: 4, delay: time.Hour, timeout: time.Minute})
	for range 100 {
		_, span := tracer.Start(t.Context(), "x")
		span.End()
	}
	close(kept.hold)
	if err := tracer.batch.shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(kept.spans) != 10 {
		t.Errorf("%d spans arrived, want the queue's 10", len(kept.spans))
	}
	if strings.Count(log.String(), "spans were dropped") != 1 {
		t.Errorf("want one line that tells of the loss: %s", log)
	}
	_, span := tracer.Start(t.Context(), "after the end")
	span.End()
}

func TestBatchesAreSentWhenFullOrLate(t *testing.T) {
	arrived := func(c *capture, n int) bool {
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			c.mu.Lock()
			got := len(c.spans)
			c.mu.Unlock()
			if got >= n {
				return true
			}
		}
		return false
	}
	for _, limits := range []batchLimits{{queue: 10, size: 2, delay: time.Hour, timeout: time.Minute}, {queue: 10, size: 10, delay: time.Millisecond, timeout: time.Minute}} {
		kept := &capture{}
		tracer, _ := newTestTracer(kept, limits)
		for range 4 {
			_, span := tracer.Start(t.Context(), "x")
			span.End()
		}
		if !arrived(kept, 4) {
			t.Errorf("%+v: the spans did not arrive", limits)
		}
		if err := tracer.batch.shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkTracer is a recorded span with eight attributes, until it is encoded, by Postern's tracer and by the SDK's,
// which is why there is one of Postern's.
func BenchmarkTracer(b *testing.B) {
	reference, err := otlptrace.New(b.Context(), &encodingClient{})
	if err != nil {
		b.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(reference))
	ours, _ := newTestTracer(discard{}, batchLimits{queue: 2048, size: 512, delay: time.Hour, timeout: time.Minute})
	attributes := []attribute.KeyValue{HTTPMethod.String("GET"), HTTPRoute.String("/orders/{id}"), URLScheme.String("http"), URLPath.String("/orders/7"),
		HTTPStatus.Int(200), ClientAddress.String("127.0.0.1"), ProtocolVersion.String("1.1"), UserAgent.String("bench")}
	for _, bench := range []struct {
		name   string
		tracer trace.Tracer
	}{{"sdk", provider.Tracer("x")}, {"postern", ours}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, span := bench.tracer.Start(context.Background(), "authorize")
				span.SetAttributes(attributes...)
				span.End()
			}
		})
	}
}

// An encodingClient encodes as a real client does, and sends nothing.
type encodingClient struct{ capture }

func (*encodingClient) UploadTraces(_ context.Context, batches []*tracepb.ResourceSpans) error {
	_, err := proto.Marshal(batches[0])
	return err
}

type discard struct{}

func (discard) send(context.Context, []byte) error { return nil }
func (discard) close(context.Context) error        { return nil }

package telemetry_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
	"github.com/postern/postern/host/telemetry/otlptest"
)

const (
	traceID   = "0af7651916cd43dd8448eb211c80319c"
	parentID  = "b7ad6b7169203331"
	sampled   = "00-" + traceID + "-" + parentID + "-01"
	unsampled = "00-" + traceID + "-" + parentID + "-00"
)

func TestTraceContextPasses(t *testing.T) {
	tel, _ := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": otlptest.New(t).HTTP()})
	for _, trusted := range []bool{false, true} {
		in := host.Header{{Name: "TraceParent", Value: sampled}, {Name: "Accept", Value: "*/*"},
			{Name: "tracestate", Value: "a=1"}, {Name: "Tracestate", Value: "b=2"}, {Name: "Baggage", Value: "user=7"}}
		ctx, span := tel.Tracer.Start(tel.Propagator.Extract(t.Context(), in, trusted), "root")
		span.End()
		out := in.Clone()
		tel.Propagator.Inject(ctx, &out)
		if got := span.SpanContext().TraceID().String(); got != traceID {
			t.Errorf("trusted %t: trace id %s, want the client's", trusted, got)
		}
		want := host.Header{{Name: "TraceParent", Value: telemetry.TraceParent(ctx)}, {Name: "Accept", Value: "*/*"}, {Name: "tracestate", Value: "a=1,b=2"}}
		if trusted {
			want.Add("Baggage", "user=7")
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("trusted %t: %s", trusted, diff)
		}
		if out[0].Value == sampled || !strings.HasPrefix(out[0].Value, "00-"+traceID) || !strings.HasSuffix(out[0].Value, "-01") {
			t.Errorf("trusted %t: traceparent %s is not the span's", trusted, out[0].Value)
		}
	}
}

func TestPropagatorsOff(t *testing.T) {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": otlptest.New(t).HTTP(), "OTEL_PROPAGATORS": "none"}
	tel, _ := setup(t, env)
	h := host.Header{{Name: "traceparent", Value: sampled}}
	ctx, span := tel.Tracer.Start(tel.Propagator.Extract(t.Context(), h, true), "root")
	defer span.End()
	tel.Propagator.Inject(ctx, &h)
	if span.SpanContext().TraceID().String() == traceID || h.Get("traceparent") != sampled {
		t.Error("OTEL_PROPAGATORS=none does not hold")
	}
}

func TestMalformedTraceContextIsIgnored(t *testing.T) {
	tel, _ := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": otlptest.New(t).HTTP()})
	for _, v := range []string{"", "x", sampled[:54], sampled + "-x", "ff" + sampled[2:], strings.ToUpper(sampled), "0g" + sampled[2:],
		"00-00000000000000000000000000000000-" + parentID + "-01", "00-" + traceID + "-0000000000000000-01", "01" + sampled[2:] + "x", sampled + "," + sampled} {
		ctx := tel.Propagator.Extract(t.Context(), host.Header{{Name: "traceparent", Value: v}}, true)
		if trace.SpanContextFromContext(ctx).IsValid() {
			t.Errorf("%q was taken", v)
		}
	}
	twice := host.Header{{Name: "traceparent", Value: sampled}, {Name: "traceparent", Value: sampled}}
	if trace.SpanContextFromContext(tel.Propagator.Extract(t.Context(), twice, true)).IsValid() {
		t.Error("two traceparent fields were taken")
	}
	later := host.Header{{Name: "traceparent", Value: "01" + sampled[2:] + "-more"}, {Name: "tracestate", Value: "=,="}, {Name: "baggage", Value: "=;="}}
	if sc := trace.SpanContextFromContext(tel.Propagator.Extract(t.Context(), later, true)); !sc.IsValid() || sc.TraceState().Len() != 0 {
		t.Error("a later version of traceparent was not taken, or a malformed tracestate was")
	}
}

func FuzzExtract(f *testing.F) {
	tel, _ := setup(f, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": otlptest.New(f).HTTP()})
	f.Add(sampled, "a=1", "b=2")
	f.Add("", ",", "%")
	f.Fuzz(func(t *testing.T, parent, state, bag string) {
		h := host.Header{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: state}, {Name: "baggage", Value: bag}}
		ctx := tel.Propagator.Extract(context.Background(), h, true)
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
			again := telemetry.TraceParent(ctx)
			back := trace.SpanContextFromContext(tel.Propagator.Extract(context.Background(), host.Header{{Name: "traceparent", Value: again}}, true))
			if back.TraceID() != sc.TraceID() || back.SpanID() != sc.SpanID() || back.TraceFlags() != sc.TraceFlags() {
				t.Errorf("%q became %q", parent, again)
			}
		}
	})
}

// Whose sampling is believed: a trusted proxy's, and nobody else's.
func TestSampling(t *testing.T) {
	endpoint := otlptest.New(t).HTTP()
	for _, test := range []struct {
		sampler, arg, parent string
		trusted, want        bool
	}{
		{"", "", "", false, true},
		{"", "", sampled, true, true},
		{"", "", unsampled, true, false},
		{"", "", unsampled, false, true},
		{"parentbased_always_off", "", sampled, true, true},
		{"parentbased_always_off", "", sampled, false, false},
		{"always_off", "", sampled, true, false},
		{"always_on", "", unsampled, true, true},
		{"parentbased_traceidratio", "0", sampled, false, false},
		{"parentbased_traceidratio", "1", unsampled, false, true},
	} {
		tel, _ := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER": test.sampler, "OTEL_TRACES_SAMPLER_ARG": test.arg})
		ctx := tel.Propagator.Extract(t.Context(), host.Header{{Name: "traceparent", Value: test.parent}}, test.trusted)
		ctx, root := tel.Tracer.Start(ctx, "root")
		_, child := tel.Tracer.Start(ctx, "child")
		for _, span := range []trace.Span{root, child} {
			if got := span.SpanContext().IsSampled(); got != test.want || span.IsRecording() != test.want {
				t.Errorf("%+v: sampled %t", test, got)
			}
			if test.parent != "" && span.SpanContext().TraceID().String() != traceID {
				t.Errorf("%+v: the trace id was lost", test)
			}
		}
	}
}

// A sampler by ratio looks at the trace id, so that a client which chooses it could make every request be recorded.
func TestChosenTraceIDDoesNotForceSampling(t *testing.T) {
	tel, _ := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": otlptest.New(t).HTTP(),
		"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.001"})
	recorded := 0
	h := host.Header{{Name: "traceparent", Value: "00-00000000000000010000000000000000-" + parentID + "-01"}}
	for range 1000 {
		_, span := tel.Tracer.Start(tel.Propagator.Extract(t.Context(), h, false), "root")
		if span.IsRecording() {
			recorded++
		}
		span.End()
	}
	if recorded > 100 {
		t.Errorf("%d of 1000 requests with a chosen trace id were recorded, about one was expected", recorded)
	}
}

//go:build unix

package telemetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// BenchmarkRequest is what tracing adds to a request: the context in, a root span with its attributes, the context out.
// The recorded one has no children. Its time includes the export, since the exporter works in the same process; so does
// the sink, which therefore decodes nothing. Spans that come faster than they can be sent are dropped, as they would be.
func BenchmarkRequest(b *testing.B) {
	for _, bench := range []struct {
		name string
		env  map[string]string
	}{
		{"off", nil},
		{"unsampled", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": sink(b), "OTEL_TRACES_SAMPLER": "parentbased_always_off"}},
		{"recorded", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": sink(b)}},
	} {
		for _, parent := range []bool{false, true} {
			name := bench.name + "/root"
			in := host.Header{{Name: "Accept", Value: "*/*"}, {Name: "User-Agent", Value: "bench"}, {Name: "Accept-Encoding", Value: "gzip"}}
			if parent {
				name = bench.name + "/remote"
				in.Add("traceparent", unsampled)
			}
			b.Run(name, func(b *testing.B) {
				tel, _ := setup(b, bench.env)
				out := make(host.Header, 0, 8)
				b.ReportAllocs()
				defer cpu(b)()
				for b.Loop() {
					ctx := tel.Propagator.Extract(b.Context(), in, false)
					out = append(out[:0], in...)
					if !tel.Tracing() {
						tel.Propagator.Inject(ctx, &out)
						continue
					}
					ctx, span := tel.Tracer.Start(ctx, "GET /orders/{id}", trace.WithSpanKind(trace.SpanKindServer))
					if span.IsRecording() {
						span.SetAttributes(requestAttributes()...)
					}
					tel.Propagator.Inject(ctx, &out)
					span.End()
				}
			})
		}
	}
}

// BenchmarkSpan is one child span of a recorded request.
func BenchmarkSpan(b *testing.B) {
	tel, _ := setup(b, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": sink(b)})
	ctx, root := tel.Tracer.Start(b.Context(), "root")
	defer root.End()
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		_, span := tel.Tracer.Start(ctx, "authorize")
		span.SetAttributes(telemetry.PluginName.String("caller"), telemetry.PluginRuntime.String("js"), telemetry.PluginOutcome.String("ok"))
		span.End()
	}
}

// cpu starts counting the process's CPU time, which wall time on a busy machine is not; the function that it returns reports it.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") }
}

// sink takes OTLP/HTTP and throws it away.
func sink(b *testing.B) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	b.Cleanup(s.Close)
	return s.URL
}

func requestAttributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		telemetry.HTTPMethod.String("GET"), telemetry.HTTPRoute.String("/orders/{id}"), telemetry.URLScheme.String("http"),
		telemetry.URLPath.String("/orders/7"), telemetry.HTTPStatus.Int(200), telemetry.ClientAddress.String("127.0.0.1"),
		telemetry.ProtocolVersion.String("1.1"), telemetry.UserAgent.String("bench"),
	}
}

func BenchmarkMetrics(b *testing.B) {
	tel, _ := setup(b, nil)
	route := tel.Metrics.Route("orders", "$default", "/orders/{id}")
	plugin := tel.Metrics.Plugin("caller", "js")
	b.Run("route", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			route.Record(b.Context(), "GET", 200, time.Millisecond)
		}
	})
	b.Run("plugin", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			plugin.Record(b.Context(), telemetry.OutcomeOK, time.Millisecond)
		}
	})
	b.Run("active", func(b *testing.B) {
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			tel.Metrics.Begin()
			tel.Metrics.End()
		}
	})
}

package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
	"github.com/postern/postern/host/telemetry/otlptest"
)

// setup makes telemetry from the given variables and shuts it down when the test ends.
func setup(tb testing.TB, env map[string]string) (*telemetry.Telemetry, *bytes.Buffer) {
	tb.Helper()
	var out bytes.Buffer
	tel, err := telemetry.Setup(tb.Context(), telemetry.Options{Version: "1.2.3", LogFormat: telemetry.LogJSON, Output: &out,
		Environ: func(name string) string { return env[name] }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			tb.Logf("shutdown: %v", err)
		}
	})
	return tel, &out
}

func TestExport(t *testing.T) {
	receiver := otlptest.New(t)
	for _, test := range []struct {
		name, exporting string
		env             map[string]string
	}{
		{"grpc", "OTLP/gRPC " + receiver.GRPC(), map[string]string{
			"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.GRPC()}},
		{"grpc without a scheme, compressed", "OTLP/gRPC " + receiver.GRPC(), map[string]string{
			"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": strings.TrimPrefix(receiver.GRPC(), "http://"),
			"OTEL_EXPORTER_OTLP_INSECURE": "true", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}},
		{"http", "OTLP/HTTP " + receiver.HTTP() + "/v1/traces", map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTP() + "/"}},
		{"http for traces, compressed", "OTLP/HTTP " + receiver.HTTP() + "/v1/traces", map[string]string{
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver.HTTP() + "/v1/traces", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			receiver.Reset()
			test.env["OTEL_EXPORTER_OTLP_HEADERS"] = "x-tenant=a%20b,x-other=1"
			test.env["OTEL_RESOURCE_ATTRIBUTES"] = "deployment.environment.name=test,service.name=ignored"
			test.env["OTEL_SERVICE_NAME"] = "edge"
			tel, _ := setup(t, test.env)
			if got := tel.Exporting(); got != test.exporting {
				t.Errorf("Exporting() = %q, want %q", got, test.exporting)
			}
			if !tel.Tracing() {
				t.Error("Tracing() = false")
			}
			ctx, root := tel.Tracer.Start(t.Context(), "GET /orders/{id}", trace.WithSpanKind(trace.SpanKindServer),
				trace.WithAttributes(telemetry.HTTPMethod.String("GET"), telemetry.HTTPStatus.Int(502)))
			_, child := tel.Tracer.Start(ctx, "integrate")
			child.SetStatus(codes.Error, "bad gateway")
			child.End()
			root.End()
			if err := tel.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			tree := receiver.WaitForTrace(t, root.SpanContext().TraceID().String(), 2)
			if diff := cmp.Diff("GET /orders/{id} server\n  integrate error\n", tree.String()); diff != "" {
				t.Error(diff)
			}
			got := tree.Roots[0].Span
			if diff := cmp.Diff(map[string]string{"http.request.method": "GET", "http.response.status_code": "502"}, got.Attributes); diff != "" {
				t.Error(diff)
			}
			for key, want := range map[string]string{"service.name": "edge", "service.version": "1.2.3", "deployment.environment.name": "test"} {
				if got.Resource[key] != want {
					t.Errorf("resource %s = %q, want %q", key, got.Resource[key], want)
				}
			}
			if got := tree.Find("integrate").StatusMessage; got != "bad gateway" {
				t.Errorf("status message = %q", got)
			}
			if got := receiver.Header("X-Tenant"); got != "a b" {
				t.Errorf("x-tenant = %q, want the decoded value", got)
			}
		})
	}
}

func TestNothingIsExportedUnasked(t *testing.T) {
	for _, env := range []map[string]string{
		{},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
	} {
		tel, _ := setup(t, env)
		ctx, span := tel.Tracer.Start(t.Context(), "x")
		if span.IsRecording() || tel.Tracing() || tel.Exporting() != "" {
			t.Errorf("%v: tracing is on", env)
		}
		h := host.Header{{Name: "Traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, {Name: "baggage", Value: "a=b"}}
		want := h.Clone()
		tel.Propagator.Inject(tel.Propagator.Extract(ctx, h, true), &h)
		if diff := cmp.Diff(want, h); diff != "" {
			t.Errorf("%v: the context does not pass unchanged: %s", env, diff)
		}
	}
}

func TestWrongSettings(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	on := map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER":                  "zipkin",
		"OTEL_EXPORTER_OTLP_ENDPOINT":           "localhost:4318",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":    "ftp://collector",
		"OTEL_EXPORTER_OTLP_PROTOCOL":           "http/json",
		"OTEL_EXPORTER_OTLP_TIMEOUT":            "10s",
		"OTEL_EXPORTER_OTLP_COMPRESSION":        "zstd",
		"OTEL_EXPORTER_OTLP_HEADERS":            "secret-without-equals",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":        notPEM,
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": notPEM,
		"OTEL_TRACES_SAMPLER":                   "sometimes",
		"OTEL_BSP_MAX_QUEUE_SIZE":               "0",
		"OTEL_RESOURCE_ATTRIBUTES":              "a=%zz",
		"OTEL_PROPAGATORS":                      "tracecontext,carrier-pigeon",
		"OTEL_METRICS_EXPORTER":                 "graphite",
		"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": filepath.Join(t.TempDir(), "missing.pem"),
		"OTEL_BSP_SCHEDULE_DELAY":               "-1",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL":    "udp",
		"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY":  notPEM,
	} {
		_, err := telemetry.Setup(t.Context(), telemetry.Options{Output: new(bytes.Buffer), Environ: func(n string) string {
			if n == name {
				return value
			}
			return on[n]
		}})
		if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), strings.TrimPrefix(name, "OTEL_EXPORTER_OTLP_TRACES_")) {
			t.Errorf("%s=%s: got %v, want an error of Kind Invalid that names the variable", name, value, err)
		}
		if strings.Contains(err.Error(), "secret-without-equals=") {
			t.Errorf("the error shows a header's value: %v", err)
		}
	}

	_, err := telemetry.Setup(t.Context(), telemetry.Options{Output: new(bytes.Buffer), Environ: func(n string) string {
		return map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2", "OTEL_BSP_EXPORT_TIMEOUT": "x"}[n]
	}})
	for _, want := range []string{"OTEL_TRACES_SAMPLER_ARG", "OTEL_BSP_EXPORT_TIMEOUT"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s: all errors come at once", err, want)
		}
	}
}

func TestWrongLogOptions(t *testing.T) {
	for _, opts := range []telemetry.Options{{LogFormat: "xml"}, {LogLevel: "loud"}} {
		opts.Environ = func(string) string { return "" }
		if _, err := telemetry.Setup(t.Context(), opts); !errors.Is(err, host.Invalid) {
			t.Errorf("%+v: got %v, want Kind Invalid", opts, err)
		}
	}
}

func TestUnsupportedFormatsAreSaid(t *testing.T) {
	_, out := setup(t, map[string]string{"OTEL_PROPAGATORS": "tracecontext,b3", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"})
	for _, want := range []string{"b3", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not speak of %s:\n%s", want, out)
		}
	}
}

func TestUnreachableCollector(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			tel, out := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address,
				"OTEL_EXPORTER_OTLP_TIMEOUT": "50", "OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4"})
			for range 10_000 { // far beyond the queue: had a span to wait for the collector, this would take minutes
				_, span := tel.Tracer.Start(t.Context(), "x")
				span.End()
			}
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Logf("shutdown: %v", err)
			}
			if n := strings.Count(out.String(), `"level":"WARN"`); n != 1 {
				t.Errorf("%d warnings, want one:\n%s", n, out)
			}
			if strings.Contains(out.String(), `"level":"ERROR"`) {
				t.Errorf("the log has errors:\n%s", out)
			}
		})
	}
}

func TestShutdownIsBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tel, _ := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + l.Addr().String()})
	_, span := tel.Tracer.Start(t.Context(), "x")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tel.Shutdown(ctx); !errors.Is(err, host.Unavailable) {
		t.Errorf("got %v, want Kind Unavailable", err)
	}
}

func TestConsole(t *testing.T) {
	tel, out := setup(t, map[string]string{"OTEL_TRACES_EXPORTER": "console"})
	if got := tel.Exporting(); got != "console" {
		t.Errorf("Exporting() = %q", got)
	}
	_, span := tel.Tracer.Start(t.Context(), "x", trace.WithAttributes(telemetry.HTTPRoute.String("/orders")))
	span.End()
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Span       string
		Attributes map[string]string
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if line.Span != "x" || line.Attributes["http.route"] != "/orders" {
		t.Errorf("got %+v", line)
	}
}

func TestLogHasTheTrace(t *testing.T) {
	receiver := otlptest.New(t)
	tel, out := setup(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTP()})
	ctx, span := tel.Tracer.Start(t.Context(), "x")
	defer span.End()
	tel.Logger.With("a", 1).InfoContext(ctx, "hello")
	tel.Logger.Info("outside")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines:\n%s", len(lines), out)
	}
	if want := `"trace_id":"` + span.SpanContext().TraceID().String() + `"`; !strings.Contains(lines[0], want) {
		t.Errorf("%s has no %s", lines[0], want)
	}
	if strings.Contains(lines[1], "trace_id") {
		t.Errorf("%s has a trace id", lines[1])
	}
}

func TestMetrics(t *testing.T) {
	tel, _ := setup(t, nil)
	route := tel.Metrics.Route("orders", "$default", "/orders/{id}")
	route.Record(t.Context(), "GET", 200, 30*time.Millisecond)
	route.Record(t.Context(), "GET", 200, 3*time.Millisecond)
	route.Record(t.Context(), "MADEUP", 503, time.Millisecond)
	tel.Metrics.Plugin("caller", "js").Record(t.Context(), telemetry.OutcomeOK, 40*time.Microsecond)
	tel.Metrics.Refuse(t.Context(), "http", "malformed")
	tel.Metrics.Begin()
	tel.Metrics.Begin()
	tel.Metrics.End()

	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body := w.Body.String()
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/orders/{id}",postern_api="orders",postern_stage="$default"} 2`,
		`http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/orders/{id}",postern_api="orders",postern_stage="$default",le="0.005"} 1`,
		`http_server_request_duration_seconds_count{error_type="503",http_request_method="_OTHER",http_response_status_code="503",http_route="/orders/{id}",postern_api="orders",postern_stage="$default"} 1`,
		`postern_plugin_call_duration_seconds_count{postern_plugin_name="caller",postern_plugin_outcome="ok",postern_plugin_runtime="js"} 1`,
		`postern_refused_requests_total{postern_listener="http",postern_reason="malformed"} 1`,
		`postern_exchanges_active 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

func TestMetricsOfManyRoutesStayApart(t *testing.T) {
	tel, _ := setup(t, nil)
	for i := range 3000 {
		tel.Metrics.Route("a", "b", "/"+string(rune('0'+i))).Record(t.Context(), "GET", 200, 0)
	}
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if strings.Contains(w.Body.String(), "otel_metric_overflow") {
		t.Error("routes are lumped together")
	}
}

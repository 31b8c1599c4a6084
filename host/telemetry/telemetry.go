// Package telemetry owns the OpenTelemetry SDK: it sets up tracing, metrics and logs from the standard OTEL_*
// environment variables, and flushes them. Other packages use OpenTelemetry's API alone.
//
// Spans on a request's way are made by hand by the pipeline, not by an instrumentation library, because those cost
// several microseconds a request. What the pipeline needs for that lies here: attribute keys (attributes.go), the W3C
// context read from and written to host.Header (propagate.go), and instruments whose attribute sets are built once
// (metrics.go).
//
// Nothing is exported until a variable names an exporter or an endpoint. Then every value is checked at the start:
// a gateway that silently traces nowhere is found out when the trace is needed. OTEL_SPAN_*_LIMIT are left
// to the SDK, which reads them from the process's own environment.
package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postern/postern/host"
)

// Scope is the instrumentation scope of Postern's own spans and instruments.
const Scope = "github.com/postern/postern"

// flushTimeout bounds Shutdown, so that a collector which does not answer cannot hold up the exit.
const flushTimeout = 5 * time.Second

// Options say what Setup makes. The zero value logs text or JSON at info to stderr, and reads the process's environment.
type Options struct {
	Service   string                   // service.name unless OTEL_SERVICE_NAME says otherwise; "" is "postern"
	Version   string                   // service.version
	LogFormat string                   // LogText, LogJSON or LogAuto; "" is LogAuto
	LogLevel  string                   // debug, info, warn or error; "" is info
	Output    io.Writer                // of logs and of the console exporter; nil is os.Stderr
	Environ   func(name string) string // nil is os.Getenv
}

// Telemetry is what Setup made. Its fields are never nil, and safe for concurrent use.
type Telemetry struct {
	Tracer     trace.Tracer // records nothing when tracing is off
	Logger     *slog.Logger // adds trace_id and span_id from the context
	Propagator *Propagator
	Metrics    *Metrics
	Tail       *Tail // of Logger

	exporting string
	provider  *sdktrace.TracerProvider // nil when tracing is off
}

// Setup reads the environment and starts what it asks for. A value that cannot be honoured is an error of Kind
// Invalid that names the variable; all of them are reported at once. A collector that cannot be reached is not an error.
//
// The SDK reports its own errors through one handler for the process; the last Setup's logger gets them.
func Setup(ctx context.Context, opts Options) (*Telemetry, error) {
	if opts.Environ == nil {
		opts.Environ = os.Getenv
	}
	if opts.Output == nil {
		opts.Output = os.Stderr
	}
	auto := opts.Output
	opts.Output = &lockedWriter{w: opts.Output}
	tail := &Tail{}
	logger, err := newLogger(opts, isTerminal(auto), tail)
	if err != nil {
		return nil, err
	}
	s, err := readSettings(opts)
	if err != nil {
		return nil, &host.Error{Op: "set up telemetry", Kind: host.Invalid, Err: err}
	}
	for _, w := range s.warnings {
		logger.WarnContext(ctx, "telemetry setting ignored", "reason", w)
	}
	reports := &reporter{log: logger}
	otel.SetErrorHandler(reports)
	otel.SetLogger(logr.FromSlogHandler(logger.Handler()))

	t := &Telemetry{Logger: logger, Tracer: noop.NewTracerProvider().Tracer(Scope), Propagator: &Propagator{}, Tail: tail}
	if t.Metrics, err = newMetrics(s); err != nil {
		return nil, &host.Error{Op: "set up metrics", Kind: host.Internal, Err: err}
	}
	if s.exporter == exporterNone {
		return t, nil
	}
	exporter, err := newExporter(ctx, s, opts.Output)
	if err != nil {
		return nil, &host.Error{Op: "set up tracing", Kind: host.Invalid, Err: err}
	}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithResource(s.resource),
		sdktrace.WithSampler(distrustful{s.sampler}),
		sdktrace.WithBatcher(&reportingExporter{SpanExporter: exporter, reports: reports}, s.batch...),
	)
	t.Tracer = t.provider.Tracer(Scope, trace.WithInstrumentationVersion(opts.Version))
	t.Propagator = &Propagator{traceContext: s.traceContext, baggage: s.baggage}
	t.exporting = s.destination()
	return t, nil
}

// Tracing reports whether spans can be recorded. When it is false, callers need not make any.
func (t *Telemetry) Tracing() bool { return t.provider != nil }

// Exporting says for people where traces go ("OTLP/gRPC http://127.0.0.1:4317"), or "" when they go nowhere.
func (t *Telemetry) Exporting() string { return t.exporting }

// MetricsHandler serves the metrics in the Prometheus text format.
func (t *Telemetry) MetricsHandler() http.Handler { return t.Metrics.handler }

// Flush sends the spans that have ended, within ctx and flushTimeout.
func (t *Telemetry) Flush(ctx context.Context) error {
	return t.finish(ctx, "flush telemetry", (*sdktrace.TracerProvider).ForceFlush)
}

// Shutdown sends what is left and stops. It takes at most five seconds, or less when ctx ends before.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	err := t.finish(ctx, "shut telemetry down", (*sdktrace.TracerProvider).Shutdown)
	if merr := t.Metrics.provider.Shutdown(ctx); merr != nil {
		err = errors.Join(err, &host.Error{Op: "shut metrics down", Kind: host.Internal, Err: merr})
	}
	return err
}

func (t *Telemetry) finish(ctx context.Context, op string, f func(*sdktrace.TracerProvider, context.Context) error) error {
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := f(t.provider, ctx); err != nil {
		return &host.Error{Op: op, Kind: host.Unavailable, Err: err}
	}
	return nil
}

// A lockedWriter lets log lines and the console exporter share one stream without mixing their lines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

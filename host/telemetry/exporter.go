package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// reportEvery is how often a collector that stays away is spoken of.
const reportEvery = time.Minute

func newExporter(ctx context.Context, s *settings, output io.Writer) (sdktrace.SpanExporter, error) {
	if s.exporter == exporterConsole {
		return &consoleExporter{w: output}, nil
	}
	return newOTLPExporter(ctx, s.otlp)
}

// A reporter logs errors of the SDK, the first at once and then one a minute with a count: a collector that is down
// fails every few seconds for as long as it is down.
type reporter struct {
	log *slog.Logger

	mu      sync.Mutex
	last    time.Time // of the last line; zero before the first failure
	silent  int       // errors since then
	failing bool
}

// Handle makes a reporter the SDK's ErrorHandler.
func (r *reporter) Handle(err error) { r.report("telemetry failed", err, 0) }

func (r *reporter) report(message string, err error, spans int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.last.IsZero() || now.Sub(r.last) >= reportEvery {
		r.log.Warn(message, "error", err, "spans_lost", spans, "errors_not_logged", r.silent)
		r.last, r.silent = now, 0
		return
	}
	r.silent++
}

// A reportingExporter tells a reporter of failed exports instead of the SDK, which would log each.
type reportingExporter struct {
	sdktrace.SpanExporter
	reports *reporter
}

// ExportSpans sends spans. It fails towards the log alone.
func (e *reportingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil && !errors.Is(err, context.Canceled) {
		e.reports.fail(err, len(spans))
		return nil
	}
	if err == nil {
		e.reports.succeed()
	}
	return nil
}

func (r *reporter) fail(err error, spans int) {
	r.report("traces do not reach the collector", err, spans)
	r.mu.Lock()
	r.failing = true
	r.mu.Unlock()
}

func (r *reporter) succeed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		r.failing = false
		r.log.Info("traces reach the collector again")
	}
}

// A consoleExporter writes each span as one line of JSON.
type consoleExporter struct{ w io.Writer }

type consoleSpan struct {
	Name       string         `json:"span"`
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	ParentID   string         `json:"parent_id,omitempty"`
	Kind       string         `json:"kind"`
	Start      time.Time      `json:"start"`
	Duration   string         `json:"duration"`
	Status     string         `json:"status,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// ExportSpans writes spans.
func (c *consoleExporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		line := consoleSpan{Name: s.Name(), TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(),
			Kind: s.SpanKind().String(), Start: s.StartTime(), Duration: s.EndTime().Sub(s.StartTime()).String(), Status: s.Status().Description}
		if s.Parent().SpanID().IsValid() {
			line.ParentID = s.Parent().SpanID().String()
		}
		if len(s.Attributes()) > 0 {
			line.Attributes = make(map[string]any, len(s.Attributes()))
			for _, kv := range s.Attributes() {
				line.Attributes[string(kv.Key)] = kv.Value.AsInterface()
			}
		}
		b, err := json.Marshal(line)
		if err != nil {
			return err
		}
		if _, err := c.w.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown does nothing: every line has been written.
func (c *consoleExporter) Shutdown(context.Context) error { return nil }

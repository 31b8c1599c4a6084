package telemetry

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// reportEvery is how often a collector that stays away is spoken of.
const reportEvery = time.Minute

// errQueueFull is why spans are dropped.
var errQueueFull = errors.New("the queue is full (OTEL_BSP_MAX_QUEUE_SIZE)")

func newSink(ctx context.Context, s *settings, version string, output io.Writer) (sink, error) {
	if s.exporter == exporterConsole {
		return consoleSink{output}, nil
	}
	return newOTLPSink(ctx, s, version)
}

// A reporter logs errors of the SDK, the first at once and then one a minute with a count: a collector that is down
// fails every few seconds for as long as it is down.
type reporter struct {
	log *slog.Logger

	mu      sync.Mutex
	last    time.Time // of the last line; zero before the first failure
	silent  int       // errors since then
	lost    int       // spans since then
	failing bool
}

// Handle makes a reporter the SDK's ErrorHandler.
func (r *reporter) Handle(err error) { r.report("telemetry failed", err, 0) }

func (r *reporter) report(message string, err error, spans int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost += spans
	if now := time.Now(); r.last.IsZero() || now.Sub(r.last) >= reportEvery {
		r.log.Warn(message, "error", err, "spans_lost", r.lost, "errors_not_logged", r.silent)
		r.last, r.silent, r.lost = now, 0, 0
		return
	}
	r.silent++
}

// sent notes how a sending ended. One that Shutdown cut is no news.
func (r *reporter) sent(err error, spans int) {
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			r.report("traces do not reach the collector", err, spans)
		}
		r.mu.Lock()
		r.failing = true
		r.mu.Unlock()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		r.failing = false
		r.log.Info("traces reach the collector again")
	}
}

// A consoleSink writes each span as one line of JSON.
type consoleSink struct{ w io.Writer }

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

func (c consoleSink) send(_ context.Context, encoded []byte) error {
	var spans tracepb.ScopeSpans
	if err := proto.Unmarshal(encoded, &spans); err != nil {
		return err
	}
	for _, s := range spans.GetSpans() {
		start := time.Unix(0, int64(s.GetStartTimeUnixNano()))
		line := consoleSpan{Name: s.GetName(), TraceID: hex.EncodeToString(s.GetTraceId()), SpanID: hex.EncodeToString(s.GetSpanId()),
			ParentID: hex.EncodeToString(s.GetParentSpanId()), Kind: strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_")),
			Start: start, Duration: time.Unix(0, int64(s.GetEndTimeUnixNano())).Sub(start).String(), Status: s.GetStatus().GetMessage()}
		if len(s.GetAttributes()) > 0 {
			line.Attributes = make(map[string]any, len(s.GetAttributes()))
			for _, kv := range s.GetAttributes() {
				line.Attributes[kv.GetKey()] = plain(kv.GetValue())
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

func (c consoleSink) close(context.Context) error { return nil }

// plain returns a value as JSON has it; of lists, which Postern does not set, protobuf's own text.
func plain(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	}
	return v.String()
}

package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
)

// The formats of the log.
const (
	LogText = "text" // key=value, for people
	LogJSON = "json" // one object a line, for machines
	LogAuto = "auto" // text on a terminal, JSON elsewhere
)

func newLogger(opts Options, terminal bool, tail *Tail) (*slog.Logger, error) {
	var level slog.Level
	if opts.LogLevel != "" {
		if err := level.UnmarshalText([]byte(opts.LogLevel)); err != nil {
			return nil, invalidLog("level", opts.LogLevel, "debug, info, warn or error")
		}
	}
	format := opts.LogFormat
	if format == "" || format == LogAuto {
		format = LogJSON
		if terminal {
			format = LogText
		}
	}
	ho := &slog.HandlerOptions{Level: level}
	switch format {
	case LogText:
		return slog.New(traceHandler{tail.handler(slog.NewTextHandler(opts.Output, ho))}), nil
	case LogJSON:
		return slog.New(traceHandler{tail.handler(slog.NewJSONHandler(opts.Output, ho))}), nil
	}
	return nil, invalidLog("format", opts.LogFormat, "text, json or auto")
}

func invalidLog(what, value, allowed string) error {
	return &host.Error{Op: "set up the log", Kind: host.Invalid, Err: fmt.Errorf("%q is no log %s: use %s", value, what, allowed)}
}

// isTerminal reports whether w is a character device, without a dependency that knows every system's terminals.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// traceHandler adds the ids of the span in the context, so that a line and its trace find each other.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}

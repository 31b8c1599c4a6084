package pipeline

import (
	"errors"
	"log/slog"
	"time"

	"github.com/postern/postern/host"
)

// log writes the exchange's one line: always when the access log is on, and otherwise when the gateway or what is
// behind it failed, if only after the status line, so that no failure goes unsaid.
func (r *run) log(status int, failed bool, elapsed time.Duration, cause error) {
	if !r.pipeline.accessLog && !failed {
		return
	}
	level := slog.LevelInfo
	if failed {
		level = slog.LevelError
	}
	logger := r.pipeline.telemetry.Logger
	if !logger.Enabled(r.ctx, level) {
		return
	}
	q, m := r.arrived, &r.x.Match
	attrs := make([]slog.Attr, 0, 22)
	attrs = append(attrs,
		slog.String("method", q.Method),
		slog.String("path", q.Path()),
		slog.Int("status", status),
		slog.Float64("duration_ms", float64(elapsed.Microseconds())/1000),
		slog.Int64("bytes", r.written),
		slog.String("client", q.Peer.Addr.String()),
		slog.String("protocol", q.Peer.Protocol),
		slog.String("host", q.Host),
	)
	if m.API != nil {
		attrs = append(attrs, slog.String("api", m.API.Name), slog.String("stage", m.Stage.Name))
		if m.Stage.Deployment > 0 {
			attrs = append(attrs, slog.Int("deployment", m.Stage.Deployment))
		}
		if r.canary {
			attrs = append(attrs, slog.Bool("canary", true))
		}
	}
	if m.Route != nil {
		attrs = append(attrs, slog.String("route", m.Route.Key))
	}
	if r.x.Function != nil {
		attrs = appendFunction(attrs, r.x.Function, r.x.Alias)
	}
	attrs = append(attrs, slog.String("request_id", r.x.ID))
	if code := r.grpcStatus(); code != "" {
		attrs = append(attrs, slog.String("grpc_status", code))
	}
	if r.switched {
		attrs = append(attrs, slog.Int64("received", r.received))
	}
	if cause != nil {
		attrs = append(attrs, slog.String("error", cause.Error()))
		attrs = appendGuest(attrs, cause)
	}
	logger.LogAttrs(r.ctx, level, "request", attrs...)
}

// appendGuest adds where a guest failed, and the limit that it passed.
func appendGuest(attrs []slog.Attr, err error) []slog.Attr {
	attrs = appendLimit(attrs, err)
	var guest *host.GuestError
	if !errors.As(err, &guest) {
		return attrs
	}
	if !guest.Pos.IsZero() {
		attrs = append(attrs, slog.String("at", guest.Pos.String()))
	}
	if guest.Stack != "" {
		attrs = append(attrs, slog.String("stack", guest.Stack))
	}
	return attrs
}

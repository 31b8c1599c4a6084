package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// onErrorKey is on the span of a phase that went on without its plugin.
const onErrorKey = attribute.Key("postern.plugin.on_error")

// An answered is the failure of a plugin whose definition has an answer to it. Respond gives that.
type answered struct {
	onError *host.OnError
	err     error
}

// Error is the failure's text.
func (a *answered) Error() string { return a.err.Error() }

// Unwrap returns the failure.
func (a *answered) Unwrap() error { return a.err }

// response is the definition's answer. A body that is JSON says so.
func (a *answered) response() *host.Response {
	resp := &host.Response{Status: a.onError.Status}
	body := a.onError.Body
	if body == "" {
		if resp.Status != 204 && resp.Status != 304 { // RFC 9110, section 8.6
			resp.Header.Add("Content-Length", "0")
		}
		return resp
	}
	mediaType := "text/plain; charset=utf-8"
	if json.Valid([]byte(body)) {
		mediaType = "application/json"
	}
	resp.Header.Add("Content-Type", mediaType)
	resp.Header.Add("Content-Length", strconv.Itoa(len(body)))
	resp.Body, resp.Length = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return resp
}

// failedItself reports whether a plugin's call failed in a way that onError is for: it crashed, it was late, or there was no call, because the
// plugin is left alone or has no instance free. An error that a guest reports on purpose is its answer. What the client's body, or
// the end of the whole exchange, did to the guest has a reason of its own.
func failedItself(ctx context.Context, err error) bool {
	if ctx.Err() != nil || bodyError(err) != nil {
		return false
	}
	return crashType(err) != "" || host.KindOf(err) == host.Unavailable
}

// crashType is how a guest crashed, as host.GuestError has it, and "" where it did not. A limit that was passed is one where no guest says more.
func crashType(err error) string {
	var guest *host.GuestError
	if host.Crashed(err) && errors.As(err, &guest) {
		return guest.Type
	}
	var limit *host.LimitError
	if errors.As(err, &limit) {
		return host.GuestLimit
	}
	return ""
}

// answer makes the definition's answer to a failure of the plugin part of its error, where it has one.
func (p *plugin) answer(ctx context.Context, err error) error {
	if p.cfg.OnError.Mode != host.OnErrorAnswer || !failedItself(ctx, err) {
		return err
	}
	return &answered{&p.cfg.OnError, err}
}

// spare returns nil when the exchange is to go on without the plugin, which is told in the log and the phase's span, and else the error. touched
// says that the plugin has taken some of the body, which nobody can give back.
func (p *plugin) spare(ctx context.Context, tel *telemetry.Telemetry, x *host.Exchange, err error, touched bool) error {
	if p.cfg.OnError.Mode != host.OnErrorOpen || touched || !failedItself(ctx, err) {
		return p.answer(ctx, err)
	}
	trace.SpanFromContext(ctx).SetAttributes(onErrorKey.String(string(host.OnErrorOpen)))
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs, slog.String("plugin", p.cfg.Name), slog.String("on_error", string(host.OnErrorOpen)), slog.String("request_id", x.ID))
	if m := &x.Match; m.API != nil {
		attrs = append(attrs, slog.String("api", m.API.Name), slog.String("stage", m.Stage.Name))
	}
	if r := x.Match.Route; r != nil {
		attrs = append(attrs, slog.String("route", r.Key))
	}
	attrs = append(attrs, slog.String("error", err.Error()))
	tel.Logger.LogAttrs(ctx, slog.LevelError, "plugin failed, and the request went on without it", appendGuest(attrs, err)...)
	return nil
}

// malformed makes the failure to understand a result one of the guest that made it.
func malformed(err error) error {
	var guest *host.GuestError
	if errors.As(err, &guest) || bodyError(err) != nil {
		return err
	}
	out := &host.Error{Op: "result", Kind: host.Internal, Err: &host.GuestError{Type: host.GuestResult, Message: err.Error()}}
	var typed *host.Error
	if errors.As(err, &typed) {
		out.Kind, out.Code = typed.Kind, typed.Code
	}
	return out
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/postern/postern/host"
)

// fetches counts what one call has fetched. A guest may have several requests under way.
type fetches struct {
	requests atomic.Int64
	bytes    atomic.Int64 // of the bodies of requests and responses
	told     atomic.Bool  // that a limit was passed
}

// Fetch sends a guest's request within its egress list and the limits of its call, as a CLIENT span that ends with the response's body. More
// requests, or more bytes, than the limits let through have Kind TooLarge and a *host.LimitError in their chain.
func (e *effects) Fetch(ctx context.Context, r *host.Request) (_ *host.Response, err error) {
	defer func() {
		if err != nil && r.Body != nil {
			_ = r.Body.Close() // whoever refused it, a guest may be about to write more of it
		}
	}()
	limits := &e.plugin.cfg.Limits
	if most := orDefault(limits.Fetches, host.DefaultFetches); e.fetches.requests.Add(1) > most {
		return nil, e.exceeded(ctx, &host.LimitError{Limit: "limits.fetches", Value: strconv.FormatInt(most, 10), Origin: limits.Fetches.Origin(),
			Detail: r.Method + " " + r.Scheme + "://" + r.Host + " is one request too many"})
	}
	out := *r
	body := e.metered(ctx, r.Body)
	if r.Length != 0 && r.Body != nil {
		if r.Length > body.most-e.fetches.bytes.Load() {
			return nil, body.passed()
		}
		out.Body = body
	}
	ctx, span := startClient(ctx, e.call.telemetry, &out)
	e.call.telemetry.Propagator.Inject(ctx, &out.Header)
	resp, err := e.plugin.fetcher.Fetch(ctx, &out)
	if err != nil {
		if limit := (*host.LimitError)(nil); errors.As(err, &limit) {
			err = &host.Error{Op: "fetch", Kind: host.TooLarge, Err: limit}
		}
		endClient(span, 0, err)
		return nil, err
	}
	if resp.Body != nil {
		resp.Body = e.metered(ctx, resp.Body)
	}
	if span.IsRecording() {
		status := resp.Status
		resp.Body = closing(resp.Body, func(err error) { endClient(span, status, err) })
	}
	return resp, nil
}

// exceeded makes the error of a limit of fetches, and tells of the first one in the log and the call's span: a guest may keep it to itself.
func (e *effects) exceeded(ctx context.Context, limit *host.LimitError) error {
	err := &host.Error{Op: "fetch", Kind: host.TooLarge, Err: limit}
	if e.fetches.told.Swap(true) {
		return err
	}
	if e.recorded {
		e.span.SetAttributes(limitPassed(err)...)
	}
	attrs := []slog.Attr{slog.String("plugin", e.plugin.cfg.Name), slog.String("request_id", e.call.exchange.ID), slog.String("error", err.Error())}
	e.call.telemetry.Logger.LogAttrs(ctx, slog.LevelWarn, "plugin passed a limit", appendLimit(attrs, err)...)
	return err
}

// A meteredBody counts what is read of it, and breaks off behind the limit of all bodies of its call.
type meteredBody struct {
	io.ReadCloser
	effects *effects
	ctx     context.Context // of the fetch, for the log: a body outlives the call that gave it
	most    int64
}

func (e *effects) metered(ctx context.Context, body io.ReadCloser) *meteredBody {
	return &meteredBody{ReadCloser: body, effects: e, ctx: ctx, most: orDefault(e.plugin.cfg.Limits.FetchBytes, host.DefaultFetchBytes)}
}

// Read implements io.Reader.
func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	over := b.effects.fetches.bytes.Add(int64(n)) - b.most
	if over <= 0 {
		return n, err
	}
	return n - int(min(over, int64(n))), b.passed()
}

func (b *meteredBody) passed() error {
	limit := b.effects.plugin.cfg.Limits.FetchBytes
	return b.effects.exceeded(b.ctx, &host.LimitError{Limit: "limits.fetchBytes", Value: sizeText(b.most), Origin: limit.Origin(),
		Detail: fmt.Sprintf("%d bytes were read before", min(b.most, b.effects.fetches.bytes.Load()))})
}

// orDefault is a limit's value, where 0 stands for the default.
func orDefault(limit host.Setting[int64], def int64) int64 {
	if limit.Value == 0 {
		return def
	}
	return limit.Value
}

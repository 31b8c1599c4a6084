package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/grpc"
	"github.com/postern/postern/host/telemetry"
)

// A filter is the filter phase of one plugin: it sees the live request on its way in and the live response on its way out, edits
// them, and may answer early.
type filter struct {
	plugin    *plugin
	telemetry *telemetry.Telemetry
	pinner    host.Pinner // nil unless the plugin has both halves
	request   bool        // it has filter_request
	response  bool        // it has filter_response
}

func newFilter(p *plugin, tel *telemetry.Telemetry) *filter {
	f := &filter{plugin: p, telemetry: tel}
	f.request = slices.Contains(p.info.Entries, host.EntryFilterRequest)
	f.response = slices.Contains(p.info.Entries, host.EntryFilterResponse)
	if f.request && f.response {
		f.pinner = p.Plugin.(host.Pinner) // acquire has checked it
	}
	return f
}

// checkFilter says what is wrong with a plugin that is to be a filter: it needs one half, and for both an instance that
// can be kept.
func checkFilter(p *plugin) error {
	request := slices.Contains(p.info.Entries, host.EntryFilterRequest)
	response := slices.Contains(p.info.Entries, host.EntryFilterResponse)
	if !request && !response {
		return fmt.Errorf("%s exports %s; a filter exports %s, %s or both", p.cfg.Ref, p.exports(), host.EntryFilterRequest, host.EntryFilterResponse)
	}
	if _, pins := p.Plugin.(host.Pinner); request && response && !pins {
		return fmt.Errorf("%s has both halves of a filter, and its carrier %s cannot keep an instance from one to the other", p.cfg.Ref, p.info.Carrier)
	}
	return nil
}

// Handle runs the first half.
func (f *filter) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	h := &filterHalf{filter: f, callee: f.plugin.Plugin}
	passed := false
	defer func() {
		if !passed {
			h.release()
		}
	}()
	if f.pinner != nil {
		if err := h.pin(ctx); err != nil {
			return nil, f.plugin.spare(ctx, f.telemetry, x, f.failed(err), false)
		}
	}
	if f.request {
		if err := h.first(ctx, x); err != nil || h.gone {
			return nil, err
		}
	}
	passed, h.sent, h.path = true, x.Request, x.Match.Path
	return h, nil
}

// failed is the error of a filter's own: a 500, but for an instance that did not come free.
func (f *filter) failed(err error) error {
	kind := host.Internal
	if host.KindOf(err) == host.Unavailable {
		kind = host.Unavailable
	}
	return &host.Error{Op: "filter " + f.plugin.cfg.Name, Kind: kind, Err: err}
}

// A filterHalf is what a filter keeps of one exchange, from its first half to the end.
type filterHalf struct {
	*filter
	callee   caller      // the pinned instance, or any
	pinned   host.Pinned // nil without both halves
	trial    *trial      // of the call that pinned is for; nil without both halves
	made     *madeBody   // the request's body, where the filter makes a new one
	answer   *madeBody   // the response's
	answered bool        // it answered early: its own answer is not for its second half
	gone     bool        // it failed, and the exchange goes on without it
	sent     *host.Request
	path     string // of sent, below stage and base path
}

// pin keeps an instance, unless the plugin is left alone. An instance that cannot start is as bad as one that crashes in its call.
func (h *filterHalf) pin(ctx context.Context) error {
	t, err := h.plugin.admit(ctx, nil)
	if err != nil {
		return err
	}
	if h.pinned, err = h.pinner.Pin(ctx); err != nil {
		h.pinned = nil
		t.ended(ctx, err)
		return err
	}
	t.half = true
	h.callee, h.trial = h.pinned, &t
	return nil
}

// call calls the plugin for one half.
func (h *filterHalf) call(ctx context.Context, x *host.Exchange, entry string, in host.Event, accept accept) error {
	_, err := h.plugin.run(ctx, &pluginCall{on: h.callee, telemetry: h.telemetry, exchange: x, entry: entry, trial: h.trial, accept: accept}, in)
	if h.trial != nil {
		h.trial = &trial{breaker: h.plugin.breaker, since: h.trial.since} // the second half is not what the breaker waits for
	}
	return err
}

// first shows the request to the guest and applies its edits.
func (h *filterHalf) first(ctx context.Context, x *host.Exchange) error {
	r := x.Request
	in := lend(r.Body, host.Invalid)
	meta, err := encodeMeta(x, r, x.Match.Path, nil)
	if err != nil {
		if h.trial != nil {
			h.trial.ended(ctx, err)
		}
		return h.failed(err)
	}
	var edits requestEdits
	var body *madeBody
	var early *host.Response
	path := ""
	err = h.call(ctx, x, host.EntryFilterRequest, host.Event{Meta: meta, Body: in, Length: r.Length}, func(out host.Event) error {
		body = h.make(out.Body, in)
		err := decodeEdits(out.Meta, &edits)
		if err == nil {
			err = h.plugin.countEdits(&edits.headerEdits, edits.Response)
		}
		if err == nil {
			r, path, err = edits.apply(r, x.Match.BasePath, x.Match.Path)
		}
		if err == nil && edits.Response != nil {
			early, err = edits.Response.apply()
		}
		return body.accepted(err, edits.Body || edits.Response != nil)
	})
	if err != nil {
		return h.lost(ctx, x, in, err)
	}
	switch {
	case edits.Response != nil:
		if x.Response = early; h.trial != nil {
			h.trial.ended(ctx, nil) // there is no second half
		}
		h.answered, h.answer = true, body
		if body.answer(x.Response); !hasBody(x) && r.Method != "HEAD" {
			discard(x.Response)
		}
		return nil
	case edits.Body:
		h.made = body
		r.Body, r.Length, r.Trailer = body, body.length(), nil
		describe(&r.Header, r.Length)
	}
	x.Request, x.Match.Path = r, path
	if h.made == nil {
		return nil
	}
	_, err = limitOn(x).Handle(ctx, x) // a small body may become a large one
	return err
}

// limitOn is the limit of bodies where the request goes.
func limitOn(x *host.Exchange) *bodyLimit {
	if x.Match.Route == nil {
		return &bodyLimit{max: host.Default[int64](host.DefaultMaxBody)}
	}
	return &bodyLimit{max: x.Match.Route.MaxBody}
}

// accepted returns what is wrong with an answer, and lets go of the body where that is not made, or the answer is refused.
func (b *madeBody) accepted(err error, made bool) error {
	if err == nil && made {
		return nil
	}
	if touched := b.drop(); touched && err == nil {
		return badResult(errors.New(`it read from the body and makes no new one; "body": true says that it does`))
	}
	if err != nil {
		return malformed(err)
	}
	return nil
}

// lost ends a half whose call failed, or gave what cannot be. It returns nil when the exchange goes on without the filter.
func (h *filterHalf) lost(ctx context.Context, x *host.Exchange, in *loan, err error) error {
	touched := in.end()
	if broken := in.reason(nil); broken != nil {
		return broken
	}
	err = h.plugin.spare(ctx, h.telemetry, x, h.failed(err), touched)
	h.gone = err == nil
	return err
}

// Response runs the second half, on what inner steps answered, and on the response to their errors.
func (h *filterHalf) Response(ctx context.Context, x *host.Exchange) error {
	defer h.rest()
	if h.made != nil && x.Err != nil {
		err := h.made.failure()
		h.made.leave()  // the second half would wait for the first to notice that nobody reads on
		if err != nil { // the integration failed for what it read from here
			return err
		}
	}
	if h.answered || !h.response {
		return nil
	}
	if !trace.SpanFromContext(ctx).IsRecording() {
		return h.second(ctx, x)
	}
	ctx, span := h.telemetry.Tracer.Start(ctx, host.PhaseFilter.String())
	err := h.second(ctx, x)
	endSpan(span, err)
	return err
}

// second shows the response to the guest and applies its edits.
func (h *filterHalf) second(ctx context.Context, x *host.Exchange) error {
	resp := x.Response
	meta, err := encodeMeta(x, h.sent, h.path, resp)
	if err != nil {
		return h.failed(err)
	}
	event := host.Event{Meta: meta}
	in := lend(nil, host.BadGateway)
	if resp.Body != nil && resp.Upgrade == nil { // behind an upgrade are bytes of both sides
		in.body = resp.Body
		event.Body, event.Length = in, resp.Length
	}
	var edits responseEdits
	var body *madeBody
	err = h.call(ctx, x, host.EntryFilterResponse, event, func(out host.Event) error {
		body = h.make(out.Body, in)
		err := decodeEdits(out.Meta, &edits)
		if err == nil {
			err = h.plugin.countEdits(&edits.headerEdits, nil)
		}
		if err == nil {
			err = edits.apply(resp)
		}
		return body.accepted(err, edits.Body)
	})
	if err != nil {
		return h.lost(ctx, x, in, err)
	}
	if edits.Body {
		old, trailer := resp.Body, resp.Trailer
		if h.answer = body; body.guest == nil && old != nil {
			_ = old.Close() // nothing is made of it
		}
		if body.answer(resp); resp.Body != nil && requestType(x.Request).Form == grpc.Native {
			resp.Trailer = trailer // the status of the call, which is nothing of the body's
		}
	}
	if !hasBody(x) && x.Request.Method != "HEAD" && resp.Upgrade == nil { // the new status has none
		discard(resp)
	}
	return nil
}

// rest gives the instance back before the exchange ends where it has nothing more to do: an event stream or a WebSocket may
// last for hours.
func (h *filterHalf) rest() {
	if h.pinned != nil && h.made.idle() && h.answer.idle() {
		h.pinned.Release()
	}
}

// End implements host.Second.
func (h *filterHalf) End(error) { h.release() }

func (h *filterHalf) release() {
	if h.made != nil {
		_ = h.made.Close() // whoever read it, is done
	}
	if h.pinned != nil {
		h.pinned.Release()
	}
}

// describe leaves one Content-Length, and only where the length is known. A Trailer has nothing to announce any more.
func describe(h *host.Header, length int64) {
	own := h.Clone()
	own.Del("Content-Length")
	own.Del("Trailer")
	if length >= 0 {
		own.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	*h = own
}

// discard takes away a response's body, for a status that has none (RFC 9110, section 6.4.1).
func discard(resp *host.Response) {
	if resp.Body != nil {
		_ = resp.Body.Close() // nobody will read it
	}
	resp.Body, resp.Length, resp.Trailer = nil, 0, nil
	own := resp.Header.Clone()
	own.Del("Content-Length")
	resp.Header = own
}

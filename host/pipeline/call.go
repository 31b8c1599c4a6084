package pipeline

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// A caller runs entries of a plugin on any instance, or on one that is kept.
type caller interface {
	Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error)
}

// A pluginCall is one call of a plugin's entry: on what, and on whose behalf.
type pluginCall struct {
	on        caller // the plugin, or an instance of it that is kept
	telemetry *telemetry.Telemetry
	exchange  *host.Exchange
	entry     string
	function  *function // nil for what is no function
	alias     string    // by which the function was called; "" for none
	tail      *logTail  // gets the guest's lines beside the log; nil for none
	trial     *trial    // of a call on an instance that is kept, which the breaker has let pass; nil asks it
	accept    accept    // nil takes any result
}

// An accept takes a result, whose failure is the guest's: it has answered what breaks its contract. It closes the body of one that it refuses.
type accept func(out host.Event) error

// run makes a call under a span of its own, which ends with the result's body, unless the plugin is left alone.
func (p *plugin) run(ctx context.Context, c *pluginCall, in host.Event) (host.Event, error) {
	t, err := p.admit(ctx, c.trial)
	if err != nil {
		return host.Event{}, err
	}
	whole := false
	defer func() {
		if !whole { // a panic must not leave the breaker waiting for its trial
			t.ended(ctx, errPanic)
		}
	}()
	out, err := p.traced(ctx, c, in, t)
	whole = true
	return out, err
}

// admit asks the breaker for a call that has no trial yet.
func (p *plugin) admit(ctx context.Context, has *trial) (trial, error) {
	if has != nil {
		return *has, nil
	}
	t, err := p.breaker.admit()
	if err != nil {
		p.metrics.Record(ctx, telemetry.OutcomeOpen, 0)
	}
	return t, err
}

// traced makes a call under its span, and tells the breaker how it went.
func (p *plugin) traced(ctx context.Context, c *pluginCall, in host.Event, t trial) (host.Event, error) {
	span := trace.SpanFromContext(ctx)
	recording := span.IsRecording()
	if recording {
		ctx, span = c.telemetry.Tracer.Start(ctx, "plugin "+p.cfg.Name, trace.WithAttributes(p.attributes(c)...))
	}
	started := time.Now()
	out, err := c.on.Call(ctx, c.entry, in, &effects{plugin: p, call: c, span: span, recorded: recording})
	elapsed := time.Since(started)
	e := &ending{end: func(err error) {
		t.ended(ctx, err)
		if recording {
			endSpan(span, err)
		}
	}}
	if err == nil {
		if out.Body != nil {
			out.Body = closing(out.Body, e.body)
		}
		if c.accept != nil {
			err = c.accept(out)
		}
	}
	if err != nil {
		err = &host.Error{Op: "plugin " + p.cfg.Name, Kind: host.KindOf(err), Code: codeOf(err), Err: err}
	}
	outcome := outcomeOf(ctx, err)
	p.metrics.Record(ctx, outcome, elapsed)
	if recording {
		span.SetAttributes(callAttributes(&in, &out, outcome, elapsed)...)
		span.SetAttributes(p.limits...)
	}
	if err == nil && out.Body != nil {
		t.passed()
	}
	e.call(err, out.Body != nil)
	return out, err
}

// An ending ends a call: when it has failed or has no body, or else with its body, which may have been read before the call was accepted.
type ending struct {
	end func(error)

	mu             sync.Mutex
	called, bodied bool
	err            error // of the body
}

// body takes how the body ended.
func (e *ending) body(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bodied, e.err = true, err
	if e.called {
		e.end(err)
	}
}

// call takes how the call ended, which may have a body that comes.
func (e *ending) call(err error, body bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil || !body:
		e.end(err)
	case e.bodied:
		e.end(e.err)
	default:
		e.called = true
	}
}

// codeOf is the code of the outermost error that has a place among errors of the gateway's, "" for none.
func codeOf(err error) host.ResponseType {
	var typed *host.Error
	if errors.As(err, &typed) {
		return typed.Code
	}
	return ""
}

// attributes are what a call's span begins with.
func (p *plugin) attributes(c *pluginCall) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, telemetry.SpanAttributes)
	attrs = append(attrs,
		telemetry.PluginRuntime.String(runtimeOf(p.cfg)),
		telemetry.PluginCarrier.String(p.info.Carrier),
		telemetry.PluginDigest.String(p.cfg.Source.Digest),
		telemetry.PluginEntry.String(c.entry),
	)
	if c.function != nil {
		attrs = append(attrs, telemetry.Function.String(c.function.def.Name))
		if c.function.def.Version > 0 {
			attrs = append(attrs, telemetry.FunctionVersion.Int(c.function.def.Version))
		}
	}
	if c.alias != "" {
		attrs = append(attrs, telemetry.FunctionAlias.String(c.alias))
	}
	return attrs
}

// The times of a call that its span tells, in microseconds. openTime is on the phase's span, of a call that waited for its plugin to
// be opened.
const (
	openTime  = attribute.Key("postern.plugin.open_time_us")
	guestTime = attribute.Key("postern.plugin.guest_time_us")
	hostTime  = attribute.Key("postern.plugin.host_time_us")
	waitTime  = attribute.Key("postern.plugin.wait_time_us")
	fuelUsed  = attribute.Key("postern.plugin.fuel") // units; 0 where none is counted
)

func callAttributes(in, out *host.Event, outcome string, elapsed time.Duration) []attribute.KeyValue {
	stats := &out.Stats
	return []attribute.KeyValue{
		telemetry.PluginOutcome.String(outcome),
		telemetry.PluginCold.Bool(stats.Cold),
		telemetry.PluginMemory.Int64(stats.Memory),
		fuelUsed.Int64(stats.Fuel),
		telemetry.PluginIn.Int(len(in.Meta)),
		telemetry.PluginOut.Int(len(out.Meta)),
		guestTime.Int64((elapsed - stats.HostTime - stats.Waited).Microseconds()),
		hostTime.Int64(stats.HostTime.Microseconds()),
		waitTime.Int64(stats.Waited.Microseconds()),
	}
}

// outcomeOf names how a call ended, in the few words of the metric's dimension.
func outcomeOf(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return telemetry.OutcomeOK
	case errors.Is(err, host.TooLarge):
		return telemetry.OutcomeLimit
	case errors.Is(err, host.Unavailable):
		return telemetry.OutcomeBusy
	case errors.Is(context.Cause(ctx), context.Canceled):
		return telemetry.OutcomeGone
	case errors.Is(err, host.Timeout):
		return telemetry.OutcomeTimeout
	}
	return telemetry.OutcomeError
}

// closing returns body with end called once: with the error that cut it, or nil when it was read to its end or
// closed before. A body that is dropped early is its reader's choice and no failure.
func closing(body io.ReadCloser, end func(error)) io.ReadCloser {
	if body == nil {
		end(nil)
		return nil
	}
	if sized, ok := body.(sizer); ok {
		return &sizedBody{closingBody{ReadCloser: body, end: end}, sized}
	}
	return &closingBody{ReadCloser: body, end: end}
}

// A sizer is a body that is all there: Len is what is unread of it, in bytes.
type sizer interface{ Len() int }

// A sizedBody is a closingBody whose length is known.
type sizedBody struct {
	closingBody
	sizer
}

type closingBody struct {
	io.ReadCloser
	once sync.Once // a body may be closed while it is read
	end  func(error)
}

func (b *closingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.finish(nil)
	} else if err != nil {
		b.finish(err)
	}
	return n, err
}

func (b *closingBody) Close() error {
	err := b.ReadCloser.Close()
	b.finish(nil)
	return err
}

func (b *closingBody) finish(err error) {
	b.once.Do(func() { b.end(err) })
}

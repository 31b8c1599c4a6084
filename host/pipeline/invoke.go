package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// A Call is one invocation of a function by its name.
type Call struct {
	Function      string
	Qualifier     string          // an alias or a version's number; "" is host.AliasLive
	Payload       json.RawMessage // any JSON; empty is null
	ClientContext json.RawMessage // what the caller tells of itself, for the function's context; nil for nothing
	RequestID     string          // "" makes one
}

// A CallResult is how a call ended, and what it cost.
type CallResult struct {
	RequestID string
	Version   int    // that was executed; 0 for the only one
	Payload   []byte // JSON, unless the guest chose otherwise; nil beside Err

	// Err is what the function failed with. A *host.GuestError is in its chain when the guest reported, threw or died; otherwise its
	// Kind says why: Timeout, TooLarge for a result over its limit, Internal when its code cannot be opened or the host failed.
	Err error

	Log      []byte        // the lines that the call logged until it ended: "time\trequest id\tLEVEL\tmessage\n", the last 64 KiB
	Duration time.Duration // of the call itself, with what it waited for an instance
	Memory   int64         // bytes that the instance holds after the call; 0 when unknown
	Cold     bool          // the call made the instance
}

// Invoke calls a function by name with any JSON and waits for its result. What the function fails with is in the result. An error
// means that it was not called: Kind NotFound, Throttled when all its instances are busy, Timeout when ctx ended before
// its code was open. The function may stream for as long as its own timeout lets it; its result is whole.
func (p *Pipeline) Invoke(ctx context.Context, call Call) (*CallResult, error) {
	const op = "invoke"
	c, err := p.callee(call.Function, call.Qualifier)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.NotFound, Err: err}
	}
	if call.RequestID == "" {
		call.RequestID = NewRequestID()
	}
	if len(call.Payload) == 0 {
		call.Payload = json.RawMessage("null")
	}
	f := c.choose()
	result := &CallResult{RequestID: call.RequestID, Version: f.def.Version}
	x := &host.Exchange{ID: call.RequestID, Started: time.Now(), Function: f.def, Alias: c.alias}
	opened, err := f.plugin.get(ctx)
	if errors.Is(err, host.Timeout) {
		return nil, err
	}
	if err == nil {
		err = c.invoke(ctx, opened, f, x, &call, result)
	}
	if host.KindOf(err) == host.Unavailable { // whether or not it had begun to read the payload, the guest has not
		return nil, &host.Error{Op: op, Kind: host.Throttled, Err: err}
	}
	result.Err = err
	p.logInvocation(ctx, x, result)
	return result, nil
}

// invoke calls a version and fills the result.
func (c *callee) invoke(ctx context.Context, opened *plugin, f *function, x *host.Exchange, call *Call, result *CallResult) error {
	tail := &logTail{requestID: x.ID}
	in := host.Event{Meta: call.Payload, Function: c.context(f)}
	in.Function.RequestID, in.Function.Client = x.ID, call.ClientContext
	started := time.Now()
	out, err := opened.run(ctx, &pluginCall{on: opened.Plugin, telemetry: c.telemetry, exchange: x, entry: host.EntryHandle,
		function: f, alias: c.alias, tail: tail}, in)
	if err == nil {
		if result.Payload, err = f.wholeResult(out); errors.Is(err, host.Invalid) { // a stream that broke off
			err = &host.Error{Op: "read the result of " + c.name, Kind: host.Internal, Err: err}
		}
	}
	result.Duration, result.Memory, result.Cold, result.Log = time.Since(started), out.Stats.Memory, out.Stats.Cold, tail.bytes()
	return err
}

// logInvocation writes the invocation's one line, as that of a request.
func (p *Pipeline) logInvocation(ctx context.Context, x *host.Exchange, r *CallResult) {
	level := slog.LevelInfo
	if r.Err != nil {
		level = slog.LevelError
	}
	if !p.accessLog && r.Err == nil || !p.telemetry.Logger.Enabled(ctx, level) {
		return
	}
	attrs := appendFunction(make([]slog.Attr, 0, 12), x.Function, x.Alias)
	attrs = append(attrs,
		slog.Float64("duration_ms", float64(r.Duration.Microseconds())/1000),
		slog.Int("bytes", len(r.Payload)),
		slog.String("request_id", x.ID),
	)
	if r.Err != nil {
		attrs = append(attrs, slog.String("error", r.Err.Error()))
		attrs = appendGuest(attrs, r.Err)
	}
	p.telemetry.Logger.LogAttrs(ctx, level, "invocation", attrs...)
}

// appendFunction adds which version of a function was called, and by which alias.
func appendFunction(attrs []slog.Attr, f *host.Function, alias string) []slog.Attr {
	attrs = append(attrs, slog.String("function", f.Name))
	if f.Version > 0 {
		attrs = append(attrs, slog.Int("version", f.Version))
	}
	if alias != "" {
		attrs = append(attrs, slog.String("alias", alias))
	}
	return attrs
}

// maxTail bounds what is kept of a call's log, in bytes.
const maxTail = 64 << 10

// A logTail keeps the last lines of one call. It is safe for concurrent use: a guest may log while its result is read.
type logTail struct {
	requestID string

	mu   sync.Mutex
	text []byte // up to twice maxTail
	cut  bool   // there was more before
}

// add writes a line as Lambda does: time, request id, level and message between tabs.
func (t *logTail) add(level slog.Level, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = time.Now().UTC().AppendFormat(t.text, "2006-01-02T15:04:05.000Z")
	t.text = append(t.text, '\t')
	t.text = append(t.text, t.requestID...)
	t.text = append(t.text, '\t')
	t.text = append(t.text, level.String()...)
	t.text = append(t.text, '\t')
	t.text = append(t.text, message...)
	t.text = append(t.text, '\n')
	if len(t.text) > 2*maxTail {
		t.text = append(t.text[:0], t.text[len(t.text)-maxTail:]...)
		t.cut = true
	}
}

// bytes returns whole lines, unless one alone is longer than what is kept.
func (t *logTail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(t.text)
	cut := t.cut
	if len(text) > maxTail {
		text, cut = text[len(text)-maxTail:], true
	}
	if _, rest, found := strings.Cut(text, "\n"); cut && found && rest != "" {
		text = rest
	}
	return []byte(strings.ToValidUTF8(text, ""))
}

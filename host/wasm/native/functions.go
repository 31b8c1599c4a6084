package native

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/stream"
)

// A hostFunc gets its call, which is nil while an instance starts, and a result for the guest comes of it.
type hostFunc func(ctx context.Context, g guest, s []uint64) int32

// A guest is an instance with its call.
type guest struct {
	*engine.Instance
	call *call
}

// Functions returns the import module, as spec/abi.md lists it.
func Functions() []engine.Func {
	i := func(n int) []engine.Type { return slices.Repeat([]engine.Type{engine.I32}, n) }
	typed := func(name string, params []engine.Type, fn hostFunc) engine.Func {
		return engine.Func{Name: name, Params: params, Results: i(1), Call: func(ctx context.Context, inst *engine.Instance, s []uint64) {
			g := guest{inst, inst.State().(*call)}
			g.count()
			s[0] = uint64(uint32(fn(ctx, g, s)))
		}}
	}
	f := func(name string, params int, fn hostFunc) engine.Func { return typed(name, i(params), fn) }
	long := func(name string, fn func(g guest) int64) engine.Func {
		return engine.Func{Name: name, Results: []engine.Type{engine.I64}, Call: func(_ context.Context, inst *engine.Instance, s []uint64) {
			g := guest{inst, inst.State().(*call)}
			g.count()
			s[0] = uint64(fn(g))
		}}
	}
	functions := []engine.Func{
		f("meta_read", 2, metaRead), f("body_read", 2, inCall("body_read", moving(bodyRead))),
		f("meta_write", 2, inCall("meta_write", metaWrite)), f("body_write", 2, inCall("body_write", moving(bodyWrite))),
		f("body_flush", 0, inCall("body_flush", bodyFlush)), f("error", 6, inCall("error", reportError)),
		f("config_read", 2, configRead), f("env_read", 4, envRead), f("secret_read", 4, secretRead),
		f("context_read", 2, contextRead), f("traceparent_read", 2, traceparentRead), f("reason_read", 2, reasonRead),
		f("log", 3, logLine), f("random", 2, random),
		f("fetch", 4, inCall("fetch", openFetch)), f("fetch_meta_read", 3, inCall("fetch_meta_read", fetchMetaRead)),
		f("fetch_body_read", 3, inCall("fetch_body_read", moving(fetchBodyRead))), f("fetch_close", 1, inCall("fetch_close", fetchClose)),
		f("span_start", 2, inCall("span_start", spanStart)), f("span_end", 3, inCall("span_end", spanEnd)),
		f("kv_get", 4, inCall("kv_get", kvGet)), f("kv_keys", 6, inCall("kv_keys", kvKeys)),
		typed("kv_put", append(i(4), engine.I64, engine.I64), inCall("kv_put", kvPut)),
		typed("kv_delete", append(i(2), engine.I64), inCall("kv_delete", kvDelete)),
		typed("metric", append(i(3), engine.F64), inCall("metric", metric)),
		long("now", func(g guest) int64 { return g.Effects().Now().UnixNano() }),
		long("kv_revision", func(g guest) int64 {
			g.mustCall("kv_revision")
			return g.call.kv.revision
		}),
	}
	for i := range functions {
		functions[i].Brief = !slices.Contains(waiting, functions[i].Name)
	}
	return functions
}

// waiting are the functions that may wait for somebody: a client, a reader, another host, the store. While a guest is in one, others execute.
var waiting = []string{"body_read", "body_write", "body_flush", "fetch", "fetch_body_read", "fetch_close", "kv_get", "kv_keys", "kv_put", "kv_delete"}

// inCall ends a guest that uses a function of calls while it starts.
func inCall(name string, fn hostFunc) hostFunc {
	return func(ctx context.Context, g guest, s []uint64) int32 {
		g.mustCall(name)
		return fn(ctx, g, s)
	}
}

func (g guest) mustCall(name string) {
	if g.call == nil {
		panic(engine.Fault{Message: name + ": used while the guest starts; it is for calls only"})
	}
}

// What the host holds for a guest, in an error.
const (
	result  = "a result"
	request = "a request"
)

// put answers a function that reads a value: as much of it as fits, and its whole length.
func put[T ~string | ~[]byte](g guest, op string, value T, ptr, length uint64) int32 {
	copy(g.Bytes(op, ptr, length), value)
	return int32(len(value))
}

// name reads a name of bounded length.
func name(g guest, op string, ptr, length uint64) string {
	p := g.Bytes(op, ptr, length)
	if len(p) > maxName {
		panic(engine.Fault{Message: fmt.Sprintf("%s: a name of %d bytes; the limit is %d", op, len(p), maxName)})
	}
	return string(p)
}

func refuse(g guest, result int32, reason string) int32 {
	if g.call != nil {
		g.call.reason = reason
	}
	return result
}

func metaRead(_ context.Context, g guest, s []uint64) int32 {
	if g.call == nil {
		return put(g, "meta_read", "", s[0], s[1])
	}
	return put(g, "meta_read", g.call.in.Meta, s[0], s[1])
}

func bodyRead(ctx context.Context, g guest, s []uint64) int32 {
	c, p := g.call, g.Bytes("body_read", s[0], s[1])
	if len(p) == 0 {
		return c.refuse(resultInvalid, "body_read: no room to read into")
	}
	if c.filters() && c.givesBody() { // a filter that reads on has said what it had to
		if r := c.begin(g.Instance); r != 0 {
			return r
		}
	}
	return c.readBody(ctx, g.Instance, p)
}

func metaWrite(_ context.Context, g guest, s []uint64) int32 {
	c, p := g.call, g.Bytes("meta_write", s[0], s[1])
	switch {
	case c.sealed || c.stream.Out.Written():
		return c.refuse(resultOrder, "meta_write: the body has begun")
	case int64(len(c.meta)+len(p)) > c.plugin.Limits.MaxResult.Value:
		return c.tooLarge("meta")
	}
	g.Charge(int64(len(p)), result)
	c.meta = append(c.meta, p...)
	return 0
}

func bodyWrite(ctx context.Context, g guest, s []uint64) int32 {
	c, p := g.call, g.Bytes("body_write", s[0], s[1])
	switch {
	case c.failure != nil:
		return c.refuse(resultOrder, "body_write: the call has failed")
	case c.entry == host.EntryAuthorize:
		return c.refuse(resultOrder, "body_write: an authorizer has no body")
	case c.filters() && !c.givesBody():
		return c.refuse(resultOrder, `body_write: the filter's meta does not say "body": true`)
	case !c.streams():
		if limit := min(c.plugin.Limits.MaxResult.Value, 1<<31-1); !c.stream.Out.Room(len(p), int(limit)) {
			return c.tooLarge("body")
		}
		g.Charge(int64(len(p)), result)
	case !c.stream.Out.Room(len(p), stream.Buffer):
		if r := c.begin(g.Instance); r != 0 {
			return r
		}
	}
	return c.writeBody(ctx, g.Instance, p)
}

func bodyFlush(_ context.Context, g guest, _ []uint64) int32 {
	c := g.call
	switch {
	case c.failure != nil:
		return c.refuse(resultOrder, "body_flush: the call has failed")
	case !c.streams(), c.filters() && !c.givesBody():
		return 0
	}
	return c.begin(g.Instance)
}

func reportError(_ context.Context, g guest, s []uint64) int32 {
	text := func(ptr, length uint64) string {
		p := g.Bytes("error", ptr, length)
		return strings.ToValidUTF8(string(p[:min(len(p), maxError)]), "\uFFFD")
	}
	g.call.reported = host.GuestError{Type: text(s[0], s[1]), Message: text(s[2], s[3]), Stack: text(s[4], s[5])}
	return 0
}

func configRead(_ context.Context, g guest, s []uint64) int32 {
	return put(g, "config_read", g.Plugin().Config, s[0], s[1])
}

func envRead(_ context.Context, g guest, s []uint64) int32 {
	value, ok := g.Plugin().Env[name(g, "env_read", s[0], s[1])]
	if !ok {
		return refuse(g, resultNotFound, "env_read: there is no such variable")
	}
	return put(g, "env_read", value, s[2], s[3])
}

func secretRead(ctx context.Context, g guest, s []uint64) int32 {
	value, ok := g.Effects().Secret(ctx, name(g, "secret_read", s[0], s[1]))
	if !ok {
		return refuse(g, resultNotFound, "secret_read: the plugin declares no such secret")
	}
	return put(g, "secret_read", value, s[2], s[3])
}

func traceparentRead(_ context.Context, g guest, s []uint64) int32 {
	return put(g, "traceparent_read", g.Effects().TraceParent(), s[0], s[1])
}

func reasonRead(_ context.Context, g guest, s []uint64) int32 {
	if g.call == nil {
		return put(g, "reason_read", "", s[0], s[1])
	}
	return put(g, "reason_read", g.call.reason, s[0], s[1])
}

func logLine(ctx context.Context, g guest, s []uint64) int32 {
	level := min(max(int32(s[0]), int32(slog.LevelDebug)-4), int32(slog.LevelError)+4)
	p := g.Bytes("log", s[1], s[2])
	// The engine cuts it off and says so; only what it needs for that is copied.
	g.Log(ctx, slog.Level(level), string(p[:min(len(p), engine.MaxLogLine+1)]))
	return 0
}

func random(_ context.Context, g guest, s []uint64) int32 {
	p := g.Bytes("random", s[0], s[1])
	if len(p) > engine.MaxRandom {
		return refuse(g, resultTooLarge, fmt.Sprintf("random: %d bytes; the limit is %d", len(p), engine.MaxRandom))
	}
	g.Effects().Rand(p)
	return 0
}

func openFetch(ctx context.Context, g guest, s []uint64) int32 {
	meta, body := g.Bytes("fetch", s[0], s[1]), g.Bytes("fetch", s[2], s[3])
	if len(meta) > maxFetchMeta || len(body) > maxFetchBody {
		return g.call.refuse(resultTooLarge, fmt.Sprintf("fetch: the limits are %d bytes of meta and %d of body", maxFetchMeta, maxFetchBody))
	}
	// A transport may still send when the response has begun.
	g.Charge(int64(len(body)), request)
	opened := g.call.open(ctx, meta, body)
	if opened <= 0 {
		g.Charge(-int64(len(body)), request)
		return opened
	}
	f := g.call.fetchOf(uint64(opened))
	f.held = int64(len(body) + len(f.meta))
	g.Charge(int64(len(f.meta)), "a response's meta")
	return opened
}

func fetchMetaRead(_ context.Context, g guest, s []uint64) int32 {
	f := g.call.fetchOf(s[0])
	if f == nil {
		return resultNotFound
	}
	return put(g, "fetch_meta_read", f.meta, s[1], s[2])
}

func fetchBodyRead(_ context.Context, g guest, s []uint64) int32 {
	p := g.Bytes("fetch_body_read", s[1], s[2])
	f := g.call.fetchOf(s[0])
	switch {
	case f == nil:
		return resultNotFound
	case len(p) == 0:
		return g.call.refuse(resultInvalid, "fetch_body_read: no room to read into")
	}
	return g.call.readFetch(f, p)
}

func fetchClose(_ context.Context, g guest, s []uint64) int32 {
	f := g.call.fetchOf(s[0])
	if f == nil {
		return resultNotFound
	}
	g.call.closeFetch(int(int32(s[0])) - 1)
	g.Charge(-f.held, request)
	return 0
}

func spanStart(ctx context.Context, g guest, s []uint64) int32 {
	c, title := g.call, name(g, "span_start", s[0], s[1])
	place := slices.IndexFunc(c.spans, func(end func(string)) bool { return end == nil })
	if c.opened == maxSpanCount || place < 0 && len(c.spans) == maxSpans {
		return c.refuse(resultBusy, fmt.Sprintf("span_start: the limits are %d open spans and %d a call", maxSpans, maxSpanCount))
	}
	if place < 0 {
		place = len(c.spans)
		c.spans = append(c.spans, nil)
	}
	c.opened++
	c.spans[place] = c.fx.Span(ctx, strings.ToValidUTF8(title, "\uFFFD"))
	return int32(place + 1)
}

func spanEnd(_ context.Context, g guest, s []uint64) int32 {
	c, i := g.call, int(int32(s[0]))-1
	text := g.Bytes("span_end", s[1], s[2])
	if i < 0 || i >= len(c.spans) || c.spans[i] == nil {
		return c.refuse(resultNotFound, fmt.Sprintf("span_end: there is no open span %d", i+1))
	}
	c.spans[i](strings.ToValidUTF8(string(text[:min(len(text), maxError)]), "\uFFFD"))
	c.spans[i] = nil
	return 0
}

package quickjs

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

// maxSpans bounds the spans of one call: each costs the host memory until it is exported.
const maxSpans = 100

// effectOps are those by which a script sees the world and changes it.
func effectOps() map[string]op {
	return map[string]op{
		"now": func(_ context.Context, c *call, _ args) (any, error) {
			return float64(c.fx.Now().Sub(c.start)) / float64(time.Millisecond), nil
		},
		"timeOrigin": func(_ context.Context, c *call, _ args) (any, error) { return float64(c.start.UnixMicro()) / 1000, nil },
		"turn":       func(_ context.Context, c *call, _ args) (any, error) { return c.kept.calls, nil },
		"timeLeft":   timeLeft,
		"mathRandom": func(_ context.Context, c *call, _ args) (any, error) {
			var b [8]byte
			c.fx.Rand(b[:])
			return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53), nil
		},
		"random": func(_ context.Context, c *call, a args) (any, error) {
			b := make([]byte, min(max(a.int(0), 0), maxRandom))
			c.fx.Rand(b)
			return b, nil
		},
		"uuid": func(_ context.Context, c *call, _ args) (any, error) { return c.uuid(), nil },
		"log": func(_ context.Context, c *call, a args) (any, error) {
			c.log(slog.Level(a.int(0)), a.text(1))
			return nil, nil
		},
		"env":    env,
		"config": func(_ context.Context, c *call, _ args) (any, error) { return string(c.plugin.cfg.Config), nil },
		"secret": func(_ context.Context, c *call, a args) (any, error) {
			if v, ok := c.fx.Secret(c.ctx, a.text(0)); ok {
				return v, nil
			}
			return nil, nil
		},
		"secretNames": func(_ context.Context, c *call, _ args) (any, error) {
			names := []string{}
			for _, s := range c.plugin.cfg.Secrets {
				names = append(names, s.Name)
			}
			return names, nil
		},
		"traceparent": func(_ context.Context, c *call, _ args) (any, error) { return c.fx.TraceParent(), nil },
		"about":       about,
		"spanStart":   spanStart,
		"spanEnd":     spanEnd,
		"metric":      metric,
		"kvGet":       kvGet,
		"kvPut":       kvPut,
		"kvDelete":    kvDelete,
		"kvKeys":      kvKeys,
		"fetch":       fetch,
		"cancelFetch": func(_ context.Context, c *call, a args) (any, error) {
			if cancel := c.fetches[a.int(0)]; cancel != nil {
				cancel()
			}
			return nil, nil
		},
	}
}

const maxRandom = 1 << 20 // bytes; crypto.getRandomValues gives 64 KiB at most

func (c *call) uuid() string {
	var b [16]byte
	c.fx.Rand(b[:])
	return web.UUID(b)
}

func timeLeft(_ context.Context, c *call, _ args) (any, error) {
	left := max(0, c.deadline.Sub(c.fx.Now()))
	if count, ok := c.fx.Effects.(host.Countdown); ok {
		left = count.TimeLeft(left)
	}
	return left.Milliseconds(), nil
}

func env(_ context.Context, c *call, _ args) (any, error) {
	if c.loading != nil {
		c.loading.envRead = true
	}
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.plugin.cfg.Env)) {
		list = append(list, []any{name, c.plugin.cfg.Env[name]})
	}
	return list, nil
}

// about tells a function of itself and its invocation, in the words of Lambda's context object: its fields, and the client's context as JSON.
func about(_ context.Context, c *call, _ args) (any, error) {
	f := c.function
	if f == nil {
		f = &host.FunctionContext{Name: c.plugin.cfg.Name, Version: "$LATEST"}
	}
	id := f.RequestID
	if id == "" {
		id = c.uuid()
	}
	fields := []any{}
	for _, field := range [][2]string{{"functionName", f.Name}, {"functionVersion", f.Version}, {"invokedFunctionArn", f.ARN}, {"awsRequestId", id}} {
		if field[1] != "" {
			fields = append(fields, []any{field[0], field[1]})
		}
	}
	if len(f.Client) == 0 {
		return []any{fields, null{}}, nil
	}
	return []any{fields, string(f.Client)}, nil
}

// A span is one that a script opened. What the script leaves open ends with the call.
type span struct {
	end func(errorText string)
}

// Close ends the span without an error.
func (s *span) Close() error {
	s.end("")
	return nil
}

// spanStart opens a child of the call's span. Beyond the limit, spans record nothing.
func spanStart(_ context.Context, c *call, a args) (any, error) {
	if c.spans++; c.spans > maxSpans {
		return null{}, nil
	}
	s := &span{end: c.fx.Span(c.ctx, a.text(0))}
	c.open.add(s)
	return c.handle(s), nil
}

func spanEnd(_ context.Context, c *call, a args) (any, error) {
	if s, err := of[*span](c, a, 0); err == nil && c.open.take(s) {
		s.end(a.text(1))
	}
	return nil, nil
}

func metric(_ context.Context, c *call, a args) (any, error) {
	if c.loading != nil {
		return nil, wrong("metrics can be recorded within a call only, not while the script is loaded")
	}
	switch err := c.fx.Metric(c.ctx, host.MetricKind(a.int(0)), a.text(1), a.float(2)); {
	case errors.Is(err, host.TooLarge):
		return nil, &web.Exception{Name: "RangeError", Message: err.Error()}
	case err != nil:
		return nil, wrong(err.Error())
	}
	return nil, nil
}

// kvDo asks the map beside the guest, which hears what ask returns.
func (c *call) kvDo(ask func(ctx context.Context, m host.KV) (any, error)) (any, error) {
	if c.loading != nil {
		return nil, wrong("the map is there within a call only, not while the script is loaded")
	}
	id, fx := c.id(), c.fx.Effects
	ctx, bring := c.loop.expect(c.ctx)
	c.loop.beside(func() {
		v, err := ask(ctx, fx)
		bring(func() []any {
			if err != nil {
				return failedEvent(id, kvFailed(err))
			}
			return doneEvent(id, v)
		})
	})
	return id, nil
}

// kvFailed is the error that a promise of the map rejects with. Its name says what a script can do about it.
func kvFailed(err error) *web.Exception {
	name := "Error"
	switch {
	case errors.Is(err, host.Conflict):
		name = "Error/ConflictError"
	case errors.Is(err, host.TooLarge):
		name = "Error/QuotaExceededError"
	case errors.Is(err, host.Invalid):
		name = "TypeError"
	}
	return &web.Exception{Name: name, Message: err.Error()}
}

func kvGet(_ context.Context, c *call, a args) (any, error) {
	key := a.text(0)
	return c.kvDo(func(ctx context.Context, m host.KV) (any, error) {
		entry, err := m.KVGet(ctx, key)
		if errors.Is(err, host.NotFound) {
			return null{}, nil
		}
		return []any{entry.Value, entry.Revision}, err
	})
}

func kvPut(_ context.Context, c *call, a args) (any, error) {
	key, value := a.text(0), append([]byte{}, a.bytes(1)...)
	if text, ok := a.at(1).(string); ok {
		value = []byte(text)
	}
	options := host.KVOptions{Revision: int64(a.int(2)), TTL: time.Duration(a.float(3) * float64(time.Second))}
	return c.kvDo(func(ctx context.Context, m host.KV) (any, error) {
		return m.KVPut(ctx, key, value, options)
	})
}

func kvDelete(_ context.Context, c *call, a args) (any, error) {
	key, revision := a.text(0), int64(a.int(1))
	return c.kvDo(func(ctx context.Context, m host.KV) (any, error) { return nil, m.KVDelete(ctx, key, revision) })
}

func kvKeys(_ context.Context, c *call, a args) (any, error) {
	prefix, after := a.text(0), a.text(1)
	return c.kvDo(func(ctx context.Context, m host.KV) (any, error) { return m.KVKeys(ctx, prefix, after) })
}

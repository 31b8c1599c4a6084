package quickjs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/prelude"
	"github.com/postern/postern/host/js/web"
	"github.com/postern/postern/host/lambda"
	"github.com/postern/postern/host/wasm/engine"
)

// importModule is what guest/postern.c imports.
const importModule = "postern_js"

// functions are those of importModule.
func (r *Runtime) functions() []engine.Func {
	i := engine.I32
	of := func(inst *engine.Instance) *call { return inst.State().(*call) }
	return []engine.Func{
		{Name: "call", Params: []engine.Type{i, i}, Results: []engine.Type{i}, Brief: true, Call: func(ctx context.Context, inst *engine.Instance, s []uint64) {
			s[0] = uint64(uint32(r.operate(ctx, of(inst), inst.Bytes("call", s[0], s[1]))))
		}},
		{Name: "take", Params: []engine.Type{i}, Brief: true, Call: func(_ context.Context, inst *engine.Instance, s []uint64) {
			c := of(inst)
			copy(inst.Bytes("take", s[0], uint64(len(c.result))), c.result)
			if cap(c.result) > 1<<20 {
				c.result = nil
			}
		}},
		{Name: "release", Params: []engine.Type{i}, Brief: true, Call: func(_ context.Context, inst *engine.Instance, s []uint64) {
			delete(of(inst).kept.handles, handle(int32(s[0])))
		}},
		{Name: "late", Results: []engine.Type{i}, Brief: true, Call: func(_ context.Context, inst *engine.Instance, s []uint64) {
			s[0] = of(inst).late()
		}},
		{Name: "trace", Params: []engine.Type{i, i}, Brief: true, Call: func(_ context.Context, inst *engine.Instance, s []uint64) {
			of(inst).trace = bounded(text(inst.Bytes("trace", s[0], s[1])))
		}},
		{Name: "fail", Params: []engine.Type{i, i}, Brief: true, Call: func(_ context.Context, inst *engine.Instance, s []uint64) {
			name, message, _ := strings.Cut(text(inst.Bytes("fail", s[0], s[1])), ": ")
			c := of(inst)
			c.failure = c.failed(c.thrown(name, message, ""))
		}},
	}
}

// late is 1, once, when a call's time is nearly over.
func (c *call) late() uint64 {
	if c.lateTold || c.until.IsZero() {
		return 0
	}
	margin := min(c.plugin.cfg.Limits.Timeout.Value/10, 50*time.Millisecond)
	if time.Until(c.until) > margin {
		return 0
	}
	c.lateTold = true
	return 1
}

// operate runs one operation, and returns the length of its result, which the guest takes next.
func (r *Runtime) operate(ctx context.Context, c *call, written []byte) int32 {
	values, err := decode(written)
	if err != nil || len(values) == 0 {
		panic(engine.Fault{Message: "call: " + errValue.Error()})
	}
	name, _ := values[0].(string)
	run := r.ops[name]
	if run == nil {
		panic(engine.Fault{Message: "call: there is no operation " + name})
	}
	v, err := run(ctx, c, args(values[1:]))
	if err != nil {
		var told *web.Exception
		if !errors.As(err, &told) {
			told = &web.Exception{Name: "TypeError", Message: err.Error()}
		}
		v = told
	}
	c.result = encode(c.result[:0], v)
	if len(c.result) > math.MaxInt32 {
		panic(engine.Fault{Message: name + ": the result is too large"})
	}
	return int32(len(c.result))
}

// args are those of an operation. boot.js checks what scripts give: what has another type than it should is zero.
type args []any

func (a args) at(i int) any {
	if i < len(a) {
		return a[i]
	}
	return nil
}

func (a args) text(i int) string   { v, _ := a.at(i).(string); return v }
func (a args) bytes(i int) []byte  { v, _ := a.at(i).([]byte); return v }
func (a args) yes(i int) bool      { v, _ := a.at(i).(bool); return v }
func (a args) float(i int) float64 { v, _ := a.at(i).(float64); return v }
func (a args) int(i int) int       { return int(max(min(a.float(i), 1<<53), -1<<53)) }

// of returns what of the host's an argument stands for.
func of[T any](c *call, a args, i int) (T, error) {
	h, _ := a.at(i).(handle)
	v, ok := c.kept.handles[h].(T)
	if !ok {
		return v, wrong("what this stood for is gone: it was made in a call that has ended")
	}
	return v, nil
}

func wrong(text string) error { return &web.Exception{Name: "TypeError", Message: text} }

// An op is an operation that the guest asks the host for. Bytes among its arguments are a view on the guest's memory: what goes on behind
// the operation has a copy.
type op func(ctx context.Context, c *call, a args) (any, error)

// operations are all of them, as boot.js names them.
func operations() map[string]op {
	all := map[string]op{}
	for _, some := range []map[string]op{loadOps(), callOps(), bodyOps(), effectOps(), webOps(), cryptoOps(), textOps()} {
		for name, run := range some {
			all[name] = run
		}
	}
	return all
}

// loadOps are those of an instance that starts.
func loadOps() map[string]op {
	return map[string]op{
		"boot":   func(context.Context, *call, args) (any, error) { return boot, nil },
		"script": func(_ context.Context, c *call, _ args) (any, error) { return c.plugin.module.code, nil },
		"scriptName": func(_ context.Context, c *call, _ args) (any, error) {
			if m := c.plugin.module; m.mapped == nil {
				return m.name, nil
			}
			return bundleName, nil
		},
		"part": func(_ context.Context, _ *call, a args) (any, error) {
			from, name := prelude.Files, a.text(0)
			if own, ok := strings.CutPrefix(name, "postern/"); ok {
				from, name = parts, own
			}
			b, err := from.ReadFile(name)
			return string(b), err
		},
		"has": func(_ context.Context, _ *call, a args) (any, error) {
			f, err := prelude.Files.Open(a.text(0))
			if err != nil {
				return false, nil
			}
			return true, f.Close()
		},
		"globals": func(context.Context, *call, args) (any, error) {
			list := make([]any, 0, len(prelude.Globals))
			for _, name := range slices.Sorted(maps.Keys(prelude.Globals)) { // sorted, so that a replay finds the same memory
				if file := prelude.Globals[name]; file != "weak.js" { // QuickJS has its own
					list = append(list, []any{name, file})
				}
			}
			return list, nil
		},
		"loaded": func(_ context.Context, c *call, a args) (any, error) {
			if names, ok := a.at(0).([]any); ok && c.loading != nil {
				for _, name := range names {
					if s, ok := name.(string); ok {
						c.loading.exports = append(c.loading.exports, s)
					}
				}
			}
			return c.plugin.module.parts, nil
		},
	}
}

// callOps are those by which a call goes on.
func callOps() map[string]op {
	return map[string]op{
		"wait": func(ctx context.Context, c *call, _ args) (any, error) {
			if event := c.wait(ctx); event != nil {
				return event, nil
			}
			return nil, nil
		},
		"answer": func(_ context.Context, c *call, a args) (any, error) {
			c.answer(a.text(0), a.at(1))
			return nil, nil
		},
		"unsupported": func(_ context.Context, c *call, a args) (any, error) {
			c.refuse(&host.Error{Op: "call " + c.plugin.cfg.Name, Kind: host.Unsupported, Pos: host.Position{File: c.plugin.module.name},
				Err: fmt.Errorf("the script exports no %s", a.text(0))})
			return nil, nil
		},
		"refused": func(_ context.Context, c *call, a args) (any, error) {
			c.refuse(c.failed(c.thrown(a.text(0), a.text(1), a.text(2))))
			return nil, nil
		},
		"failed": func(_ context.Context, c *call, a args) (any, error) {
			c.failure = c.failed(c.thrown(a.text(0), a.text(1), a.text(2)))
			return nil, nil
		},
		"unhandled": func(_ context.Context, c *call, a args) (any, error) {
			g := c.thrown(a.text(0), a.text(1), a.text(2))
			c.log(slog.LevelError, strings.TrimSpace("a promise was rejected, and nothing handled it: "+g.Error()+"\n"+g.Stack))
			return nil, nil
		},
		"hold":   func(_ context.Context, c *call, _ args) (any, error) { c.held++; return nil, nil },
		"unhold": func(_ context.Context, c *call, _ args) (any, error) { c.held--; return nil, nil },
		"setTimer": func(_ context.Context, c *call, a args) (any, error) {
			if c.loading != nil {
				return nil, wrong("timers can be set within a call only, not while the script is loaded")
			}
			return c.setTimer(a.float(0), a.yes(1), a.yes(2)), nil
		},
		"clearTimer": func(_ context.Context, c *call, a args) (any, error) { c.loop.clearTimer(a.int(0)); return nil, nil },
		"eventBody": func(_ context.Context, c *call, a args) (any, error) {
			body := a.bytes(1)
			switch {
			case len(body) == 0:
				return []any{"", false}, nil
			case lambda.BodyIsText(c.encoding(), a.text(0), body):
				return []any{strings.ToValidUTF8(string(body), "\ufffd"), false}, nil
			}
			return []any{web.Base64(body), true}, nil
		},
	}
}

// encoding is how the body of what is asked stands in its event.
func (c *call) encoding() host.BodyEncoding {
	if a := c.asked.Load(); a != nil {
		return a.event.encoding
	}
	return host.EncodingGuess
}

// setTimer adds a timer. Delays below a millisecond are one, and those that do not fit 31 bits too, as in Node.js.
func (c *call) setTimer(ms float64, delayed, repeat bool) int {
	tm := &timer{at: c.fx.Now()}
	if delayed {
		if !(ms >= 1 && ms <= 1<<31-1) {
			ms = 1
		}
		d := time.Duration(ms * float64(time.Millisecond))
		tm.at = tm.at.Add(d)
		if repeat {
			tm.every = d
		}
	}
	return c.loop.addTimer(tm)
}

// bodyOps are those of bodies that come and go.
func bodyOps() map[string]op {
	return map[string]op{
		"readSome": func(_ context.Context, c *call, a args) (any, error) {
			s, err := of[*source](c, a, 0)
			if err != nil {
				return nil, err
			}
			return s.readSome(), nil
		},
		"readAll": func(_ context.Context, c *call, a args) (any, error) {
			s, err := of[*source](c, a, 0)
			if err != nil {
				return nil, err
			}
			return s.readAll(), nil
		},
		"drop": func(_ context.Context, c *call, a args) (any, error) {
			if s, err := of[*source](c, a, 0); err == nil {
				s.drop()
			}
			return nil, nil
		},
		"abort": func(_ context.Context, c *call, a args) (any, error) {
			if s, err := of[*source](c, a, 0); err == nil {
				s.abort()
			}
			return nil, nil
		},
		"started": func(_ context.Context, c *call, a args) (any, error) {
			s, err := of[*source](c, a, 0)
			if err != nil {
				return nil, err
			}
			return s.begun, nil
		},
		"stream": func(_ context.Context, c *call, a args) (any, error) { return c.stream(a.yes(0)), nil },
		"write": func(_ context.Context, c *call, a args) (any, error) {
			p := c.pipes[a.int(0)]
			if p == nil {
				return nil, nil
			}
			if id := c.write(p, a.bytes(1)); id > 0 {
				return id, nil
			}
			return nil, nil
		},
		"end": func(_ context.Context, c *call, a args) (any, error) {
			c.endStream(a.int(0), io.EOF)
			return nil, nil
		},
		"failStream": func(_ context.Context, c *call, a args) (any, error) {
			c.endStream(a.int(0), c.failed(c.thrown(a.text(1), a.text(2), a.text(3))))
			return nil, nil
		},
	}
}

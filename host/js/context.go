package js

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

const maxLine = 8 << 10 // bytes of one line of the log

// context makes what a function gets as its second argument, or adds it to the context of a mapping. What costs
// something stands on a prototype and is made when it is asked for.
func (in *instance) context(c *call, obj *goja.Object) (*goja.Object, error) {
	rt := in.rt
	if in.base == nil {
		in.base = rt.NewObject()
		accessor := func(name string, get func() goja.Value) error {
			getter := rt.ToValue(func(fc goja.FunctionCall) goja.Value {
				v := get()
				if this, ok := fc.This.(*goja.Object); ok { // kept for the rest of the call, on the context of the call
					_ = this.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
				}
				return v
			})
			return in.base.DefineAccessorProperty(name, getter, nil, goja.FLAG_TRUE, goja.FLAG_FALSE)
		}
		if err := accessor("config", in.config); err != nil {
			return nil, err
		}
		if err := accessor("secrets", in.secrets); err != nil {
			return nil, err
		}
		if err := accessor("traceparent", in.traceparent); err != nil {
			return nil, err
		}
		if err := accessor("kv", in.kv); err != nil {
			return nil, err
		}
		for name, fn := range map[string]func(goja.FunctionCall) goja.Value{"startSpan": in.startSpan, "count": in.metric(host.MetricCounter),
			"gauge": in.metric(host.MetricGauge), "record": in.metric(host.MetricHistogram)} {
			if err := in.base.Set(name, fn); err != nil {
				return nil, err
			}
		}
		remaining := func(goja.FunctionCall) goja.Value {
			return rt.ToValue(max(0, in.call.deadline.Sub(in.call.world().Now()).Milliseconds()))
		}
		if err := in.base.Set("getRemainingTimeInMillis", remaining); err != nil {
			return nil, err
		}
	}
	if obj != nil {
		return obj, obj.SetPrototype(in.base)
	}
	obj = rt.CreateObject(in.base)
	return obj, in.describe(c, obj)
}

// describe tells a function of itself and its invocation, in the words of Lambda's context object.
func (in *instance) describe(c *call, obj *goja.Object) error {
	f := c.function
	if f == nil {
		f = &host.FunctionContext{Name: c.plugin.cfg.Name, Version: "$LATEST"}
	}
	fields := []struct{ name, value string }{
		{"functionName", f.Name}, {"functionVersion", f.Version}, {"invokedFunctionArn", f.ARN}, {"awsRequestId", f.RequestID},
	}
	for _, field := range fields {
		switch {
		case field.value != "":
		case field.name == "awsRequestId":
			field.value = c.requestID()
		default:
			continue
		}
		if err := obj.Set(field.name, field.value); err != nil {
			return err
		}
	}
	if len(f.Client) == 0 {
		return nil
	}
	client, err := decodeJSON(in.rt, string(f.Client))
	if err != nil {
		return fmt.Errorf("the client context: %w", err)
	}
	return obj.Set("clientContext", client)
}

// requestID is a random UUID (RFC 9562, section 5.4) by the effects' random numbers.
func (c *call) requestID() string {
	var b [16]byte
	c.world().Rand(b[:])
	return web.UUID(b)
}

func (in *instance) config() goja.Value {
	text := in.call.plugin.cfg.Config
	if len(text) == 0 {
		return in.rt.NewObject()
	}
	v, err := decodeJSON(in.rt, string(text))
	if err != nil {
		panic(in.rt.NewTypeError("config: " + err.Error()))
	}
	return v
}

// secrets makes an object that asks for each secret when it is read, once.
func (in *instance) secrets() goja.Value {
	obj := in.rt.NewObject()
	for _, name := range in.call.secretNames() {
		getter := in.rt.ToValue(func(goja.FunctionCall) goja.Value { return in.readSecret(name) })
		if err := obj.DefineAccessorProperty(name, getter, nil, goja.FLAG_FALSE, goja.FLAG_TRUE); err != nil {
			panic(err)
		}
	}
	return obj
}

func (c *call) secretNames() []string {
	names := make([]string, len(c.plugin.cfg.Secrets))
	for i, s := range c.plugin.cfg.Secrets {
		names[i] = s.Name
	}
	return names
}

func (in *instance) readSecret(name string) goja.Value {
	if v, ok := in.call.world().Secret(in.call.ctx, name); ok {
		return in.rt.ToValue(v)
	}
	return goja.Undefined()
}

// secret(name) is for fetch handlers, whose env holds secrets too.
func (in *instance) secret(fc goja.FunctionCall) goja.Value {
	return in.readSecret(fc.Argument(0).String())
}

// env() is the environment as an object.
func (in *instance) env(goja.FunctionCall) goja.Value {
	if in.call.envRead != nil {
		*in.call.envRead = true
	}
	obj := in.rt.NewObject()
	vars := in.call.plugin.cfg.Env
	for _, name := range slices.Sorted(maps.Keys(vars)) { // scripts see the order
		if err := obj.Set(name, vars[name]); err != nil {
			panic(err)
		}
	}
	return obj
}

// log(level, text) writes a line.
func (in *instance) log(fc goja.FunctionCall) goja.Value {
	in.call.log(slog.Level(fc.Argument(0).ToInteger()), fc.Argument(1).String())
	return goja.Undefined()
}

func (c *call) log(level slog.Level, text string) {
	lines, size := c.plugin.cfg.Limits.LogLines, c.plugin.cfg.Limits.LogBytes
	if c.logged < 0 {
		return
	}
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + fmt.Sprintf("… (%d bytes)", len(text))
	}
	c.lines++
	c.logged += int64(len(text))
	switch {
	case c.lines > lines.Value:
		level, text, c.logged = slog.LevelWarn, fmt.Sprintf("more than %d lines in one call (limits.logLines: %s); the rest is dropped", lines.Value, lines.Origin()), -1
	case c.logged > size.Value:
		level, text, c.logged = slog.LevelWarn, fmt.Sprintf("more than %d bytes of lines in one call (limits.logBytes: %s); the rest is dropped", size.Value, size.Origin()), -1
	}
	c.world().Log(c.ctx, level, text)
}

func (c *call) warn(text string) { c.log(slog.LevelWarn, text) }

// cleanStack(text) takes our own frames from a stack.
func (in *instance) cleanStack(fc goja.FunctionCall) goja.Value {
	stack, _ := userStack(fc.Argument(0).String())
	return in.rt.ToValue(stack)
}

// rejected notes promises that were rejected while nobody listened, and forgets those that somebody listens to later.
func (c *call) rejected(p *goja.Promise, op goja.PromiseRejectionOperation) {
	if c == nil {
		return
	}
	if op == goja.PromiseRejectionHandle {
		c.seen(p)
		return
	}
	c.unseen = append(c.unseen, p)
}

func (c *call) seen(p *goja.Promise) {
	for i, q := range c.unseen {
		if p == q {
			c.unseen = append(c.unseen[:i], c.unseen[i+1:]...)
			return
		}
	}
}

func (c *call) reportUnseen() {
	for _, p := range c.unseen {
		g := thrownError(p.Result())
		c.log(slog.LevelError, strings.TrimSpace("a promise was rejected, and nothing handled it: "+g.Error()+"\n"+g.Stack))
	}
}

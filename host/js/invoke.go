package js

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/lambda"
)

// invoke calls one entry and waits for its answer.
func (c *call) invoke(entry string, ev event) (host.Event, error) {
	t, err := c.in.target(entry)
	if err != nil {
		return host.Event{}, err
	}
	var meta goja.Value = goja.Null()
	if len(ev.meta) > 0 {
		if meta, err = decodeJSON(c.in.rt, string(ev.meta)); err != nil {
			return host.Event{}, fmt.Errorf("the event: %w", err)
		}
	}
	switch {
	case entry == host.EntryMapRequest || entry == host.EntryMapResponse:
		return c.mapBody(t, meta, ev.body)
	case t.fetch:
		return c.fetchHandler(t, meta, ev.stream)
	case entry == host.EntryHandle && ev.hasBody:
		if err := c.in.putBody(meta, ev.body, ev.encoding); err != nil {
			return host.Event{}, err
		}
	}
	return c.plain(t, entry, meta)
}

// plain calls a function(event, context), and one with a third parameter as Node.js did before promises.
func (c *call) plain(t target, entry string, event goja.Value) (host.Event, error) {
	context, err := c.in.context(c, nil)
	if err != nil {
		return host.Event{}, err
	}
	args := []goja.Value{event, context}
	var later *goja.Promise
	if t.arity >= 3 && entry == host.EntryHandle {
		p, resolve, reject := c.in.rt.NewPromise()
		later = p
		args = append(args, c.in.rt.ToValue(func(fc goja.FunctionCall) goja.Value {
			settle, v := resolve, fc.Argument(1)
			if e := fc.Argument(0); e.ToBoolean() {
				settle, v = reject, e
			}
			if err := settle(v); err != nil {
				panic(err)
			}
			return goja.Undefined()
		}))
	}
	ret, err := t.fn(t.this, args...)
	if err != nil {
		return host.Event{}, err
	}
	if later != nil && goja.IsUndefined(ret) {
		ret = c.in.rt.ToValue(later)
	}
	if ret, err = c.await(ret); err != nil {
		return host.Event{}, err
	}
	if entry != host.EntryHandle {
		meta, err := c.in.json(ret)
		return host.Event{Meta: meta}, err
	}
	return c.result(ret)
}

// await turns the event loop until v, if it is a promise or can be awaited like one, has settled.
func (c *call) await(v goja.Value) (goja.Value, error) {
	obj, ok := v.(*goja.Object)
	if !ok {
		return v, nil
	}
	p, ok := obj.Export().(*goja.Promise)
	if !ok {
		if _, thenable := goja.AssertFunction(c.in.get(obj, "then")); !thenable {
			return v, nil
		}
		var resolve func(any) error
		p, resolve, _ = c.in.rt.NewPromise()
		if err := resolve(v); err != nil {
			return nil, err
		}
		if err := c.turn(); err != nil {
			return nil, err
		}
	}
	if err := c.run(func() bool { return p.State() != goja.PromiseStatePending }); err != nil {
		return nil, err
	}
	if p.State() == goja.PromiseStateRejected {
		c.seen(p)
		g := thrownError(p.Result())
		return nil, g
	}
	return p.Result(), nil
}

// turn runs the jobs of promises that wait.
func (c *call) turn() error {
	_, err := c.in.rt.RunProgram(c.in.module.runtime.nothing)
	return err
}

// json is JSON.stringify; what has no JSON, as undefined, becomes null.
func (in *instance) json(v goja.Value) ([]byte, error) {
	s, err := in.stringify(goja.Undefined(), v)
	if err != nil {
		return nil, err
	}
	if goja.IsUndefined(s) {
		return []byte("null"), nil
	}
	return []byte(s.String()), nil
}

// result makes an event of what a function returned. A body of bytes goes beside the JSON; a body of text stays in
// it, where isBase64Encoded says what it is.
func (c *call) result(v goja.Value) (host.Event, error) {
	obj, ok := v.(*goja.Object)
	if !ok {
		meta, err := c.in.json(v)
		return host.Event{Meta: meta}, err
	}
	raw, isBytes := bytesOf(c.in.get(obj, "body"))
	if !isBytes {
		meta, err := c.in.json(v)
		return host.Event{Meta: meta}, err
	}
	rest := c.in.rt.NewObject() // the script may keep its object for the next call
	for _, key := range obj.Keys() {
		if key != "body" && key != "isBase64Encoded" {
			if err := rest.Set(key, obj.Get(key)); err != nil {
				return host.Event{}, err
			}
		}
	}
	meta, err := c.in.json(rest)
	return host.Event{Meta: meta, Body: newBody(append([]byte(nil), raw...))}, err
}

// putBody gives an event its body as the Lambda formats have it: text as it is, all other in base64, unless the encoding says which; an
// empty body is absent from format 2.0 and null in 1.0.
func (in *instance) putBody(meta goja.Value, body []byte, encoding host.BodyEncoding) error {
	event, ok := meta.(*goja.Object)
	if !ok {
		return errors.New("the event has a body, but is no object")
	}
	if len(body) == 0 {
		if event.Get("version") == nil || event.Get("version").String() != "2.0" {
			if err := event.Set("body", goja.Null()); err != nil {
				return err
			}
		}
		return event.Set("isBase64Encoded", false)
	}
	text := lambda.BodyIsText(encoding, in.contentType(event), body)
	var value string
	if text {
		value = string(body)
	} else {
		value = encodeBase64(body)
	}
	if err := event.Set("body", value); err != nil {
		return err
	}
	return event.Set("isBase64Encoded", !text)
}

func (in *instance) contentType(event *goja.Object) string {
	headers, _ := in.get(event, "headers").(*goja.Object)
	if headers == nil {
		return ""
	}
	for _, name := range headers.Keys() {
		if strings.EqualFold(name, "content-type") {
			return headers.Get(name).String()
		}
	}
	return ""
}

// fetchHandler calls fetch(request, env, ctx).
func (c *call) fetchHandler(t target, meta goja.Value, body host.Event) (host.Event, error) {
	in := c.in
	event, ok := meta.(*goja.Object)
	if !ok {
		return host.Event{}, errors.New("a fetch handler answers HTTP events; this event is no object")
	}
	tools, err := in.tool("serve.js")
	if err != nil {
		return host.Event{}, err
	}
	var source goja.Value = goja.Undefined()
	if sized, ok := body.Body.(interface{ Len() int }); body.Body != nil && (!ok || sized.Len() > 0) {
		source = in.rt.ToValue(c.newSource(body))
	}
	call := func(name string, args ...goja.Value) (goja.Value, error) {
		fn, _ := goja.AssertFunction(tools.Get(name))
		return fn(goja.Undefined(), args...)
	}
	request, err := call("request", event, source)
	if err != nil {
		return host.Event{}, err
	}
	waitUntil := func(fc goja.FunctionCall) goja.Value {
		if p, ok := fc.Argument(0).Export().(*goja.Promise); ok {
			c.waiting = append(c.waiting, p)
		}
		return goja.Undefined()
	}
	base, err := in.context(c, nil)
	if err != nil {
		return host.Event{}, err
	}
	extra, err := call("context", in.rt.ToValue(waitUntil), base)
	if err != nil {
		return host.Event{}, err
	}
	env, err := call("env", in.rt.ToValue(c.secretNames()))
	if err != nil {
		return host.Event{}, err
	}
	ret, err := t.fn(t.this, request, env, extra)
	if err == nil {
		ret, err = c.await(ret)
	}
	if err == nil {
		ret, err = call("respond", ret, event, request)
	}
	if err != nil {
		return host.Event{}, err
	}
	return c.outgoing(ret.(*goja.Object), tools.Get("pump"))
}

// outgoing makes an event of [meta, body], as the prelude has them: the body is text or bytes, a source that nobody touched,
// [stream], or undefined for none. A third member is called when the reader leaves.
func (c *call) outgoing(made *goja.Object, pump goja.Value) (host.Event, error) {
	meta, err := c.in.json(made.Get("0"))
	if err != nil {
		return host.Event{}, err
	}
	out, body := host.Event{Meta: meta}, made.Get("1")
	c.left, _ = goja.AssertFunction(made.Get("2"))
	if goja.IsUndefined(body) {
		return out, nil
	}
	if raw, ok := c.in.raw(body); ok {
		out.Body = newBody(raw)
		return out, nil
	}
	if s, ok := body.Export().(*source); ok {
		out.Body = c.splice(s)
		return out, nil
	}
	fn, _ := goja.AssertFunction(pump)
	out.Body, err = c.stream(fn, body.ToObject(c.in.rt).Get("0"), true)
	return out, err
}

// mapBody calls a mapping.
func (c *call) mapBody(t target, meta goja.Value, body []byte) (host.Event, error) {
	in := c.in
	given, ok := meta.(*goja.Object)
	if !ok {
		return host.Event{}, errors.New("a mapping's event must be an object")
	}
	tools, err := in.tool("mapping.js")
	if err != nil {
		return host.Event{}, err
	}
	begin, _ := goja.AssertFunction(tools.Get("begin"))
	finish, _ := goja.AssertFunction(tools.Get("finish"))
	own, _ := in.get(given, "context").(*goja.Object)
	context, err := in.context(c, own)
	if err != nil {
		return host.Event{}, err
	}
	args, err := begin(goja.Undefined(), given, in.bytes(body), context)
	if err != nil {
		return host.Event{}, err
	}
	list := args.(*goja.Object)
	ret, err := t.fn(t.this, list.Get("0"), list.Get("1"), list.Get("2"))
	if err == nil {
		ret, err = c.await(ret)
	}
	if err == nil {
		ret, err = finish(goja.Undefined(), ret, list.Get("1"))
	}
	if err != nil {
		return host.Event{}, err
	}
	made := ret.(*goja.Object)
	out := host.Event{}
	if out.Meta, err = in.json(made.Get("meta")); err != nil {
		return host.Event{}, err
	}
	raw, isBytes := bytesOf(made.Get("body"))
	if isBytes {
		raw = append([]byte(nil), raw...)
	} else {
		raw = []byte(made.Get("body").String())
	}
	out.Body = newBody(raw)
	return out, nil
}

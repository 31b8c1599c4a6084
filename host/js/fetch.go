package js

import (
	"bytes"
	"context"
	"net/http"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

// fetch(method, url, headers, body, redirect, pump) begins a request. It gives {promise, cancel}; the promise, an object
// with the response's head, and the source of its body.
func (in *instance) fetch(fc goja.FunctionCall) goja.Value {
	if in.call.loading {
		in.throw("fetch is possible within a call only, not while the script is loaded")
	}
	job, err := web.NewFetch(fc.Argument(0).String(), fc.Argument(1).String(), fc.Argument(4).String())
	if err != nil {
		in.failWith(err)
	}
	in.rt.ForOf(fc.Argument(2), func(pair goja.Value) bool {
		obj := pair.ToObject(in.rt)
		job.Header.Add(obj.Get("0").String(), obj.Get("1").String())
		return true
	})
	in.requestBody(job, fc.Argument(3), fc.Argument(5))
	return in.start(job)
}

// requestBody gives a fetch its body: text, bytes, a source, or [stream]. The last two cannot be sent twice.
func (in *instance) requestBody(job *web.Fetch, v, pump goja.Value) {
	if goja.IsUndefined(v) {
		return
	}
	job.HasBody = true
	if raw, ok := in.raw(v); ok {
		job.Body = raw
		return
	}
	if s, ok := v.Export().(*source); ok {
		if s.body != nil {
			job.Stream, job.Length = s.pass(), s.length
		}
		return
	}
	fn, _ := goja.AssertFunction(pump)
	stream, err := in.call.stream(fn, v.ToObject(in.rt).Get("0"), false)
	if err != nil {
		panic(err)
	}
	job.Stream, job.Length = stream, -1
}

// raw is the bytes of text, or a copy of bytes.
func (in *instance) raw(v goja.Value) ([]byte, bool) {
	if goja.IsString(v) {
		return []byte(v.String()), true
	}
	b, ok := bytesOf(v)
	return bytes.Clone(b), ok
}

func (in *instance) start(job *web.Fetch) goja.Value {
	c := in.call
	ctx, cancel := context.WithCancel(c.ctx)
	promise, resolve, reject := in.rt.NewPromise()
	fx := c.world() // taken here: the second half of a filter brings other ones
	c.loop.beginIn(ctx, func(ctx context.Context) func() error {
		resp, err := job.Run(ctx, fx)
		if err == nil && resp.Body != nil {
			c.open.add(resp.Body) // here, because the call may end before the script hears of it
		}
		return func() error {
			if err != nil {
				cancel()
				return reject(in.fetchFailed(err))
			}
			return resolve(in.response(job, resp, cancel))
		}
	})
	out := in.rt.NewObject()
	in.set(out, "promise", promise)
	in.set(out, "cancel", func(goja.FunctionCall) goja.Value {
		cancel()
		return goja.Undefined()
	})
	return out
}

func (in *instance) set(obj *goja.Object, name string, v any) {
	if err := obj.Set(name, v); err != nil {
		panic(err)
	}
}

// fetchFailed is the TypeError that fetch rejects with, for whatever reason.
func (in *instance) fetchFailed(err error) goja.Value {
	return in.rt.NewTypeError(web.FetchFailed(err))
}

func (in *instance) response(job *web.Fetch, resp *host.Response, cancel context.CancelFunc) goja.Value {
	c := in.call
	headers := make([]any, 0, len(resp.Header))
	for f := range web.Shown(resp.Header) {
		headers = append(headers, in.rt.NewArray(f.Name, f.Value))
	}
	body := &source{in: in, reject: in.fetchFailed, length: resp.Length, closer: func() {
		cancel()
		if resp.Body != nil {
			c.open.close(resp.Body)
		}
	}}
	if resp.Body != nil {
		body.body = resp.Body
	}
	obj := in.rt.NewObject()
	in.set(obj, "status", resp.Status)
	in.set(obj, "statusText", http.StatusText(resp.Status))
	in.set(obj, "headers", in.rt.NewArray(headers...))
	in.set(obj, "url", job.URL())
	in.set(obj, "redirected", job.Redirected())
	in.set(obj, "body", body)
	return obj
}

package js

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

const maxRedirects = 20 // fetch.spec.whatwg.org, "HTTP-redirect fetch"

// fetch(method, url, headers, body, redirect, pump) begins a request. It gives {promise, cancel}; the promise, an object
// with the response's head, and the source of its body.
func (in *instance) fetch(fc goja.FunctionCall) goja.Value {
	if in.call.loading {
		in.throw("fetch is possible within a call only, not while the script is loaded")
	}
	job := &fetchJob{method: fc.Argument(0).String(), redirect: fc.Argument(4).String()}
	u, err := parseWebURL(fc.Argument(1).String(), nil)
	if err != nil {
		in.throw("Invalid URL")
	}
	if err := u.fetchable(); err != nil {
		in.throw(err.Error())
	}
	job.url = u
	in.rt.ForOf(fc.Argument(2), func(pair goja.Value) bool {
		obj := pair.ToObject(in.rt)
		job.header.Add(obj.Get("0").String(), obj.Get("1").String())
		return true
	})
	in.requestBody(job, fc.Argument(3), fc.Argument(5))
	return in.start(job)
}

// requestBody gives a fetch its body: text, bytes, a source, or [stream]. The last two cannot be sent twice.
func (in *instance) requestBody(job *fetchJob, v, pump goja.Value) {
	if goja.IsUndefined(v) {
		return
	}
	job.hasBody = true
	if raw, ok := in.raw(v); ok {
		job.body = raw
		return
	}
	if s, ok := v.Export().(*source); ok {
		if s.body != nil {
			job.stream, job.length = s.pass(), s.length
		}
		return
	}
	fn, _ := goja.AssertFunction(pump)
	stream, err := in.call.stream(fn, v.ToObject(in.rt).Get("0"), false)
	if err != nil {
		panic(err)
	}
	job.stream, job.length = stream, -1
}

// raw is the bytes of text, or a copy of bytes.
func (in *instance) raw(v goja.Value) ([]byte, bool) {
	if goja.IsString(v) {
		return []byte(v.String()), true
	}
	b, ok := bytesOf(v)
	return bytes.Clone(b), ok
}

func (in *instance) start(job *fetchJob) goja.Value {
	c := in.call
	ctx, cancel := context.WithCancel(c.ctx)
	promise, resolve, reject := in.rt.NewPromise()
	fx := c.world() // taken here: the second half of a filter brings other ones
	c.loop.begin(func() func() error {
		resp, err := job.run(ctx, fx)
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
	text := err.Error()
	if host.KindOf(err) == host.Forbidden {
		text += "; list the origin under egress"
	}
	return in.rt.NewTypeError("fetch failed: " + text)
}

func (in *instance) response(job *fetchJob, resp *host.Response, cancel context.CancelFunc) goja.Value {
	c := in.call
	headers := make([]any, 0, len(resp.Header))
	for _, f := range resp.Header {
		if !host.IsConnectionField(f.Name) || strings.EqualFold(f.Name, "Content-Length") {
			headers = append(headers, in.rt.NewArray(f.Name, f.Value))
		}
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
	in.set(obj, "url", job.url.withoutFragment())
	in.set(obj, "redirected", job.hops > 0)
	in.set(obj, "body", body)
	return obj
}

// href(url) is a URL as the parser writes it; one that is none throws.
func (in *instance) href(fc goja.FunctionCall) goja.Value {
	u, err := parseWebURL(fc.Argument(0).String(), nil)
	if err != nil {
		in.throw("Invalid URL")
	}
	return in.rt.ToValue(u.href())
}

// A fetchJob is one fetch with its redirects. It runs beside the script.
type fetchJob struct {
	method   string
	url      *webURL
	header   host.Header
	body     []byte
	stream   io.ReadCloser // the body, where it can be sent but once
	length   int64         // of stream; -1 when unknown
	hasBody  bool
	redirect string // follow, manual, error
	hops     int
}

func (j *fetchJob) run(ctx context.Context, fx host.Fetcher) (*host.Response, error) {
	for {
		resp, err := fx.Fetch(ctx, j.request())
		if err != nil {
			return nil, err
		}
		location := resp.Header.Get("Location")
		if !isRedirect(resp.Status) || location == "" || j.redirect == "manual" {
			return resp, nil
		}
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		if j.redirect == "error" {
			return nil, fmt.Errorf("%s redirects to %s, and redirect is \"error\"", j.url.href(), location)
		}
		if err := j.follow(resp.Status, location); err != nil {
			return nil, err
		}
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow turns the job to where a redirect leads (fetch.spec.whatwg.org, "HTTP-redirect fetch"): after 303, and after 301
// and 302 to a POST, by GET; credentials stay with their origin.
func (j *fetchJob) follow(status int, location string) error {
	if j.hops++; j.hops > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	next, err := parseWebURL(location, j.url)
	if err != nil || next.scheme != "http" && next.scheme != "https" {
		return fmt.Errorf("a redirect to %q, which is no HTTP URL", location)
	}
	if next.fragment == nil {
		next.fragment = j.url.fragment
	}
	if j.stream != nil && status != http.StatusSeeOther {
		return fmt.Errorf("a redirect with %d asks for the body again, which was a stream", status)
	}
	if status == http.StatusSeeOther && j.method != http.MethodGet && j.method != http.MethodHead ||
		(status == http.StatusMovedPermanently || status == http.StatusFound) && j.method == http.MethodPost {
		j.method, j.body, j.stream, j.hasBody = http.MethodGet, nil, nil, false
		for _, name := range []string{"Content-Encoding", "Content-Language", "Content-Location", "Content-Type", "Content-Length"} {
			j.header.Del(name)
		}
	}
	if next.origin() != j.url.origin() {
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Host"} {
			j.header.Del(name)
		}
	}
	j.url = next
	return nil
}

func (j *fetchJob) request() *host.Request {
	target := j.url.pathname() + j.url.search()
	header := j.header.Clone()
	for _, ours := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection"} {
		header.Del(ours)
	}
	if !header.Has("Accept") {
		header.Add("accept", "*/*")
	}
	r := &host.Request{Method: j.method, Scheme: j.url.scheme, Host: j.url.hostport(), Target: target, Header: header,
		Body: http.NoBody, Length: 0}
	switch {
	case j.stream != nil:
		r.Body, r.Length = j.stream, j.length
	case j.hasBody:
		r.Body, r.Length = io.NopCloser(bytes.NewReader(j.body)), int64(len(j.body))
	}
	return r
}

func (u *webURL) withoutFragment() string {
	plain := *u
	plain.fragment = nil
	return plain.href()
}

var errNotHTTP = errors.New("fetch is for http and https")

func (u *webURL) fetchable() error {
	if u.scheme != "http" && u.scheme != "https" {
		return errNotHTTP
	}
	if u.username != "" || u.password != "" {
		return errors.New("a URL with a user name or password cannot be fetched; send an Authorization header")
	}
	return nil
}

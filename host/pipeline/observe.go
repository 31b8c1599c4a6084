package pipeline

import (
	"bytes"
	"context"
	"io"
	"slices"
	"time"

	"github.com/postern/postern/host"
)

type traceKey struct{}

// Traced returns a context whose exchange keeps what happens to it in t. Its bodies are buffered, up to host.DefaultMaxBody bytes each, so
// it is for one request of a developer's and not for traffic.
func Traced(ctx context.Context, t *host.Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// traceOf returns the trace of a context, nil for none.
func traceOf(ctx context.Context) *host.Trace {
	t, _ := ctx.Value(traceKey{}).(*host.Trace)
	return t
}

// observe tells the trace of the request and of its route, before the first step.
func (r *run) observe() {
	x := &r.x
	if x.Trace == nil {
		return
	}
	route := "no route of API " + apiName(x) + " matches"
	switch {
	case x.Match.Route != nil && x.Match.Route.Key != "":
		route = x.Match.Route.Key
	case x.Match.API == nil:
		route = "no API answers at this host and path"
	}
	x.Trace.Add(host.TraceEvent{Name: host.TraceRoute, ID: x.ID, Params: x.Match.Params, Detail: route, Target: apiName(x)})
	body := peek(&x.Request.Body, x.Request.Length)
	x.Trace.Add(host.TraceEvent{Name: host.TraceRequest, Target: x.Request.Method + " " + x.Request.Target, Header: x.Request.Header, Body: body, Length: x.Request.Length})
}

func apiName(x *host.Exchange) string {
	if x.Match.API == nil {
		return ""
	}
	return x.Match.API.Name
}

// observeStep tells the trace what a step decided.
func (r *run) observeStep(phase host.Phase, err error) {
	x := &r.x
	if x.Trace == nil || phase != host.PhaseAuthorize || x.Match.Route == nil || x.Match.Route.Authorizer == nil {
		return
	}
	verdict := ": allowed"
	if x.Principal.ID != "" {
		verdict += ", as " + x.Principal.ID
	}
	if err != nil {
		verdict = ": refused"
	}
	x.Trace.Add(host.TraceEvent{Name: host.TraceAuthorizer, Detail: x.Match.Route.Authorizer.Name + verdict})
}

// traceRequest tells the trace what is sent, to a URI or a function.
func traceRequest(x *host.Exchange, target string, header host.Header, body *io.ReadCloser, length int64) {
	if x.Trace != nil {
		x.Trace.Add(host.TraceEvent{Name: host.TraceEndpointRequest, Target: target, Header: header, Body: peek(body, length), Length: length})
	}
}

// traceEvent tells the trace what a function gets as its whole event.
func traceEvent(x *host.Exchange, f *callee, payload []byte) {
	x.Trace.Add(host.TraceEvent{Name: host.TraceEndpointRequest, Target: "function " + f.name, Body: payload})
}

// traceResponse tells the trace what came back.
func traceResponse(x *host.Exchange, name host.TraceName, resp *host.Response, began time.Time) {
	if x.Trace == nil {
		return
	}
	e := host.TraceEvent{Name: name, Status: resp.Status, Header: resp.Header, Length: resp.Length}
	if !began.IsZero() {
		e.Latency = time.Since(began)
	}
	if !streams(x, resp) {
		e.Body = peek(&resp.Body, resp.Length)
	}
	x.Trace.Add(e)
}

// peek reads the beginning of a body and puts it back. What it cannot read, the next reader cannot either, and says so.
func peek(body *io.ReadCloser, length int64) []byte {
	if *body == nil || length == 0 {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(*body, host.DefaultMaxBody))
	rest := io.Reader(*body)
	if err != nil {
		rest = failing{err}
	}
	*body = &putBack{Reader: io.MultiReader(bytes.NewReader(data), rest), Closer: *body}
	return slices.Clip(data)
}

// A putBack is a body whose beginning was read already.
type putBack struct {
	io.Reader
	io.Closer
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/grpc"
	"github.com/postern/postern/host/lambda"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/telemetry"
	"github.com/postern/postern/host/upstream"
)

// An integrate is the integrate phase: it asks the route's integration and makes its answer the exchange's.
type integrate struct {
	integration host.Integration
	timeout     time.Duration // of the integration alone; 0 leaves the exchange's deadline
	rest        bool          // of a rest API: what the request's mapping decided about the response waits for the response's
}

// Handle sends what a mapping made, or else what arrived.
func (i *integrate) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	in := x.Outbound
	if in == nil {
		in = &host.Invocation{Exchange: x, Request: x.Request}
	}
	bound := i.bind(ctx, x)
	within := ctx
	if bound != nil {
		within = bound
	}
	began := time.Now()
	result, err := i.integration.Invoke(within, in)
	if err != nil {
		if ctx.Err() == nil { // what ended the exchange is told by the exchange
			err = because(limitOf(within), err)
		}
		if bound != nil {
			bound.end()
		}
		return nil, err
	}
	resp := result.Response
	traceResponse(x, host.TraceEndpointResponse, resp, began)
	if bound != nil {
		if streams(x, resp) {
			bound.lift()
		}
		resp.Body = closing(resp.Body, func(error) { bound.end() })
	}
	if !i.rest {
		if in.Response.Status != 0 {
			resp.Status = in.Response.Status
		}
		override(&resp.Header, in.Response.Header)
	}
	x.Response = resp
	return nil, nil
}

// bind returns the context of an integration with a timeout of its own, nil without one.
func (i *integrate) bind(ctx context.Context, x *host.Exchange) *deadline {
	if i.timeout <= 0 {
		return nil
	}
	return newDeadline(ctx, time.Now().Add(i.timeout), func() error {
		return late("not done within the integration's timeout", x.Match.Route.Integration.Timeout)
	})
}

// A functionIntegration calls a function with a Lambda proxy event, or with the mapped body as it stands.
type functionIntegration struct {
	function *callee
	format   string   // "1.0" or "2.0"
	rest     *restAPI // whose rules hold for event and result; nil on http APIs
}

// Invoke calls the function.
func (f *functionIntegration) Invoke(ctx context.Context, in *host.Invocation) (*host.Result, error) {
	if in.Mapped {
		return f.invokeMapped(ctx, in)
	}
	meta, err := lambda.FunctionEvent(asSent(in), f.format)
	if err != nil {
		return nil, err
	}
	// An empty body goes along too: it is what makes carriers say so in the event (isBase64Encoded, body: null).
	traceRequest(in.Exchange, "function "+f.function.name, host.Header{{Name: "event", Value: string(meta)}}, &in.Request.Body, in.Request.Length)
	event := host.Event{Meta: meta, Body: in.Request.Body, Length: in.Request.Length}
	if f.rest != nil {
		event.Encoding = lambda.BodyEncoding(f.rest.def.REST.BinaryMediaTypes, in.Exchange.Request.Header.Get("Content-Type"))
	}
	var resp *host.Response
	_, version, err := f.function.call(ctx, in.Exchange, event, func(p *plugin, out host.Event) (err error) {
		if resp, err = f.parse(in.Exchange, out); err != nil {
			return malformed(err) // the body is closed
		}
		if err = p.checkHeaders(resp.Header); err != nil && resp.Body != nil {
			_ = resp.Body.Close() // the instance goes back; the result is refused anyway
		}
		return err
	})
	if err != nil {
		return nil, f.failure(ctx, version.answer(ctx, err))
	}
	return &host.Result{Response: resp}, nil
}

// asSent is the exchange as its function sees it: with the request that parameter mappings made.
func asSent(in *host.Invocation) *host.Exchange {
	if in.Request == in.Exchange.Request {
		return in.Exchange
	}
	x := *in.Exchange
	x.Request = in.Request
	if in.Target != "" {
		x.Match.Path = in.Target
	}
	return &x
}

func (f *functionIntegration) parse(x *host.Exchange, out host.Event) (*host.Response, error) {
	if f.rest != nil {
		return lambda.ParseRESTResult(out.Meta, out.Body, f.rest.binary.Accepts(x.Request.Header.Get("Accept")))
	}
	return lambda.ParseResult(out.Meta, out.Body, f.format)
}

// failure is functionFailure, but that behind a rest API what a function fails with, its own timeout too, is a 502 (reference 1.11 [LS], and
// 1.6 [REC] for a malformed result).
func (f *functionIntegration) failure(ctx context.Context, err error) error {
	if f.rest == nil || ctx.Err() != nil || bodyError(err) != nil || errors.Is(err, host.Unavailable) || errors.As(err, new(*answered)) {
		return functionFailure(err)
	}
	var e *host.Error
	if errors.As(err, &e) && e.Code == host.APIConfigurationError { // a body that is no base64 (reference 1.6 [AST])
		return &host.Error{Op: "integrate", Kind: host.Internal, Code: e.Code, Err: err}
	}
	return &host.Error{Op: "integrate", Kind: host.BadGateway, Code: host.IntegrationFailure, Err: err}
}

// invokeMapped hands over the mapping's body as the whole event, and answers with the function's whole result.
func (f *functionIntegration) invokeMapped(ctx context.Context, in *host.Invocation) (*host.Result, error) {
	payload, err := readAll(in.Request.Body, in.Request.Length)
	if err != nil {
		return nil, err
	}
	traceEvent(in.Exchange, f.function, payload)
	result, version, err := f.function.call(ctx, in.Exchange, host.Event{Meta: payload}, nil)
	var out []byte
	if err == nil {
		out, err = version.wholeResult(result)
	}
	if err != nil {
		return nil, functionFailure(version.answer(ctx, err))
	}
	resp := &host.Response{Status: 200, Length: int64(len(out)), Body: io.NopCloser(strings.NewReader(string(out)))}
	resp.Header.Add("Content-Type", "application/json")
	resp.Header.Add("Content-Length", strconv.Itoa(len(out)))
	return &host.Result{Response: resp}, nil
}

// functionFailure keeps the kinds that tell the client something (its body was too large, a deadline passed, no
// instance was free), and makes all others a 500, as Amazon's HTTP APIs answer a function's error.
func functionFailure(err error) error {
	if refused := bodyError(err); refused != nil {
		return refused
	}
	kind, code := host.KindOf(err), host.IntegrationFailure
	switch kind {
	case host.Timeout:
		code = host.IntegrationTimeout
	case host.Unavailable:
	default:
		kind = host.Internal
	}
	return &host.Error{Op: "integrate", Kind: kind, Code: code, Err: err}
}

// An httpIntegration sends the request to an HTTP server: the one that its URI names, or an upstream's next target.
type httpIntegration struct {
	telemetry *telemetry.Telemetry
	pool      upstreamPool
	uri       *mapping.URI // nil sends the request's own path to the pool's target
	method    string       // "" sends the client's
	plain     bool         // no content coding may be asked for, as a mapping will read the response
	upstream  string       // "" for a URI's own host

	addressed bool // requests come with method and address: those of rest APIs
	mapped    bool // only what was mapped goes out, and so not who the client is
}

// Invoke sends the request and returns when the response's header is there; its body streams.
func (h *httpIntegration) Invoke(ctx context.Context, in *host.Invocation) (*host.Result, error) {
	copied := *in.Request
	out := &copied
	if h.method != "" {
		out.Method = h.method
	}
	if h.plain || !upgrades(in, out) {
		out.Upgrade = ""
	}
	if h.upstream != "" {
		out.Scheme, out.Host = "upstream", h.upstream // until the pool knows which target it is
	}
	if !h.addressed {
		if err := h.address(in, out); err != nil {
			return nil, err
		}
	}
	if err := upstream.Forward(in.Exchange.Request, out); err != nil {
		return nil, err
	}
	if h.mapped {
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto"} {
			out.Header.Del(name)
		}
	}
	if h.plain {
		out.Header.Set("Accept-Encoding", "identity")
	}
	kind := requestType(in.Request)
	if kind.IsWeb() {
		grpc.Request(out, kind)
	}
	ctx, span := startClient(ctx, h.telemetry, out)
	if h.upstream != "" && span.IsRecording() {
		span.SetAttributes(telemetry.Upstream.String(h.upstream))
	}
	h.telemetry.Propagator.Inject(ctx, &out.Header)
	traceRequest(in.Exchange, out.Method+" "+out.Scheme+"://"+out.Host+out.Target, out.Header, &out.Body, out.Length)
	resp, trip, err := h.pool.Do(ctx, out, h.pool.key(in.Exchange))
	describeTrip(span, out, trip)
	if err != nil {
		if refused := bodyError(err); refused != nil {
			err = refused
		}
		endClient(span, 0, err)
		return nil, err
	}
	status := resp.Status
	if status < 100 { // no client could be told
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		err := &host.Error{Op: "integrate", Kind: host.BadGateway, Err: fmt.Errorf("the server answered with %d, which is no status", status)}
		endClient(span, status, err)
		return nil, err
	}
	if span.IsRecording() {
		resp.Body = closing(resp.Body, func(err error) { endClient(span, status, err) })
	}
	if kind.Form != grpc.None && grpc.ParseType(resp.Header.Get("Content-Type")).Form == grpc.Native {
		grpc.Answer(resp, kind.Answer(in.Request.Header), func(err error) host.Header { return brokenOff(ctx, in.Exchange, err) })
	}
	return &host.Result{Response: resp}, nil
}

// brokenOff is the gRPC status of a response that breaks off.
func brokenOff(ctx context.Context, x *host.Exchange, err error) host.Header {
	if limit := limitOf(ctx); limit != nil {
		err = limit
	} else if limit := expired(x); limit != nil {
		err = limit
	} else if refused := bodyError(err); refused != nil {
		err = refused
	}
	return grpcStatus(err)
}

// address fills scheme, host and target.
func (h *httpIntegration) address(in *host.Invocation, out *host.Request) error {
	query := in.Request.Query()
	if h.uri == nil && in.Target == "" {
		if path := in.Exchange.Match.Path; mapping.Climbs(path) {
			// An upstream that resolves the dots would answer for another path than the one that was routed and authorized.
			return &host.Error{Op: "integrate", Kind: host.Invalid, Err: fmt.Errorf("the path %q climbs", path)}
		}
		out.Target = in.Exchange.Match.Path
		if strings.Contains(in.Request.Target, "?") { // of an empty query the question mark too
			out.Target += "?" + query
		}
		return nil
	}
	if h.uri != nil {
		target, err := h.uri.Expand(in.Exchange, query, in.Path)
		if err != nil {
			return err
		}
		if h.upstream == "" {
			out.Scheme, out.Host = target.Scheme, target.Host
		}
		out.Target = target.Path
		_, query, _ = strings.Cut(target.Path, "?") // with what the URI itself says
	}
	if in.Target != "" {
		out.Target = in.Target
		if query != "" {
			out.Target += "?" + query
		}
	}
	return nil
}

// A mockIntegration answers with what the definition says.
type mockIntegration struct{ response *host.MockResponse }

// Invoke returns the response.
func (m *mockIntegration) Invoke(context.Context, *host.Invocation) (*host.Result, error) {
	resp := &host.Response{Status: m.response.Status, Header: m.response.Header.Clone()}
	if body := m.response.Body; body != "" {
		resp.Body, resp.Length = io.NopCloser(strings.NewReader(body)), int64(len(body))
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return &host.Result{Response: resp}, nil
}

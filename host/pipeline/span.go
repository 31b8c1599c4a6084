package pipeline

import (
	"context"
	"errors"
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
	"github.com/postern/postern/host/upstream"
)

// startRoot opens the SERVER span of an exchange, under the context that the client sent. It does nothing when
// tracing is off.
func (r *run) startRoot(ctx context.Context) context.Context {
	tel := r.pipeline.telemetry
	if !tel.Tracing() {
		return ctx
	}
	request := r.x.Request
	ctx = tel.Propagator.Extract(ctx, request.Header, request.Peer.Trusted)
	ctx, r.root = tel.Tracer.Start(ctx, r.route.spanName(request.Method), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(r.x.Started))
	if sc := r.root.SpanContext(); sc.IsValid() {
		r.x.TraceID = sc.TraceID().String()
	}
	if r.root.IsRecording() {
		r.recording = true
		r.root.SetAttributes(r.rootAttributes()...)
	}
	return ctx
}

func (r *run) rootAttributes() []attribute.KeyValue {
	q, m := r.x.Request, &r.x.Match
	attrs := make([]attribute.KeyValue, 0, 12)
	attrs = append(attrs,
		telemetry.HTTPMethod.String(telemetry.Method(q.Method)),
		telemetry.URLScheme.String(q.Scheme),
		telemetry.URLPath.String(q.Path()),
		telemetry.ServerAddress.String(q.Host),
		telemetry.ClientAddress.String(q.Peer.Addr.String()),
		telemetry.ProtocolVersion.String(telemetry.Version(q.Peer.Protocol)),
		telemetry.RequestID.String(r.x.ID),
	)
	if agent := q.Header.Get("User-Agent"); agent != "" {
		attrs = append(attrs, telemetry.UserAgent.String(agent))
	}
	if m.API != nil {
		attrs = append(attrs, telemetry.API.String(m.API.Name), telemetry.Stage.String(m.Stage.Name))
		if m.Stage.Deployment > 0 {
			attrs = append(attrs, telemetry.Deployment.Int(m.Stage.Deployment))
		}
		if r.canary {
			attrs = append(attrs, telemetry.Canary.Bool(true))
		}
	}
	if m.Route != nil {
		attrs = append(attrs, telemetry.HTTPRoute.String(routePath(m.Route)))
	}
	return attrs
}

// What the root span tells of gRPC (its semantic conventions), and of a connection that was upgraded.
const (
	grpcStatusCode = attribute.Key("rpc.grpc.status_code")
	bytesReceived  = attribute.Key("postern.upgrade.received")
)

// endRoot closes the SERVER span with what became of the exchange.
func (r *run) endRoot(status int, failed bool, err error) {
	if r.root == nil {
		return
	}
	if r.recording {
		r.root.SetAttributes(telemetry.HTTPStatus.Int(status), telemetry.HTTPResponseSize.Int64(r.written))
		if code, err := strconv.Atoi(r.grpcStatus()); err == nil {
			r.root.SetAttributes(grpcStatusCode.Int(code))
		}
		if r.switched {
			r.root.SetAttributes(bytesReceived.Int64(r.received))
		}
		if err != nil {
			r.root.SetAttributes(errorAttributes(err)...)
		}
		// Semantic conventions for HTTP: a server span is an error from status 500 on or when the exchange broke off, and a
		// client's mistake is not.
		if failed || status == statusClientGone && err != nil {
			text := ""
			if err != nil {
				text = err.Error()
			}
			r.root.SetStatus(codes.Error, text)
		}
	}
	r.root.End()
}

// startClient opens the CLIENT span of a request that goes out. When nothing is recorded it returns the parent, which
// endClient leaves alone.
func startClient(ctx context.Context, tel *telemetry.Telemetry, r *host.Request) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, parent
	}
	method := telemetry.Method(r.Method)
	return tel.Tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		telemetry.HTTPMethod.String(method),
		telemetry.ServerAddress.String(r.Host),
		telemetry.URLFull.String(r.Scheme+"://"+r.Host+r.Path()),
	))
}

// describeTrip tells a CLIENT span where its request went: which of an upstream's targets is known only then.
func describeTrip(span trace.Span, r *host.Request, trip upstream.Trip) {
	if trip.Attempts == 0 || !span.IsRecording() {
		return
	}
	attrs := make([]attribute.KeyValue, 0, 4)
	if trip.Host != r.Host {
		attrs = append(attrs, telemetry.ServerAddress.String(trip.Host), telemetry.URLFull.String(trip.Scheme+"://"+trip.Host+r.Path()))
	}
	if trip.Attempts > 1 {
		attrs = append(attrs, telemetry.HTTPResendCount.Int(trip.Attempts-1))
	}
	if address, _, err := net.SplitHostPort(trip.Address); err == nil && address != trip.Host {
		attrs = append(attrs, telemetry.PeerAddress.String(address))
	}
	span.SetAttributes(attrs...)
}

// endClient closes a CLIENT span with the answer's status, 0 when there was none.
func endClient(span trace.Span, status int, err error) {
	if !span.IsRecording() {
		return
	}
	if status != 0 {
		span.SetAttributes(telemetry.HTTPStatus.Int(status))
		if status >= 400 && err == nil {
			// Semantic conventions for HTTP: to a client span, 4xx and 5xx are errors.
			span.SetAttributes(telemetry.ErrorType.Int(status))
			span.SetStatus(codes.Error, "")
		}
	}
	endSpan(span, err)
}

// endSpan closes a child span, with its error if there is one. A span that does not record is its parent, which
// is left alone.
func endSpan(span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	if err != nil {
		span.SetAttributes(errorAttributes(err)...)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// errorAttributes tells a span the Kind of an error, the gateway response that it selects, its place in the user's
// files, and where a guest failed, its stack, and the limit that it passed.
func errorAttributes(err error) []attribute.KeyValue {
	attrs := []attribute.KeyValue{telemetry.ErrorType.String(string(upstream.CauseOf(err))), attribute.String("postern.error.kind", host.KindOf(err).String())}
	var typed *host.Error
	if errors.As(err, &typed) && typed.Code != "" {
		attrs = append(attrs, attribute.String("postern.error.code", string(typed.Code)))
	}
	attrs = append(attrs, limitPassed(err)...)
	var guest *host.GuestError
	if errors.As(err, &guest) {
		attrs = append(attrs, attribute.String("exception.type", guest.Type), attribute.String("exception.message", guest.Message))
		if guest.Stack != "" {
			attrs = append(attrs, attribute.String("exception.stacktrace", guest.Stack))
		}
		if !guest.Pos.IsZero() {
			attrs = append(attrs, attribute.String("code.file.path", guest.Pos.File), attribute.Int("code.line.number", guest.Pos.Line))
		}
	}
	return attrs
}

package pipeline

import (
	"context"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// A serviceSender sends the signed requests of AWS integrations, each under its own span.
type serviceSender struct {
	telemetry *telemetry.Telemetry
	pool      pool
}

// Do sends a request as it is.
func (s *serviceSender) Do(ctx context.Context, req *host.Request) (*host.Response, error) {
	if t := traceOf(ctx); t != nil {
		t.Add(host.TraceEvent{Name: host.TraceEndpointRequest, Target: req.Method + " " + req.Scheme + "://" + req.Host + req.Target,
			Header: withoutSignature(req.Header), Body: peek(&req.Body, req.Length), Length: req.Length})
	}
	ctx, span := startClient(ctx, s.telemetry, req)
	s.telemetry.Propagator.Inject(ctx, &req.Header)
	resp, trip, err := s.pool.Do(ctx, req, "")
	describeTrip(span, req, trip)
	if err != nil {
		endClient(span, 0, err)
		return nil, err
	}
	if status := resp.Status; span.IsRecording() {
		resp.Body = closing(resp.Body, func(err error) { endClient(span, status, err) })
	}
	return resp, nil
}

// withoutSignature is a header without what proves who signed it.
func withoutSignature(h host.Header) host.Header {
	shown := h.Clone()
	for _, name := range []string{"Authorization", "X-Amz-Security-Token"} {
		if shown.Has(name) {
			shown.Set(name, "[secret]")
		}
	}
	return shown
}

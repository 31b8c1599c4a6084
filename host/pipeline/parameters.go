package pipeline

import (
	"bytes"
	"context"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
	"github.com/postern/postern/host/mapping/parameter"
)

// A requestParameterEdits is the map_request phase of an http API's parameter mappings, after that of the body's (reference 1.4.5).
type requestParameterEdits struct {
	edits *parameter.Edits
	limit int64 // bytes of a body that a mapping reads
}

// Handle edits what is sent. What arrived stays as it is.
func (m *requestParameterEdits) Handle(_ context.Context, x *host.Exchange) (host.Second, error) {
	in := x.Outbound
	if in == nil {
		in = &host.Invocation{Exchange: x}
	}
	out, err := m.edits.Request(x, sent(in).Header, sent(in).Query(), func() ([]byte, error) { return whole(x, m.limit) })
	if err != nil {
		return nil, err
	}
	r := *sent(in)
	r.Header = out.Header
	r.Target = r.Path()
	if out.Query != "" {
		r.Target += "?" + out.Query
	}
	in.Request, in.Target = &r, out.Path
	x.Outbound = in
	return nil, nil
}

// sent is the request that an invocation sends: what a mapping made, or else what arrived.
func sent(in *host.Invocation) *host.Request {
	if in.Request != nil {
		return in.Request
	}
	return in.Exchange.Request
}

// applyEdits applies a rule's parameter mappings to a response.
func (m *responseMapping) applyEdits(x *host.Exchange, rule *host.ResponseRule) error {
	edits := m.edits[rule]
	if edits == nil {
		return nil
	}
	resp := x.Response
	return edits.Response(x, resp, func() ([]byte, error) {
		if streams(x, resp) || resp.Body == nil {
			return nil, nil
		}
		data, err := readAll(resp.Body, m.limit)
		if err == nil {
			resp.Body = &wholeBody{data: data, Reader: bytes.NewReader(data)}
		}
		return data, err
	})
}

// A subtypeIntegration calls an AWS service for an http API, with the values of the subtype's parameters (reference 1.4, "HTTP API subtypes").
type subtypeIntegration struct {
	client *aws.Client
	values *parameter.Values
	limit  int64
}

// Invoke makes the call.
func (s *subtypeIntegration) Invoke(ctx context.Context, in *host.Invocation) (*host.Result, error) {
	x := in.Exchange
	values, err := s.values.Of(x, func() ([]byte, error) { return whole(x, s.limit) })
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Call(ctx, values)
	if err != nil {
		return nil, err
	}
	return &host.Result{Response: resp}, nil
}

func (b *builder) subtype(r *host.Route) (host.Integration, error) {
	client, err := b.client(&r.Integration)
	if err != nil {
		return nil, err
	}
	values, err := parameter.CompileValues(r.Integration.Parameters)
	return &subtypeIntegration{client, values, r.MaxBody.Value}, err
}

package pipeline

import (
	"bytes"
	"context"
	"errors"
	"slices"

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

// requestEdits compiles the parameter mappings of an http API's request.
func (b *builder) requestEdits(r *host.Route) *requestParameterEdits {
	edits, err := parameter.CompileHTTPRequest(r.Integration.Parameters)
	b.fail(err)
	b.fail(mustNotBuffer(r, edits))
	return &requestParameterEdits{edits, r.MaxBody.Value}
}

// responseEdits compiles those of one rule's responses.
func (b *builder) responseEdits(r *host.Route, rule *host.ResponseRule) *parameter.Edits {
	edits, err := parameter.CompileHTTPResponse(rule.Parameters)
	b.fail(err)
	b.fail(mustNotBuffer(r, edits))
	return edits
}

// editsReadResponses reports whether a parameter mapping reads the integration's body, which must then have no content coding.
func editsReadResponses(r *host.Route) bool {
	return slices.ContainsFunc(r.Responses, func(rule host.ResponseRule) bool {
		edits, err := parameter.CompileHTTPResponse(rule.Parameters)
		_, reads := edits.BodyReader()
		return err == nil && reads
	})
}

// mustNotBuffer refuses a mapping that needs a whole body where bodies stream.
func mustNotBuffer(r *host.Route, mappings interface {
	BodyReader() (host.Position, bool)
}) error {
	if pos, reads := mappings.BodyReader(); reads && r.Streaming {
		return &host.Error{Op: "route " + r.Key, Kind: host.Invalid, Pos: pos,
			Err: errors.New("a mapping that reads the body needs all of it, and this route has streaming: true")}
	}
	return nil
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
		if errors.Is(err, host.TooLarge) { // what the integration answered, not what the client sent
			err = &host.Error{Op: "map the response", Kind: host.BadGateway, Code: host.IntegrationFailure, Err: err}
		}
		resp.Body = &wholeBody{data: data, Reader: bytes.NewReader(data)}
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
	if err == nil {
		err = mustNotBuffer(r, values)
	}
	return &subtypeIntegration{client, values, r.MaxBody.Value}, err
}

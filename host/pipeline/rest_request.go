package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

// A restMethod is what is compiled of a route of a rest API, and shared by its steps.
type restMethod struct {
	route  *host.Route
	kind   rest.Type
	binary *rest.BinaryTypes
	heavy  *heavy
	canary bool
}

// A restArrival is the first step of a method behind its authorizer: it hides the fields that rest APIs never see (reference 1.4.6), and undoes the
// content coding of a body that does not stream (reference 1.15).
type restArrival struct {
	streaming bool
	limit     host.Setting[int64]
}

// Handle puts the request as the method sees it in the place of the one that arrived. It refuses one with two media types: what is validated as the
// first might be read as the last.
func (a *restArrival) Handle(_ context.Context, x *host.Exchange) (host.Second, error) {
	if types := x.Request.Header.Values("Content-Type"); len(types) > 1 && slices.ContainsFunc(types, func(t string) bool { return t != types[0] }) {
		return nil, &host.Error{Op: "read the request", Kind: host.Invalid, Err: errors.New("it has more than one Content-Type")}
	}
	r := *x.Request
	r.Header = rest.Visible(r.Header)
	x.Request = &r
	if a.streaming {
		return nil, nil
	}
	decoded, err := rest.DecodeRequest(x.Request, a.limit)
	if err == nil {
		x.Request = decoded
	}
	return nil, err
}

// A restValidate is the validate phase of a method.
type restValidate struct {
	validator *rest.Validator
	limit     int64
	heavy     *heavy
}

// Handle refuses a request that lacks a parameter, or whose body does not fit its model (reference 1.12).
func (v *restValidate) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	if err := v.validator.Parameters(x); err != nil {
		return nil, err
	}
	contentType := x.Request.Header.Get("Content-Type")
	if !v.validator.ReadsBody(contentType) {
		return nil, nil
	}
	body, err := whole(x, v.limit)
	if err != nil {
		return nil, err
	}
	leave, err := v.heavy.enter(ctx, len(body))
	if err != nil {
		return nil, err
	}
	defer leave()
	return nil, v.validator.Body(contentType, body)
}

// whole reads the request's body and leaves it to be read again.
func whole(x *host.Exchange, limit int64) ([]byte, error) {
	if kept, ok := x.Request.Body.(*wholeBody); ok {
		return kept.data, nil
	}
	if limit <= 0 { // a route that streams has none
		limit = host.DefaultMaxBody
	}
	data, err := readAll(x.Request.Body, limit)
	if err != nil {
		return nil, err
	}
	r := *x.Request
	r.Body, r.Length, r.Trailer = &wholeBody{bytes.NewReader(data), data}, int64(len(data)), nil
	x.Request = &r
	return data, nil
}

// A wholeBody is a body that was read already.
type wholeBody struct {
	io.Reader
	data []byte
}

func (*wholeBody) Close() error { return nil }

// A restRequest is the map_request phase of a method: it makes what is sent of what arrived, by the parameter mappings, then by the mapping of the
// body, whose overrides are last (reference 1.2, step 9).
type restRequest struct {
	*restMethod
	outbound   *rest.Outbound
	parameters requestParameters
	mappers    map[*host.Mapping]host.Mapper
}

// requestParameters are a method's parameter mappings of the request. body is called when one reads it.
type requestParameters func(x *host.Exchange, body func() ([]byte, error)) (host.Override, error)

// Handle leaves what is to be sent in x.Outbound.
func (m *restRequest) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	var payload rest.Payload
	var octets bool
	var err error
	if converts := m.route.Integration.ContentHandling != ""; converts || !m.kind.IsProxy() {
		if payload.Body, octets, err = m.content(x); err != nil {
			return nil, err
		}
	}
	if payload.Parameters, err = m.parametersOf(ctx, x); err != nil {
		return nil, err
	}
	out, err := m.mapped(ctx, x, &payload, octets)
	if err != nil {
		return nil, err
	}
	x.Outbound, err = m.outbound.Invocation(x, payload)
	if err == nil && out != nil {
		x.Outbound.Mapped, x.Outbound.Override, x.Outbound.Response = true, out.Request, out.Response
	}
	return nil, err
}

// parametersOf makes the parameter mappings, some of which may look into the body.
func (m *restRequest) parametersOf(ctx context.Context, x *host.Exchange) (host.Override, error) {
	var leave func()
	defer func() {
		if leave != nil {
			leave()
		}
	}()
	return m.parameters(x, func() ([]byte, error) {
		body, err := whole(x, m.route.MaxBody.Value)
		if err == nil && leave == nil {
			leave, err = m.heavy.enter(ctx, len(body))
		}
		return body, err
	})
}

// content reads the body and converts it as the integration says (reference 1.4.2).
func (m *restRequest) content(x *host.Exchange) ([]byte, bool, error) {
	body, err := whole(x, m.route.MaxBody.Value)
	if err != nil {
		return nil, false, err
	}
	body, octets, err := rest.RequestContent(body, m.binary.IsBinary(x.Request.Header.Get("Content-Type")), m.route.Integration.ContentHandling)
	if body == nil {
		body = []byte{} // it is there, and empty
	}
	return body, octets, err
}

// mapped runs the mapping of the body, if one takes it. nil says that the body goes on as it is.
func (m *restRequest) mapped(ctx context.Context, x *host.Exchange, payload *rest.Payload, octets bool) (*host.MapOutput, error) {
	chosen, err := rest.SelectMapping(m.route, x.Request.Header.Get("Content-Type"))
	if err != nil || chosen == nil {
		return nil, err
	}
	out, err := m.mappers[chosen].Map(ctx, &host.MapInput{Exchange: x, Body: payload.Body, Binary: octets})
	if err != nil || out == nil {
		return nil, err
	}
	x.Trace.Add(host.TraceEvent{Name: host.TraceMappedRequest, Detail: mappingName(chosen), Body: out.Body})
	if payload.Body = out.Body; payload.Body == nil {
		payload.Body = []byte{}
	}
	payload.ContentType, payload.Override = out.ContentType, out.Request
	return out, nil
}

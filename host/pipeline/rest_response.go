package pipeline

import (
	"context"
	"errors"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

// A restResponse is the map_response phase of a method that is no proxy: it selects the response for what the integration answered, and makes
// it of what its mappings say (reference 1.4.3).
type restResponse struct {
	*restMethod
	selector *rest.Selector
	rules    map[*host.ResponseRule]responseParameters
	mappers  map[*host.Mapping]host.Mapper
	limit    int64 // bytes of a body
}

// responseParameters are a response's parameter mappings: they make the fields of the header that the client gets.
type responseParameters func(x *host.Exchange, from *host.Response, body []byte) (host.Header, error)

// Handle makes the response.
func (m *restResponse) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	from := x.Response
	body, err := readAll(from.Body, m.limit)
	from.Body = nil
	if errors.Is(err, host.TooLarge) {
		err = &host.Error{Op: "map the response", Kind: host.BadGateway, Code: host.IntegrationFailure, Err: err}
	}
	if err != nil {
		return nil, err
	}
	selected, err := m.choose(ctx, from, body)
	if err != nil {
		return nil, err
	}
	rule := selected.Rule
	x.Trace.Add(host.TraceEvent{Name: host.TraceSelected, Detail: ruleName(rule), Status: selected.Status})
	binary := m.binary.IsBinary(from.Header.Get("Content-Type"))
	body, octets, err := rest.ResponseContent(body, binary, m.binary.Accepts(x.Request.Header.Get("Accept")), rule.ContentHandling)
	if err != nil {
		return nil, err
	}
	answer := rest.Answer{Selection: selected, Body: body}
	if len(rule.Parameters) > 0 { // which may look into the body
		leave, err := m.heavy.enter(ctx, len(body))
		if err == nil {
			answer.Mapped, err = m.rules[rule](x, from, body)
			leave()
		}
		if err != nil {
			return nil, err
		}
	}
	if err := m.apply(ctx, x, from, octets, &answer); err != nil {
		return nil, err
	}
	x.Response = answer.Response()
	x.Response.Header = m.remapped(x.Response)
	return nil, nil
}

// remapped is a response's header as the client may see it (reference 1.4.6).
func (m *restMethod) remapped(resp *host.Response) host.Header {
	h := resp.Header
	if !m.kind.IsProxy() { // its Content-Length is that of the answer that was made here
		h = h.Clone()
		h.Del("Content-Length")
	}
	h = rest.RemapResponse(m.kind, h)
	if resp.Length >= 0 && resp.Body != nil {
		h.Set("Content-Length", strconv.FormatInt(resp.Length, 10))
	}
	return h
}

// A restPass is the map_response phase of a proxy: all goes to the client, but for the names that the gateway keeps.
type restPass struct{ *restMethod }

// Handle renames them.
func (m *restPass) Handle(_ context.Context, x *host.Exchange) (host.Second, error) {
	x.Response.Header = m.remapped(x.Response)
	return nil, nil
}

// choose selects by what the integration answered: the message of a function's error, the status of all others.
func (m *restResponse) choose(ctx context.Context, from *host.Response, body []byte) (rest.Selection, error) {
	if m.route.Integration.Type == host.IntegrationFunction {
		return m.selector.ByErrorMessage(ctx, rest.ErrorMessage(body))
	}
	return m.selector.ByStatus(ctx, from.Status)
}

// apply runs the mapping of the body, if one is chosen, and collects what both mappings override.
func (m *restResponse) apply(ctx context.Context, x *host.Exchange, from *host.Response, octets bool, answer *rest.Answer) error {
	in := &host.MapInput{Exchange: x, Body: answer.Body, Binary: octets, Status: from.Status, Header: from.Header}
	if sent := x.Outbound; sent != nil {
		in.RequestOverride, in.ResponseOverride = sent.Override, sent.Response
		answer.Override = sent.Response
	}
	chosen := rest.ChooseMapping(answer.Selection.Rule, x.Request)
	if chosen == nil {
		return nil
	}
	out, err := m.mappers[chosen].Map(ctx, in)
	if err != nil || out == nil { // without a result the body goes on as it came
		return err
	}
	answer.Body, answer.Mapping, answer.Type = out.Body, chosen, out.ContentType
	override(&answer.Override.Header, out.Response.Header)
	if out.Response.Status != 0 {
		answer.Override.Status = out.Response.Status
	}
	return nil
}

// ruleName is a response rule for people.
func ruleName(rule *host.ResponseRule) string {
	if rule.Match == "" {
		return "the default"
	}
	return rule.Match
}

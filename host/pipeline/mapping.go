package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/parameter"
	"github.com/postern/postern/host/telemetry"
)

// A pluginMapper is a plugin as a host.Mapper.
type pluginMapper struct {
	plugin    *plugin
	telemetry *telemetry.Telemetry
	phase     host.Phase // PhaseMapRequest or PhaseMapResponse
}

var _ host.Mapper = (*pluginMapper)(nil)

// Map calls the plugin with the contract's JSON and the body beside it. Where the exchange is to go on without it, there is neither a result nor
// an error.
func (m *pluginMapper) Map(ctx context.Context, in *host.MapInput) (*host.MapOutput, error) {
	out, err := m.call(ctx, in)
	if err != nil {
		return nil, m.plugin.spare(ctx, m.telemetry, in.Exchange, err, false)
	}
	return out, nil
}

func (m *pluginMapper) call(ctx context.Context, in *host.MapInput) (*host.MapOutput, error) {
	meta, err := mapping.EncodeInput(in, m.phase)
	if err != nil {
		return nil, err
	}
	event := host.Event{Meta: meta, Body: io.NopCloser(bytes.NewReader(in.Body))}
	var mapped *host.MapOutput
	call := &pluginCall{on: m.plugin.Plugin, telemetry: m.telemetry, exchange: in.Exchange, entry: m.phase.String(), accept: func(out host.Event) (err error) {
		mapped, err = m.accept(out)
		return err
	}}
	if _, err = m.plugin.run(ctx, call, event); errors.Is(err, host.TooLarge) { // the mapping's result, not what the client sent
		err = &host.Error{Op: "map", Kind: host.Internal, Code: host.APIConfigurationError, Err: err}
	}
	return mapped, err
}

// accept reads a result, and holds its header fields to the plugin's limits.
func (m *pluginMapper) accept(out host.Event) (*host.MapOutput, error) {
	body, err := readResult(out.Body, m.plugin.cfg.Limits.MaxResult)
	if err != nil {
		return nil, err
	}
	mapped, err := mapping.DecodeOutput(out.Meta, body)
	if err != nil {
		return nil, malformed(err)
	}
	fields := slices.Concat(mapped.Request.Header, mapped.Response.Header)
	if mapped.ContentType != "" {
		fields.Add("Content-Type", mapped.ContentType)
	}
	return mapped, m.plugin.checkHeaders(fields)
}

// A requestMapping is the map_request phase.
type requestMapping struct {
	route   *host.Route
	mappers map[*host.Mapping]host.Mapper
}

// Handle maps the body and leaves what is to be sent in x.Outbound. A body that no mapping fits passes as it is
// or is refused, as the route's passthrough behaviour says.
func (m *requestMapping) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	chosen, found := mapping.SelectMapping(m.route.Mappings, x.Request.Header.Get("Content-Type"))
	if pass, err := mapping.Passthrough(m.route.Integration.Passthrough, len(m.route.Mappings) > 0, found); err != nil || pass {
		return nil, err
	}
	if err := plainCoding(x.Request.Header); err != nil {
		return nil, &host.Error{Op: "map the request", Kind: host.Unsupported, Code: host.UnsupportedMediaType, Err: err}
	}
	body, err := whole(x, m.route.MaxBody.Value)
	if err != nil {
		return nil, err
	}
	out, err := m.mappers[chosen].Map(ctx, &host.MapInput{Exchange: x, Body: body})
	if err != nil {
		return nil, err
	}
	if out == nil { // the body goes on as it came
		return nil, nil
	}
	x.Outbound = outbound(x, out)
	x.Trace.Add(host.TraceEvent{Name: host.TraceMappedRequest, Detail: mappingName(chosen), Body: out.Body})
	return nil, nil
}

// mappingName names a mapping for people.
func mappingName(m *host.Mapping) string {
	if m.Template != nil {
		return m.Template.Name
	}
	return m.Plugin.Name
}

// plainCoding refuses bodies that a mapping could not read.
func plainCoding(h host.Header) error {
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fmt.Errorf("a mapping cannot read content coding %q", coding)
	}
	return nil
}

// outbound returns what is sent after a mapping: what arrived, with the new body and the overrides.
func outbound(x *host.Exchange, out *host.MapOutput) *host.Invocation {
	r := *x.Request
	r.Header = x.Request.Header.Clone()
	r.Body = io.NopCloser(bytes.NewReader(out.Body))
	r.Length = int64(len(out.Body))
	r.Trailer = nil
	r.Header.Del("Content-Length")
	if len(out.Body) > 0 {
		r.Header.Set("Content-Length", strconv.Itoa(len(out.Body)))
	}
	if out.ContentType != "" {
		r.Header.Set("Content-Type", out.ContentType)
	}
	override(&r.Header, out.Request.Header)
	if len(out.Request.Query) > 0 {
		r.Target = overrideQuery(r.Target, out.Request.Query)
	}
	return &host.Invocation{Exchange: x, Request: &r, Path: out.Request.Path, Mapped: true, Response: out.Response}
}

// overrideQuery replaces every parameter that o names by o's values. The others keep their order and their escapes.
func overrideQuery(target string, o host.Header) string {
	path, query, _ := strings.Cut(target, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		decoded, err := url.QueryUnescape(name)
		if err != nil {
			decoded = name
		}
		if part != "" && !slices.ContainsFunc(o, func(f host.Field) bool { return f.Name == decoded }) {
			kept = append(kept, part)
		}
	}
	for _, f := range o {
		kept = append(kept, url.QueryEscape(f.Name)+"="+url.QueryEscape(f.Value))
	}
	return path + "?" + strings.Join(kept, "&")
}

// override replaces every field that o names by o's values.
func override(h *host.Header, o host.Header) {
	for _, f := range o {
		h.Del(f.Name)
	}
	*h = append(*h, o...)
}

// A responseMapping is the map_response phase: the first rule that fits the integration's status says what becomes
// of its response. A response that no rule fits passes as it is.
type responseMapping struct {
	rules   *mapping.ResponseRules
	mappers map[*host.Mapping]host.Mapper
	edits   map[*host.ResponseRule]*parameter.Edits // of the header, by rule
	limit   int64                                   // bytes of a body that is mapped
}

// Handle applies the rule.
func (m *responseMapping) Handle(ctx context.Context, x *host.Exchange) (host.Second, error) {
	rule := m.rules.Select(x.Response.Status)
	if rule == nil {
		return nil, nil
	}
	x.Trace.Add(host.TraceEvent{Name: host.TraceSelected, Detail: ruleName(rule), Status: rule.Status})
	var decided int // the mapping's word on the status, which is the last
	if chosen := selectByAccept(rule.Mappings, x.Request.Header.Get("Accept")); chosen != nil && hasBody(x) {
		out, err := m.apply(ctx, x, chosen)
		if err != nil {
			return nil, err
		}
		if out != nil {
			decided = out.Response.Status
		}
	}
	x.Response.Status = cmp.Or(decided, rule.Status, x.Response.Status)
	return nil, m.applyEdits(x, rule)
}

// apply replaces the response's body by what the mapping makes of it.
func (m *responseMapping) apply(ctx context.Context, x *host.Exchange, chosen *host.Mapping) (*host.MapOutput, error) {
	resp := x.Response
	if err := plainCoding(resp.Header); err != nil { // although none was asked for
		return nil, &host.Error{Op: "map the response", Kind: host.BadGateway, Code: host.IntegrationFailure, Err: err}
	}
	body, err := readAll(resp.Body, m.limit)
	resp.Body = nil
	if errors.Is(err, host.TooLarge) {
		return nil, &host.Error{Op: "map the response", Kind: host.BadGateway, Code: host.IntegrationFailure, Err: err}
	}
	if err != nil {
		return nil, err
	}
	out, err := m.mappers[chosen].Map(ctx, &host.MapInput{Exchange: x, Body: body, Status: resp.Status, Header: resp.Header})
	if err != nil {
		return nil, err
	}
	if out == nil { // the body goes on as it came
		resp.Body, resp.Length = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return nil, nil
	}
	replaceBody(resp, out, chosen.MediaType)
	return out, nil
}

// replaceBody puts the mapping's body into a response, and removes the fields that described the old one.
func replaceBody(resp *host.Response, out *host.MapOutput, mediaType string) {
	for _, name := range []string{"Content-Encoding", "Content-MD5", "Digest", "ETag", "Accept-Ranges", "Content-Range", "Trailer"} {
		resp.Header.Del(name)
	}
	contentType := out.ContentType
	if contentType == "" && mediaType != mapping.DefaultMediaType {
		contentType = mediaType
	}
	if contentType != "" {
		resp.Header.Set("Content-Type", contentType)
	}
	resp.Header.Set("Content-Length", strconv.Itoa(len(out.Body)))
	resp.Body = io.NopCloser(bytes.NewReader(out.Body))
	resp.Length = int64(len(out.Body))
	resp.Trailer = nil
	override(&resp.Header, out.Response.Header)
}

// hasBody reports whether the response may have a body (RFC 9110, section 6.4.1).
func hasBody(x *host.Exchange) bool {
	s := x.Response.Status
	return x.Request.Method != "HEAD" && s >= 200 && s != 204 && s != 304
}

// selectByAccept chooses the mapping of a response by what the client accepts: the first media type that has one,
// application/json for all others, else the first mapping (reference row 1.4.3 [GUIDE]).
func selectByAccept(mappings []host.Mapping, accept string) *host.Mapping {
	if len(mappings) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(accept+",application/json", ",") {
		mediaType, _, _ := strings.Cut(part, ";")
		for i := range mappings {
			if strings.EqualFold(mappings[i].MediaType, strings.TrimSpace(mediaType)) {
				return &mappings[i]
			}
		}
	}
	return &mappings[0]
}

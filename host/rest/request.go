package rest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

const apiIDField = "X-Amzn-Apigateway-Api-Id"

// An Outbound makes what is sent to one route's integration. It is immutable.
type Outbound struct {
	kind   Type
	method string       // "" sends the client's
	uri    *mapping.URI // nil for an integration that has none
}

// CompileOutbound reads a route's integration. The error has Kind Invalid and its position: the URI or path is none.
func CompileOutbound(route *host.Route) (*Outbound, error) {
	c := &route.Integration
	o := &Outbound{kind: TypeOf(c)}
	if c.Method != "ANY" {
		o.method = c.Method
	}
	var err error
	switch {
	case c.Type == host.IntegrationHTTP:
		o.uri, err = mapping.ParseURI(markGreedy(c.URI, route))
	case c.Type == host.IntegrationUpstream && c.Path != "":
		o.uri, err = mapping.ParsePath(markGreedy(c.Path, route))
	}
	if err != nil {
		return nil, &host.Error{Op: "integration of " + route.Key, Kind: host.Invalid, Pos: c.Pos, Err: err}
	}
	return o, nil
}

// CheckFilled refuses a URI with a {name} that no request can fill, so that each would be a 500: nothing is mapped to it, the route has no such
// parameter that goes on, and there is no mapping of the body that could override it. The error has Kind Invalid and the integration's position.
func (o *Outbound) CheckFilled(route *host.Route) error {
	uri := o.uri
	if call := route.Integration.Service; call != nil {
		uri, _ = mapping.ParsePath("/" + cmp.Or(call.Path, "?Action="+call.Action)) // what is wrong with it, the service's client says
	}
	if uri == nil || len(route.Mappings) > 0 {
		return nil
	}
	for _, name := range uri.Params() {
		mapped := slices.ContainsFunc(route.Integration.Parameters, func(p host.ParameterMapping) bool {
			return p.Target == "integration.request.path."+name
		})
		own := strings.Contains(route.Pattern, "{"+name+"}") || strings.Contains(route.Pattern, "{"+name+"+}")
		if !mapped && (!own || o.kind != TypeHTTPProxy) {
			return &host.Error{Op: "integration of " + route.Key, Kind: host.Invalid, Pos: route.Integration.Pos,
				Err: fmt.Errorf("nothing is mapped to {%s} in %s: write parameters: {integration.request.path.%s: method.request.path.NAME}", name, uri, name)}
		}
	}
	return nil
}

// markGreedy writes {name} as {name+} where the route's own greedy parameter is mapped to it, whatever that is called: slashes stay slashes.
func markGreedy(template string, route *host.Route) string {
	inner, ok := strings.CutSuffix(route.Pattern, "+}")
	if !ok {
		return template
	}
	source := "method.request.path." + inner[strings.LastIndexByte(inner, '{')+1:]
	for _, p := range route.Integration.Parameters {
		name, ok := strings.CutPrefix(p.Target, "integration.request.path.")
		if ok && p.Source == source && !strings.HasPrefix(name, "stageVariables.") {
			template = strings.ReplaceAll(template, "{"+name+"}", "{"+name+"+}")
		}
	}
	return template
}

// A Payload is what mappings made of a request. The zero value sends what arrived.
type Payload struct {
	Body        []byte        // nil sends the request's own, which may stream
	ContentType string        // of Body, where its mapping said so; "" is the request's
	Parameters  host.Override // what the method's parameter mappings made
	Override    host.Override // what the body's mapping put in their place
}

// Invocation returns what is sent to the integration: Request, and in Path the variables that fill its URI. Scheme and Host are those of the
// integration's URI, and empty where it has none that is absolute. Target is complete. The exchange's own request is not changed.
//
// HTTP, AWS and MOCK send nothing that is not mapped, but for the default fields of the header (reference 1.4, 1.4.6). HTTP_PROXY sends all, in which
// mapped header fields replace those of that name, and mapped parameters of the query follow those of that name (reference 1.4 [REC]). AWS_PROXY
// sends the request as it is: its mappings are checked and go nowhere.
//
// The error has Code APIConfigurationError where a field may not be mapped, or the URI is none once it is filled in (reference 1.4.4, 1.4 "Bad URI
// at runtime" [REC]), and Kind Invalid where a value that came with the request cannot stand there.
//
// A field Host of the header is one that was mapped: it names another host than the one that the request goes to.
func (o *Outbound) Invocation(x *host.Exchange, p Payload) (*host.Invocation, error) {
	fields := replaced(slices.Clone(p.Parameters.Header), p.Override.Header)
	if err := o.checkFields(fields); err != nil {
		return nil, err
	}
	r := &host.Request{Method: o.method, Body: x.Request.Body, Length: x.Request.Length, Peer: x.Request.Peer}
	if r.Method == "" {
		r.Method = x.Request.Method
	}
	if p.Body != nil {
		r.Body, r.Length = io.NopCloser(bytes.NewReader(p.Body)), int64(len(p.Body))
	}
	in := &host.Invocation{Exchange: x, Request: r, Path: p.Parameters.Path}
	if len(p.Override.Path) > 0 {
		in.Path = map[string]string{}
		maps.Copy(in.Path, p.Parameters.Path)
		maps.Copy(in.Path, p.Override.Path)
	}
	if o.kind == TypeAWSProxy {
		arrived := *x.Request
		arrived.Body, arrived.Length = r.Body, r.Length
		in.Request = &arrived
		return in, nil
	}
	r.Header = o.header(x, r, p.ContentType, fields)
	return in, o.address(x, in, query(p, o.kind, x.Request))
}

// checkFields holds mapped header fields to what may be mapped, and to one line each.
func (o *Outbound) checkFields(fields host.Header) error {
	for _, f := range fields {
		switch {
		case !o.kind.IsLegalTarget(f.Name), !host.IsToken(f.Name):
			return &host.Error{Op: "map request", Kind: host.Internal, Code: host.APIConfigurationError, Err: fmt.Errorf("the header field %.100q cannot be mapped", f.Name)}
		case !host.IsFieldValue(f.Value):
			return &host.Error{Op: "map request", Kind: host.Invalid, Err: fmt.Errorf("what is mapped to the header field %s has a control character", f.Name)}
		}
	}
	return nil
}

// header returns what is sent.
func (o *Outbound) header(x *host.Exchange, r *host.Request, contentType string, mapped host.Header) host.Header {
	var h host.Header
	if o.kind == TypeHTTPProxy {
		h = proxied(x.Request.Header)
		if contentType != "" {
			h.Set("Content-Type", contentType)
		}
	} else {
		h = o.defaults(x, r, contentType)
	}
	h.Set(host.TraceField, x.AmazonTrace()) // always (reference 1.15)
	mapped = without(mapped, func(f host.Field) bool { return host.IsConnectionField(f.Name) })
	return replaced(h, mapped)
}

// proxied returns what HTTP_PROXY forwards of a header: all but what is not visible, what reference 1.4.6 names, and what concerns the client's
// connection alone (RFC 9110, section 7.6.1).
func proxied(h host.Header) host.Header {
	var hops []string
	for _, value := range h.Values("Connection") {
		for name := range strings.SplitSeq(value, ",") {
			hops = append(hops, strings.TrimSpace(name))
		}
	}
	forwarded := without(h, func(f host.Field) bool {
		same := func(name string) bool { return strings.EqualFold(name, f.Name) }
		return isNotProxied(f.Name) || host.IsConnectionField(f.Name) || slices.ContainsFunc(hops, same)
	})
	return forwarded.Clone()
}

// defaults returns the fields that are sent without a mapping (reference 1.4.6, "default outbound" [REC]).
func (o *Outbound) defaults(x *host.Exchange, r *host.Request, contentType string) host.Header {
	id, _ := mapping.ContextValue(x, "apiId")
	h := make(host.Header, 0, 8)
	h.Add("Accept", defaultMediaType)
	h.Add("User-Agent", "AmazonAPIGateway_"+id)
	if o.kind != TypeAWS {
		h.Add(apiIDField, id)
	}
	switch {
	case r.Length == 0 && r.Method != "POST" && r.Method != "PUT" && r.Method != "PATCH":
		return h
	case contentType == "":
		contentType = x.Request.Header.Get("Content-Type")
	}
	if contentType == "" {
		contentType = defaultMediaType
	}
	h.Add("Content-Type", contentType)
	return h
}

// query returns what is sent as query beside the one of the integration's URI.
func query(p Payload, kind Type, arrived *host.Request) string {
	params := replacedExactly(p.Parameters.Query, p.Override.Query)
	var parts []string
	if q := arrived.Query(); kind == TypeHTTPProxy && q != "" {
		parts = append(parts, q)
	}
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	for _, f := range params {
		parts = append(parts, escape(f.Name)+"="+escape(f.Value))
	}
	return strings.Join(parts, "&")
}

// replacedExactly is replaced for parameters of a query, whose case counts. It changes neither.
func replacedExactly(params, override host.Header) host.Header {
	kept := without(params, func(f host.Field) bool {
		return slices.ContainsFunc(override, func(o host.Field) bool { return o.Name == f.Name })
	})
	return slices.Concat(kept, override)
}

// address fills in where the request goes. A URI's variables are those that are mapped; only a proxy has the route's own besides (reference 1.4,
// "URI path vars"). An upstream without a path gets the request's path as it came, with a slash at its end (reference 1.3).
func (o *Outbound) address(x *host.Exchange, in *host.Invocation, query string) error {
	r := in.Request
	if o.uri != nil {
		filled := &host.Exchange{Request: x.Request, Match: host.Match{Stage: x.Match.Stage, Route: x.Match.Route}}
		if o.kind == TypeHTTPProxy {
			filled.Match.Params = x.Match.Params
		}
		target, err := o.uri.Expand(filled, query, in.Path)
		r.Scheme, r.Host, r.Target = target.Scheme, target.Host, target.Path
		return err
	}
	if r.Target = x.Match.Path; mapping.Climbs(r.Target) {
		return &host.Error{Op: "map request", Kind: host.Invalid, Err: errors.New("the request's path has a segment . or ..")}
	}
	if query != "" {
		r.Target += "?" + query
	}
	return nil
}

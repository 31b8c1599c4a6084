package rest

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

// A Gateway makes the responses that a rest API answers itself: those of errors (reference 1.11). It is immutable. A nil one has Amazon's own
// responses for every type.
type Gateway struct {
	own map[host.ResponseType]*gatewayResponse
}

// A gatewayResponse is what a definition says of one type.
type gatewayResponse struct {
	status    int // 0 leaves it
	headers   gatewayHeaders
	templates []*gatewayTemplate
	types     []string // of templates
}

// CompileGateway reads the gateway responses of an API. REQUEST_TOO_LARGE may be among them and changes nothing (reference 1.11, "not
// customisable"). Errors have Kind Invalid and the response's position: a type that does not exist or comes twice, a status that is no final
// one, a template of more than 300 KB, or a mapping that cannot be.
func CompileGateway(api *host.API) (*Gateway, error) {
	g := &Gateway{own: map[host.ResponseType]*gatewayResponse{}}
	if api.REST == nil {
		return g, nil
	}
	for _, def := range api.REST.GatewayResponses {
		if g.own[def.Type] != nil {
			return nil, gatewayError(def, fmt.Errorf("it is there twice"))
		}
		r, err := compileGatewayResponse(def)
		if err != nil {
			return nil, err
		}
		g.own[def.Type] = r
	}
	return g, nil
}

func gatewayError(def *host.GatewayResponse, err error) error {
	return &host.Error{Op: "gateway response " + string(def.Type), Kind: host.Invalid, Pos: def.Pos, Err: err}
}

func compileGatewayResponse(def *host.GatewayResponse) (*gatewayResponse, error) {
	if !isGatewayType(def.Type) {
		return nil, gatewayError(def, fmt.Errorf("there is no such type"))
	}
	if def.Status != 0 && (def.Status < minStatus || def.Status > maxStatus) {
		return nil, gatewayError(def, fmt.Errorf("the status %d is not between %d and %d", def.Status, minStatus, maxStatus))
	}
	r := &gatewayResponse{status: def.Status}
	for _, t := range def.Templates {
		template, err := parseGatewayTemplate(t)
		if err != nil {
			return nil, gatewayError(def, err)
		}
		r.templates = append(r.templates, template)
		r.types = append(r.types, template.mediaType)
	}
	var err error
	r.headers, err = compileGatewayHeaders(def)
	return r, err
}

// Respond returns the response to an error, which is never nil. What the definition of its type leaves out is that of DEFAULT_4XX or DEFAULT_5XX,
// and then Amazon's own; so the status of DEFAULT_4XX is that of all its types that have none (reference 1.11). A host.Disclosure in err's chain has the
// message; nothing else of err is told. The template is chosen by the request's Accept.
func (g *Gateway) Respond(x *host.Exchange, err error) *host.Response {
	kind, out := outcomeOf(x, err)
	told := *x // with what the client may know for an error, so that $context.error has the type's own message too
	told.Err = &host.Error{Kind: host.KindOf(err), Code: kind, Err: &host.Disclosure{Message: out.message, Validation: validationOf(err)}}
	status, body, contentType := out.status, []byte(nil), ""
	own, fallback := g.responses(kind, out.status)
	for _, r := range []*gatewayResponse{fallback, own} {
		if r != nil && r.status != 0 {
			status = r.status
		}
	}
	if t := chosenTemplate(x, own, fallback); t != nil {
		if text, ok := t.render(&told); ok {
			body, contentType = text, t.mediaType
		}
	}
	if contentType == "" {
		body, contentType = builtinBody(kind, out.message), defaultMediaType
	}
	h := host.Header{{Name: "Content-Type", Value: contentType}, {Name: "x-amzn-RequestId", Value: x.ID},
		{Name: "x-amzn-ErrorType", Value: out.errorType}, {Name: "x-amz-apigw-id", Value: host.ExtendedRequestID(x.ID)}}
	h = gatewayHeadersOf(own, fallback).set(h, &told)
	return buffered(status, h, body)
}

// responses returns what the definition has for a type, and for its class; nil for nothing.
func (g *Gateway) responses(kind host.ResponseType, status int) (own, fallback *gatewayResponse) {
	if g == nil || kind == host.RequestTooLarge {
		return nil, nil
	}
	class := host.Default4XX
	if status >= 500 {
		class = host.Default5XX
	}
	if kind == class {
		return g.own[kind], nil
	}
	return g.own[kind], g.own[class]
}

// chosenTemplate returns the template that a client gets, nil for the built-in one.
func chosenTemplate(x *host.Exchange, own, fallback *gatewayResponse) *gatewayTemplate {
	for _, r := range []*gatewayResponse{own, fallback} {
		if r != nil && len(r.templates) > 0 {
			return r.templates[ChooseMediaType(x.Request.Header.Values("Accept"), r.types)]
		}
	}
	return nil
}

func gatewayHeadersOf(own, fallback *gatewayResponse) gatewayHeaders {
	if own != nil && len(own.headers) > 0 || fallback == nil {
		if own == nil {
			return nil
		}
		return own.headers
	}
	return fallback.headers
}

// builtinBody is that of types without a template. ACCESS_DENIED alone has its message under "Message" (reference 1.7 and 1.11).
func builtinBody(kind host.ResponseType, message string) []byte {
	key := "message"
	if kind == host.AccessDenied {
		key = "Message"
	}
	if message == "" {
		return []byte(`{"` + key + `":null}`)
	}
	return append(tree.AppendString([]byte(`{"`+key+`":`), message), '}')
}

// buffered returns a response whose body is all there, with its length.
func buffered(status int, h host.Header, body []byte) *host.Response {
	resp := &host.Response{Status: status, Header: h, Length: int64(len(body))}
	if bodiless(status) {
		resp.Length = 0
		return resp
	}
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// bodiless reports whether a response has no content by its status (RFC 9110, sections 15.3.5 and 15.4.5).
func bodiless(status int) bool { return status == 204 || status == 304 }

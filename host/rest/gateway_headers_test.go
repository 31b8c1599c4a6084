package rest_test

import (
	"errors"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

func parameters(pairs ...string) []host.ParameterMapping {
	var list []host.ParameterMapping
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, host.ParameterMapping{Target: "gatewayresponse.header." + pairs[i], Source: pairs[i+1], Pos: host.Position{File: "api.yaml", Line: i/2 + 1}})
	}
	return list
}

// Reference 1.11: gatewayresponse.header.N, and its sources; 1.4.4 for values.
func TestGatewayHeaders(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"a literal", `'*'`, "*"},
		{"a literal with quotes", `'it's'`, "it's"},
		{"an empty literal", `''`, ""},
		{"a header", "method.request.header.origin", "https://shop.example"},
		{"the last of two", "method.request.header.X-Two", "b"},
		{"the host", "method.request.header.Host", "orders.example.com"},
		{"a header that is never seen, 1.4.6", "method.request.header.Expect", ""},
		{"a path parameter", "method.request.path.id", "7"},
		{"a query parameter", "method.request.querystring.page", "3"},
		{"a query parameter that splits the head", "method.request.querystring.evil", ""},
		{"context", "context.error.responseType", "UNAUTHORIZED"},
		{"the message", "context.error.message", "Unauthorized"},
		{"a stage variable", "stageVariables.colour", `bl"ue`},
		{"none", "stageVariables.none", ""},
		{"unknown", "context.none", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := compileGateway(t, &host.GatewayResponse{Type: host.Default4XX, Parameters: parameters("X-It", test.source)})
			x := exchange()
			x.Request.Host = "orders.example.com"
			x.Request.Target = "/prod/orders/7?page=2&page=3&evil=a%0d%0aSet-Cookie:x"
			x.Request.Header = append(x.Request.Header, host.Field{Name: "X-Two", Value: "a"}, host.Field{Name: "x-two", Value: "b"}, host.Field{Name: "Expect", Value: "x"})
			resp := g.Respond(x, failure(host.Unauthenticated, ""))
			if got := resp.Header.Get("X-It"); got != test.want || resp.Header.Has("X-It") != (test.want != "") || resp.Header.Has("Set-Cookie") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A type with mappings of its own has these alone; one without has those of its class (reference 1.11, "Fallback").
func TestGatewayHeadersFallback(t *testing.T) {
	g := compileGateway(t,
		&host.GatewayResponse{Type: host.Default4XX, Parameters: parameters("X-All", "'4'", "Content-Type", "'text/plain'")},
		&host.GatewayResponse{Type: host.ThrottledResponse, Parameters: parameters("Retry-After", "'5'")},
		&host.GatewayResponse{Type: host.UnauthorizedResponse, Status: 404},
		&host.GatewayResponse{Type: host.RequestTooLarge, Parameters: parameters("X-All", "'no'")})
	for kind, want := range map[host.Kind][2]string{host.Forbidden: {"4", ""}, host.Throttled: {"", "5"}, host.Unauthenticated: {"4", ""}, host.TooLarge: {"", ""}, host.Timeout: {"", ""}} {
		h := g.Respond(exchange(), failure(kind, "")).Header
		if h.Get("X-All") != want[0] || h.Get("Retry-After") != want[1] || (h.Get("Content-Type") == "text/plain") != (want[0] != "") || len(h.Values("Content-Type")) != 1 {
			t.Errorf("%s: got %v", kind, h)
		}
	}
}

func TestGatewayHeadersRefused(t *testing.T) {
	tests := map[string][]host.ParameterMapping{
		"another target":     {{Target: "method.response.header.A", Source: "'x'"}},
		"no name":            parameters("", "'x'"),
		"a name of lines":    parameters("A\r\nB", "'x'"),
		"the length, 1.4.4":  parameters("Content-Length", "'1'"),
		"the connection":     parameters("Connection", "'close'"),
		"twice":              parameters("A", "'x'", "a", "'y'"),
		"lines":              parameters("A", "'x\r\ny'"),
		"an open quote":      parameters("A", "'"),
		"the body":           parameters("A", "method.request.body"),
		"the integration's":  parameters("A", "integration.response.header.A"),
		"no parameter":       parameters("A", "method.request.header."),
		"nothing":            parameters("A", ""),
		"VTL's way to write": parameters("A", "$context.requestId"),
	}
	for name, list := range tests {
		_, err := rest.CompileGateway(&host.API{REST: &host.REST{GatewayResponses: []*host.GatewayResponse{
			{Type: host.Default4XX, Parameters: list, Pos: host.Position{File: "api.yaml"}}}}})
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Invalid || e.Pos.File != "api.yaml" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

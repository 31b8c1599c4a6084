package rest_test

import (
	"errors"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

func gatewayParameters(pairs ...string) []host.ParameterMapping {
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
		{"a path parameter", "method.request.path.id", "7"},
		{"a query parameter", "method.request.querystring.page", "3"},
		{"a query parameter that splits the head", "method.request.querystring.evil", ""},
		{"context", "context.error.responseType", "UNAUTHORIZED"},
		{"the message", "context.error.message", "Unauthorized"},
		{"a stage variable", "stageVariables.colour", `bl"ue`},
		{"none", "stageVariables.none", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := compileGateway(t, &host.GatewayResponse{Type: host.Default4XX, Parameters: gatewayParameters("X-It", test.source)})
			x := exchange()
			x.Request.Host = "orders.example.com"
			x.Request.Target = "/prod/orders/7?page=2&page=3&evil=a%0d%0aSet-Cookie:x"
			x.Request.Header = append(x.Request.Header, host.Field{Name: "X-Two", Value: "a"}, host.Field{Name: "x-two", Value: "b"})
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
		&host.GatewayResponse{Type: host.Default4XX, Parameters: gatewayParameters("X-All", "'4'", "Content-Type", "'text/plain'")},
		&host.GatewayResponse{Type: host.ThrottledResponse, Parameters: gatewayParameters("Retry-After", "'5'")},
		&host.GatewayResponse{Type: host.UnauthorizedResponse, Status: 404},
		&host.GatewayResponse{Type: host.RequestTooLarge, Parameters: gatewayParameters("X-All", "'no'")})
	for kind, want := range map[host.Kind][2]string{host.Forbidden: {"4", ""}, host.Throttled: {"", "5"}, host.Unauthenticated: {"4", ""}, host.TooLarge: {"", ""}, host.Timeout: {"", ""}} {
		h := g.Respond(exchange(), failure(kind, "")).Header
		if h.Get("X-All") != want[0] || h.Get("Retry-After") != want[1] || (h.Get("Content-Type") == "text/plain") != (want[0] != "") || len(h.Values("Content-Type")) != 1 {
			t.Errorf("%s: got %v", kind, h)
		}
	}
}

func TestGatewayHeadersRefused(t *testing.T) {
	tests := map[string][]host.ParameterMapping{
		"another target":     {{Target: "method.response.header.A", Source: "'x'", Pos: host.Position{File: "api.yaml"}}},
		"no name":            gatewayParameters("", "'x'"),
		"a name of lines":    gatewayParameters("A\r\nB", "'x'"),
		"the length, 1.4.4":  gatewayParameters("Content-Length", "'1'"),
		"the connection":     gatewayParameters("Connection", "'close'"),
		"unknown":            gatewayParameters("A", "context.none"),
		"lines":              gatewayParameters("A", "'x\r\ny'"),
		"an open quote":      gatewayParameters("A", "'"),
		"the body":           gatewayParameters("A", "method.request.body"),
		"the integration's":  gatewayParameters("A", "integration.response.header.A"),
		"no parameter":       gatewayParameters("A", "method.request.header."),
		"nothing":            gatewayParameters("A", ""),
		"VTL's way to write": gatewayParameters("A", "$context.requestId"),
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

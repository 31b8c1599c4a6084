package mapping

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func exchange() *host.Exchange {
	route := &host.Route{Key: "GET /orders/{id}/{rest+}", Method: "GET", Pattern: "/orders/{id}/{rest+}"}
	return &host.Exchange{
		ID: "req-1", Started: time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC),
		Match: host.Match{
			API: &host.API{Name: "orders"}, Stage: &host.Stage{Name: "prod", Variables: map[string]string{"backend": "http://10.0.0.1:9000/v1", "empty": ""}},
			Route: route, Params: []host.Param{{Name: "id", Value: "a%20b"}, {Name: "rest", Value: "c/d"}},
			BasePath: "/_postern/orders/prod", Path: "/orders/a%20b/c/d", Domain: "localhost",
		},
		Request: &host.Request{
			Method: "GET", Scheme: "http", Host: "localhost:8080", Target: "/_postern/orders/prod/orders/a%20b/c/d?q=1&q=x%2By+z&e=&bare",
			Header: host.Header{{Name: "Authorization", Value: "Bearer x"}, {Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "Empty", Value: ""},
				{Name: "User-Agent", Value: "test"}, {Name: "Connection", Value: "close"}},
			Peer: host.Peer{Addr: netip.MustParseAddr("192.0.2.1"), Protocol: "HTTP/1.1"},
		},
		Principal: host.Principal{ID: "u", Context: map[string]any{"s": "text", "n": 1.5, "b": true, "l": []any{"a"}, "null": nil}},
	}
}

func TestExpressions(t *testing.T) {
	x := exchange()
	tests := []struct {
		text, want string
		ok         bool
	}{
		{"$request.header.authorization", "Bearer x", true},
		{"$request.header.X-a", "1,2", true}, // 1.4.5: joined by comma
		{"$request.header.empty", "", true},
		{"$request.header.none", "", false},
		{"$request.header.Host", "localhost:8080", true},
		{"$request.querystring.q", "1,x+y z", true},
		{"$request.querystring.e", "", true},
		{"$request.querystring.bare", "", true},
		{"$request.querystring.Q", "", false}, // 1.3: names of parameters have case
		{"$request.path", "/orders/a%20b/c/d", true},
		{"$request.path.id", "a b", true},
		{"$request.path.rest", "c/d", true},
		{"$request.path.none", "", false},
		{"$stageVariables.backend", "http://10.0.0.1:9000/v1", true},
		{"$stageVariables.empty", "", true},
		{"$stageVariables.none", "", false},
		{"$context.apiId", "orders", true},
		{"$context.stage", "prod", true},
		{"$context.routeKey", "GET /orders/{id}/{rest+}", true},
		{"$context.resourcePath", "/orders/{id}/{rest+}", true},
		{"$context.requestId", "req-1", true},
		{"$context.extendedRequestId", "req-1", true},
		{"$context.httpMethod", "GET", true},
		{"$context.path", "/prod/orders/a%20b/c/d", true},
		{"$context.protocol", "HTTP/1.1", true},
		{"$context.domainName", "localhost", true},
		{"$context.domainPrefix", "localhost", true},
		{"$context.requestTime", "04/Mar/2026:05:06:07 +0000", true},
		{"$context.requestTimeEpoch", "1772600767089", true},
		{"$context.identity.sourceIp", "192.0.2.1", true},
		{"$context.identity.userAgent", "test", true},
		{"$context.accountId", "000000000000", true},
		{"$context.status", "", false},
		{"$context.error.responseType", "", false},
		{"$context.authorizer.principalId", "u", true},
		{"$context.authorizer.s", "text", true}, // 1.5.1: always stringified
		{"$context.authorizer.n", "1.5", true},
		{"$context.authorizer.b", "true", true},
		{"$context.authorizer.l", `["a"]`, true},
		{"$context.authorizer.null", "", false},
		{"$context.authorizer.none", "", false},
	}
	for _, test := range tests {
		e, err := ParseExpression(test.text)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, ok := e.Value(x); got != test.want || ok != test.ok {
			t.Errorf("%s: got %q, %v", test.text, got, ok)
		}
		if e.String() != test.text {
			t.Errorf("%s prints as %s", test.text, e)
		}
	}
	x.Response, x.Err = &host.Response{Status: 403}, &host.Error{Kind: host.Forbidden, Code: host.AccessDenied}
	for name, want := range map[string]string{"status": "403", "error.responseType": "ACCESS_DENIED"} {
		if got, _ := ContextValue(x, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestContextOfNothing(t *testing.T) {
	x := &host.Exchange{Request: &host.Request{}}
	for _, name := range contextNames {
		ContextValue(x, name) // must not panic: access logs ask before anything matched
	}
	if got, _ := ContextValue(x, "stage"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestParseExpressionRefuses(t *testing.T) {
	for _, text := range []string{"", "Authorization", "$request", "$request.header", "$request.header.", "$request.header.a b", "$request.headers.a",
		"$request.body.a", "$request.method", "$context.", "$context.nothing", "$context.authorizer.", "$stageVariables.", "$stageVariables", "request.path"} {
		if _, err := ParseExpression(text); !errors.Is(err, host.Invalid) {
			t.Errorf("%q: got %v, want Kind Invalid", text, err)
		}
	}
}

func TestSelectMapping(t *testing.T) {
	mappings := []host.Mapping{{MediaType: "$default"}, {MediaType: "application/json"}, {MediaType: "Text/XML"}}
	for contentType, want := range map[string]string{ // 1.4.1
		"":                                "application/json",
		"application/json":                "application/json",
		"Application/JSON; charset=utf-8": "application/json",
		"text/xml;a=b":                    "Text/XML",
		"image/png":                       "$default",
		" ; x":                            "application/json",
	} {
		if m, ok := SelectMapping(mappings, contentType); !ok || m.MediaType != want {
			t.Errorf("%q: got %v", contentType, m)
		}
	}
	if m, ok := SelectMapping(mappings[1:], "image/png"); ok {
		t.Errorf("got %v", m)
	}
}

func TestPassthrough(t *testing.T) { // the table of 1.4.1 [GUIDE]
	tests := []struct {
		behavior      string
		have, matched bool
		pass, refused bool
	}{
		{"WHEN_NO_MATCH", true, true, false, false}, {"WHEN_NO_TEMPLATES", true, true, false, false}, {"NEVER", true, true, false, false},
		{"WHEN_NO_MATCH", true, false, true, false}, {"WHEN_NO_TEMPLATES", true, false, false, true}, {"NEVER", true, false, false, true},
		{"WHEN_NO_MATCH", false, false, true, false}, {"WHEN_NO_TEMPLATES", false, false, true, false}, {"NEVER", false, false, false, true},
		{"", true, false, true, false},
	}
	for _, test := range tests {
		pass, err := Passthrough(test.behavior, test.have, test.matched)
		if pass != test.pass || errors.Is(err, host.Unsupported) != test.refused || !test.refused && err != nil {
			t.Errorf("%+v: got %v, %v", test, pass, err)
		}
	}
	if _, err := Passthrough("SOMETIMES", true, false); !errors.Is(err, host.Internal) {
		t.Errorf("got %v", err)
	}
}

func TestResponseRules(t *testing.T) {
	rules, err := CompileResponseRules([]host.ResponseRule{{Match: `2\d\d`, Status: 1}, {Match: "40", Status: 2}, {Match: "404|5..", Status: 3}, {Match: "4.*", Status: 4}})
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]int{200: 1, 299: 1, 404: 3, 503: 3, 400: 4, 301: 0, 99: 0, 0: 0, -1: 0, 600: 0} { // 1.4.3: the whole status
		got := 0
		if r := rules.Select(status); r != nil {
			got = r.Status
		}
		if got != want {
			t.Errorf("%d: got rule %d, want %d", status, got, want)
		}
	}
	rules, err = CompileResponseRules([]host.ResponseRule{{Match: "200", Status: 1}, {Status: 2}})
	if err != nil || rules.Select(200).Status != 1 || rules.Select(500).Status != 2 {
		t.Errorf("an empty expression is no default: %v", err)
	}
	if rules, err = CompileResponseRules(nil); err != nil || rules.Select(200) != nil {
		t.Errorf("no rules select: %v", err)
	}
	for _, bad := range []string{"(", "2)|(3", "(?=2)", "["} {
		pos := host.Position{File: "postern.yaml", Line: 3}
		_, err := CompileResponseRules([]host.ResponseRule{{Match: bad, Pos: pos}})
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Invalid || !cmp.Equal(e.Pos, pos) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

package mapping

import (
	"errors"
	"testing"

	"github.com/postern/postern/host"
)

// TestIdentitySources: reference 1.7, "Identity source" [GUIDE].
func TestIdentitySources(t *testing.T) {
	x := &host.Exchange{ID: "id", Match: host.Match{API: &host.API{Name: "pets", Protocol: host.ProtocolREST},
		Stage: &host.Stage{Name: "prod", Variables: map[string]string{"tenant": "acme"}}, Route: &host.Route{Pattern: "/pets/{id}"},
		Params: []host.Param{{Name: "id", Value: "7"}}},
		Request: &host.Request{Method: "GET", Target: "/prod/pets/7?a=1;a=2+3&b=", Host: "h",
			Header: host.Header{{Name: "auth", Value: "one"}, {Name: "Auth", Value: "two"}, {Name: "Empty", Value: ""}}}}
	for text, want := range map[string]string{
		"method.request.header.Auth":   "one,two",
		"method.request.header.Empty":  "",
		"method.request.header.Host":   "h",
		"method.request.querystring.a": "1,2 3",
		"method.request.querystring.b": "",
		"stageVariables.tenant":        "acme",
		"context.stage":                "prod",
		"context.protocol":             "HTTP/1.1",
		"context.resourcePath":         "/pets/{id}",
		"$request.header.auth":         "one,two",
		"$context.extendedRequestId":   host.ExtendedRequestID("id"),
		"$stageVariables.tenant":       "acme",
		"method.request.header.None":   "none",
		"method.request.querystring.n": "none",
		"stageVariables.n":             "none",
		"context.identity.apiKey":      "none",
	} {
		source, err := ParseIdentitySource(text, host.ProtocolREST)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, ok := source.Value(x)
		if ok && got != want || !ok && want != "none" {
			t.Errorf("%s: got %q, %v", text, got, ok)
		}
	}
	for text, protocol := range map[string]host.Protocol{
		"method.request.path.id": host.ProtocolREST, "$request.path.id": host.ProtocolREST, "$request.path": host.ProtocolREST,
		"method.request.header.": host.ProtocolREST, "method.request.header.a b": host.ProtocolREST, "method.request.body": host.ProtocolREST,
		"context.none": host.ProtocolREST, "context.authorizer.x": host.ProtocolREST, "context.routeKey": host.ProtocolREST, "": host.ProtocolREST,
		"method.request.header.X": host.ProtocolHTTP, "context.stage": host.ProtocolHTTP,
	} {
		if _, err := ParseIdentitySource(text, protocol); !errors.Is(err, host.Invalid) {
			t.Errorf("%q on %s APIs: got %v", text, protocol, err)
		}
	}
	if s, err := ParseIdentitySource("$context.routeKey", host.ProtocolHTTP); err != nil || s.rest {
		t.Errorf("on http APIs: %+v, %v", s, err)
	}
}

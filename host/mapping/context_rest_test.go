package mapping

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func restExchange() *host.Exchange {
	route := &host.Route{Key: "GET /orders/{id}", Method: "GET", Pattern: "/orders/{id}"}
	stage := &host.Stage{Name: "prod", Deployment: 7, Canary: &host.Canary{}}
	return &host.Exchange{
		ID: "req-1", Started: time.Date(2026, 3, 4, 6, 6, 7, 89e6, time.FixedZone("", 3600)),
		Match: host.Match{API: &host.API{Name: "shop", Protocol: host.ProtocolREST}, Stage: stage, Route: route, Path: "/orders/a%20b", BasePath: "/prod", Domain: "shop.example"},
		Request: &host.Request{Method: "GET", Target: "/prod/orders/a%20b", Header: host.Header{{Name: "User-Agent", Value: "test"}},
			Peer: host.Peer{Protocol: "HTTP/2.0", Addr: netip.MustParseAddr("192.0.2.1")}},
		Principal: host.Principal{ID: "u", Context: map[string]any{"n": 1.5, "claims": map[string]any{"sub": "s-1", "groups": []any{"a"}}}},
	}
}

func TestRESTContext(t *testing.T) { // reference 1.5.1
	x := restExchange()
	x.Response = &host.Response{Header: host.Header{{Name: "X-Amzn-Requestid", Value: "aws-1"}}}
	x.Err = &host.Error{Kind: host.Invalid, Code: host.BadRequestBody, Err: &host.Disclosure{Message: `a "b" <c>`, Validation: "[x]"}}
	for name, want := range map[string]string{
		"accountId": "000000000000", "apiId": "shop", "awsEndpointRequestId": "aws-1", "deploymentId": "7", "domainName": "shop.example",
		"domainPrefix": "shop", "error.message": `a "b" <c>`, "error.messageString": `"a \"b\" <c>"`, "error.responseType": "BAD_REQUEST_BODY",
		"error.validationErrorString": "[x]", "httpMethod": "GET", "isCanaryRequest": "false", "path": "/prod/orders/a%20b", "protocol": "HTTP/1.1",
		"requestId": "req-1", "requestTime": "04/Mar/2026:05:06:07 +0000", "requestTimeEpoch": "1772600767089", "resourcePath": "/orders/{id}",
		"stage": "prod", "identity.sourceIp": "192.0.2.1", "identity.userAgent": "test", "identity.caller": "", "wafResponseCode": "", "routeKey": "",
		"authorizer.principalId": "u", "authorizer.n": "1.5", "authorizer.claims.sub": "s-1", "authorizer.claims.groups": `["a"]`,
		"authorizer.claims.none": "", "nothing": "",
	} {
		got, ok := RESTContextValue(x, name)
		if got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", name, got, ok, want)
		}
	}
	x.Err = fmt.Errorf("of another kind: %w", errors.New("e"))
	if got, ok := RESTContextValue(x, "error.messageString"); ok {
		t.Errorf("got %q", got)
	}
	if slices.Contains(RESTContextNames(), "routeKey") || !slices.Contains(RESTContextNames(), "resourceId") || !slices.Contains(RESTContextNames(), "stage") {
		t.Error(RESTContextNames())
	}
	for _, name := range RESTContextNames() {
		RESTContextValue(&host.Exchange{Request: &host.Request{}}, name) // must not panic: errors come before anything matched
	}
}

func TestIDs(t *testing.T) { // reference 1.5.1 [REC]
	x := restExchange()
	extended, _ := RESTContextValue(x, "extendedRequestId")
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`).MatchString(extended) || extended != ExtendedRequestID("req-1") || extended == ExtendedRequestID("req-2") {
		t.Error(extended)
	}
	id := ResourceID(x)
	other := *x.Match.Route
	other.Method, other.Key = "POST", "POST /orders/{id}"
	x.Match.Route = &other
	if !regexp.MustCompile(`^[a-z0-9]{6}$`).MatchString(id) || ResourceID(x) != id {
		t.Errorf("%q, and %q for another method", id, ResourceID(x))
	}
	other.Pattern = "/orders"
	if ResourceID(x) == id {
		t.Errorf("another path has the same id")
	}
}

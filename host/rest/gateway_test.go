package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

// exchange is a request to GET /orders/{id} of stage prod.
func exchange() *host.Exchange {
	route := &host.Route{Key: "GET /orders/{id}", Method: "GET", Pattern: "/orders/{id}", REST: &host.Method{}}
	stage := &host.Stage{Name: "prod", Variables: map[string]string{"colour": `bl"ue`}}
	return &host.Exchange{ID: "4d3f-id", Started: time.Unix(1700000000, 0), Match: host.Match{
		API: &host.API{Name: "orders", Protocol: host.ProtocolREST, REST: &host.REST{}}, Stage: stage, Route: route,
		Params: []host.Param{{Name: "id", Value: "7"}}, Path: "/orders/7", BasePath: "/prod", Domain: "orders.example.com"},
		Request: &host.Request{Method: "GET", Target: "/prod/orders/7?page=2", Header: host.Header{{Name: "Origin", Value: "https://shop.example"}}, Body: io.NopCloser(strings.NewReader(""))},
	}
}

func compileGateway(t testing.TB, responses ...*host.GatewayResponse) *rest.Gateway {
	t.Helper()
	g, err := rest.CompileGateway(&host.API{Name: "orders", REST: &host.REST{GatewayResponses: responses}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func bodyOf(t testing.TB, resp *host.Response) string {
	t.Helper()
	if resp.Body == nil {
		return ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.Length >= 0 && int64(len(b)) != resp.Length {
		t.Errorf("the length is %d, and the body has %d", resp.Length, len(b))
	}
	return string(b)
}

// failure is an error with a Code.
func failure(kind host.Kind, code host.ResponseType) error {
	return fmt.Errorf("step: %w", &host.Error{Op: "op", Kind: kind, Code: code, Err: errors.New("secret detail")})
}

// The types of reference 1.11, and what errors without a Code select.
func TestGatewayBuiltIn(t *testing.T) {
	const internal = "InternalServerErrorException"
	tests := []struct {
		name      string
		err       error
		kind      host.ResponseType
		status    int
		errorType string
		body      string
	}{
		{"implicit deny, 1.7 [KC]", failure(host.Forbidden, host.AccessDenied), host.AccessDenied, 403, "AccessDeniedException", `{"Message":"User is not authorized to access this resource"}`},
		{"configuration", failure(host.Internal, host.APIConfigurationError), host.APIConfigurationError, 500, internal, `{"message":"Internal server error"}`},
		{"authorizer's configuration, 1.7 [LS]", failure(host.Internal, host.AuthorizerConfiguration), host.AuthorizerConfiguration, 500, "AuthorizerConfigurationException", `{"message":null}`},
		{"authorizer, 1.11", failure(host.Unavailable, host.AuthorizerFailure), host.AuthorizerFailure, 500, "AuthorizerFailureException", `{"message":null}`},
		{"body, 1.11", failure(host.Invalid, host.BadRequestBody), host.BadRequestBody, 400, "BadRequestException", `{"message":"Invalid request body"}`},
		{"body that is too deep", failure(host.TooLarge, host.BadRequestBody), host.BadRequestBody, 400, "BadRequestException", `{"message":"Invalid request body"}`},
		{"network", failure(host.BadGateway, host.IntegrationFailure), host.IntegrationFailure, 504, internal, `{"message":"Network error communicating with endpoint"}`},
		{"network without code", failure(host.BadGateway, ""), host.IntegrationFailure, 504, internal, `{"message":"Network error communicating with endpoint"}`},
		{"malformed proxy result, 1.6 [REC]", failure(host.Internal, host.IntegrationFailure), host.IntegrationFailure, 502, internal, `{"message":"Internal server error"}`},
		{"late, 1.4 [KC]", failure(host.Timeout, host.IntegrationTimeout), host.IntegrationTimeout, 504, internal, `{"message":"Endpoint request timed out"}`},
		{"late without code", failure(host.Timeout, ""), host.IntegrationTimeout, 504, internal, `{"message":"Endpoint request timed out"}`},
		{"key, 1.9 [REC]", failure(host.Forbidden, host.InvalidAPIKey), host.InvalidAPIKey, 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"quota, 1.9 [KC]", failure(host.Throttled, host.QuotaExceeded), host.QuotaExceeded, 429, "LimitExceededException", `{"message":"Limit Exceeded"}`},
		{"too large, 1.11", failure(host.TooLarge, host.RequestTooLarge), host.RequestTooLarge, 413, "RequestTooLargeException", `{"message":"Request Too Long"}`},
		{"throttled, 1.9 [KC]", failure(host.Throttled, ""), host.ThrottledResponse, 429, "TooManyRequestsException", `{"message":"Too Many Requests"}`},
		{"unauthorized, 1.7", failure(host.Unauthenticated, ""), host.UnauthorizedResponse, 401, "UnauthorizedException", `{"message":"Unauthorized"}`},
		{"media type, 1.4.1 [GUIDE]", failure(host.Unsupported, host.UnsupportedMediaType), host.UnsupportedMediaType, 415, "BadRequestException", `{"message":"Unsupported Media Type"}`},
		{"not found behind routing", failure(host.NotFound, ""), host.ResourceNotFound, 404, "NotFoundException", `{"message":"Not Found"}`},
		{"malformed", failure(host.Invalid, ""), host.Default4XX, 400, "BadRequestException", `{"message":"Bad Request"}`},
		{"conflict", failure(host.Conflict, ""), host.Default4XX, 409, "ConflictException", `{"message":"Conflict"}`},
		{"no instance is free", failure(host.Unavailable, host.IntegrationFailure), host.IntegrationFailure, 503, internal, `{"message":"Service Unavailable"}`},
		{"unavailable", failure(host.Unavailable, ""), host.Default5XX, 503, "ServiceUnavailableException", `{"message":"Service Unavailable"}`},
		{"a code that Amazon has not", failure(host.Invalid, "X"), host.Default4XX, 400, "BadRequestException", `{"message":"Bad Request"}`},
		{"the client left", context.Canceled, host.Default5XX, 500, internal, `{"message":"Internal server error"}`},
		{"no error", nil, host.Default5XX, 500, internal, `{"message":"Internal server error"}`},
		{"a code below", &host.Error{Op: "run", Kind: host.Internal, Err: failure(host.Invalid, host.BadRequestBody)}, host.BadRequestBody, 400, "BadRequestException", `{"message":"Invalid request body"}`},
		{"a message of its own, 1.12 [REC]", &host.Error{Kind: host.Invalid, Code: host.BadRequestParameters, Err: &host.Disclosure{Message: `Missing required request parameters: [a, "b]`}},
			host.BadRequestParameters, 400, "BadRequestException", `{"message":"Missing required request parameters: [a, \"b]"}`},
		{"explicit deny, 1.7 [LS]", &host.Error{Kind: host.Forbidden, Err: &host.Disclosure{Message: rest.ExplicitDeny}}, host.AccessDenied, 403, "AccessDeniedException",
			`{"Message":"User is not authorized to access this resource with an explicit deny"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := exchange()
			if got := rest.GatewayType(x, test.err); got != test.kind {
				t.Errorf("the type is %s, want %s", got, test.kind)
			}
			for name, g := range map[string]*rest.Gateway{"nil": nil, "empty": compileGateway(t)} {
				resp := g.Respond(x, test.err)
				want := host.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "x-amzn-RequestId", Value: "4d3f-id"}, {Name: "x-amzn-ErrorType", Value: test.errorType},
					{Name: "x-amz-apigw-id", Value: host.ExtendedRequestID("4d3f-id")}, {Name: "Content-Length", Value: fmt.Sprint(len(test.body))}}
				if diff := cmp.Diff(want, resp.Header); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
				if body := bodyOf(t, resp); resp.Status != test.status || body != test.body {
					t.Errorf("%s: got %d %s, want %d %s", name, resp.Status, body, test.status, test.body)
				}
			}
		})
	}
}

// Reference 1.6, "anything else = 502" [REC]: where a function was asked, no network has failed.
func TestGatewayFunction(t *testing.T) {
	x := exchange()
	x.Match.Route.Integration.Type = host.IntegrationFunction
	resp := compileGateway(t).Respond(x, failure(host.BadGateway, host.IntegrationFailure))
	if body := bodyOf(t, resp); resp.Status != 502 || body != `{"message":"Internal server error"}` {
		t.Errorf("got %d %s", resp.Status, body)
	}
}

// Reference 1.3, "Miss, REST" [REC].
func TestGatewayMiss(t *testing.T) {
	for _, code := range []host.ResponseType{"", host.ResourceNotFound} {
		x := exchange()
		x.Match.Route = nil
		resp := compileGateway(t).Respond(x, failure(host.NotFound, code))
		body := bodyOf(t, resp)
		if resp.Status != 403 || body != `{"message":"Missing Authentication Token"}` || resp.Header.Get("x-amzn-ErrorType") != "MissingAuthenticationTokenException" {
			t.Errorf("%q: got %d %s %v", code, resp.Status, body, resp.Header)
		}
	}
}

func template(mediaType, text string) []host.GatewayTemplate {
	return []host.GatewayTemplate{{MediaType: mediaType, Text: text}}
}

// Reference 1.11, "Fallback", and REQUEST_TOO_LARGE, "not customisable".
func TestGatewayFallback(t *testing.T) {
	all4 := &host.GatewayResponse{Type: host.Default4XX, Status: 404, Templates: template("application/json", `{"all":$context.error.messageString}`)}
	all5 := &host.GatewayResponse{Type: host.Default5XX, Templates: template("text/plain", `$context.error.responseType`)}
	tests := []struct {
		name   string
		own    []*host.GatewayResponse
		err    error
		status int
		body   string
	}{
		{"a type without its own", []*host.GatewayResponse{all4}, failure(host.Throttled, ""), 404, `{"all":"Too Many Requests"}`},
		{"of the other class", []*host.GatewayResponse{all4}, failure(host.Timeout, ""), 504, `{"message":"Endpoint request timed out"}`},
		{"5XX keeps its status", []*host.GatewayResponse{all4, all5}, failure(host.Timeout, ""), 504, `INTEGRATION_TIMEOUT`},
		{"its own status and the others' template", []*host.GatewayResponse{all4, {Type: host.ThrottledResponse, Status: 503}}, failure(host.Throttled, ""), 503, `{"all":"Too Many Requests"}`},
		{"its own template and the others' status", []*host.GatewayResponse{{Type: host.ThrottledResponse, Templates: template("application/json", `{}`)}, all4}, failure(host.Throttled, ""), 404, `{}`},
		{"the default of no type", []*host.GatewayResponse{all4}, failure(host.Conflict, ""), 404, `{"all":"Conflict"}`},
		{"denied", []*host.GatewayResponse{all4}, failure(host.Forbidden, ""), 404, `{"all":"User is not authorized to access this resource"}`},
		{"denied by status alone", []*host.GatewayResponse{{Type: host.AccessDenied, Status: 404}}, failure(host.Forbidden, ""), 404, `{"Message":"User is not authorized to access this resource"}`},
		{"too large", []*host.GatewayResponse{all4, {Type: host.RequestTooLarge, Status: 400, Templates: template("application/json", `{}`)}}, failure(host.TooLarge, ""), 413, `{"message":"Request Too Long"}`},
		{"without content", []*host.GatewayResponse{{Type: host.ThrottledResponse, Status: 204}}, failure(host.Throttled, ""), 204, ``},
		{"an empty template", []*host.GatewayResponse{{Type: host.ThrottledResponse, Templates: template("text/plain", ``)}}, failure(host.Throttled, ""), 429, ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp := compileGateway(t, test.own...).Respond(exchange(), test.err)
			if body := bodyOf(t, resp); resp.Status != test.status || body != test.body {
				t.Errorf("got %d %s, want %d %s", resp.Status, body, test.status, test.body)
			}
		})
	}
}

// Reference 1.11, "simple $var replacement only".
func TestGatewayTemplate(t *testing.T) {
	err := &host.Error{Kind: host.Invalid, Code: host.BadRequestBody, Err: &host.Disclosure{Message: `say "no"`, Validation: `[missing ["a"]]`}}
	tests := []struct{ name, mediaType, text, want string }{
		{"messageString", "application/json", `{"m":$context.error.messageString}`, `{"m":"say \"no\""}`},
		{"message in a string of JSON", "application/json", `{"m":"$context.error.message"}`, `{"m":"say \"no\""}`},
		{"message in text", "text/plain", `"$context.error.message"`, `"say "no""`},
		{"messageString in a string of JSON", "application/json", `{"m":"$context.error.messageString"}`, `{"m":"\"say \\\"no\\\"\""}`},
		{"type and validation", "application/problem+json", `{"t":"$context.error.responseType","v":"$context.error.validationErrorString"}`, `{"t":"BAD_REQUEST_BODY","v":"[missing [\"a\"]]"}`},
		{"braces", "text/plain", `${context.stage}x${stageVariables.colour}`, `prodxbl"ue`},
		{"a sentence's end", "text/plain", `It is $context.stage. And $context.resourcePath-$context.requestId_ ends`, `It is prod. And /orders/{id}- ends`},
		{"the longest name", "text/plain", `$context.requestTimeEpoch $context.requestId`, `1700000000000 4d3f-id`},
		{"stage variables", "application/json", `{"c":"$stageVariables.colour","d":"$stageVariables.none"}`, `{"c":"bl\"ue","d":""}`},
		{"authorizer", "text/plain", `[$context.authorizer.principalId.][$context.authorizer.plan]`, `[me.][7]`},
		{"no value, and unknown", "text/plain", `[$context.error.nothing][$context.wafResponseCode][$context.x]`, `[][][]`},
		{"what is no variable", "text/plain", `$5 $ $$ $context $context. ${context.stage $method.request.header.a $input.body #set($a = 1) ${context.a b} $$context.stage`,
			`$5 $ $$ $context $context. ${context.stage $method.request.header.a $input.body #set($a = 1) ${context.a b} $prod`},
		{"escaped quotes in JSON", "application/json", `{"a":"\"$context.error.message\\","b":$context.error.messageString}`, `{"a":"\"say \"no\"\\","b":"say \"no\""}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := exchange()
			x.Principal = host.Principal{ID: "me", Context: map[string]any{"plan": 7}}
			resp := compileGateway(t, &host.GatewayResponse{Type: host.BadRequestBody, Templates: template(test.mediaType, test.text)}).Respond(x, err)
			body := bodyOf(t, resp)
			if body != test.want || resp.Header.Get("Content-Type") != test.mediaType {
				t.Errorf("got %s (%s), want %s", body, resp.Header.Get("Content-Type"), test.want)
			}
			if strings.HasSuffix(test.mediaType, "json") && !json.Valid([]byte(body)) {
				t.Errorf("%s is not JSON", body)
			}
		})
	}
}

// Reference 1.11, "Template chosen by Accept".
func TestGatewayAccept(t *testing.T) {
	g := compileGateway(t, &host.GatewayResponse{Type: host.Default4XX, Templates: []host.GatewayTemplate{{MediaType: "text/xml; charset=utf-8", Text: "<e/>"},
		{MediaType: "application/json", Text: "{}"}, {MediaType: "text/html", Text: "<p>"}}})
	for accept, want := range map[string]string{"": "{}", "text/html": "<p>", "text/*": "<e/>", "image/png": "{}", "TEXT/XML;q=0.5, text/html;q=0.4": "<e/>"} {
		x := exchange()
		if accept != "" {
			x.Request.Header.Add("Accept", accept)
		}
		if body := bodyOf(t, g.Respond(x, failure(host.Throttled, ""))); body != want {
			t.Errorf("Accept %q: got %s, want %s", accept, body, want)
		}
	}
}

func TestGatewayBounds(t *testing.T) {
	x := exchange()
	x.Request.Header.Add("User-Agent", strings.Repeat("a", 8000))
	g := compileGateway(t, &host.GatewayResponse{Type: host.Default4XX, Templates: template("text/plain", strings.Repeat("$context.identity.userAgent ", 1000))})
	resp := g.Respond(x, failure(host.Throttled, ""))
	if body := bodyOf(t, resp); body != `{"message":"Too Many Requests"}` || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d bytes of %s", len(body), resp.Header.Get("Content-Type"))
	}
}

func TestCompileGatewayRefuses(t *testing.T) {
	pos := host.Position{File: "api.yaml", Line: 3}
	tests := map[string][]*host.GatewayResponse{
		"an unknown type":       {{Type: "TEAPOT", Pos: pos}},
		"a type twice":          {{Type: host.Default4XX, Pos: pos}, {Type: host.Default4XX, Pos: pos}},
		"a status of no answer": {{Type: host.Default4XX, Status: 101, Pos: pos}},
		"a status of no class":  {{Type: host.Default4XX, Status: 600, Pos: pos}},
		"a template too long":   {{Type: host.Default4XX, Templates: template("text/plain", strings.Repeat("a", 301<<10)), Pos: pos}},
		"no media type":         {{Type: host.Default4XX, Templates: template("", "x"), Pos: pos}},
		"a media type of lines": {{Type: host.Default4XX, Templates: template("a/b\r\nX: y", "x"), Pos: pos}},
	}
	for name, responses := range tests {
		_, err := rest.CompileGateway(&host.API{REST: &host.REST{GatewayResponses: responses}})
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Invalid || e.Pos != pos {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzGatewayTemplate: no panic, a bounded body, and JSON that stays JSON whatever the client sends.
func FuzzGatewayTemplate(f *testing.F) {
	f.Add(`{"a":"$context.path","b":$context.error.messageString}`, `/"},{"x`)
	f.Add(`${context.identity.userAgent}\$stageVariables.colour "`, "\xff\x00")
	f.Add(`{"a":"\\$context.identity.userAgent\"$context.stage"}`, `\`)
	f.Fuzz(func(t *testing.T, text, value string) {
		g, err := rest.CompileGateway(&host.API{REST: &host.REST{GatewayResponses: []*host.GatewayResponse{{Type: host.Default4XX, Templates: template("application/json", text)}}}})
		if err != nil {
			return
		}
		respond := func(value string) string {
			x := exchange()
			x.Match.Path = value
			x.Request.Header.Set("User-Agent", value)
			return bodyOf(t, g.Respond(x, failure(host.Invalid, "")))
		}
		if plain := respond("x"); json.Valid([]byte(plain)) {
			if body := respond(value); !json.Valid([]byte(body)) {
				t.Errorf("%q with %q gives %q", text, value, body)
			}
		}
		if body := respond(value); len(body) > 1<<20 {
			t.Errorf("%d bytes", len(body))
		}
	})
}

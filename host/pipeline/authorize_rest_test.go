package pipeline_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/server/servertest"
)

// restVerdicts answers as its token says, and tells the counter of each call. A function and a plugin have the same code.
const restVerdicts = `
async function decide(event, counter) {
	const token = event.type === "TOKEN" ? event.authorizationToken : event.headers.Authorization ?? "none";
	await fetch(counter + "/" + token);
	const answer = (statements, more) => ({principalId: "ada", usageIdentifierKey: "key-1", policyDocument: {Version: "2012-10-17",
		Statement: statements.map(([Effect, Resource]) => ({Effect, Action: "execute-api:Invoke", Resource}))}, ...more});
	switch (token) {
	case "arn": return answer([["Allow", event.methodArn]], {context: {event: JSON.stringify(event), level: 3, ok: true, none: null}});
	case "all": case "none": return answer([["Allow", "*"]]);
	case "orders": return answer([["Allow", "arn:aws:execute-api:*:*:main/*/GET/orders/*"], ["Deny", "*/orders/secret"]]);
	case "nobody": return answer([["Allow", "*"]], {principalId: undefined});
	case "nothing": return {principalId: "ada"};
	case "simple": return {isAuthorized: true};
	case "deep": return answer([["Allow", "*"]], {context: {a: [1]}});
	case "long": return answer([["Allow", "arn:" + "a".repeat(512)]]);
	case "unauthorized": throw new Error("Unauthorized");
	case "boom": throw new Error("the store is down");
	case "spin": for (;;) {}
	}
	if (token.startsWith("fine")) return answer([["Allow", "*"]]);
}
`

const restGuarded = `
apis:
	main:
		protocol: rest
		authorizers:
			token:
				type: token
				plugin: ./plugin.js
				identitySources: [method.request.header.Authorization]
				identityValidationExpression: "[a-z]+|a1"
				timeout: 2s
				config: {counter: "COUNTER"}
				egress: ["COUNTER"]
			request:
				type: request
				plugin: ./plugin.js
				identitySources: [method.request.header.Authorization, method.request.querystring.q, stageVariables.tenant, context.httpMethod]
				config: {counter: "COUNTER"}
				egress: ["COUNTER"]
			open:
				type: request
				plugin: ./plugin.js
				resultTTL: 0s
				config: {counter: "COUNTER"}
				egress: ["COUNTER"]
			function:
				type: token
				function: decide
				identitySources: [method.request.header.Authorization]
		routes:
			GET /orders/{id}: {authorizer: token, integration: {function: tell}}
			POST /orders/{id}: {authorizer: token, integration: {function: tell}}
			GET /requests: {authorizer: request, integration: {function: tell}}
			GET /open: {authorizer: open, integration: {function: tell}}
			GET /functions/{id}: {authorizer: function, integration: {function: tell}}
		stages: {prod: {variables: {tenant: acme}}}
functions:
	decide: {plugin: ./function.js, timeout: 2s, env: {WHERE: "COUNTER"}, egress: ["COUNTER"]}
	tell: {plugin: ./tell.js}
`

func startRESTGuarded(t *testing.T) (*pipeline.Pipeline, *counter) {
	t.Helper()
	c := &counter{calls: map[string]int{}}
	return newWorkbench(t, nil).build(t, load(t, project(restGuarded, map[string]string{
		"plugin.js":   restVerdicts + `export const authorize = (event, context) => decide(event, context.config.counter);`,
		"function.js": restVerdicts + `export const handler = (event) => decide(event, process.env.WHERE);`,
		"tell.js":     `export const handler = (e) => ({statusCode: 200, body: "called"});`,
	}, "COUNTER", backend(t, http.HandlerFunc(c.ServeHTTP))))), c
}

// request is an exchange as routing leaves it.
func request(method, path, token string) *host.Exchange {
	target, _, _ := strings.Cut(path, "?")
	x := &host.Exchange{ID: "id", Started: time.Now(), Match: host.Match{Path: target, BasePath: "/prod", Domain: "main.execute-api.localhost"},
		Request: &host.Request{Method: method, Scheme: "http", Target: "/prod" + path, Peer: host.Peer{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}}
	if token != "" {
		x.Request.Header.Add("Authorization", token)
	}
	return x
}

// TestRESTAuthorizerOutcomes: reference 1.7, each outcome with the gateway response of 1.11 that it selects.
func TestRESTAuthorizerOutcomes(t *testing.T) {
	p, counts := startRESTGuarded(t)
	const explicit = "User is not authorized to access this resource with an explicit deny" // [LS]
	const implicit = "User is not authorized to access this resource"                       // [KC]
	for i, c := range []struct {
		name, key, path, token string
		code                   host.ResponseType // "" when the request passes
		told                   string
		calls                  int // of the token
	}{
		{"allowed", "GET /orders/{id}", "/orders/7", "all", "", "", 1},
		{"no identity", "GET /orders/{id}", "/orders/7", "", host.UnauthorizedResponse, "", 0},
		{"no match of the validation", "GET /orders/{id}", "/orders/7", "all1", host.UnauthorizedResponse, "", 0},
		{"a match of the validation within", "GET /orders/{id}", "/orders/7", "b a1", host.UnauthorizedResponse, "", 0},
		{"says Unauthorized", "GET /orders/{id}", "/orders/7", "unauthorized", host.UnauthorizedResponse, "", 1},
		{"throws", "GET /orders/{id}", "/orders/7", "boom", host.AuthorizerConfiguration, "", 1},
		{"answers nothing", "GET /orders/{id}", "/orders/7", "undefined", host.AuthorizerConfiguration, "", 1},
		{"answers no principal", "GET /orders/{id}", "/orders/7", "nobody", host.AuthorizerConfiguration, "", 1},
		{"answers no policy", "GET /orders/{id}", "/orders/7", "nothing", host.AuthorizerConfiguration, "", 1},
		{"answers as to http APIs", "GET /orders/{id}", "/orders/7", "simple", host.AuthorizerConfiguration, "", 1},
		{"answers a deep context", "GET /orders/{id}", "/orders/7", "deep", host.AuthorizerConfiguration, "", 1},
		{"answers a Resource that is too long", "GET /orders/{id}", "/orders/7", "long", host.AuthorizerConfiguration, "", 1}, // 1.3, "ARN"
		{"spins", "GET /orders/{id}", "/orders/7", "spin", host.AuthorizerConfiguration, "", 1},

		// The policy of "orders" is kept, and evaluated against each request (reference 1.7, "TTL").
		{"policy allows", "GET /orders/{id}", "/orders/7", "orders", "", "", 1},
		{"policy denies", "GET /orders/{id}", "/orders/secret", "orders", host.AccessDenied, explicit, 1},
		{"policy denies another spelling", "GET /orders/{id}", "//orders/%73ecret/", "orders", host.AccessDenied, explicit, 1},
		{"policy does not allow", "POST /orders/{id}", "/orders/7", "orders", host.AccessDenied, implicit, 1},

		{"all sources", "GET /requests", "/requests?q=1", "all", "", "", 2},
		{"a source is missing", "GET /requests", "/requests", "all", host.UnauthorizedResponse, "", 2},
		{"a source is empty", "GET /requests", "/requests?q=", "all", host.UnauthorizedResponse, "", 2},
		{"no sources", "GET /open", "/open", "", "", "", 0}, // its token is "none"

		{"a function allows", "GET /functions/{id}", "/functions/7", "arn", "", "", 1},
		{"a function says Unauthorized", "GET /functions/{id}", "/functions/7", "unauthorized", host.UnauthorizedResponse, "", 2},
		{"a function throws", "GET /functions/{id}", "/functions/7", "boom", host.AuthorizerConfiguration, "", 2},
		{"a function answers no policy", "GET /functions/{id}", "/functions/7", "nothing", host.AuthorizerConfiguration, "", 2},
		{"a function spins", "GET /functions/{id}", "/functions/7", "spin", host.AuthorizerConfiguration, "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, _, _ := strings.Cut(c.key, " ")
			x := request(method, c.path, c.token)
			err := p.Authorize(t.Context(), c.key, x)
			var e *host.Error
			if errors.As(err, &e); c.code == "" && err != nil || c.code != "" && (e == nil || e.Code != c.code) {
				t.Fatalf("got %v (%+v), want code %q", err, e, c.code)
			}
			if err != nil {
				kind := map[host.ResponseType]host.Kind{host.UnauthorizedResponse: host.Unauthenticated, host.AccessDenied: host.Forbidden}[c.code]
				if e.Kind != kind {
					t.Errorf("kind %v, want %v", e.Kind, kind)
				}
			}
			told := ""
			if d := (*host.Disclosure)(nil); errors.As(err, &d) {
				told = d.Message
			}
			if told != c.told {
				t.Errorf("the client is told %q, want %q", told, c.told)
			}
			if c.token != "" && counts.of(c.token) != c.calls {
				t.Errorf("%d calls with this token, want %d", counts.of(c.token), c.calls)
			}
			fine := request(method, c.path, "fine"+strings.Repeat("a", i)) // who fails again and again is left alone
			if err := p.Authorize(t.Context(), c.key, fine); err != nil && !strings.Contains(c.name, "a source is") {
				t.Error(err)
			}
			if x.Function != nil {
				t.Errorf("the exchange has the function %s, which is its integration's to set", x.Function.Name)
			}
		})
	}
	if n := counts.of("none"); n != 1 {
		t.Errorf("the authorizer without sources was called %d times", n)
	}
}

// TestRESTAuthorizerPrincipal: reference 1.7, "Input" and "Output": what a TOKEN authorizer gets, and what becomes of its answer.
func TestRESTAuthorizerPrincipal(t *testing.T) {
	p, _ := startRESTGuarded(t)
	for _, key := range []string{"GET /orders/{id}", "GET /functions/{id}"} {
		path := strings.Replace(strings.TrimPrefix(key, "GET "), "{id}", "7", 1)
		x := request("GET", path, "arn")
		if err := p.Authorize(t.Context(), key, x); err != nil {
			t.Fatal(err)
		}
		want := host.Principal{ID: "ada", UsageIdentifierKey: "key-1", Context: map[string]any{"level": "3", "ok": "true",
			"event": `{"type":"TOKEN","authorizationToken":"arn","methodArn":"arn:aws:execute-api:local:000000000000:main/prod/GET` + path + `"}`}}
		if diff := cmp.Diff(want, x.Principal); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	x := request("GET", "/requests?q=1", "arn")
	if err := p.Authorize(t.Context(), "GET /requests", x); err != nil {
		t.Fatal(err)
	}
	event, _ := x.Principal.Context["event"].(string)
	for _, part := range []string{`{"type":"REQUEST","methodArn":"arn:aws:execute-api:local:000000000000:main/prod/GET/requests","resource":"/requests","path":"/requests"`,
		`"queryStringParameters":{"q":"1"}`, `"stageVariables":{"tenant":"acme"}`, `"pathParameters":{}`, `"resourcePath":"/requests"`} {
		if !strings.Contains(event, part) {
			t.Errorf("no %s in %s", part, event)
		}
	}
}

// TestRESTAuthorizerCache: the key of a kept policy holds all identity values (reference 1.7, "TTL").
func TestRESTAuthorizerCache(t *testing.T) {
	p, counts := startRESTGuarded(t)
	for _, path := range []string{"/requests?q=1", "/requests?q=1", "/requests?q=2", "/requests?q=1;q=2", "/requests?q=1&q=2", "/requests?q=1,2"} {
		if err := p.Authorize(t.Context(), "GET /requests", request("GET", path, "all")); err != nil {
			t.Fatal(err)
		}
	}
	if n := counts.of("all"); n != 3 {
		t.Errorf("%d calls, want one for each of 1, 2, and both", n)
	}
	for range 2 {
		if err := p.Authorize(t.Context(), "GET /functions/{id}", request("GET", "/functions/7", "all")); err != nil {
			t.Fatal(err)
		}
		if err := p.Authorize(t.Context(), "GET /open", request("GET", "/open", "orders")); !errors.Is(err, host.Forbidden) {
			t.Fatal(err)
		}
	}
	if n, never := counts.of("all"), counts.of("orders"); n != 4 || never != 2 {
		t.Errorf("%d and %d calls, want 4, as a function's answer is kept too, and 2, as nothing is with a TTL of 0", n, never)
	}
}

// TestRESTMethodARNLimit: reference 1.3, "ARN": at most 1600 bytes.
func TestRESTMethodARNLimit(t *testing.T) {
	p, counts := startRESTGuarded(t)
	const rest = len("arn:aws:execute-api:local:000000000000:main/prod/GET/orders/")
	x := request("GET", "/orders/"+strings.Repeat("a", 1600-rest), "all")
	if err := p.Authorize(t.Context(), "GET /orders/{id}", x); err != nil || x.Response != nil {
		t.Errorf("1600 bytes: got %v, %v", x.Response, err)
	}
	x = request("GET", "/orders/"+strings.Repeat("a", 1601-rest), "orders")
	if err := p.Authorize(t.Context(), "GET /orders/{id}", x); err != nil || x.Response == nil || x.Response.Status != 414 || counts.of("orders") != 0 {
		t.Errorf("1601 bytes: got %v, %v after %d calls", x.Response, err, counts.of("orders"))
	}
}

// TestAuthorizerThatIsAFunction of an http API.
func TestAuthorizerThatIsAFunction(t *testing.T) {
	g := servertest.Start(t, project(`
apis:
	main:
		authorizers:
			caller: {function: decide, identitySources: [$request.header.X-Token]}
		routes:
			GET /: {authorizer: caller, integration: {function: tell}}
functions:
	decide: {plugin: ./decide.js}
	tell: {plugin: ./tell.js}
`, map[string]string{
		"decide.js": `export const handler = (e, context) => {
			if (e.identitySource[0] === "boom") throw new Error("broken");
			return {isAuthorized: e.identitySource[0] === "yes", context: {by: context.functionName}};
		}`,
		"tell.js": `export const handler = (e) => JSON.stringify(e.requestContext.authorizer)`,
	}))
	expect(t, g, g.Get(t, "/", "X-Token: yes"), 200, `{"lambda":{"by":"decide"}}`, "")
	expect(t, g, g.Get(t, "/", "X-Token: no"), 403, `{"message":"Forbidden"}`, "the authorizer does not allow it")
	expect(t, g, g.Get(t, "/", "X-Token: boom"), 500, internal, "Error: broken")
	expect(t, g, g.Get(t, "/"), 401, `{"message":"Unauthorized"}`, "identity source $request.header.X-Token is missing")
}

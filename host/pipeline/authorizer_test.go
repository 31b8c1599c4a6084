package pipeline_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

// verdicts answers as its token says, and tells the counter of each call.
const verdicts = `
export async function authorize(event, context) {
	const token = String(event.identitySource ?? "none");
	await fetch(context.config.counter + "/" + token);
	const policy = (...statements) => ({principalId: "ada", context: {user: "ada"}, policyDocument: {Version: "2012-10-17",
		Statement: statements.map(([Effect, Resource]) => ({Effect, Action: "execute-api:Invoke", Resource}))}});
	switch (token) {
	case "yes": return {isAuthorized: true, context: {user: "ada", level: 3, deep: {a: [true]}}};
	case "no": return {isAuthorized: false};
	case "unauthorized": throw new Error("Unauthorized");
	case "boom": throw new TypeError("the store is down");
	case "text": return "yes";
	case "empty": return {};
	case "condition": return {principalId: "a", policyDocument: {Statement: [{Effect: "Allow", Action: "*", Resource: "*", Condition: {}}]}};
	case "policy": return policy(["Allow", "arn:postern:execute-api:*:*:main/*/GET/orders/*"], ["Deny", "*/orders/secret"]);
	case "all": return policy(["Allow", "*"]);
	case "spin": for (;;) {}
	case "wait": await new Promise((done) => setTimeout(done, 60_000));
	}
}`

const guarded = `
apis:
	main:
		authorizers:
			caller:
				plugin: ./verdicts.js
				identitySources: [$request.header.Authorization]
				timeout: 2s
				config: {counter: "COUNTER"}
				egress: ["COUNTER"]
			first:
				plugin: ./verdicts.js
				payloadFormatVersion: "1.0"
				identitySources: [$request.header.Authorization, $request.querystring.tenant]
				resultTTL: 0s
				config: {counter: "COUNTER"}
				egress: ["COUNTER"]
		routes:
			GET /orders/{id}: {authorizer: caller, integration: {function: tell}}
			POST /orders/{id}: {authorizer: caller, integration: {function: tell}}
			GET /old/{id}: {authorizer: first, integration: {function: tell, payloadFormatVersion: "1.0"}}
			GET /mapped: {authorizer: caller, request: {mapping: {application/json: ./map.js}}, integration: {function: mirror}}
			GET /open: {integration: {mock: {body: open}}}
		stages: {$default: {}, other: {}}
functions:
	tell: {plugin: ./tell.js}
	mirror: {plugin: ./mirror.js}
`

var guardedFiles = map[string]string{
	"verdicts.js": verdicts,
	"tell.js":     `export const handler = (e) => JSON.stringify(e.requestContext.authorizer)`,
	"mirror.js":   `export const handler = (e) => e`,
	"map.js":      `export const map_request = (input, context) => ({user: context.authorizer.user, level: context.authorizer.level})`,
}

// A counter counts the calls of an authorizer by token, and can hold them up.
type counter struct {
	mu    sync.Mutex
	calls map[string]int
	hold  chan struct{} // nil holds nobody
}

func (c *counter) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.calls[strings.TrimPrefix(r.URL.Path, "/")]++
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func (c *counter) of(token string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[token]
}

func startGuarded(t *testing.T) (*servertest.Gateway, *counter) {
	t.Helper()
	c := &counter{calls: map[string]int{}}
	return servertest.Start(t, project(guarded, guardedFiles, "COUNTER", backend(t, c.ServeHTTP))), c
}

func TestAuthorizer(t *testing.T) {
	g, counts := startGuarded(t)
	const forbidden, unauthorized = `{"message":"Forbidden"}`, `{"message":"Unauthorized"}`
	for name, c := range map[string]struct {
		method, path, token string
		status              int
		body, cause         string
	}{
		"no identity":            {"GET", "/orders/7", "", 401, unauthorized, "authorizer caller: identity source $request.header.Authorization is missing"},
		"allowed":                {"GET", "/orders/7", "yes", 200, `{"lambda":{"deep":{"a":[true]},"level":3,"user":"ada"}}`, ""},
		"allowed, to a mapping":  {"GET", "/mapped", "yes", 200, `{"user":"ada","level":3}`, ""},
		"refused":                {"GET", "/orders/7", "no", 403, forbidden, "authorizer caller: the authorizer does not allow it"},
		"says Unauthorized":      {"GET", "/orders/7", "unauthorized", 401, unauthorized, "Error: Unauthorized"},
		"throws":                 {"GET", "/orders/7", "boom", 500, internal, "TypeError: the store is down"},
		"answers text":           {"GET", "/orders/7", "text", 500, internal, "the result is not an object"},
		"answers nothing usable": {"GET", "/orders/7", "empty", 500, internal, "neither isAuthorized nor policyDocument"},
		"answers a condition":    {"GET", "/orders/7", "condition", 500, internal, "Condition is not supported"},
		"spins":                  {"GET", "/orders/7", "spin", 500, internal, "2s, its timeout (postern.yaml:8:18)"},
		"waits too long":         {"GET", "/orders/7", "wait", 500, internal, "2s, its timeout (postern.yaml:8:18)"},
		"policy allows":          {"GET", "/orders/7", "policy", 200, `{"lambda":{"user":"ada"}}`, ""},
		"policy denies":          {"GET", "/orders/secret", "policy", 403, forbidden, "the authorizer's policy denies it"},
		"policy says nothing":    {"POST", "/orders/7", "policy", 403, forbidden, "the authorizer does not allow it"},
		"format 1.0":             {"GET", "/old/7?tenant=t", "all", 500, internal, "the result is null"}, // the token is "all,t"
		"format 1.0, no tenant":  {"GET", "/old/7", "all", 401, unauthorized, "$request.querystring.tenant is missing"},
		"format 1.0, empty":      {"GET", "/old/7?tenant=", "all", 401, unauthorized, "$request.querystring.tenant is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			var fields []string
			if c.token != "" {
				fields = append(fields, "Authorization: "+c.token)
			}
			expect(t, g, g.Do(t, c.method, c.path, "", fields...), c.status, c.body, c.cause)
			expect(t, g, g.Get(t, "/open"), 200, "open", "")
			expect(t, g, g.Get(t, "/orders/1", "Authorization: yes"), 200, `{"lambda":{"deep":{"a":[true]},"level":3,"user":"ada"}}`, "")
		})
	}
	if n := counts.of("none"); n != 0 {
		t.Errorf("the plugin was called %d times without an identity", n)
	}
	if n := counts.of("policy"); n != 1 { // one policy for three routes
		t.Errorf("the plugin was asked %d times for a policy that is kept", n)
	}
	if n := counts.of("all"); n != 0 {
		t.Errorf("format 1.0 called the plugin %d times though an identity was missing", n)
	}
}

// What an authorizer says reaches a function in format 1.0 beside principalId.
func TestAuthorizerContextInFormat1(t *testing.T) {
	g := servertest.Start(t, project(`
apis:
	main:
		authorizers: {a: {plugin: ./a.js, payloadFormatVersion: "1.0", identitySources: [$request.header.X-Token]}}
		routes: {"GET /": {authorizer: a, integration: {function: tell, payloadFormatVersion: "1.0"}}}
functions: {tell: {plugin: ./tell.js}}
`, map[string]string{
		"a.js": `export const authorize = (e) => ({principalId: e.authorizationToken, context: {n: 1, b: true},
			policyDocument: {Statement: {Effect: "Allow", Action: "execute-api:Invoke", Resource: e.methodArn}}})`,
		"tell.js": `export const handler = (e) => ({statusCode: 200, body: JSON.stringify(e.requestContext.authorizer)})`,
	}))
	expect(t, g, g.Get(t, "/", "X-Token: me"), 200, `{"b":true,"n":1,"principalId":"me"}`, "")
}

package pipeline_test

import (
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

const routing = `
apis:
	shop:
		root: true
		routes:
			GET /orders/{id}: {integration: {function: where}}
			GET /orders/new: {integration: {function: where}}
			ANY /orders/{id}: {integration: {function: where}}
			GET /files/{path+}: {integration: {function: where}}
			POST /only: {integration: {function: where}}
		stages:
			$default: {variables: {color: blue}}
			green: {variables: {color: green}}
	docs:
		routes:
			$default: {integration: {function: where}}
		stages: {v1: {}}
	hidden:
		defaultEndpoint: false
		routes:
			GET /: {integration: {function: where}}
functions:
	where: {plugin: ./where.js, url: true}
domains:
	api.example.com: {/: shop/green, /docs: docs/v1, /h: hidden/$default}
`

const where = `export const handler = (e) => [e.requestContext.apiId, e.requestContext.stage, e.routeKey, e.rawPath,
	(e.stageVariables ?? {}).color ?? "-", JSON.stringify(e.pathParameters ?? {})].join(" ")`

func TestRouting(t *testing.T) {
	g := servertest.Start(t, project(routing, map[string]string{"where.js": where}))
	for name, c := range map[string]struct {
		method, host, path string
		want               string // "" is not found
	}{
		"parameter":                    {"GET", "", "/orders/7", `shop $default GET /orders/{id} /orders/7 blue {"id":"7"}`},
		"literal before parameter":     {"GET", "", "/orders/new", `shop $default GET /orders/new /orders/new blue {}`},
		"ANY where no method fits":     {"DELETE", "", "/orders/7", `shop $default ANY /orders/{id} /orders/7 blue {"id":"7"}`},
		"escapes":                      {"GET", "", "/orders/a%2Fb%20c?x=1", `shop $default GET /orders/{id} /orders/a%2Fb%20c blue {"id":"a/b c"}`},
		"greedy":                       {"GET", "", "/files/a/b/c", `shop $default GET /files/{path+} /files/a/b/c blue {"path":"a/b/c"}`},
		"another method":               {"GET", "", "/only", ""},
		"no route":                     {"GET", "", "/nothing", ""},
		"named stage":                  {"GET", "", "/green/orders/7", `shop green GET /orders/{id} /green/orders/7 green {"id":"7"}`},
		"_postern":                     {"GET", "", "/_postern/shop/green/orders/7", `shop green GET /orders/{id} /green/orders/7 green {"id":"7"}`},
		"_postern, $default":           {"GET", "", "/_postern/shop/$default/orders/7", `shop $default GET /orders/{id} /orders/7 blue {"id":"7"}`},
		"_postern, another API":        {"GET", "", "/_postern/docs/v1/a/b", `docs v1 $default /v1/a/b - {}`},
		"_postern, no stage":           {"GET", "", "/_postern/docs/v2/a", ""},
		"_postern, no API":             {"GET", "", "/_postern/nobody/v1/a", ""},
		"_postern, hidden":             {"GET", "", "/_postern/hidden/$default/", ""},
		"execute-api":                  {"GET", "docs.execute-api.localhost", "/v1/x", `docs v1 $default /v1/x - {}`},
		"execute-api, in capitals":     {"GET", "Docs.Execute-API.localhost:8080", "/v1/x", `docs v1 $default /v1/x - {}`},
		"execute-api, no stage":        {"GET", "docs.execute-api.localhost", "/x", ""},
		"execute-api, nobody":          {"GET", "nobody.execute-api.localhost", "/v1/x", ""},
		"execute-api, hidden":          {"GET", "hidden.execute-api.localhost", "/", ""},
		"domain":                       {"GET", "api.example.com", "/orders/7", `shop green GET /orders/{id} /orders/7 green {"id":"7"}`},
		"domain, base path":            {"GET", "api.example.com:443", "/docs/x", `docs v1 $default /docs/x - {}`},
		"domain, hidden otherwise":     {"GET", "api.example.com", "/h/", `hidden $default GET / /h/ - {}`},
		"function URL":                 {"PUT", "where.function.localhost", "/any/thing", `where $default $default /any/thing - {}`},
		"function URL, nobody":         {"GET", "other.function.localhost", "/", ""},
		"any host is the root API's":   {"GET", "10.0.0.1:99", "/orders/7", `shop $default GET /orders/{id} /orders/7 blue {"id":"7"}`},
		"what climbs is no other path": {"GET", "", "/orders/../only", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var fields []string
			if c.host != "" {
				fields = append(fields, "Host: "+c.host)
			}
			reply := g.Do(t, c.method, c.path, "", fields...)
			if c.want == "" {
				expect(t, g, reply, 404, notFound, "route: no ")
				if got := reply.Header.Get("Content-Type"); got != "application/json" {
					t.Errorf("Content-Type %q", got)
				}
				return
			}
			expect(t, g, reply, 200, c.want, "")
		})
	}
}

// A lone API is the root one, also by a stage that has a name.
func TestRootOfALoneAPI(t *testing.T) {
	g := servertest.Start(t, project(`
apis:
	only:
		routes: {GET /a: {integration: {mock: {body: here}}}}
		stages: {prod: {}}
`, nil))
	expect(t, g, g.Get(t, "/prod/a"), 200, "here", "")
	expect(t, g, g.Get(t, "/a"), 404, notFound, "no API answers")
	line := g.Log.Request(t, g.Get(t, "/prod/a"))
	for key, want := range map[string]string{"api": "only", "stage": "prod", "route": "GET /a", "method": "GET",
		"path": "/prod/a", "protocol": "HTTP/1.1", "client": "127.0.0.1", "bytes": "4"} {
		if got := line.Text(key); got != want {
			t.Errorf("the access log has %s %q, want %q", key, got, want)
		}
	}
}

func TestRequestIDsAreUniqueAndTheGatewaysOwn(t *testing.T) {
	g := servertest.Start(t, project(`
apis: {a: {routes: {GET /: {integration: {mock: {headers: {Apigw-Requestid: mine}}}}}}}
`, nil))
	seen := map[string]bool{}
	for range 50 {
		ids := g.Get(t, "/").Header.Values("Apigw-Requestid")
		if len(ids) != 1 || len(ids[0]) != 24 || seen[ids[0]] {
			t.Fatalf("request ids %q after %d", ids, len(seen))
		}
		seen[ids[0]] = true
	}
}

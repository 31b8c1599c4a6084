package pipeline_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/server/servertest"
)

// corsOf is what a response says about CORS: its Access-Control fields and Vary, by lower-case name.
func corsOf(h http.Header) map[string]string {
	got := map[string]string{}
	for name, values := range h {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "access-control-") || name == "vary" {
			slices.Sort(values)
			got[strings.TrimPrefix(name, "access-control-")] = strings.Join(values, ",")
		}
	}
	return got
}

func TestCORS(t *testing.T) {
	g := servertest.Start(t, project(`
apis:
	strict:
		root: true
		cors:
			allowOrigins: ["https://shop.example.com", "http://localhost:3000"]
			allowMethods: [GET, POST]
			allowHeaders: [authorization]
			exposeHeaders: [x-total]
			maxAge: 5m
			allowCredentials: true
		authorizers: {nobody: {plugin: ./nobody.js}}
		routes:
			GET /mark: {integration: {mock: {headers: {Access-Control-Allow-Origin: "*", access-control-expose-headers: x-secret, Vary: Accept}}}}
			OPTIONS /own: {integration: {mock: {status: 418}}}
			$default: {authorizer: nobody, integration: {mock: {}}}
	open:
		cors: {allowOrigins: ["*"], allowMethods: ["*"]}
		routes: {GET /: {integration: {mock: {}}}}
	schemes:
		cors: {allowOrigins: ["https://*"]}
		routes: {GET /: {integration: {mock: {}}}}
	none:
		routes: {GET /: {integration: {mock: {headers: {Access-Control-Allow-Origin: backend}}}}}
`, map[string]string{"nobody.js": `export const authorize = () => ({isAuthorized: false})`}))
	const shop = "Origin: https://shop.example.com"
	const preflight = "Access-Control-Request-Method: POST"
	full := map[string]string{"allow-origin": "https://shop.example.com", "allow-credentials": "true", "allow-methods": "GET,POST",
		"allow-headers": "authorization", "max-age": "300", "vary": "Origin"}
	marked := map[string]string{"allow-origin": "https://shop.example.com", "allow-credentials": "true", "expose-headers": "x-total", "vary": "Origin"}
	for name, c := range map[string]struct {
		method, path string
		fields       []string
		status       int
		want         map[string]string
	}{
		"preflight, though only $default fits and refuses": {"OPTIONS", "/nowhere", []string{shop, preflight}, 204, full},
		"preflight, though a route takes OPTIONS":          {"OPTIONS", "/own", []string{shop, preflight}, 204, full},
		"preflight of another origin":                      {"OPTIONS", "/mark", []string{"Origin: https://evil.example.com", preflight}, 204, map[string]string{"vary": "Origin"}},
		"OPTIONS that is no preflight":                     {"OPTIONS", "/own", []string{shop}, 418, marked},
		"OPTIONS without origin":                           {"OPTIONS", "/own", []string{preflight}, 418, map[string]string{"vary": "Origin"}},
		"the backend's words are replaced": {"GET", "/mark", []string{shop}, 200,
			map[string]string{"allow-origin": "https://shop.example.com", "allow-credentials": "true", "expose-headers": "x-total", "vary": "Accept,Origin"}},
		"no origin":                {"GET", "/mark", nil, 200, map[string]string{"vary": "Accept,Origin"}},
		"refusals are marked too":  {"GET", "/other", []string{shop}, 403, marked},
		"origins in another case":  {"GET", "/other", []string{"Origin: HTTPS://Shop.Example.com"}, 403, map[string]string{"allow-origin": "HTTPS://Shop.Example.com", "allow-credentials": "true", "expose-headers": "x-total", "vary": "Origin"}},
		"any origin":               {"GET", "/_postern/open/$default/", []string{shop}, 200, map[string]string{"allow-origin": "*"}},
		"any origin, preflight":    {"OPTIONS", "/_postern/open/$default/x", []string{shop, preflight}, 204, map[string]string{"allow-origin": "*", "allow-methods": "*"}},
		"no route, but marked":     {"GET", "/_postern/open/$default/x", []string{shop}, 404, map[string]string{"allow-origin": "*"}},
		"a scheme":                 {"GET", "/_postern/schemes/$default/", []string{"Origin: https://any.where"}, 200, map[string]string{"allow-origin": "https://any.where", "vary": "Origin"}},
		"another scheme":           {"GET", "/_postern/schemes/$default/", []string{"Origin: http://any.where"}, 200, map[string]string{"vary": "Origin"}},
		"not configured":           {"GET", "/_postern/none/$default/", []string{shop}, 200, map[string]string{"allow-origin": "backend"}},
		"not configured, no route": {"OPTIONS", "/_postern/none/$default/", []string{shop, preflight}, 404, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			reply := g.Do(t, c.method, c.path, "", c.fields...)
			if reply.Status != c.status {
				t.Errorf("status %d, want %d", reply.Status, c.status)
			}
			if diff := cmp.Diff(c.want, corsOf(reply.Header)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if c.status == 204 && (reply.Body != "" || reply.Header.Get("Content-Length") != "") {
				t.Errorf("a 204 with a body: %+v", reply)
			}
		})
	}
}

package pipeline_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

// restAround is a REST API around an upstream that is slow, sends elsewhere, and has octets.
const restAround = `
apis:
	around:
		protocol: rest
		root: true
		binaryMediaTypes: [image/png]
		gatewayResponses:
			INTEGRATION_TIMEOUT: {parameters: {gatewayresponse.header.X-Why: context.error.responseType}}
		routes:
			GET /slow: {integration: {type: HTTP_PROXY, method: GET, uri: "UPSTREAM/slow", timeout: 200ms}}
			GET /moved: {integration: {type: HTTP_PROXY, method: GET, uri: "UPSTREAM/moved"}}
			GET /found:
				integration: {type: HTTP, method: GET, uri: "UPSTREAM/moved"}
				responses:
					- {match: "3\\d\\d", status: 307, parameters: {method.response.header.Location: integration.response.header.Location}}
			POST /later:
				integration: {function: note, parameters: {integration.request.header.X-Amz-Invocation-Type: "'Event'"}}
				responses: [{status: 200}]
			GET /overridden:
				request: {mapping: {application/json: {template: '#set($context.responseOverride.status = 418){"statusCode": 200}'}}}
				integration: {type: MOCK}
				responses: [{match: "200", status: 200, mapping: {application/json: {template: 'short and stout'}}}]
			GET /by-stage: {integration: {type: HTTP_PROXY, method: GET, uri: "${stageVariables.backend}/said?from=${stageVariables.name}"}}
			POST /encode:
				integration: {type: HTTP, method: POST, uri: "UPSTREAM/echo", contentHandling: CONVERT_TO_TEXT}
				responses: [{status: 200}]
			POST /decode:
				integration: {type: HTTP, method: POST, uri: "UPSTREAM/echo", contentHandling: CONVERT_TO_BINARY}
				responses: [{status: 200, contentHandling: CONVERT_TO_TEXT}]
			GET /picture:
				integration: {type: HTTP, method: GET, uri: "UPSTREAM/base64"}
				responses: [{status: 200, contentHandling: CONVERT_TO_BINARY}]
			GET /where: {integration: {function: where}}
		stages: {prod: {variables: {backend: "UPSTREAM", name: around}}}
domains:
	api.example.com: {/prod: around/prod, /shop/v1: around/prod}
functions:
	note: {plugin: ./note.js}
	where: {plugin: ./where.js}
`

var restAroundFiles = map[string]string{
	"note.js":  `export const handler = (e) => { console.log("noted " + e.what) }`,
	"where.js": `export const handler = (e) => ({statusCode: 200, body: e.path + " " + e.requestContext.path + " " + e.resource})`,
}

// roundabout is its upstream.
func roundabout(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/slow":
		<-r.Context().Done()
	case "/moved":
		w.Header().Set("Location", "https://elsewhere.example/")
		w.WriteHeader(302)
	case "/base64":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "iVBORw==")
	case "/echo":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	default:
		_, _ = io.WriteString(w, r.RequestURI)
	}
}

func TestRESTAroundUpstreams(t *testing.T) {
	g := servertest.Start(t, project(restAround, restAroundFiles, "UPSTREAM", backend(t, roundabout)))
	for name, c := range map[string]struct {
		method, path, body string
		fields             []string
		status             int
		want               string
		header             [2]string
	}{
		"1.4, 1.11: a timeout":                       {"GET", "/prod/slow", "", nil, 504, `{"message":"Endpoint request timed out"}`, [2]string{"X-Why", "INTEGRATION_TIMEOUT"}},
		"1.4: a redirect is an answer":               {"GET", "/prod/moved", "", nil, 302, "", [2]string{"Location", "https://elsewhere.example/"}},
		"1.4: a redirect is selected":                {"GET", "/prod/found", "", nil, 307, "", [2]string{"Location", "https://elsewhere.example/"}},
		"1.5: a status from the request's template":  {"GET", "/prod/overridden", "", nil, 418, "short and stout", [2]string{}},
		"1.4: stage variables in the URI":            {"GET", "/prod/by-stage?q=1", "", nil, 200, "/said?from=around&q=1", [2]string{}},
		"1.4.2: octets to text":                      {"POST", "/prod/encode", "\x89PNG", []string{"Content-Type: image/png"}, 200, "iVBORw==", [2]string{}},
		"1.4.2: text to octets, and back":            {"POST", "/prod/decode", "aGVsbG8=", []string{"Content-Type: text/plain"}, 200, "hello", [2]string{}},
		"1.4.2: text to octets that is not base64":   {"POST", "/prod/decode", "%%%", []string{"Content-Type: text/plain"}, 500, `{"message":"Internal server error"}`, [2]string{}},
		"1.4.2: base64 of the upstream to octets":    {"GET", "/prod/picture", "", []string{"Accept: image/png"}, 200, "\x89PNG", [2]string{}},
		"1.6: the path of an event":                  {"GET", "/prod/where", "", nil, 200, "/where /prod/where /where", [2]string{}},
		"1.15: behind a base path":                   {"GET", "/shop/v1/where", "", []string{"Host: api.example.com"}, 200, "/shop/v1/where /shop/v1/where /where", [2]string{}},
		"1.15: behind a base path that is called so": {"GET", "/prod/where", "", []string{"Host: api.example.com"}, 200, "/prod/where /prod/where /where", [2]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			reply := g.Do(t, c.method, c.path, c.body, c.fields...)
			if reply.Status != c.status || reply.Body != c.want {
				t.Errorf("got %d %q, want %d %q", reply.Status, reply.Body, c.status, c.want)
			}
			if name := c.header[0]; name != "" && reply.Header.Get(name) != c.header[1] {
				t.Errorf("%s: %q", name, reply.Header.Get(name))
			}
		})
	}
}

// A function that is called later answers nobody, and runs (reference 1.4, "Async Lambda" [AST]).
func TestRESTLater(t *testing.T) {
	g := servertest.Start(t, project(restAround, restAroundFiles, "UPSTREAM", backend(t, roundabout)))
	if reply := g.Do(t, "POST", "/prod/later", `{"what":"this"}`, "Content-Type: application/json"); reply.Status != 200 || reply.Body != "" {
		t.Errorf("got %d %q", reply.Status, reply.Body)
	}
	servertest.Eventually(t, "the function has run", func() bool { return strings.Contains(g.Log.String(), "noted this") })
}

package pipeline_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

// TestRESTMethodOverride holds what X-HTTP-Method-Override routes to and what an authorizer's policy is asked about to one method: a caller
// who may GET does not DELETE.
func TestRESTMethodOverride(t *testing.T) {
	const definition = `
apis:
	main:
		protocol: rest
		authorizers: {reader: {plugin: ./reader.js, type: token, identitySources: [method.request.header.Authorization], timeout: 2s}}
		routes:
			GET /orders/{id}: {authorizer: reader, integration: {function: tell}}
			DELETE /orders/{id}:
				authorizer: reader
				request: {mapping: {application/json: {template: '{"gone": "$input.params("id")"}'}}}
				integration: {function: payload}
				responses: [{status: 200}]
			ANY /any/{id}: {authorizer: reader, integration: {function: tell}}
			ANY /through/{id}: {integration: {type: HTTP_PROXY, uri: "UPSTREAM/{id}", method: ANY}}
functions:
	tell: {plugin: ./tell.js}
	payload: {plugin: ./payload.js}
`
	g := servertest.Start(t, project(definition, map[string]string{
		"reader.js":  `export const handler = (e) => ({principalId: "ada", policyDocument: {Statement: [{Action: "execute-api:Invoke", Effect: "Allow", Resource: "*/GET/*"}]}})`,
		"tell.js":    `export const handler = (e) => ({statusCode: 200, body: e.httpMethod + " " + e.requestContext.httpMethod})`,
		"payload.js": `export const handler = (e) => e`,
	}, "UPSTREAM", backend(t, echo)))
	const denied = `{"Message":"User is not authorized to access this resource"}`
	for _, tc := range []struct {
		name, method, path, override string
		status                       int
		want                         string
	}{
		{"allowed", "GET", "/dev/orders/1", "", 200, "GET GET"},
		{"denied", "DELETE", "/dev/orders/1", "", 403, denied},
		{"a GET that deletes", "GET", "/dev/orders/1", "DELETE", 403, denied},
		{"a DELETE that gets", "DELETE", "/dev/orders/1", "GET", 200, "GET GET"},
		{"ANY: a GET that deletes", "GET", "/dev/any/1", "DELETE", 403, denied},
		{"ANY: a DELETE that gets", "DELETE", "/dev/any/1", "GET", 200, "GET GET"},
		{"ANY goes on as what it was routed by", "POST", "/dev/through/1", "PUT", 200, "PUT /1 "},
		{"what is asked for without content has none", "GET", "/dev/through/1", "HEAD", 200, ""},
		{"no method of a route", "GET", "/dev/orders/1", "CONNECT", 403, `{"message":"Missing Authentication Token"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fields := []string{"Authorization: ada"}
			if tc.override != "" {
				fields = append(fields, "X-HTTP-Method-Override: "+tc.override)
			}
			if reply := g.Do(t, tc.method, tc.path, "", fields...); reply.Status != tc.status || reply.Body != tc.want || reply.Err != nil {
				t.Errorf("got %d %q %v, want %d %q", reply.Status, reply.Body, reply.Err, tc.status, tc.want)
			}
		})
	}
}

// TestRESTContentTypes: nobody chooses by a second Content-Type whether a body is validated.
func TestRESTContentTypes(t *testing.T) {
	const definition = `
apis:
	main:
		protocol: rest
		models: {Order: {type: object, required: [item]}}
		routes:
			POST /orders:
				request: {models: {application/json: Order}, validate: [body]}
				integration: {function: tell}
functions: {tell: {plugin: ./tell.js}}
`
	g := servertest.Start(t, project(definition, map[string]string{"tell.js": `export const handler = (e) => ({statusCode: 200, body: e.headers["Content-Type"] ?? "none"})`}))
	const invalid = `{"message":"Invalid request body"}`
	for _, tc := range []struct {
		name   string
		types  []string
		status int
		want   string
	}{
		{"none", nil, 400, invalid},
		{"a parameter", []string{"application/json;x=1"}, 400, invalid},
		{"capitals", []string{"APPLICATION/JSON"}, 400, invalid},
		{"the same twice", []string{"application/json", "application/json"}, 400, invalid},
		{"another, that has no model", []string{"text/plain"}, 200, "text/plain"},
		{"another before", []string{"text/plain", "application/json"}, 400, `{"message":"Bad Request"}`},
		{"another behind", []string{"application/json", "text/plain"}, 400, `{"message":"Bad Request"}`},
		{"an empty one before", []string{"", "text/plain"}, 400, `{"message":"Bad Request"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var fields []string
			for _, value := range tc.types {
				fields = append(fields, "Content-Type: "+value)
			}
			if reply := g.Do(t, "POST", "/dev/orders", "{}", fields...); reply.Status != tc.status || reply.Body != tc.want {
				t.Errorf("got %d %q, want %d %q", reply.Status, reply.Body, tc.status, tc.want)
			}
		})
	}
}

// TestUpstreamsThatLie: what a server says that no client can be told is its failure.
func TestUpstreamsThatLie(t *testing.T) {
	lines := map[string]string{"status": "HTTP/1.1 099 Nothing\r\nContent-Length: 2\r\n\r\nok", "empty": "HTTP/1.1 099 Nothing\r\nContent-Length: 0\r\n\r\n"}
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = upstream.Close() })
	go func() {
		for conn, err := upstream.Accept(); err == nil; conn, err = upstream.Accept() {
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, lines[path.Base(r.URL.Path)])
			}
			_ = conn.Close()
		}
	}()
	const definition = `
apis:
	main:
		protocol: rest
		routes: {"GET /{proxy+}": {integration: {type: HTTP_PROXY, uri: "UPSTREAM/{proxy}", method: GET}}}
	web:
		routes: {"GET /{proxy+}": {integration: {http: "UPSTREAM/{proxy}"}}}
`
	g := servertest.Start(t, project(definition, nil, "UPSTREAM", "http://"+upstream.Addr().String()))
	for name := range lines {
		if reply := g.Get(t, "/_postern/main/dev/"+name); reply.Status != 504 || reply.Body != `{"message":"Network error communicating with endpoint"}` {
			t.Errorf("%s: %d %q %v", name, reply.Status, reply.Body, reply.Err)
		}
		expect(t, g, g.Get(t, "/_postern/web/$default/"+name), 502, `{"message":"Bad Gateway"}`, "no status")
	}
}

package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/server/servertest"
)

// restAPI has one route for each behaviour. Row numbers in the tests are those of the reference.
const restAPI = `
apis:
	main:
		protocol: rest
		binaryMediaTypes: [image/png]
		minimumCompressionSize: 300
		models: {Order: {type: object, required: [item], properties: {item: {type: string}}}}
		gatewayResponses:
			UNSUPPORTED_MEDIA_TYPE:
				statusCode: 406
				parameters: {gatewayresponse.header.X-Why: context.error.responseType}
				templates: {application/json: '{"no":$context.error.messageString}'}
		authorizers:
			token: {plugin: ./token.js, type: token, identitySources: [method.request.header.Authorization], identityValidationExpression: "tok-.*", timeout: 2s}
		routes:
			GET /mock:
				request: {mapping: {application/json: {template: '{"statusCode": 418}'}}}
				integration: {type: MOCK}
				responses:
					- {match: "4\\d\\d", status: 202, mapping: {application/json: {template: '$context.stage $input.params("q")'}}}
					- {status: 200}
			POST /guarded:
				authorizer: token
				request: {models: {application/json: Order}, validate: [parameters, body], parameters: {method.request.header.X-Need: true}}
				integration: {function: echo}
			POST /http/{id}:
				request: {mapping: {application/json: ./in.vtl, text/plain: ./in.js}}
				integration:
					type: HTTP
					uri: UPSTREAM/at/{where}
					method: PUT
					passthroughBehavior: NEVER
					parameters:
						integration.request.path.where: method.request.path.id
						integration.request.querystring.q: method.request.querystring.q
						integration.request.header.X-Var: stageVariables.color
						integration.request.header.Host: "'orders.internal'"
				responses:
					- match: 2..
						status: 201
						parameters: {method.response.header.X-Seen: integration.response.body.method, method.response.header.Server: "'mine'", method.response.header.X-Asked: integration.response.header.X-Asked}
						mapping: {application/json: {template: '#set($context.responseOverride.header.X-Made = "yes")$input.json("$.body")'}}
			ANY /proxy/{rest+}:
				integration:
					type: HTTP_PROXY
					uri: UPSTREAM/p/{rest}
					method: ANY
					parameters: {integration.request.header.X-Added: "'1'", integration.request.querystring.more: "'2'"}
			GET /default:
				integration: {type: HTTP, uri: UPSTREAM/fail, method: GET}
				responses: [{status: 200, mapping: {application/json: {template: 'kept'}}}]
			GET /nomatch:
				integration: {type: HTTP, uri: UPSTREAM/fail, method: GET}
				responses: [{match: "2..", status: 200}]
			POST /lambda:
				request: {mapping: {application/json: {template: '{"fail": $input.json("$.fail")}'}}}
				integration: {function: payload}
				responses:
					- {status: 200}
					- {match: "bad.*", status: 409, mapping: {application/json: {template: '{"m":"$input.path("$.errorMessage")"}'}}}
			GET /malformed: {integration: {function: malformed}}
			GET /large: {integration: {function: large}}
			GET /image: {integration: {function: image}}
		stages: {prod: {variables: {color: red}}}
functions:
	echo: {plugin: ./echo.js}
	payload: {plugin: ./payload.js}
	malformed: {plugin: ./malformed.js}
	large: {plugin: ./large.js}
	image: {plugin: ./image.js}
`

var restFiles = map[string]string{
	"in.vtl":       `{"got": $input.json('$.a'), "var": "$stageVariables.color"}`,
	"in.js":        `export const map_request = (input) => ({text: input.body})`,
	"token.js":     `export const handler = (e) => ({principalId: "ada", policyDocument: {Statement: [{Action: "execute-api:Invoke", Effect: e.authorizationToken === "tok-yes" ? "Allow" : "Deny", Resource: "*"}]}})`,
	"echo.js":      `export const handler = (e) => ({statusCode: 200, body: e.requestContext.authorizer.principalId + " " + e.body})`,
	"payload.js":   `export const handler = (e) => { if (e.fail) throw new Error(e.fail); return {fine: e} }`,
	"malformed.js": `export const handler = () => ({statusCode: 200, unknown: 1})`,
	"large.js":     `export const handler = () => ({statusCode: 200, body: "x".repeat(1000)})`,
	"image.js":     `export const handler = () => ({statusCode: 200, isBase64Encoded: true, headers: {"content-type": "image/png"}, body: "iVBORw=="})`,
}

func restUpstream(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Var", r.Header.Get("X-Var"))
	w.Header().Set("X-Asked", r.Host)
	if r.URL.Path == "/fail" {
		w.WriteHeader(400)
	}
	if len(body) == 0 {
		body = []byte("null")
	}
	_, _ = io.WriteString(w, `{"method":"`+r.Method+`","target":"`+r.RequestURI+`","var":"`+r.Header.Get("X-Var")+`","added":"`+r.Header.Get("X-Added")+`","body":`+string(body)+`}`)
}

func TestREST(t *testing.T) {
	g := servertest.Start(t, project(restAPI, restFiles, "UPSTREAM", backend(t, restUpstream)))
	const missing = `{"message":"Missing Authentication Token"}`
	js := []string{"Content-Type: application/json"}
	with := func(more ...string) []string { return append(more, js...) }
	for _, tc := range []struct {
		name, method, path, body string
		fields                   []string
		status                   int
		want                     string
		header                   map[string]string
	}{
		{"1.3: no such path", "GET", "/prod/none", "", nil, 403, missing, map[string]string{"X-Amzn-Errortype": "MissingAuthenticationTokenException"}},
		{"1.3: no such method", "DELETE", "/prod/mock", "", nil, 403, missing, nil},
		{"1.3: no stage", "GET", "/mock", "", nil, 403, missing, nil},
		{"1.3: routed by another method", "POST", "/prod/mock", "", []string{"X-HTTP-Method-Override: GET"}, 202, "prod ", nil},
		{"1.3: a trailing slash", "GET", "/prod/mock/?q=1", "", nil, 202, "prod 1", nil},
		{"1.4: MOCK selects by the template's status", "GET", "/prod/mock?q=a&q=b", "", nil, 202, "prod b", map[string]string{"X-Amzn-Trace-Id": ""}},
		{"1.7: no token", "POST", "/prod/guarded", "{}", js, 401, `{"message":"Unauthorized"}`, nil},
		{"1.7: a token that is none", "POST", "/prod/guarded", "{}", with("Authorization: x"), 401, `{"message":"Unauthorized"}`, nil},
		{"1.7: denied", "POST", "/prod/guarded", "{}", with("Authorization: tok-no"), 403,
			`{"Message":"User is not authorized to access this resource with an explicit deny"}`, map[string]string{"X-Amzn-Errortype": "AccessDeniedException"}},
		{"1.2, 1.12: parameters behind the authorizer, before the body", "POST", "/prod/guarded", "{}", with("Authorization: tok-yes"), 400,
			`{"message":"Missing required request parameters: [X-Need]"}`, nil},
		{"1.12: the body", "POST", "/prod/guarded", `{"item":1}`, with("Authorization: tok-yes", "X-Need: 1"), 400, `{"message":"Invalid request body"}`, nil},
		{"1.6: all is well", "POST", "/prod/guarded", `{"item":"x"}`, with("Authorization: tok-yes", "X-Need: 1"), 200, `ada {"item":"x"}`, nil},
		{"1.4: HTTP", "POST", "/prod/http/7?q=1&z=2", `{"a":{"b":1}}`, with("X-Lost: 1"), 201, `{"got":{"b":1},"var":"red"}`,
			map[string]string{"X-Seen": "PUT", "X-Asked": "orders.internal", "X-Made": "yes", "X-Amzn-Remapped-Server": "mine", "X-Var": ""}},
		{"a script beside templates", "POST", "/prod/http/7", "hello", []string{"Content-Type: text/plain"}, 201, `{"text":"hello"}`, nil},
		{"1.4.1: NEVER, 1.11", "POST", "/prod/http/7", "<a/>", []string{"Content-Type: text/xml"}, 406, `{"no":"Unsupported Media Type"}`,
			map[string]string{"X-Why": "UNSUPPORTED_MEDIA_TYPE"}},
		{"1.4: HTTP_PROXY merges", "POST", "/prod/proxy/a/b?x=1&more=1", `1`, js, 200,
			`{"method":"POST","target":"/p/a/b?x=1&more=1&more=2","var":"","added":"1","body":1}`, nil},
		{"1.4.3: 400 with a default alone", "GET", "/prod/default", "", nil, 200, "kept", nil},
		{"1.4.3: nothing matches", "GET", "/prod/nomatch", "", nil, 500, `{"message":"Internal server error"}`, nil},
		{"1.4: AWS", "POST", "/prod/lambda", `{"fail":""}`, js, 200, `{"fine":{"fail":""}}`, nil},
		{"1.4.3: AWS, by its errorMessage", "POST", "/prod/lambda", `{"fail":"bad luck"}`, js, 409, `{"m":"bad luck"}`, nil},
		{"1.6: malformed", "GET", "/prod/malformed", "", nil, 502, `{"message":"Internal server error"}`, nil},
		{"1.6: binary out", "GET", "/prod/image", "", []string{"Accept: image/png"}, 200, "\x89PNG", nil},
		{"1.6: binary for a client that wants none", "GET", "/prod/image", "", []string{"Accept: text/html"}, 200, "iVBORw==", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reply := g.Do(t, tc.method, tc.path, tc.body, tc.fields...)
			if reply.Status != tc.status || reply.Body != tc.want {
				t.Errorf("got %d %q, want %d %q", reply.Status, reply.Body, tc.status, tc.want)
			}
			for name, want := range tc.header {
				if got := reply.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if reply.Header.Get("X-Amzn-Requestid") == "" || !strings.HasSuffix(reply.Header.Get("X-Amz-Apigw-Id"), "=") {
				t.Errorf("1.4.6: the ids are missing: %v", reply.Header)
			}
		})
	}
}

// TestRESTCompression is row 1.15: a response over the minimum is compressed for who wants that, and a request's body is decoded.
func TestRESTCompression(t *testing.T) {
	g := servertest.Start(t, project(restAPI, restFiles, "UPSTREAM", backend(t, restUpstream)))
	reply := g.Get(t, "/prod/large", "Accept-Encoding: gzip")
	plain, err := gzip.NewReader(strings.NewReader(reply.Body))
	if err != nil || reply.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v %v", reply.Header, err)
	}
	if body, err := io.ReadAll(plain); err != nil || string(body) != strings.Repeat("x", 1000) {
		t.Errorf("%q, %v", body, err)
	}
	if reply := g.Get(t, "/prod/image", "Accept-Encoding: gzip"); reply.Header.Get("Content-Encoding") != "" {
		t.Error("a response below the minimum is compressed")
	}
	packed := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.String()
	}
	fields := []string{"Content-Type: application/json", "Content-Encoding: gzip"}
	if reply := g.Do(t, "POST", "/prod/lambda", packed(`{"fail":""}`), fields...); reply.Status != 200 || reply.Body != `{"fine":{"fail":""}}` {
		t.Errorf("%d %q", reply.Status, reply.Body)
	}
	for name, body := range map[string]string{"no gzip": "{}", "cut off": packed(`{"fail":""}`)[:15]} {
		if reply := g.Do(t, "POST", "/prod/lambda", body, fields...); reply.Status != 406 { // as its gateway response has it
			t.Errorf("%s: %d %q", name, reply.Status, reply.Body)
		}
	}
	if reply := g.Do(t, "POST", "/prod/lambda", packed(strings.Repeat(" ", 11<<20)), fields...); reply.Status != 413 {
		t.Errorf("a bomb: %d %q", reply.Status, reply.Body)
	}
}

// TestRESTTrace has each step of a request in its order.
func TestRESTTrace(t *testing.T) {
	g := servertest.Start(t, project(restAPI, restFiles, "UPSTREAM", backend(t, restUpstream)))
	trace := &host.Trace{}
	body := `{"a":1}`
	resp := g.Handle(pipeline.Traced(t.Context(), trace), &host.Request{Method: "POST", Scheme: "http", Host: "localhost", Target: "/prod/http/7",
		Header: host.Header{{Name: "Content-Type", Value: "application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Length: int64(len(body))})
	if resp.Body != nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	resp.End(nil)
	var names []string
	for _, e := range trace.Events() {
		names = append(names, string(e.Name))
	}
	if got, want := strings.Join(names, ", "), "route, request, mapped request, endpoint request, endpoint response, selected response, response"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

package pipeline_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/server/servertest"
)

const parameterized = `
aws: {endpoint: "UPSTREAM/aws", region: eu-west-1, accessKeyId: {file: ./id}, secretAccessKey: {file: ./secret}}
apis:
	main:
		routes:
			POST /fields/{id}:
				integration:
					http: "UPSTREAM/in?fixed=1"
					parameters:
						"append:header.X-One": "${request.path.id}/${context.httpMethod}"
						"overwrite:header.X-Two": $request.body.order.id
						"remove:header.X-Three": ""
						"append:querystring.tier": $stageVariables.tier
						"overwrite:querystring.q": new
						"remove:querystring.secret": ""
			POST /path:
				integration: {http: "UPSTREAM/in?fixed=1", parameters: {"overwrite:path": $request.body.to}}
			POST /pool:
				integration: {upstream: pool, path: /in, parameters: {"overwrite:path": $request.body.to, "append:querystring.a": b}}
			POST /function:
				integration: {function: tell, parameters: {"overwrite:path": $request.body.to, "append:header.X-One": one, "append:querystring.a": b}}
			GET /answer:
				integration: {http: "UPSTREAM/answer"}
				responses:
					- match: "200"
					  parameters:
					    "append:header.X-Made": "${response.header.X-Up}-${stageVariables.tier}-${response.body.name}"
					    "remove:header.X-Up": ""
					    "overwrite:statuscode": $response.body.status
			GET /text:
				integration: {http: "UPSTREAM/text"}
				responses: [{match: "200", parameters: {"overwrite:statuscode": $response.body}}]
			POST /queue:
				integration:
					type: AWS_PROXY
					subtype: SQS-SendMessage
					parameters: {QueueUrl: "http://q/${stageVariables.tier}", MessageBody: $request.body.message}
		stages: {$default: {variables: {tier: gold}}}
upstreams: {pool: {targets: ["UPSTREAM"]}}
functions: {tell: {plugin: ./tell.js}}
`

// parameterFiles are the files beside it.
var parameterFiles = map[string]string{
	"tell.js": `export const handler = (e) => ({statusCode: 200, headers: {"content-type": "text/plain"}, body: [e.rawPath, e.rawQueryString, e.headers["x-one"], e.body].join(" ")})`,
	"id":      "AKIDEXAMPLE", "secret": "hush",
}

// told answers with what arrived, or as the test wants.
func told(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/answer":
		w.Header().Set("X-Up", "up")
		text := `{"name": "ada", "status": 203}`
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, text)
			_ = z.Close()
			return
		}
		_, _ = io.WriteString(w, text)
	case "/text":
		_, _ = io.WriteString(w, "no status")
	default:
		data, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, strings.Join([]string{r.RequestURI, strings.Join(r.Header.Values("X-One"), "|"), r.Header.Get("X-Two"), r.Header.Get("X-Three"), string(data)}, " "))
	}
}

func TestHTTPParameters(t *testing.T) { // reference 1.4.5
	g := servertest.Start(t, project(parameterized, parameterFiles, "UPSTREAM", backend(t, told)))
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
		cause      string
	}{
		"fields and query":    {"/fields/a%20b?q=1&x=%2B&secret=s&q=2", `{"order":{"id":7}}`, 200, `/in?fixed=1&x=%2B&tier=gold&q=new in|a b/POST 7  {"order":{"id":7}}`, ""},
		"a body without it":   {"/fields/a", `text`, 200, `/in?fixed=1&tier=gold&q=new in|a/POST two  text`, ""},
		"a path":              {"/path?q=1", `{"to":"/a b/c?d"}`, 200, `/a%20b/c%3Fd?fixed=1&q=1 in two three {"to":"/a b/c?d"}`, ""},
		"no path":             {"/path", `{}`, 200, `/in?fixed=1 in two three {}`, ""},
		"a path of upstreams": {"/pool", `{"to":"/a"}`, 200, `/a?a=b in two three {"to":"/a"}`, ""},
		"a function's path":   {"/function?q=1", `{"to":"/a"}`, 200, `/a q=1&a=b in,one {"to":"/a"}`, ""},
		"climbs":              {"/path", `{"to":"/a/%2e%2e/b"}`, 400, badRequest, "segment . or .."},
		"climbs, upstream":    {"/pool", `{"to":"../b"}`, 400, badRequest, "segment . or .."},
		"climbs, function":    {"/function", `{"to":"/%252e%252e/b"}`, 400, badRequest, "segment . or .."},
		"authority":           {"/path", `{"to":"//evil.example/b"}`, 400, badRequest, "two slashes"},
		"authority, upstream": {"/pool", `{"to":"/%5cevil.example/b"}`, 400, badRequest, "two slashes"},
		"authority, function": {"/function", `{"to":"//evil.example"}`, 400, badRequest, "two slashes"},
		"a line break":        {"/fields/a", `{"order":{"id":"a\r\nb: c"}}`, 400, badRequest, "control character"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, g, g.Do(t, "POST", c.path, c.body, "X-One: in", "X-Two: two", "X-Three: three"), c.status, c.want, c.cause)
		})
	}
}

func TestHTTPResponseParameters(t *testing.T) { // reference 1.4.5
	g := servertest.Start(t, project(parameterized, parameterFiles, "UPSTREAM", backend(t, told)))
	reply := g.Get(t, "/answer", "Accept-Encoding: gzip") // what the mappings read must have no coding, whatever the client takes
	if got := reply.Header.Get("X-Made"); reply.Status != 203 || got != "up-gold-ada" || reply.Header.Get("X-Up") != "" || reply.Body != `{"name": "ada", "status": 203}` {
		t.Errorf("%d %v %q", reply.Status, reply.Header, reply.Body)
	}
	expect(t, g, g.Get(t, "/text"), 500, internal, "no status from 200 to 599")
}

func TestSubtypeParameters(t *testing.T) { // reference 1.4, "HTTP API subtypes"
	type call struct {
		target, action, authorization string
		input                         map[string]any
	}
	calls := make(chan call, 8)
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		c := call{target: r.RequestURI, action: r.Header.Get("X-Amz-Target"), authorization: r.Header.Get("Authorization")}
		_ = json.NewDecoder(r.Body).Decode(&c.input)
		calls <- c
		if c.input["MessageBody"] == "refuse" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, `{"MessageId":"m-1"}`)
	})
	g := servertest.Start(t, project(parameterized, parameterFiles, "UPSTREAM", url))
	reply := g.Do(t, "POST", "/queue", `{"message":"hello"}`)
	expect(t, g, reply, 200, `{"MessageId":"m-1"}`, "")
	c := <-calls
	if c.action != "AmazonSQS.SendMessage" || c.input["MessageBody"] != "hello" || c.input["QueueUrl"] != "http://q/gold" || !strings.HasPrefix(c.target, "/aws") ||
		!strings.HasPrefix(c.authorization, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(c.authorization, "/eu-west-1/sqs/aws4_request") {
		t.Errorf("%+v", c)
	}
	if reply = g.Do(t, "POST", "/queue", `{}`); reply.Status != 400 {
		t.Errorf("without its message: %d %s", reply.Status, reply.Body)
	}
	if reply = g.Do(t, "POST", "/queue", `{"message":"refuse"}`); reply.Status != 500 {
		t.Errorf("a service that refuses: %d %s", reply.Status, reply.Body)
	}
	if <-calls; len(calls) != 0 {
		t.Error("a call without its message reached the service")
	}
}

// TestParametersRefused: what would fail for every request fails when the gateway is built, at its place.
func TestParametersRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, at string }{
		"a body on a route that streams": {`apis:
  main:
    routes:
      POST /a: {streaming: true, integration: {http: "http://127.0.0.1:1", parameters: {"append:header.X": $request.body.a}}}
`, "postern.yaml:4:"},
		"a response's body on one": {`apis:
  main:
    routes:
      POST /a:
        streaming: true
        integration: {http: "http://127.0.0.1:1"}
        responses: [{match: "200", parameters: {"append:header.X": $response.body}}]
`, "postern.yaml:7:"},
		"a rest API's body on one": {`apis:
  main:
    protocol: rest
    routes:
      POST /a: {streaming: true, integration: {type: HTTP_PROXY, uri: "http://127.0.0.1:1", method: POST, parameters: {integration.request.header.X: method.request.body}}}
`, "postern.yaml:5:"},
		"a field that frames": {`apis:
  main:
    protocol: rest
    routes:
      POST /a: {integration: {type: HTTP_PROXY, uri: "http://127.0.0.1:1", method: POST, parameters: {integration.request.header.Content-Length: "'1'"}}}
`, "postern.yaml:5:"},
	} {
		t.Run(name, func(t *testing.T) {
			g := servertest.New(t)
			g.Write(t, map[string]string{"postern.yaml": c.text})
			_, err := g.Apply(t)
			if err == nil || !strings.Contains(err.Error(), c.at) || !errors.Is(err, host.Invalid) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestRESTParameters(t *testing.T) { // reference 1.4.4; 1.4.6 [REC] of what no mapping sees
	g := servertest.Start(t, project(`
apis:
	main:
		protocol: rest
		routes:
			POST /a/{id}:
				integration:
					type: HTTP
					method: POST
					uri: UPSTREAM/{key}
					parameters:
						integration.request.path.key: method.request.path.id
						integration.request.querystring.q: method.request.multivaluequerystring.q
						integration.request.header.X-One: method.request.header.Content-MD5
						integration.request.header.X-Two: method.request.body.a
				responses: [{status: 200}]
		stages: {prod: {}}
`, nil, "UPSTREAM", backend(t, told)))
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"mapped":            {"/a/x%2Fy?q=1&q=2", `{"a":"b"}`, 200, `/x%2Fy?q=1&q=2  b  {"a":"b"}`},
		"semicolons":        {"/a/x?p=1;q=2", `{}`, 200, `/x?q=2    {}`},
		"a line break":      {"/a/x", `{"a":"b\r\nc: d"}`, 400, ""},
		"a broken body":     {"/a/x", `{"a`, 400, `{"message":"Invalid JSON in request body"}`},
		"a path that leads": {"/a/%252e%252e", `{}`, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			reply := g.Do(t, "POST", "/prod"+c.path, c.body, "Content-MD5: hidden", "Content-Type: application/json")
			if reply.Status == 404 || reply.Status == 403 {
				reply = g.Do(t, "POST", "/_postern/main/prod"+c.path, c.body, "Content-MD5: hidden", "Content-Type: application/json")
			}
			if reply.Status != c.status || c.want != "" && reply.Body != c.want {
				t.Errorf("got %d %q, want %d %q", reply.Status, reply.Body, c.status, c.want)
			}
		})
	}
}

package pipeline_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postern/postern/host/server/servertest"
)

// wasmFilter writes the definition of a filter that does what the pairs say (host/wasm/testdata/filter_by_env.wat): REQUEST, {"path": …}.
func wasmFilter(pairs ...string) string {
	env := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	text, _ := json.Marshal(map[string]any{"plugin": "./filter.wasm", "env": env, "timeout": "5s"}) // texts only
	return string(text)
}

// filtered starts a gateway with filters on its API and on its routes, and an upstream.
func filtered(t *testing.T, api, route string, upstream http.HandlerFunc, more ...string) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, project(`
apis:
	main:
		cors: {allowOrigins: ["https://shop.example.com"], allowMethods: [GET]}
		filters: [API]
		authorizers: {path: {plugin: ./path.js}}
		routes:
			ANY /authorized: {authorizer: path, filters: [ROUTE], integration: {http: "UPSTREAM/fixed"}}
			ANY /mock: {filters: [ROUTE], integration: {mock: {status: 201, body: mocked, headers: {x-mock: "1"}}}}
			ANY /nothing: {filters: [ROUTE], integration: {mock: {status: 204}}}
			ANY /down: {filters: [ROUTE], integration: {http: "DOWN/"}}
			POST /small: {filters: [ROUTE], request: {maxBody: 10}, integration: {upstream: u}}
			ANY /{proxy+}: {filters: [ROUTE], integration: {upstream: u}}
		stages: {$default: {variables: {v: "1"}}}
upstreams: {u: {targets: ["UPSTREAM"]}}
`, map[string]string{
		"filter.wasm": servertest.Guest(t, "filter_by_env.wasm"),
		"path.js":     `export const authorize = (e) => ({isAuthorized: e.rawPath === "/allowed"})`,
	}, append(more, "API", api, "ROUTE", route, "UPSTREAM", backend(t, upstream), "DOWN", closedPort(t))...))
}

func TestFilterMeta(t *testing.T) {
	g := filtered(t, "", wasmFilter("RESPONSE", `{"body":true}`, "DO_RESPONSE", "m"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		w.Header()["Content-Type"] = nil
		w.Header().Set("X-Up", "1")
		w.WriteHeader(202)
		_, _ = io.WriteString(w, "hello")
	})
	reply := g.Do(t, "PUT", "/a%20b/c?x=1", "body", "X-Client: 2", "User-Agent: test")
	first, second, _ := strings.Cut(reply.Body, "\n")
	const want = `{"request":{"method":"PUT","scheme":"http","host":"HOST","path":"/a%20b/c","query":"x=1",
		"headers":[["User-Agent","test"],["Content-Length","4"],["X-Client","2"]],"length":4},
		"context":{"requestId":"ID","apiId":"main","stage":"$default","routeKey":"ANY /{proxy+}","path":"/a%20b/c","sourceIp":"127.0.0.1","protocol":"HTTP/1.1",
		"domainName":"127.0.0.1","timeEpoch":0},"pathParameters":{"proxy":"a b/c"},"stageVariables":{"v":"1"},"phase":"request"}`
	check := func(got, want string) {
		t.Helper()
		var values [2]map[string]any
		for i, text := range []string{want, got} {
			if err := json.Unmarshal([]byte(text), &values[i]); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
		}
		context, _ := values[1]["context"].(map[string]any)
		if epoch, _ := context["timeEpoch"].(float64); epoch < 1e12 {
			t.Errorf("timeEpoch %v", context["timeEpoch"])
		}
		context["timeEpoch"] = 0.0
		if diff := cmp.Diff(values[0], values[1], cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })); diff != "" {
			t.Error(diff)
		}
	}
	filled := strings.NewReplacer("HOST", strings.TrimPrefix(g.URL, "http://"), "ID", reply.Header.Get("Apigw-Requestid")).Replace(want)
	check(first, filled)
	check(second, strings.Replace(filled, `"phase":"request"`, `"phase":"response","response":{"statusCode":202,"headers":[["X-Up","1"],["Content-Length","5"]],"length":5}`, 1))
	if reply.Status != 202 || reply.Length != -1 && reply.Length != int64(len(reply.Body)) {
		t.Errorf("status %d, length %d", reply.Status, reply.Length)
	}
}

// seen answers with what arrived: method, target, the X- fields, and the body.
func seen(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Add("X-Up", "1")
	_, _ = io.WriteString(w, r.Method+" "+r.RequestURI+" "+strings.Join(r.Header.Values("X-Order"), ",")+" "+string(body))
}

func TestFilterEditsReachTheirEnds(t *testing.T) {
	g := filtered(t,
		wasmFilter("REQUEST", `{"addHeaders":[["X-Order","api"]]}`, "RESPONSE", `{"addHeaders":[["X-Order","api"]]}`),
		wasmFilter("REQUEST", `{"method":"POST","path":"/allowed","query":"y=2","addHeaders":[["X-Order","route"]]}`,
			"RESPONSE", `{"statusCode":203,"removeHeaders":["x-up"],"addHeaders":[["X-Order","route"]]}`), seen)
	for _, c := range []struct{ path, want string }{
		{"/x?a=1", "POST /allowed?y=2 api,route body"},
		{"/authorized", "POST /fixed?y=2 api,route body"}, // the authorizer sees the edited path, a URI keeps its own
	} {
		reply := g.Do(t, "PUT", c.path, "body")
		if reply.Status != 203 || reply.Body != c.want {
			t.Errorf("%s: got %d %q, want %q", c.path, reply.Status, reply.Body, c.want)
		}
		if diff := cmp.Diff([]string{"route", "api"}, reply.Header.Values("X-Order")); diff != "" || reply.Header.Get("X-Up") != "" {
			t.Errorf("%s: %s %v", c.path, diff, reply.Header)
		}
		if line := g.Log.Request(t, reply); line["method"] != "PUT" || line["path"] != strings.TrimSuffix(c.path, "?a=1") {
			t.Errorf("the log tells what was sent on, not what came in: %v", line)
		}
	}
}

func TestFilterMakesBodies(t *testing.T) {
	g := filtered(t, wasmFilter("RESPONSE", `{"body":true,"setHeaders":[["X-Case","upper"]]}`, "DO_RESPONSE", "u"),
		wasmFilter("REQUEST", `{"body":true}`, "DO_REQUEST", "u"), seen)
	big := strings.Repeat("abcdefgh", 1<<17)
	for _, body := range []string{"hello", "", big} {
		reply := g.Do(t, "POST", "/x", body)
		if want := "POST /X  " + strings.ToUpper(body); reply.Status != 200 || reply.Body != want || reply.Header.Get("X-Case") != "upper" || reply.Err != nil {
			t.Errorf("%d bytes: got %d and %d bytes, %v", len(body), reply.Status, len(reply.Body), reply.Err)
		}
	}
	reply := g.Do(t, "POST", "/small", "longer than ten")
	expect(t, g, reply, 413, tooLarge, "maxBody") // told beforehand: the limit comes before the filters
	reply, err := g.Send(t.Context(), "POST", "/small", io.MultiReader(strings.NewReader("longer "), strings.NewReader("than ten")))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, g, reply, 413, strings.ToUpper(tooLarge), "maxBody")
	for _, c := range []struct {
		method, path string
		status       int
	}{{"HEAD", "/x", 200}, {"GET", "/nothing", 204}} {
		if reply := g.Do(t, c.method, c.path, ""); reply.Status != c.status || reply.Body != "" || reply.Err != nil {
			t.Errorf("%s %s: got %d %q %v", c.method, c.path, reply.Status, reply.Body, reply.Err)
		}
	}
}

func TestFilterAnswersEarly(t *testing.T) {
	called := false
	g := filtered(t, wasmFilter("RESPONSE", `{"addHeaders":[["X-Outer","1"]]}`),
		wasmFilter("REQUEST", `{"response":{"statusCode":403,"headers":[["X-Why","no"],["Content-Type","text/plain"]]}}`, "DO_REQUEST", "u",
			"RESPONSE", `{"addHeaders":[["X-Own","1"]]}`),
		func(http.ResponseWriter, *http.Request) { called = true })
	reply := g.Do(t, "POST", "/x", "hello")
	if reply.Status != 403 || reply.Body != "HELLO" || reply.Header.Get("X-Why") != "no" || reply.Header.Get("X-Outer") != "1" || called {
		t.Errorf("got %+v; the upstream was called: %v", reply, called)
	}
	if reply.Header.Get("X-Own") != "" {
		t.Error("its own second half saw its early answer")
	}
}

func TestFilterOfWhatNoRouteMatches(t *testing.T) {
	g := servertest.Start(t, project(`
apis:
	main:
		cors: {allowOrigins: ["https://shop.example.com"], allowMethods: [GET]}
		filters: [API]
		routes: {GET /x: {integration: {mock: {}}}}
`, map[string]string{"filter.wasm": servertest.Guest(t, "filter_by_env.wasm")}, "API", wasmFilter("RESPONSE", `{"addHeaders":[["X-Seen","1"]]}`)))
	reply := g.Get(t, "/none")
	if expect(t, g, reply, 404, notFound, "no route"); reply.Header.Get("X-Seen") != "1" {
		t.Error("the API's filter did not see the 404")
	}
	reply = g.Do(t, "OPTIONS", "/none", "", "Origin: https://shop.example.com", "Access-Control-Request-Method: GET")
	if reply.Status != 204 || reply.Header.Get("X-Seen") != "" || reply.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a preflight is the gateway's own: %d %v", reply.Status, reply.Header)
	}
}

// What fails is a 500, which the filters around it see.
func TestFilterFailures(t *testing.T) {
	for name, c := range map[string]struct {
		filter string
		cause  string
	}{
		"the first half traps":       {wasmFilter("DO_REQUEST", "t"), "filter ./filter.wasm"},
		"the second half traps":      {wasmFilter("DO_RESPONSE", "t"), "filter ./filter.wasm"},
		"a request half read":        {wasmFilter("REQUEST", "{}", "DO_REQUEST", "r"), "body"},
		"a response half read":       {wasmFilter("RESPONSE", "{}", "DO_RESPONSE", "r"), "body"},
		"meta that is none":          {wasmFilter("REQUEST", `{"path":`), "filter ./filter.wasm"},
		"a slip":                     {wasmFilter("REQUEST", `{"bodi":true}`), "bodi"},
		"a field that is none":       {wasmFilter("REQUEST", `{"setHeaders":[["a","b\r\nc: d"]]}`), "control character"},
		"a field of the gateway's":   {wasmFilter("RESPONSE", `{"setHeaders":[["Transfer-Encoding","chunked"]]}`), "Transfer-Encoding"},
		"a path that climbs":         {wasmFilter("REQUEST", `{"path":"/a/../b"}`), "climbs"},
		"a status that is none":      {wasmFilter("RESPONSE", `{"statusCode":99}`), "99"},
		"an answer that is none":     {wasmFilter("REQUEST", `{"response":{"statusCode":99}}`), "99"},
		"a body that traps":          {wasmFilter("REQUEST", `{"body":true}`, "DO_REQUEST", "t"), "filter ./filter.wasm"},
		"a response body that traps": {wasmFilter("RESPONSE", `{"body":true}`, "DO_RESPONSE", "t"), "filter ./filter.wasm"},
	} {
		t.Run(name, func(t *testing.T) {
			g := filtered(t, wasmFilter("RESPONSE", `{"addHeaders":[["X-Outer","1"]]}`), c.filter, seen)
			reply := g.Do(t, "POST", "/x", "hello")
			if expect(t, g, reply, 500, internal, c.cause); reply.Header.Get("X-Outer") != "1" {
				t.Error("the outer filter did not see the error's response")
			}
			if reply := g.Do(t, "POST", "/down", "hello"); reply.Status != 500 && reply.Status != 502 || reply.Header.Get("X-Outer") != "1" {
				t.Errorf("got %+v", reply)
			}
		})
	}
}

func TestFilterSeesTheIntegrationsError(t *testing.T) {
	g := filtered(t, "", wasmFilter("RESPONSE", `{"statusCode":503,"body":true}`, "DO_RESPONSE", "u"), seen)
	expect(t, g, g.Get(t, "/down"), 503, strings.ToUpper(badGateway), "refused")
}

func TestFilterThatNeverAnswers(t *testing.T) {
	t.Parallel() // it mostly waits
	slow := strings.Replace(wasmFilter("DO_REQUEST", "l"), `"5s"`, `"2s"`, 1)
	g := filtered(t, "", slow, seen)
	expect(t, g, g.Get(t, "/x"), 500, internal, "filter ./filter.wasm")
}

func TestPluginsThatAreNoFilters(t *testing.T) {
	for code, want := range map[string]string{
		`export const authorize = () => ({})`: "./f.js exports authorize; a filter exports filter_request, filter_response or both",
		`export const handler = () => ({})`:   "./f.js exports handler; a filter",
	} {
		g := servertest.New(t)
		g.Write(t, project("apis: {a: {filters: [./f.js], routes: {$default: {integration: {mock: {}}}}}}", map[string]string{"f.js": code}))
		if _, err := g.Apply(t); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "postern.yaml:1:") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

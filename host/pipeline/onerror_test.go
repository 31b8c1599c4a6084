package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/server/servertest"
)

// Every script crashes when it is asked to, by a result over its limit; and fails on purpose when it is asked to do that.
const sparing = `
apis:
	main:
		root: true
		authorizers:
			closed: {plugin: ./authorizer.js, maxResult: 1000}
			answers: {plugin: ./authorizer.js, maxResult: 1000, onError: {status: 503, body: '{"later":true}'}}
		routes:
			GET /authorizer/closed: {authorizer: closed, integration: {mock: {body: passed}}}
			GET /authorizer/answers: {authorizer: answers, integration: {mock: {body: passed}}}
			POST /filter/closed: {filters: [{plugin: ./filter.js, maxResult: 1000}], integration: {http: "ECHO"}}
			POST /filter/open: {filters: [{plugin: ./filter.js, maxResult: 1000, onError: fail_open}], integration: {http: "ECHO"}}
			POST /filter/answers: {filters: [{plugin: ./filter.js, maxResult: 1000, onError: {status: 200, body: sorry}}], integration: {http: "ECHO"}}
			POST /mapping/closed: {request: {mapping: {$default: {plugin: ./map.js, maxResult: 1000}}}, integration: {http: "ECHO"}}
			POST /mapping/open: {request: {mapping: {$default: {plugin: ./map.js, maxResult: 1000, onError: fail_open}}}, integration: {http: "ECHO"}}
			POST /mapping/answers: {request: {mapping: {$default: {plugin: ./map.js, maxResult: 1000, onError: {status: 204}}}}, integration: {http: "ECHO"}}
			POST /response/open:
				integration: {http: "ECHO"}
				responses: [{status: 201, mapping: {$default: {plugin: ./map.js, maxResult: 1000, onError: fail_open}}}]
			POST /function/closed: {integration: {function: closed}}
			POST /function/answers: {integration: {function: answers}}
			POST /function/late: {integration: {function: late}}
functions:
	closed: {plugin: ./function.js, maxResult: 1000}
	answers: {plugin: ./function.js, maxResult: 1000, onError: {status: 418, body: "<teapot>"}}
	late: {plugin: ./late.js, timeout: 1s, onError: {status: 299}}
`

var sparingFiles = map[string]string{
	"authorizer.js": `export const authorize = (e) => {
	const how = e.headers["x-how"];
	if (how === "throw") throw new Error("on purpose");
	if (how === "malformed") return {allowed: true};
	return {isAuthorized: true, context: {x: how === "crash" ? "x".repeat(2000) : ""}};
}`,
	"filter.js": `
export const filter_request = async (request, context) => {
	const how = context.how = request.headers.get("x-how");
	if (how === "throw") throw new Error("on purpose");
	if (how === "reads") return new Request(request, {body: await request.text(), headers: {"x-a": "x".repeat(2000)}});
	request.headers.set("x-a", how === "crash" ? "x".repeat(2000) : "b");
}
export const filter_response = (response, context) => { response.headers.set("x-b", context.how === "crash-later" ? "x".repeat(2000) : "seen") }`,
	"map.js": `
const map = (i) => {
	const body = i.body;
	if (body.includes("throw")) throw new Error("on purpose");
	return body.includes("crash") ? "x".repeat(2000) : "mapped";
}
export const map_request = map, map_response = map`,
	"function.js": `export const handler = (e) => {
	if (e.body === "throw") throw new Error("on purpose");
	if (e.body === "malformed") return {statusCode: "high"};
	return e.body === "crash" ? "x".repeat(2000) : "well";
}`,
	"late.js": `export const handler = () => { for (;;) {} }`,
}

func TestOnError(t *testing.T) {
	g := servertest.Start(t, project(sparing, sparingFiles, "ECHO", backend(t, echo)))
	const sent = "POST / "
	for _, c := range []struct {
		path, how string // how is in the field X-How, and is the body
		status    int
		body      string
		cause     string // in the request's line
	}{
		{"/authorizer/closed", "", 200, "passed", ""},
		{"/authorizer/closed", "crash", 500, internal, "maxResult"},
		{"/authorizer/answers", "crash", 503, `{"later":true}`, "limit passed: maxResult 1000 bytes (postern.yaml:"},
		{"/authorizer/answers", "malformed", 503, `{"later":true}`, "isAuthorized"},
		{"/authorizer/answers", "throw", 500, internal, "on purpose"},
		{"/filter/closed", "crash", 500, internal, "maxResult"},
		{"/filter/open", "-", 200, sent + "-", ""},
		{"/filter/open", "crash", 200, sent + "crash", ""},
		{"/filter/open", "crash-later", 200, sent + "crash-later", ""},
		{"/filter/open", "reads", 500, internal, "maxResult"}, // the body is gone
		{"/filter/open", "throw", 500, internal, "on purpose"},
		{"/filter/answers", "crash", 200, "sorry", "maxResult"},
		{"/filter/answers", "crash-later", 200, "sorry", "maxResult"},
		{"/filter/answers", "throw", 500, internal, "on purpose"},
		{"/mapping/closed", "crash", 500, internal, "maxResult"},
		{"/mapping/open", "x", 200, sent + "mapped", ""},
		{"/mapping/open", "crash", 200, sent + "crash", ""},
		{"/mapping/open", "throw", 500, internal, "on purpose"},
		{"/mapping/answers", "crash", 204, "", "maxResult"},
		{"/response/open", "x", 201, "mapped", ""},
		{"/response/open", "crash", 201, sent + "crash", ""},
		{"/response/open", "throw", 500, internal, "on purpose"},
		{"/function/closed", "crash", 500, internal, "maxResult"},
		{"/function/closed", "malformed", 500, internal, "statusCode"},
		{"/function/answers", "", 200, "well", ""},
		{"/function/answers", "crash", 418, "<teapot>", "maxResult"},
		{"/function/answers", "malformed", 418, "<teapot>", "result: "},
		{"/function/answers", "throw", 500, internal, "on purpose"},
		{"/function/late", "x", 299, "", "timeout"},
	} {
		t.Run(strings.TrimPrefix(c.path, "/")+" "+c.how, func(t *testing.T) {
			method := "POST"
			if strings.HasPrefix(c.path, "/authorizer") {
				method = "GET"
			}
			reply := g.Do(t, method, c.path, c.how, "X-How: "+c.how)
			if reply.Status != c.status || reply.Body != c.body || reply.Err != nil {
				t.Errorf("got %d %q %v, want %d %q", reply.Status, reply.Body, reply.Err, c.status, c.body)
			}
			line := g.Log.Request(t, reply)
			if got := line.Text("error"); c.cause == "" && got != "" || !strings.Contains(got, c.cause) {
				t.Errorf("the log says %q; want a cause with %q", got, c.cause)
			}
			if failed := line["level"] == "ERROR"; failed != (c.cause != "") {
				t.Errorf("level %v", line["level"])
			}
			spared := strings.HasSuffix(c.path, "open") && c.cause == "" && len(c.how) > 1
			if told := spares(g, line.Text("request_id")); told != spared {
				t.Errorf("that it went on without the plugin is told: %v", told)
			}
		})
	}
	if reply := g.Do(t, "POST", "/filter/open", "", "X-How: -"); reply.Header.Get("X-B") != "seen" {
		t.Errorf("the filter does not work any more: %v", reply.Header)
	}
	reply := g.Do(t, "GET", "/authorizer/answers", "", "X-How: crash")
	if got := reply.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("the answer's type is %q", got)
	}
	if line := g.Log.Request(t, reply); line.Text("limit") != "maxResult" || !strings.HasPrefix(line.Text("limit_origin"), "postern.yaml:") {
		t.Errorf("the line does not name the limit: %v", line)
	}
}

// spares reports whether the log says that a request went on without a plugin, and why.
func spares(g *servertest.Gateway, request string) bool {
	for _, l := range g.Log.Lines() {
		if l.Text("request_id") == request && l.Text("on_error") == "fail_open" && l.Text("error") != "" {
			return true
		}
	}
	return false
}

// Who answers again and again what breaks its contract is left alone as who crashes is, whatever the plugin is for.
func TestPluginsThatKeepAnsweringNonsense(t *testing.T) {
	g := servertest.Start(t, project(nonsensical, map[string]string{
		"authorizer.js": `export const authorize = () => ({allowed: true})`,
		"mapping.js":    `export const map_request = (i, context) => { for (const name of ["x-a", "x-b"]) context.requestOverride.header[name] = "x"; return "x" }`,
		"filter.js":     `export const filter_request = (r) => { for (let i = 0; i < 5; i++) r.headers.append("x-" + i, "x") }`,
		"both.js":       `export const filter_request = () => {}; export const filter_response = (r) => { for (let i = 0; i < 5; i++) r.headers.append("x-" + i, "x") }`,
		"function.js":   `export const handler = () => ({statusCode: "high"})`,
	}))
	for _, path := range []string{"/authorizer", "/mapping", "/filter", "/both", "/function"} {
		for i := range 6 {
			reply := g.Do(t, "POST", path, "{}")
			line := g.Log.Request(t, reply)
			if left := strings.Contains(line.Text("error"), "left alone after 5 crashes in a row (the last: "); left != (i == 5) {
				t.Errorf("%s: call %d: %d, %s", path, i+1, reply.Status, line.Text("error"))
			}
		}
	}
}

const nonsensical = `
apis:
	main:
		root: true
		authorizers: {a: {plugin: ./authorizer.js}}
		routes:
			POST /authorizer: {authorizer: a, integration: {mock: {}}}
			POST /mapping: {request: {mapping: {$default: {plugin: ./mapping.js, limits: {headers: 1}}}}, integration: {mock: {}}}
			POST /filter: {filters: [{plugin: ./filter.js, limits: {headers: 1}}], integration: {mock: {}}}
			POST /both: {filters: [{plugin: ./both.js, limits: {headers: 4}}], integration: {mock: {}}}
			POST /function: {integration: {function: f}}
functions:
	f: {plugin: ./function.js}
`

const crashing = `
apis:
	main:
		root: true
		routes:
			GET /{how}: {integration: {function: f}}
			GET /ROUTE: {integration: {mock: {}}}
functions:
	f: {plugin: ./f.js, maxResult: 1000, env: {ENV: x}, onError: {status: 502, body: later}}
`

func TestPluginsThatKeepCrashing(t *testing.T) {
	files := func(route, env string) map[string]string {
		return project(crashing, map[string]string{
			"f.js": `export const handler = (e) => e.pathParameters.how === "crash" ? "x".repeat(2000) : "well"`,
		}, "ROUTE", route, "ENV", env)
	}
	w := newWorkbench(t, nil)
	p := w.build(t, load(t, files("first", "x")))
	want := func(p *pipeline.Pipeline, how string, status int) outcome {
		t.Helper()
		got := ask(t, p, "x/"+how)
		if got.status != status {
			t.Fatalf("%s: got %d %q, want %d", how, got.status, got.body, status)
		}
		return got
	}
	want(p, "well", 200)
	clock := time.Now() // which stands still, however long a busy machine takes
	w.shared.SetClock(func() time.Time { return clock })
	for range 5 {
		want(p, "crash", 502)
	}
	refused := want(p, "well", 502) // it is left alone
	if line := w.line(t, refused); !strings.Contains(line.Text("error"), "left alone after 5 crashes in a row (the last: limit); it is tried again at ") {
		t.Errorf("%v", line)
	}
	status := func() pipeline.PluginStatus {
		t.Helper()
		all := w.shared.Plugins()
		if len(all) == 0 {
			t.Fatal("no plugin is open")
		}
		return all[0]
	}
	s := status()
	if s.Name != "f" || s.Kind != "function" || s.Runtime != host.RuntimeJS || s.State != pipeline.BreakerOpen || s.Crashes != 5 || s.CrashesInRow != 5 ||
		s.Calls != 6 || s.Refused != 1 || s.LastCrash == nil || s.LastCrash.Limit != "maxResult" || s.RetryAt.IsZero() || s.KV != "functions/f" || len(s.Digest) != 64 {
		t.Errorf("%+v %+v", s, s.LastCrash)
	}
	for _, series := range []string{`postern_plugin_breaker{postern_plugin_kind="function",postern_plugin_name="f"} 2`,
		`postern_plugin_crashes_total{postern_plugin_crash="limit",postern_plugin_kind="function",postern_plugin_name="f"} 5`, `postern_plugin_outcome="open"`} {
		if !strings.Contains(metricsText(t, w), series) {
			t.Errorf("the metrics have no %s", series)
		}
	}

	// A reload of other things forgets nothing, also where it moves lines; another configuration is another plugin.
	moved := files("second", "x")
	moved["postern.yaml"] = "\n# an edit\n" + moved["postern.yaml"]
	want(w.build(t, load(t, moved)), "well", 502)
	want(w.build(t, load(t, files("first", "y"))), "well", 200)
	if n := len(w.shared.Plugins()); n != 2 {
		t.Errorf("%d plugins", n)
	}

	w.shared.SetClock(func() time.Time { return clock.Add(time.Second) })
	if !slices.ContainsFunc(w.shared.Plugins(), func(s pipeline.PluginStatus) bool { return s.State == pipeline.BreakerHalfOpen && s.RetryAt.IsZero() }) {
		t.Errorf("before anybody calls: %+v", w.shared.Plugins())
	}
	want(p, "well", 200)
	for _, s := range w.shared.Plugins() {
		if s.State != pipeline.BreakerClosed || s.CrashesInRow != 0 {
			t.Errorf("%+v", s)
		}
	}
	var changes []string
	for _, l := range w.log.Lines() {
		if l.Text("msg") == "plugin breaker" {
			changes = append(changes, l.Text("from")+" "+l.Text("to"))
		}
	}
	if got := fmt.Sprint(changes); got != "[closed open open half-open half-open closed]" {
		t.Errorf("the log tells %s", got)
	}
	if retry := s.RetryAt.Sub(s.LastCrash.Time); retry != time.Second {
		t.Errorf("it was left alone for %v", retry)
	}
}

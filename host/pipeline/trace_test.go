package pipeline_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
	"github.com/postern/postern/host/telemetry/otlptest"
)

const traced = `
apis:
	main:
		root: true
		authorizers:
			caller: {plugin: ./caller.js, identitySources: [$request.header.Authorization]}
		routes:
			POST /orders/{id}:
				authorizer: caller
				request: {mapping: {application/json: ./map.js}}
				integration: {upstream: shop, path: "/v1/{id}"}
				responses: [{match: "2..", mapping: {$default: ./map.js}}]
			GET /orders/{id}: {authorizer: caller, integration: {function: get}}
			GET /span/{id}: {integration: {function: span}}
			GET /fails: {integration: {function: fails}}
			GET /down: {integration: {http: "DOWN/x?secret=1"}}
			GET /cut: {integration: {http: "RAW/cut"}}
			GET /forbidden: {authorizer: caller, integration: {mock: {}}}
			POST /spans: {request: {mapping: {$default: ./quote.js}}, integration: {function: hostile}}
			$default: {integration: {mock: {body: ok}}}
functions:
	hostile: {plugin: ./hostile.wasm}
	get: {plugin: ./get.js, egress: ["UPSTREAM"], env: {SHOP: "UPSTREAM"}}
	span: {plugin: ./echo.wasm}
	fails: {plugin: ./fails.js}
upstreams: {shop: {targets: ["UPSTREAM"]}}
`

var tracedFiles = map[string]string{
	"quote.js":  `export const map_request = (input) => JSON.stringify(input.body)`,
	"caller.js": `export const authorize = (e) => ({isAuthorized: e.identitySource[0] !== "no", context: {user: "ada"}})`,
	"map.js":    `export const map_request = (i) => ({mapped: i.json()}), map_response = (i) => "answer: " + i.body`,
	"get.js":    `export const handler = async (e, context) => { const r = await fetch(process.env.SHOP + "/inner"); return await r.text() }`,
	"fails.js":  `export const handler = () => { throw new TypeError("an order is no number") }`,
}

// startTraced starts a gateway that exports to the receiver, with an upstream that answers with the traceparent it got.
func startTraced(t *testing.T, environ map[string]string, config func(*server.Config)) (*servertest.Gateway, *otlptest.Receiver) {
	t.Helper()
	receiver := otlptest.New(t)
	all := map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "10"}
	if environ["OTEL_TRACES_EXPORTER"] != "none" {
		all["OTEL_EXPORTER_OTLP_ENDPOINT"], all["OTEL_EXPORTER_OTLP_PROTOCOL"] = receiver.HTTP(), "http/protobuf"
	}
	for name, value := range environ {
		all[name] = value
	}
	files := map[string]string{"echo.wasm": servertest.Guest(t, "echo.wasm"), "hostile.wasm": servertest.Guest(t, "hostile.wasm")}
	for name, content := range tracedFiles {
		files[name] = content
	}
	g := servertest.New(t, servertest.Options{Environ: all, Config: config})
	g.Write(t, project(traced, files, "DOWN", closedPort(t), "RAW", nonsense(t, answersOfNonsense), "UPSTREAM",
		backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Header.Get("Traceparent"))) })))
	if _, err := g.Apply(t); err != nil {
		t.Fatal(err)
	}
	return g, receiver
}

// traceOf waits for the trace of a response, by the access log's line, once it has n spans.
func traceOf(t *testing.T, g *servertest.Gateway, r *otlptest.Receiver, reply servertest.Reply, n int) otlptest.Trace {
	t.Helper()
	id := g.Log.Request(t, reply).Text("trace_id")
	if len(id) != 32 {
		t.Fatalf("the access log has no trace id: %v", g.Log.Request(t, reply))
	}
	return r.WaitForTrace(t, id, n)
}

func sameTree(t *testing.T, trace otlptest.Trace, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(strings.ReplaceAll(want, "\t", "  "), "\n"), trace.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestTraceOfEveryPhase(t *testing.T) {
	g, r := startTraced(t, nil, nil)
	reply := g.Do(t, "POST", "/orders/7?q=1", `{"a":1}`, "Authorization: me", "Content-Type: application/json", "User-Agent: tester")
	trace := traceOf(t, g, r, reply, 9)
	sameTree(t, trace, `
POST /orders/{id} server
	authorize
		plugin caller
	map_request
		plugin ./map.js
	integrate
		POST client
	map_response
		plugin ./map.js
`)
	client := trace.Find("POST")
	if want := "answer: 00-" + trace.ID + "-" + client.SpanID + "-01"; reply.Body != want && reply.Body != want[:len(want)-2]+"03" {
		t.Errorf("the upstream got the context of another span: %q, want %q", reply.Body, want)
	}
	for name, want := range map[string]map[string]string{
		"POST /orders/{id}": {"http.request.method": "POST", "http.route": "/orders/{id}", "url.path": "/orders/7", "url.scheme": "http",
			"http.response.status_code": "200", "client.address": "127.0.0.1", "network.protocol.version": "1.1", "user_agent.original": "tester",
			"postern.api": "main", "postern.stage": "$default", "postern.request.id": reply.Header.Get("Apigw-Requestid")},
		"plugin caller": {"postern.plugin.runtime": "js", "postern.plugin.carrier": "js", "postern.plugin.entry": "authorize", "postern.plugin.outcome": "ok",
			"postern.plugin.cold": "false"},
		"authorize": {"postern.cache.hit": "false"},
		"POST":      {"http.request.method": "POST", "http.response.status_code": "200", "postern.upstream": "shop"},
	} {
		got := trace.Find(name).Attributes
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %s is %q, want %q", name, key, got[key], value)
			}
		}
	}
	if url := client.Attributes["url.full"]; !strings.HasSuffix(url, "/v1/7") {
		t.Errorf("url.full is %q; a query may hold secrets", url)
	}
	again := g.Do(t, "POST", "/orders/7", `1`, "Authorization: me", "Content-Type: application/json")
	sameTree(t, traceOf(t, g, r, again, 8), `
POST /orders/{id} server
	authorize
	map_request
		plugin ./map.js
	integrate
		POST client
	map_response
		plugin ./map.js
`)
}

func TestTraceOfFunctions(t *testing.T) {
	g, r := startTraced(t, nil, nil)
	reply := g.Get(t, "/orders/7", "Authorization: me")
	trace := traceOf(t, g, r, reply, 6)
	sameTree(t, trace, `
GET /orders/{id} server
	authorize
		plugin caller
	integrate
		plugin get
			GET client
`)
	if want := "00-" + trace.ID + "-" + trace.Find("GET").SpanID; !strings.HasPrefix(reply.Body, want) {
		t.Errorf("what the guest fetched got %q, want %q", reply.Body, want)
	}
	trace = traceOf(t, g, r, g.Get(t, "/span/7"), 3)
	sameTree(t, trace, "GET /span/{id} server\n\tintegrate\n\t\tplugin span\n")
	if carrier := trace.Find("plugin span").Attributes["postern.plugin.carrier"]; carrier != "postern" {
		t.Errorf("carrier %q", carrier)
	}
	sameTree(t, traceOf(t, g, r, g.Get(t, "/what/ever"), 2), "GET $default server\n\tintegrate\n")
	sameTree(t, traceOf(t, g, r, g.Do(t, "BREW", "/what/ever", ""), 2), "_OTHER $default server\n\tintegrate\n")
	sameTree(t, traceOf(t, g, r, g.Get(t, "/_postern/nobody/x/y"), 2), "GET server\n\tintegrate error\n")
}

// A guest's own spans are children of its call's, and those that it leaves open end with the call.
func TestTraceOfGuestsOwnSpans(t *testing.T) {
	g, r := startTraced(t, nil, nil)
	trace := traceOf(t, g, r, g.Do(t, "POST", "/spans", "spans without end"), 10)
	call := trace.Find("plugin hostile")
	if call == nil || len(call.Children) == 0 {
		t.Fatalf("no spans of the guest's own:\n%s", trace)
	}
	for _, span := range call.Children {
		if span.Name != "going" || span.Kind != "internal" || span.StatusMessage != "the call ended before the span" || span.End.After(call.End) {
			t.Fatalf("%+v", span.Span)
		}
	}
}

func TestTraceOfFailures(t *testing.T) {
	g, r := startTraced(t, nil, nil)
	for path, c := range map[string]struct {
		spans int
		tree  string
		span  string // that failed first
		want  map[string]string
	}{
		"/down": {3, "GET /down server error\n\tintegrate error\n\t\tGET client error\n", "GET",
			map[string]string{"error.type": "connection_refused", "postern.error.kind": "bad gateway"}},
		"/cut": {3, "GET /cut server error\n\tintegrate error\n\t\tGET client error\n", "GET",
			map[string]string{"error.type": "body_cut_off", "http.response.status_code": "200"}},
		"/fails": {3, "GET /fails server error\n\tintegrate error\n\t\tplugin fails error\n", "plugin fails",
			map[string]string{"error.type": "internal", "exception.type": "TypeError", "exception.message": "an order is no number",
				"code.file.path": "fails.js", "code.line.number": "1", "postern.plugin.outcome": "error"}},
		"/forbidden": {3, "GET /forbidden server\n\tauthorize error\n\t\tplugin caller\n", "authorize",
			map[string]string{"error.type": "forbidden", "postern.error.code": "ACCESS_DENIED"}},
	} {
		t.Run(path, func(t *testing.T) {
			_, _ = g.Send(t.Context(), "GET", path, nil, "Authorization: no")
			line := g.Log.Wait(t, "a line of "+path, func(l servertest.Line) bool { return l["msg"] == "request" && l.Text("path") == path })
			trace := r.WaitForTrace(t, line.Text("trace_id"), c.spans)
			sameTree(t, trace, c.tree)
			for _, name := range []string{c.span, "GET " + path} { // the root says the reason too
				span := trace.Find(name)
				if span == nil {
					t.Fatalf("no span %s", name)
				}
				for key, value := range c.want {
					root := name != c.span
					if got := span.Attributes[key]; got != value && !(root && strings.HasPrefix(key, "postern.plugin.")) {
						t.Errorf("%s: %s is %q, want %q", name, key, got, value)
					}
				}
			}
		})
	}
}

const (
	foreign   = "4bf92f3577b34da6a3ce929d0e0e4736"
	sampled   = "Traceparent: 00-" + foreign + "-00f067aa0ba902b7-01"
	unsampled = "Traceparent: 00-" + foreign + "-00f067aa0ba902b7-00"
)

// A trace that a client began goes on. Whether it is recorded is the gateway's to say, unless the peer is trusted.
func TestTraceContextOfPeers(t *testing.T) {
	trust := func(cfg *server.Config) { cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	for name, c := range map[string]struct {
		sampler  string
		config   func(*server.Config)
		field    string
		recorded bool
	}{
		"sampled, by default":        {"", nil, sampled, true},
		"untrusted cannot prevent":   {"", nil, unsampled, true},
		"untrusted cannot force":     {"parentbased_always_off", nil, sampled, false},
		"trusted can prevent":        {"", trust, unsampled, false},
		"trusted can force":          {"parentbased_always_off", trust, sampled, true},
		"nobody asked, and it is on": {"", trust, "X-None: 1", true},
	} {
		t.Run(name, func(t *testing.T) {
			g, r := startTraced(t, map[string]string{"OTEL_TRACES_SAMPLER": c.sampler}, c.config)
			reply := g.Get(t, "/span/1", c.field)
			id := g.Log.Request(t, reply).Text("trace_id")
			if strings.HasPrefix(c.field, "Traceparent") && id != foreign {
				t.Errorf("the trace does not go on: %s", id)
			}
			if c.recorded {
				trace := r.WaitForTrace(t, id, 3)
				if parent := trace.Roots[0].ParentID; id == foreign && parent != "00f067aa0ba902b7" {
					t.Errorf("the root's parent is %q", parent)
				}
				return
			}
			if err := g.Telemetry.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			if spans := r.Spans(); len(spans) != 0 {
				t.Errorf("%d spans were recorded", len(spans))
			}
		})
	}
}

func TestWithoutTracingNothingIsExported(t *testing.T) {
	g, r := startTraced(t, map[string]string{"OTEL_TRACES_EXPORTER": "none"}, nil)
	reply := g.Do(t, "POST", "/orders/7", `1`, "Authorization: me", "Content-Type: application/json", sampled)
	if want := "answer: 00-" + foreign + "-00f067aa0ba902b7-01"; reply.Body != want {
		t.Errorf("the client's context did not pass as it is: %+v", reply)
	}
	if line := g.Log.Request(t, reply); line.Text("trace_id") != "" || line.Text("request_id") == "" {
		t.Errorf("logged as %v", line)
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	if spans := r.Spans(); len(spans) != 0 {
		t.Errorf("%d spans were exported", len(spans))
	}
}

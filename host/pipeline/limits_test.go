package pipeline_test

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/server/servertest"
	"github.com/postern/postern/host/telemetry/otlptest"
)

const bounded = `
apis:
	main:
		root: true
		routes:
			POST /fetches: {integration: {function: fetches}}
			POST /bytes: {integration: {function: bytes}}
			POST /headers: {integration: {function: headers}}
			POST /mapped: {request: {mapping: {$default: {plugin: ./map.js, limits: {headers: 2}}}}, integration: {mock: {}}}
			POST /filtered: {filters: [{plugin: ./filter.js, limits: {headers: 12, headerBytes: 1KiB}}], integration: {mock: {}}}
			POST /trap: {request: {mapping: {$default: ./quote.js}}, integration: {function: hostile}}
functions:
	fetches: {plugin: ./fetch.js, egress: ["BACKEND"], env: {OWN: "BACKEND"}, limits: {fetches: 3}}
	bytes: {plugin: ./fetch.js, egress: ["BACKEND"], env: {OWN: "BACKEND"}, limits: {fetchBytes: 4KiB}}
	headers: {plugin: ./headers.js, limits: {headers: 4, headerBytes: 1KiB}}
	hostile: {plugin: ./hostile.wasm}
`

var boundedFiles = map[string]string{
	"fetch.js": `
const own = process.env.OWN;
export const handler = async (e) => {
	const out = [];
	for (const step of e.body.split(",")) {
		const what = step.slice(0, step.indexOf(":")), size = step.slice(what.length + 1);
		try {
			const r = what === "up" ? await fetch(own + "/0", {method: "POST", body: "x".repeat(+size)})
				: what === "stream" ? await fetch(own + "/0", {method: "POST", duplex: "half", body: new ReadableStream({pull(c) {
					this.left = (this.left ?? +size) - 512; c.enqueue(new Uint8Array(512)); if (this.left <= 0) c.close();
				}})})
				: await fetch(own + "/" + size + (what === "redirect" ? "/redirect" : ""));
			out.push((await r.text()).length);
		} catch (err) {
			out.push(/limit passed: (\S+)/.exec(String(err))?.[1] ?? String(err));
		}
	}
	return out.join(" ");
}`,
	"headers.js": `
export const handler = (e) => {
	switch (e.body) {
	case "many": return {statusCode: 200, headers: Object.fromEntries(Array.from({length: 5}, (_, i) => ["x-" + i, "1"]))};
	case "cookies": return {statusCode: 200, cookies: Array.from({length: 5}, (_, i) => "c" + i + "=1")};
	case "long": return {statusCode: 200, headers: {"x-a": "x".repeat(1100)}};
	case "CRLF": return {statusCode: 200, headers: {"x-a": "b\r\nx-evil: 1"}};
	case "NUL": return {statusCode: 200, headers: {"x-a": "b\0c"}};
	case "cookie": return {statusCode: 200, cookies: ["a=b\nx-evil: 1"]};
	case "name": return {statusCode: 200, headers: {"x-a: b\r\nx-evil": "1"}};
	}
	return {statusCode: 200, headers: {"x-a": "1"}};
}`,
	"map.js": `
export const map_request = (i, context) => {
	if (i.body === "many") context.requestOverride.header = {a: "1", b: "2"};
	context.responseOverride.header["x-a"] = i.body;
	return "";
}`,
	"filter.js": `
export const filter_request = async (request) => {
	const how = request.headers.get("x-how");
	if (how === "many") for (let i = 0; i < 20; i++) request.headers.set("x-" + i, "1");
	if (how === "long") request.headers.set("x-a", "x".repeat(1100));
	if (how === "early") return new Response("", {headers: Object.fromEntries(Array.from({length: 20}, (_, i) => ["x-" + i, "1"]))});
}`,
	"quote.js": `export const map_request = (input) => JSON.stringify(input.body)`,
}

// startBounded starts a gateway with guests that try to pass their limits, and a backend that sends as many bytes as its path says.
func startBounded(t *testing.T) (*servertest.Gateway, *otlptest.Receiver) {
	t.Helper()
	receiver := otlptest.New(t)
	upstream := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		size, redirect := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/redirect")
		if redirect {
			http.Redirect(w, r, "/"+size, http.StatusFound)
			return
		}
		_, _ = io.CopyN(w, zeros{}, int64(len(size)*1000))
	})
	files := map[string]string{"hostile.wasm": servertest.Guest(t, "hostile.wasm")}
	for name, content := range boundedFiles {
		files[name] = content
	}
	g := servertest.Start(t, project(bounded, files, "BACKEND", upstream), servertest.Options{Environ: map[string]string{
		"OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTP(), "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}})
	return g, receiver
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// A backend's answer has 1000 bytes for each digit of its path.
func TestFetchesAreBounded(t *testing.T) {
	g, r := startBounded(t)
	for _, c := range []struct{ path, steps, want, limit, value string }{
		{"/fetches", "get:1,get:1,get:1", "1000 1000 1000", "", ""},
		{"/fetches", "get:1,get:1,get:1,get:1,get:1", "1000 1000 1000 limits.fetches limits.fetches", "limits.fetches", "3"},
		{"/fetches", "redirect:1,redirect:1", "1000 limits.fetches", "limits.fetches", "3"}, // each hop counts
		{"/bytes", "get:1,get:22,up:30", "1000 2000 1000", "", ""},
		{"/bytes", "get:333,get:22", "3000 limits.fetchBytes", "limits.fetchBytes", "4 KiB"},
		{"/bytes", "up:2000,up:2000", "1000 limits.fetchBytes", "limits.fetchBytes", "4 KiB"},
		{"/bytes", "stream:2048,stream:2048", "1000 limits.fetchBytes", "limits.fetchBytes", "4 KiB"},
		{"/bytes", "up:5000", "limits.fetchBytes", "limits.fetchBytes", "4 KiB"},
	} {
		t.Run(c.path[1:]+" "+c.steps, func(t *testing.T) {
			reply := g.Do(t, "POST", c.path, c.steps)
			if reply.Status != 200 || reply.Body != c.want {
				t.Fatalf("got %d %q, want %q", reply.Status, reply.Body, c.want)
			}
			if c.limit == "" {
				return
			}
			told := 0
			request := g.Log.Request(t, reply).Text("request_id")
			for _, l := range g.Log.Lines() {
				if l.Text("msg") == "plugin passed a limit" && l.Text("request_id") == request {
					told++
					if l.Text("limit") != c.limit || l.Text("limit_value") != c.value || !strings.HasPrefix(l.Text("limit_origin"), "postern.yaml:") {
						t.Errorf("%v", l)
					}
				}
			}
			if told != 1 {
				t.Errorf("the log tells it %d times", told)
			}
			var span *otlptest.Node
			servertest.Eventually(t, "the plugin has a span", func() bool { // its fetches' spans may come first
				span = traceOf(t, g, r, reply, 3).Find("plugin " + c.path[1:])
				return span != nil
			})
			if got := span.Attributes; got["postern.limit.name"] != c.limit || got["postern.limit.value"] != c.value || !strings.HasPrefix(got["postern.limit.origin"], "postern.yaml:") {
				t.Errorf("the span tells %v", got)
			}
		})
	}
}

// Each hop of a redirect passes the list of origins again.
func TestRedirectsAreWithinTheEgress(t *testing.T) {
	g, _ := startBounded(t)
	var asked atomic.Int64
	other := backend(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	for _, to := range []string{other, strings.Replace(other, "127.0.0.1", "localhost", 1), "http://169.254.169.254/latest/meta-data/",
		"http://[fd00:ec2::254]/", "//" + strings.TrimPrefix(other, "http://")} {
		reply := g.Do(t, "POST", "/fetches", "get:?to="+url.QueryEscape(to))
		if !strings.Contains(reply.Body, "egress does not list") {
			t.Errorf("to %s: %d %q", to, reply.Status, reply.Body)
		}
	}
	if asked.Load() != 0 {
		t.Error("an origin was asked that is not listed")
	}
}

func TestHeadersOfResultsAreBounded(t *testing.T) {
	g, _ := startBounded(t)
	for _, c := range []struct {
		path, how string
		status    int
		cause     string
	}{
		{"/headers", "-", 200, ""},
		{"/headers", "many", 500, "limit passed: limits.headers 4 (postern.yaml:"},
		{"/headers", "cookies", 500, "limit passed: limits.headers 4 (postern.yaml:"},
		{"/headers", "long", 500, "limit passed: limits.headerBytes 1 KiB (postern.yaml:"},
		{"/headers", "CRLF", 500, "x-a"},
		{"/headers", "-", 200, ""}, // or it is left alone
		{"/headers", "NUL", 500, "x-a"},
		{"/headers", "cookie", 500, "ookie"},
		{"/headers", "name", 500, "name"},
		{"/mapped", "b", 200, ""},
		{"/mapped", "many", 500, "limit passed: limits.headers 2 (postern.yaml:"},
		{"/mapped", "b\r\nx-evil: 1", 500, "x-a"},
		{"/mapped", "b\x00", 500, "x-a"},
		{"/filtered", "-", 200, ""},
		{"/filtered", "many", 500, "limit passed: limits.headers 12 (postern.yaml:"},
		{"/filtered", "long", 500, "limit passed: limits.headerBytes 1 KiB (postern.yaml:"},
		{"/filtered", "early", 500, "limit passed: limits.headers 12 (postern.yaml:"},
	} {
		t.Run(c.path[1:]+" "+c.how, func(t *testing.T) {
			fields := []string{"X-How: " + strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(c.how)}
			reply := g.Do(t, "POST", c.path, c.how, fields...)
			if reply.Status != c.status || reply.Header.Get("X-Evil") != "" {
				t.Errorf("got %d %v", reply.Status, reply.Header)
			}
			line := g.Log.Request(t, reply)
			if got := line.Text("error"); c.cause == "" && got != "" || !strings.Contains(got, c.cause) {
				t.Errorf("the log says %q; want a cause with %q", got, c.cause)
			}
			if name, passed := strings.CutPrefix(c.cause, "limit passed: "); passed && !strings.HasPrefix(name, line.Text("limit")+" ") {
				t.Errorf("the line names the limit %q", line.Text("limit"))
			}
		})
	}
}

// A call's span has the limits that hold, and of a crash the stack; the request's line too.
func TestSpansTellLimitsAndStacks(t *testing.T) {
	g, r := startBounded(t)
	reply := g.Do(t, "POST", "/trap", "trap")
	if reply.Status != 500 {
		t.Fatal(reply.Status)
	}
	call := traceOf(t, g, r, reply, 5).Find("plugin hostile").Attributes
	for key, want := range map[string]string{
		"postern.plugin.limit.timeout_ms": "3000", "postern.plugin.limit.memory": "67108864", "postern.plugin.limit.fuel": strconv.FormatInt(host.DefaultFuel, 10),
		"postern.plugin.limit.concurrency": "64", "postern.plugin.limit.fetches": "50", "postern.plugin.limit.headers": "200", "exception.type": "trap",
	} {
		if call[key] != want {
			t.Errorf("%s is %q, want %q", key, call[key], want)
		}
	}
	if stack := g.Log.Request(t, reply).Text("stack"); stack == "" || call["exception.stacktrace"] != stack {
		t.Errorf("the stack in the log: %q, in the span: %q", stack, call["exception.stacktrace"])
	}
	reply = g.Do(t, "POST", "/headers", "-")
	if script := traceOf(t, g, r, reply, 3).Find("plugin headers").Attributes; script["postern.plugin.limit.memory"] != "" || script["postern.plugin.limit.headers"] != "4" {
		t.Errorf("of a script: %v", script)
	}
}

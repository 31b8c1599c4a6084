package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host/server/servertest"
)

// harmless must arrive where a plugin puts it, or the table tests nothing; injections must not arrive whole.
const harmless = "harmless"

var injections = []string{
	"a\r\nX-Injected: 1",
	"a\nX-Injected: 1",
	"a\rX-Injected: 1",
	"a\r\n X-Injected: 1",
	"a\r\n\r\nHTTP/1.1 200 OK\r\nX-Injected: 1\r\n\r\n",
	"a HTTP/1.1\r\nX-Injected: 1\r\nX: ",
	"a\x00b",
	"a: b\r\nX-Injected",
	"\u010d\u010aX-Injected: 1", // whose low bytes are CR and LF
	"\u560d\u560aX-Injected: 1",
	"a\x0bb\x7f",
}

// Every place where a plugin says what becomes of a header, a status or a target. The payload is bad.
const injectJS = `
const payloads = PAYLOADS;
const pick = (path) => payloads[Number(path.split("/").pop())];
`

var injectPlugins = map[string]string{
	"function-value.js":      `export const handler = (e) => ({statusCode: 200, headers: {"x-made": pick(e.rawPath)}})`,
	"function-name.js":       `export const handler = (e) => ({statusCode: 200, headers: {["x-" + pick(e.rawPath)]: "1"}})`,
	"function-type.js":       `export const handler = (e) => ({statusCode: 200, headers: {"content-type": pick(e.rawPath)}})`,
	"function-cookie.js":     `export const handler = (e) => ({statusCode: 200, cookies: [pick(e.rawPath)]})`,
	"function-redirect.js":   `export const handler = (e) => ({statusCode: 302, headers: {location: "/" + pick(e.rawPath)}})`,
	"function-status.js":     `export const handler = (e) => ({statusCode: pick(e.rawPath) === "harmless" ? "200" : "200 " + pick(e.rawPath), headers: {x: "harmless"}})`,
	"function-connection.js": `export const handler = (e) => ({statusCode: 200, headers: {connection: pick(e.rawPath), "transfer-encoding": pick(e.rawPath), x: "harmless"}})`,
	"function-trailer.js":    `export const handler = (e) => ({statusCode: 200, headers: {trailer: pick(e.rawPath), "content-length": pick(e.rawPath), x: "harmless"}})`,
	"fetch-value.js":         `export default {fetch: (r) => new Response("", {headers: {"x-made": pick(new URL(r.url).pathname)}})}`,
	"fetch-redirect.js":      `export default {fetch: (r) => new Response("", {status: 303, headers: [["location", "/" + pick(new URL(r.url).pathname)]]})}`,
	"fetch-status.js":        `export default {fetch: (r) => new Response("", {statusText: pick(new URL(r.url).pathname), headers: {x: "harmless"}})}`,
	"map-header.js":          `export const map_request = (i, c) => { c.requestOverride.header["x-made"] = c.authorizer.user; return "" }`,
	"map-list.js":            `export const map_request = (i, c) => { c.requestOverride.header["x-made"] = ["1", c.authorizer.user]; return "" }`,
	"map-name.js":            `export const map_request = (i, c) => { c.requestOverride.header["x-" + c.authorizer.user] = "1"; return "" }`,
	"map-query.js":           `export const map_request = (i, c) => { c.requestOverride.querystring.q = c.authorizer.user; return "" }`,
	"map-query-name.js":      `export const map_request = (i, c) => { c.requestOverride.querystring[c.authorizer.user] = "1"; return "" }`,
	"map-path.js":            `export const map_request = (i, c) => { c.requestOverride.path.n = c.authorizer.user; return "" }`,
	"map-response.js":        `export const map_request = (i, c) => { c.responseOverride.header["x-made"] = c.authorizer.user; return "" }`,
	"map-context.js":         `export const map_request = (i, c) => { c.requestOverride.header["x-user"] = c.authorizer.user; return "" }`,
	"filter-set.js":          `export const filter_request = (r) => { r.headers.set("x-made", pick(new URL(r.url).pathname)) }`,
	"filter-name.js":         `export const filter_request = (r) => { r.headers.set("x-" + pick(new URL(r.url).pathname), "1") }`,
	"filter-early.js":        `export const filter_request = (r) => new Response("", {headers: {"x-made": pick(new URL(r.url).pathname)}})`,
	"filter-url.js":          `export const filter_request = (r) => new Request("http://h/" + pick(new URL(r.url).pathname), r)`,
	"filter-method.js":       `export const filter_request = (r) => new Request(r, {method: pick(new URL(r.url).pathname)})`,
	"filter-response.js":     `let n; export const filter_request = (r) => { n = pick(new URL(r.url).pathname) }; export const filter_response = (r) => { r.headers.append("x-made", n) }`,
}

const injectAuthorizer = `export const authorize = (e) => ({isAuthorized: true, context: {user: pick(e.rawPath)}})`

// injectProject has a route for each plugin.
func injectProject(up string) map[string]string {
	all, _ := json.Marshal(append([]string{harmless}, injections...))
	prefix := strings.ReplaceAll(injectJS, "PAYLOADS", string(all))
	files := map[string]string{"authorizer.js": prefix + injectAuthorizer}
	var routes, functions strings.Builder
	for name, code := range injectPlugins {
		files[name] = prefix + code
		place, kind := strings.TrimSuffix(name, ".js"), strings.SplitN(name, "-", 2)[0]
		switch kind {
		case "map":
			fmt.Fprintf(&routes, "      ANY /%s/{n}: {authorizer: caller, request: {mapping: {$default: ./%s}}, integration: {http: \"%s/{n}\"}}\n", place, name, up)
		case "filter":
			fmt.Fprintf(&routes, "      ANY /%s/{n}: {filters: [./%s], integration: {upstream: recorder}}\n", place, name)
		default:
			fmt.Fprintf(&routes, "      ANY /%s/{n}: {integration: {function: %s}}\n", place, place)
			fmt.Fprintf(&functions, "  %s: {plugin: ./%s}\n", place, name)
		}
	}
	files["postern.yaml"] = `
apis:
  all:
    authorizers:
      caller: {plugin: ./authorizer.js, resultTTL: 0s}
    routes:
` + routes.String() + "functions:\n" + functions.String() + "upstreams:\n  recorder: {targets: [\"" + up + "\"]}\n"
	return files
}

// Nothing that a plugin can say gets a line's end or a NUL into a head, the client's or the upstream's.
func TestInjection(t *testing.T) {
	up := startRecorder(t)
	g := servertest.Start(t, injectProject("http://"+up.addr))
	addr := strings.TrimPrefix(g.URL, "http://")
	for name := range injectPlugins {
		place := strings.TrimSuffix(name, ".js")
		t.Run(place, func(t *testing.T) {
			answer, sent := exchangeRaw(t, addr, "/"+place+"/0", up)
			if !strings.Contains(strings.ToLower(answer+sent), harmless) {
				t.Fatalf("what is harmless did not arrive: %q, %q", answer, sent)
			}
			for i, payload := range injections {
				answer, sent := exchangeRaw(t, addr, fmt.Sprintf("/%s/%d", place, i+1), up)
				if why := injected(answer); why != "" {
					t.Errorf("%q: %s: %q", payload, why, answer)
				}
				if why := injected(sent); why != "" {
					t.Errorf("%q: %s, to the upstream: %q", payload, why, sent)
				}
			}
		})
	}
}

// The same by a Wasm guest, whose answers nobody checked on the way.
func TestInjectionByWasm(t *testing.T) {
	up := startRecorder(t)
	for name, env := range map[string]map[string]any{
		"set":    {"REQUEST": map[string]any{"setHeaders": [][2]string{{"x-made", "VALUE"}}}},
		"name":   {"REQUEST": map[string]any{"addHeaders": [][2]string{{"VALUE", "1"}}}},
		"path":   {"REQUEST": map[string]any{"path": "/VALUE"}},
		"query":  {"REQUEST": map[string]any{"query": "VALUE"}},
		"method": {"REQUEST": map[string]any{"method": "VALUE"}},
		"host":   {"REQUEST": map[string]any{"host": "VALUE"}},
		"early":  {"REQUEST": map[string]any{"response": map[string]any{"statusCode": 200, "headers": [][2]string{{"x-made", "VALUE"}}}}},
		"answer": {"RESPONSE": map[string]any{"headers": [][2]string{{"x-made", "VALUE"}, {"set-cookie", "VALUE"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var routes strings.Builder
			for i, value := range append([]string{harmless}, injections...) {
				settings := map[string]string{"REQUEST": "{}", "RESPONSE": "{}"}
				for half, meta := range env {
					text, _ := json.Marshal(meta)
					inside, _ := json.Marshal(value)
					settings[half] = strings.ReplaceAll(string(text), "VALUE", strings.Trim(string(inside), `"`))
				}
				text, _ := json.Marshal(settings)
				fmt.Fprintf(&routes, "      ANY /%d: {filters: [{plugin: ./filter.wasm, env: %s}], integration: {upstream: recorder}}\n", i, text)
			}
			g := servertest.Start(t, map[string]string{"filter.wasm": servertest.Guest(t, "filter_by_env.wasm"), "postern.yaml": "apis:\n  all:\n    routes:\n" +
				routes.String() + "upstreams:\n  recorder: {targets: [\"http://" + up.addr + "\"]}\n"})
			for i := range len(injections) + 1 {
				answer, sent := exchangeRaw(t, strings.TrimPrefix(g.URL, "http://"), fmt.Sprintf("/%d", i), up)
				if i == 0 && !strings.Contains(strings.ToLower(answer+sent), harmless) {
					t.Fatalf("what is harmless did not arrive: %q, %q", answer, sent)
				}
				if why := injected(answer) + injected(sent); why != "" {
					t.Errorf("payload %d: %s: %q, to the upstream: %q", i, why, answer, sent)
				}
			}
		})
	}
}

// What a definition says is held to the same.
func TestInjectionByDefinition(t *testing.T) {
	for _, integration := range []string{
		`{mock: {headers: {x: "a\r\nX-Injected: 1"}}}`,
		`{mock: {headers: {"x\r\nX-Injected": "1"}}}`,
		`{mock: {status: 302, headers: {location: "/\0"}}}`,
		`{http: "http://127.0.0.1:1/a\r\nX-Injected: 1"}`,
		`{http: "http://127.0.0.1:1/", method: "GET / HTTP/1.1\r\nX-Injected: 1\r\n"}`,
	} {
		g := servertest.New(t)
		g.Write(t, map[string]string{"postern.yaml": "apis: {a: {routes: {GET /: {integration: " + integration + "}}}}\n"})
		if _, err := g.Apply(t); err == nil {
			answer, _ := exchangeRaw(t, strings.TrimPrefix(g.URL, "http://"), "/", nil)
			t.Errorf("%s is served: %q", integration, answer)
		}
	}
}

// exchangeRaw returns the bytes of the answer, and the head that the upstream got, if it got one.
func exchangeRaw(t *testing.T, addr, path string, up *recorder) (answer, sent string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(servertest.Patience))
	_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	all, err := io.ReadAll(c)
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %q, %v", path, all, err)
	}
	if up != nil {
		select {
		case got := <-up.got:
			line, _, _ := strings.Cut(got.seen, ` "`)
			sent = strings.Join(append([]string{line}, got.fields...), "\r\n") + "\r\n\r\n"
		default:
		}
	}
	return string(all), sent
}

// injected says what is wrong with a head.
func injected(text string) string {
	head, rest, _ := strings.Cut(text, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		switch {
		case strings.HasPrefix(strings.ToLower(line), "x-injected"):
			return "a field was injected"
		case strings.ContainsAny(line, "\r\n\x00"):
			return "a line's end or NUL within a line"
		case strings.HasPrefix(line, "not HTTP"):
			return "what was sent is not HTTP"
		}
	}
	if strings.Contains(rest, "HTTP/1.1 200") {
		return "a second answer"
	}
	return ""
}

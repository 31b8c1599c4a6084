package pipeline_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

const scripted = `
apis:
	main:
		filters: [./id.js]
		routes:
			ANY /plain: {integration: {upstream: u}}
			ANY /edit: {filters: [./edit.js], integration: {upstream: u}}
			ANY /shout: {filters: [./shout.js], integration: {upstream: u}}
			ANY /once: {filters: [{plugin: ./shout.js, concurrency: 1}], integration: {upstream: u}}
			ANY /guard: {filters: [./guard.js], integration: {upstream: u}}
			ANY /throws: {filters: [./throws.js], integration: {upstream: u}}
			ANY /answers: {filters: [./answers.js], integration: {upstream: u}}
upstreams: {u: {targets: ["UPSTREAM"]}}
`

var scripts = map[string]string{
	"id.js": `
		export function filter_request(request, context) {
			context.id = request.headers.get("x-id") ?? "none";
			request.headers.set("x-order", context.id);
		}
		export async function filter_response(response, context) {
			await Promise.resolve();
			response.headers.set("x-id", context.id);
			response.headers.append("set-cookie", "a=1");
			response.headers.append("set-cookie", "b=2");
		}`,
	"edit.js": `
		export async function filter_request(request, context) {
			const url = new URL(request.url);
			url.pathname = "/new/" + context.stage;
			url.search = "?from=" + context.routeKey.length;
			return new Request(url, {method: "PUT", headers: {"x-order": "edited"}, body: "made of " + await request.text()});
		}`,
	"shout.js": `
		const upper = (body) => body.pipeThrough(new TextDecoderStream())
			.pipeThrough(new TransformStream({transform: (chunk, c) => c.enqueue(chunk.toUpperCase())})).pipeThrough(new TextEncoderStream());
		export const filter_request = (request) => request.body && new Request(request, {body: upper(request.body), duplex: "half"});
		export const filter_response = (response) => response.body && new Response(upper(response.body), response);`,
	"guard.js": `
		export function filter_request(request) {
			if (request.headers.get("x-key") !== "open") return Response.json({why: "no key"}, {status: 401, headers: {"x-guard": "1"}});
		}
		export const filter_response = (response) => { response.headers.set("x-own", "1") };`,
	"throws.js":  `export const filter_response = (response) => { throw new TypeError("not today") }`,
	"answers.js": `export const filter_request = (request) => new Response("early", {headers: {"transfer-encoding": "chunked"}});`,
}

func TestScriptsAsFilters(t *testing.T) {
	g := servertest.Start(t, project(scripted, scripts, "UPSTREAM", backend(t, seen)))
	for _, c := range []struct {
		path, body string
		fields     []string
		status     int
		want       string
	}{
		{"/plain?q", "hello", []string{"X-Id: 7"}, 200, "POST /plain?q 7 hello"},
		{"/edit", "hello", nil, 200, "PUT /new/$default?from=9 edited made of hello"},
		{"/shout", "hello", nil, 200, "POST /SHOUT NONE HELLO"},
		{"/shout", "", nil, 200, "POST /SHOUT NONE "},
		{"/guard", "hello", nil, 401, `{"why":"no key"}`},
		{"/guard", "hello", []string{"X-Key: open"}, 200, "POST /guard none hello"},
		{"/throws", "hello", nil, 500, internal},
		{"/answers", "hello", nil, 500, internal},
		{"/none", "hello", nil, 404, notFound},
	} {
		reply := g.Do(t, "POST", c.path, c.body, c.fields...)
		if reply.Status != c.status || reply.Body != c.want || reply.Err != nil {
			t.Errorf("%s: got %d %q %v, want %d %q", c.path, reply.Status, reply.Body, reply.Err, c.status, c.want)
		}
		if cookies := reply.Header.Values("Set-Cookie"); len(cookies) != 2 || reply.Header.Get("X-Id") == "" {
			t.Errorf("%s: what the outer filter set: %v", c.path, reply.Header)
		}
		if own := reply.Header.Get("X-Own"); own != "" && reply.Status == 401 {
			t.Errorf("%s: its own second half saw its early answer", c.path)
		}
	}
	g.Log.Wait(t, "where the script failed", func(l servertest.Line) bool { return strings.HasPrefix(l.Text("at"), "throws.js:1") })
}

// waiting is how many goroutines may wait for the next call of so many scripts.
func waiting(scripts int) int { return scripts * runtime.GOMAXPROCS(0) }

func TestScriptsAsFiltersStream(t *testing.T) {
	up := &streaming{lines: make(chan string, 10), pieces: make(chan string)}
	ended := make(chan struct{}, 10)
	g := servertest.Start(t, project(strings.ReplaceAll(scripted, "/once", "/events"), scripts, "UPSTREAM", backend(t, func(w http.ResponseWriter, r *http.Request) {
		up.ServeHTTP(w, r)
		ended <- struct{}{}
	})))
	read := func(ctx context.Context) io.ReadCloser {
		req, err := http.NewRequestWithContext(ctx, "GET", g.URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		for _, piece := range []string{"one", "two", "three"} {
			up.pieces <- piece + "\n"
			if !lines.Scan() || lines.Text() != strings.ToUpper(piece) {
				t.Fatalf("got %q, %v", lines.Text(), lines.Err())
			}
		}
		return resp.Body
	}
	leave := func() {
		ctx, cancel := context.WithCancel(t.Context())
		body := read(ctx)
		cancel()
		_ = body.Close()
		<-ended // or it would take the next one's pieces
	}
	leave() // the one instance comes free again
	g.Client.CloseIdleConnections()
	goroutines := runtime.NumGoroutine() + waiting(2)
	for range 2 * waiting(2) {
		leave()
	}
	servertest.NoGoroutineLeft(t, goroutines, g.Client.CloseIdleConnections)
}

// One plugin may stand twice on a request's way, or in another order on another route's, at any concurrency.
func TestFiltersThatStandTwice(t *testing.T) {
	g := servertest.Start(t, project(`
apis:
	main:
		filters: [&one {plugin: ./mark.js, concurrency: 1, timeout: 5s, env: {NAME: one}}]
		routes:
			GET /same: {filters: [*one, *one], request: {mapping: {$default: *one}}, integration: {mock: {status: 204}}}
			GET /ab: {filters: [&a {plugin: ./mark.js, concurrency: 1, timeout: 5s, env: {NAME: a}}, &b {plugin: ./mark.js, concurrency: 1, timeout: 5s, env: {NAME: b}}], integration: {mock: {}}}
			GET /ba: {filters: [*b, *a], integration: {mock: {}}}
`, map[string]string{"mark.js": `
export const filter_request = () => {};
export const filter_response = (response) => response.headers.append("x-mark", process.env.NAME);
export const map_request = (input) => input.body;`}))
	for path, marks := range map[string]string{"/same": "one, one, one", "/ab": "b, a, one", "/ba": "a, b, one"} {
		if reply := g.Get(t, path); reply.Status >= 300 || strings.Join(reply.Header.Values("X-Mark"), ", ") != marks {
			t.Errorf("%s: %+v", path, reply)
		}
	}
}

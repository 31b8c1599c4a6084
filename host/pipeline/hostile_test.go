package pipeline_test

import (
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

// A mapping's body is a function's whole payload, so that quote.js hands the guest the letter that tells it how to
// misbehave (host/wasm/testdata/hostile.wat).
const hostile = `
apis:
	main:
		authorizers:
			loops: {plugin: ./spin.js, timeout: 1s}
			silent: {plugin: ./hostile.wasm}
		routes:
			POST /wasm: {request: {mapping: {$default: ./quote.js}}, integration: {function: wasm}}
			POST /js: {integration: {function: js}}
			POST /wasm/hurried: {request: {mapping: {$default: ./quote.js}}, integration: {function: wasm-hurried}}
			POST /js/hurried: {integration: {function: js-hurried}}
			GET /loops: {authorizer: loops, integration: {mock: {}}}
			GET /silent: {authorizer: silent, integration: {mock: {}}}
functions:
	wasm: {plugin: ./hostile.wasm, timeout: 25s, memory: 2MiB, maxResult: 1MiB}
	js: {plugin: ./hostile.js, timeout: 25s, maxResult: 1MiB}
	wasm-hurried: {plugin: ./hostile.wasm, timeout: 1s, memory: 2MiB}
	js-hurried: {plugin: ./hostile.js, timeout: 1s}
`

func startHostile(t *testing.T) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, project(hostile, map[string]string{
		"hostile.wasm": servertest.Guest(t, "hostile.wasm"),
		"quote.js":     `export const map_request = (input) => JSON.stringify(input.body)`,
		"spin.js":      `export const authorize = () => { for (;;) {} }`,
		"hostile.js": `
let calls = 0;
export async function handler(event) {
	calls++;
	switch (event.body) {
	case "throw": throw new TypeError("an order is no number");
	case "null": throw null;
	case "reject": return Promise.reject(new RangeError("rejected"));
	case "never": return new Promise(() => {});
	case "late": return new Promise((done) => setTimeout(done, 60_000));
	case "spin": for (;;) {}
	case "recurse": return handler(event);
	case "deep": { const f = () => f(); return f(); }
	case "much": return "x".repeat(2 << 20);
	case "cycle": { const a = {}; a.a = a; return a; }
	case "getter": return {statusCode: 200, get body() { throw new Error("from a getter") }};
	case "regexp": return /^(a|aa)+\1$/.test("a".repeat(60) + "b");
	case "exit": process.exit(3);
	case "proto": Object.prototype.statusCode = 999; Array.prototype.push = null; return "poisoned";
	}
	return "call " + calls;
}`,
	}))
}

func TestHostileGuests(t *testing.T) {
	g := startHostile(t)
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
		cause      string
	}{
		"trap":                     {"/wasm", "trap", 500, internal, "trap: unreachable"},
		"loop":                     {"/wasm/hurried", "loop", 504, timedOut, "timeout of 1s (postern.yaml:"},
		"recursion":                {"/wasm", "recursion", 500, internal, "stack overflow"},
		"memory":                   {"/wasm", "Memory", 500, internal, "out of memory"},
		"malformed JSON":           {"/wasm", "json", 500, internal, "meta that is not JSON"},
		"negative length":          {"/wasm", "negative", 500, internal, "negative length -5"},
		"pointer outside":          {"/wasm", "pointer", 500, internal, "outside the memory"},
		"pointer to write to":      {"/wasm", "Pointer", 500, internal, "outside the memory"},
		"exit":                     {"/wasm", "xit", 500, internal, "the guest exited with code 3"},
		"error":                    {"/wasm", "error", 500, internal, "ValueError: the value is wrong"},
		"error without a word":     {"/wasm", "Error", 500, internal, "handle returned 7"},
		"body over the limit":      {"/wasm", "body", 500, internal, "limit passed: maxResult 1 MiB (postern.yaml:"},
		"body without end":         {"/wasm", "Body", 500, internal, "limit passed: maxResult 1 MiB (postern.yaml:"},
		"trap in mid-stream":       {"/wasm", "Trap", 500, internal, "trap: unreachable"},
		"hibernates":               {"/wasm/hurried", "hibernate", 504, timedOut, "timeout of 1s (postern.yaml:"},
		"JS throws":                {"/js", "throw", 500, internal, "TypeError: an order is no number"},
		"JS throws null":           {"/js", "null", 500, internal, "null"},
		"JS rejects":               {"/js", "reject", 500, internal, "RangeError: rejected"},
		"JS never resolves":        {"/js", "never", 500, internal, "never settled"},
		"JS resolves too late":     {"/js/hurried", "late", 504, timedOut, "1s, its timeout (postern.yaml:"},
		"JS spins":                 {"/js/hurried", "spin", 504, timedOut, "1s, its timeout (postern.yaml:"},
		"JS recurses":              {"/js", "deep", 500, internal, "Maximum call stack size exceeded"},
		"JS answers too much":      {"/js", "much", 500, internal, "limit passed: maxResult 1048576 bytes (postern.yaml:"},
		"JS answers a cycle":       {"/js", "cycle", 500, internal, "TypeError"},
		"JS answers with a getter": {"/js", "getter", 500, internal, "from a getter"},
		"JS exits":                 {"/js", "exit", 500, internal, "exit"},
		"JS poisons prototypes":    {"/js", "proto", 200, "poisoned", ""},
		"authorizer loops":         {"/loops", "", 500, internal, "1s, its timeout (postern.yaml:"},
		"authorizer says nonsense": {"/silent", "", 500, internal, "neither isAuthorized nor policyDocument"},
	} {
		t.Run(name, func(t *testing.T) {
			method := "POST"
			if c.body == "" {
				method = "GET"
			}
			expect(t, g, g.Do(t, method, c.path, c.body), c.status, c.want, c.cause)
			for range 2 { // whatever was broken is not used again
				for _, path := range []string{"/wasm", "/wasm/hurried"} {
					expect(t, g, g.Do(t, "POST", path, "-"), 200, `{"ok":true}`, "")
				}
				for _, path := range []string{"/js", "/js/hurried"} { // fresh: nothing is left of other calls
					expect(t, g, g.Do(t, "POST", path, "-"), 200, "call 1", "")
				}
			}
		})
	}
	for _, line := range g.Log.Lines() {
		if line["msg"] == "request" && line.Text("path") == "/js" && strings.Contains(line.Text("error"), "TypeError: an order is no number") {
			if !strings.HasPrefix(line.Text("at"), "hostile.js:6:") || !strings.Contains(line.Text("stack"), "hostile.js:6:") {
				t.Errorf("the log does not say where in the source: %v", line)
			}
		}
	}
}

// Some end as an error of the script or by the clock, whichever comes first: a regular expression that backtracks without end, and
// recursion through promises.
func TestHostileScriptsThatEndEitherWay(t *testing.T) {
	g := startHostile(t)
	for _, body := range []string{"regexp", "recurse"} {
		reply := g.Do(t, "POST", "/js/hurried", body)
		if line := g.Log.Request(t, reply); reply.Status != 500 && reply.Status != 504 || line.Text("error") == "" {
			t.Errorf("%s: %+v, logged as %v", body, reply, line)
		}
		expect(t, g, g.Do(t, "POST", "/js", "-"), 200, "call 1", "")
	}
}

// What a guest says of itself reaches the log and never the client.
func TestGuestsErrorsStayInside(t *testing.T) {
	g := startHostile(t)
	for _, c := range [][2]string{{"/js", "throw"}, {"/wasm", "error"}} {
		reply := g.Do(t, "POST", c[0], c[1])
		for name, values := range reply.Header {
			if strings.Contains(strings.Join(values, " "), "wrong") || strings.Contains(strings.Join(values, " "), "order") {
				t.Errorf("%s: %q", name, values)
			}
		}
		if reply.Body != internal {
			t.Errorf("the client got %q", reply.Body)
		}
	}
}

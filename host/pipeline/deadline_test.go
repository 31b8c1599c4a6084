package pipeline_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host/server/servertest"
)

const hurried = `
apis:
	main:
		authorizers:
			slow: {plugin: ./slow.js, config: {ms: 400}}
			never: {plugin: ./slow.js, config: {ms: 60000}, timeout: 60s}
			kept: {plugin: ./slow.js, config: {ms: 60000}, timeout: 2s, identitySources: [$request.header.X-Id]}
		routes:
			GET /sum: {authorizer: slow, timeout: 600ms, integration: {http: "UPSTREAM/400"}}
			GET /each: {authorizer: slow, timeout: 20s, integration: {http: "UPSTREAM/400"}}
			GET /authorizer: {authorizer: never, timeout: 200ms, integration: {mock: {}}}
			GET /kept: {authorizer: kept, timeout: 200ms, integration: {mock: {}}}
			GET /upstream: {timeout: 200ms, integration: {http: "UPSTREAM/60000"}}
			GET /body: {timeout: 1s, integration: {http: "UPSTREAM/body"}}
			GET /function: {timeout: 200ms, integration: {function: never}}
			POST /mapping: {timeout: 200ms, request: {mapping: {$default: {plugin: ./spin.js, timeout: 60s}}}, integration: {mock: {}}}
			POST /slow/mapping: {timeout: 200ms, request: {mapping: {$default: ./same.js}}, integration: {mock: {}}}
			POST /slow/function: {timeout: 200ms, integration: {function: same}}
			POST /slow/wasm: {timeout: 200ms, integration: {function: echo}}
			POST /slow/upstream: {timeout: 200ms, integration: {http: "UPSTREAM/drain"}}
			POST /stalls: {timeout: 20s, integration: {function: echo}}
			GET /ok: {integration: {mock: {body: ok}}}
functions:
	never: {plugin: ./never.js, timeout: 60s}
	same: {plugin: ./same.js, timeout: 60s}
	echo: {plugin: ./echo.wasm, timeout: 2s, maxResult: 64KiB}
`

func startHurried(t *testing.T) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, project(hurried, map[string]string{
		"slow.js":   `export const authorize = (e, context) => new Promise((done) => setTimeout(() => done({isAuthorized: true}), context.config.ms))`,
		"never.js":  `export const handler = () => new Promise((done) => setTimeout(done, 60_000))`,
		"spin.js":   `export const map_request = () => { for (;;) {} }`,
		"same.js":   `export const map_request = (i) => i.body, handle = (e) => e.body`,
		"echo.wasm": servertest.Guest(t, "echo.wasm"),
	}, "UPSTREAM", backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch wait, err := time.ParseDuration(strings.TrimPrefix(r.URL.Path, "/") + "ms"); {
		case err == nil:
			select {
			case <-time.After(wait):
				_, _ = io.WriteString(w, "in time")
			case <-r.Context().Done():
			}
		case r.URL.Path == "/drain":
			_, _ = io.Copy(io.Discard, r.Body)
		default:
			_, _ = io.WriteString(w, "only this")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})))
}

func TestOneDeadline(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startHurried(t)
	const cause = "not done within the route's timeout of "
	for _, path := range []string{"/sum", "/authorizer", "/kept", "/upstream", "/function"} {
		t.Run(path, func(t *testing.T) {
			reply := g.Get(t, path, "X-Id: me")
			expect(t, g, reply, 504, timedOut, cause)
			if line := g.Log.Request(t, reply); !strings.HasPrefix(line.Text("error"), "postern.yaml:") {
				t.Errorf("the log does not say where the timeout stands: %v", line)
			}
			expect(t, g, g.Get(t, "/ok"), 200, "ok", "")
		})
	}
	expect(t, g, g.Do(t, "POST", "/mapping", "x"), 504, timedOut, cause)
	expect(t, g, g.Get(t, "/each"), 200, "in time", "")
	reply := g.Get(t, "/body") // of unknown length, so that what is there is sent at once
	if line := g.Log.Request(t, reply); reply.Body != "only this" || reply.Err == nil || line["level"] != "ERROR" {
		t.Errorf("a body that goes on past the deadline: %+v, logged as %v", reply, line)
	}
}

// The deadline holds for a client, too, that sends its body too slowly.
func TestDeadlineOfSlowBodies(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startHurried(t)
	for _, path := range []string{"/slow/mapping", "/slow/function", "/slow/wasm", "/slow/upstream"} {
		t.Run(path, func(t *testing.T) {
			in, out := io.Pipe()
			defer out.Close()
			go func() { _, _ = io.WriteString(out, "a first part") }()
			reply, err := g.Send(t.Context(), "POST", path, in)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, g, reply, 504, timedOut, "not done within the route's timeout of 200ms (postern.yaml:")
			expect(t, g, g.Get(t, "/ok"), 200, "ok", "")
		})
	}
}

// A function that has begun to answer and is too late is cut off, as an upstream is.
func TestFunctionIsCutOffByItsTimeout(t *testing.T) {
	t.Parallel() // it mostly waits
	g := startHurried(t)
	in, out := io.Pipe()
	defer out.Close()
	go func() { _, _ = out.Write(make([]byte, 1<<20)) }() // more than what is buffered of a result, and then nothing
	reply, err := g.Send(t.Context(), "POST", "/stalls", in)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Status != 200 || reply.Body == "" || reply.Err == nil {
		t.Errorf("%d with %d bytes, %v", reply.Status, len(reply.Body), reply.Err)
	}
	if line := g.Log.Request(t, reply); line["level"] != "ERROR" || !strings.Contains(line.Text("error"), "timeout of 2s (postern.yaml:") {
		t.Errorf("logged as %v", line)
	}
	expect(t, g, g.Get(t, "/ok"), 200, "ok", "")
}

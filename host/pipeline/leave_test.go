package pipeline_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host/server/servertest"
)

const leaving = `
apis:
	main:
		authorizers: {asks: {plugin: ./asks.js, timeout: 60s, egress: ["UPSTREAM"], config: {hold: "UPSTREAM/hold"}}}
		routes:
			$default: {integration: {http: "UPSTREAM"}, timeout: 60s}
			POST /hold: {integration: {http: "UPSTREAM/hold"}, timeout: 60s}
			GET /stream: {integration: {http: "UPSTREAM/stream"}, timeout: 60s}
			GET /authorized: {authorizer: asks, integration: {mock: {}}, timeout: 60s}
			GET /function: {integration: {function: asks}, timeout: 60s}
			GET /spins: {integration: {function: spins}, timeout: 60s}
			POST /wasm: {request: {mapping: {$default: ./quote.js}}, integration: {function: hostile}, timeout: 60s}
			GET /ok: {integration: {mock: {body: ok}}}
functions:
	asks: {plugin: ./asks.js, timeout: 60s, egress: ["UPSTREAM"], env: {HOLD: "UPSTREAM/hold"}}
	spins: {plugin: ./spins.js, timeout: 60s}
	hostile: {plugin: ./hostile.wasm, timeout: 60s}
`

// A waitingRoom is an upstream that answers nobody until they leave, and counts them.
type waitingRoom struct{ came, left chan string }

func (w *waitingRoom) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/hold" && r.URL.Path != "/stream" {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // before its end, net/http does not look whether the client is there
	w.came <- r.URL.Path
	for r.URL.Path == "/stream" && r.Context().Err() == nil {
		_, _ = io.WriteString(rw, strings.Repeat("x", 1000))
		_ = http.NewResponseController(rw).Flush()
	}
	<-r.Context().Done()
	w.left <- r.URL.Path
}

func TestClientsThatLeave(t *testing.T) {
	room := &waitingRoom{came: make(chan string, 100), left: make(chan string, 100)}
	g := servertest.Start(t, project(leaving, map[string]string{
		"asks.js": `const hold = (e, context) => fetch(process.env.HOLD ?? context.config.hold).then(() => null);
			export const authorize = hold, handle = hold;`,
		"spins.js":     `export const handler = () => { console.log("spinning"); for (;;) {} }`,
		"quote.js":     `export const map_request = (input) => JSON.stringify(input.body)`,
		"hostile.wasm": servertest.Guest(t, "hostile.wasm"),
	}, "UPSTREAM", backend(t, room.ServeHTTP)))

	leave := func(method, path, body string, arrived func()) {
		t.Helper()
		before := len(g.Log.Lines())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = g.Send(ctx, method, path, strings.NewReader(body))
		}()
		arrived()
		cancel()
		<-done
		servertest.Eventually(t, "the end of "+path+" is logged as 499", func() bool {
			for _, line := range g.Log.Lines()[before:] {
				if line["msg"] == "request" && line.Text("path") == path {
					return line["status"] == float64(499) && line["level"] == "INFO" && line.Text("error") != ""
				}
			}
			return false
		})
		expect(t, g, g.Get(t, "/ok"), 200, "ok", "")
	}
	wait := func(who chan string) {
		t.Helper()
		select {
		case <-who:
		case <-time.After(servertest.Patience):
			t.Fatal("the upstream waits in vain")
		}
	}
	upstream := func() { wait(room.came) }
	all := func() {
		leave("POST", "/hold", "body", upstream)
		wait(room.left)
		leave("GET", "/stream", "", upstream)
		wait(room.left)
		leave("GET", "/authorized", "", upstream)
		wait(room.left)
		leave("GET", "/function", "", upstream)
		wait(room.left)
		leave("GET", "/spins", "", func() {
			lines := len(g.Log.Lines())
			servertest.Eventually(t, "the script spins", func() bool {
				for _, line := range g.Log.Lines()[max(0, lines-5):] {
					if line["msg"] == "spinning" {
						return true
					}
				}
				return false
			})
		})
		active := func() bool { return strings.Contains(metrics(t, g), "postern_exchanges_active 1") }
		leave("POST", "/wasm", "loop", func() { servertest.Eventually(t, "the guest loops", active) })
	}
	all() // what is made once is made now
	g.Client.CloseIdleConnections()
	stats, goroutines := g.Stats(), runtime.NumGoroutine()+waiting(4)
	for range 1 + waiting(4) {
		all()
	}
	servertest.NoGoroutineLeft(t, goroutines, g.Client.CloseIdleConnections)
	if now := g.Stats(); now != stats {
		t.Errorf("open were %+v, now %+v", stats, now)
	}
}

// metrics reads the metrics of the admin listener.
func metrics(t *testing.T, g *servertest.Gateway) string {
	t.Helper()
	resp, err := http.Get(g.Address("admin") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

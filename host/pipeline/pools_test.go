package pipeline_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern/postern/host/server/servertest"
	"github.com/postern/postern/host/telemetry/otlptest"
)

const pooled = `
apis:
	shop:
		root: true
		routes:
			GET /shop: {integration: {upstream: shop, path: /}}
			GET /edited: {integration: {mock: {status: 200, body: "EDIT"}}}
upstreams:
	shop:
		targets: ["GOOD", "BAD"]
		timeout: TIMEOUT
		ejection: {failures: 1, for: 1h}
		healthCheck: {path: /health, interval: 1h}
		circuitBreaker: {failures: 1000}
`

// What a reload does not change keeps its connections and what is known of its targets; what it changes leaves nothing behind.
func TestReloadsKeepUpstreams(t *testing.T) {
	const reloads = 200
	var conns, sick atomic.Int32
	good := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("good")) }))
	good.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	good.Start()
	t.Cleanup(good.Close)
	bad := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			sick.Add(1)
			w.WriteHeader(503)
		}
	})
	files := func(edit, timeout string) map[string]string {
		return project(pooled, nil, "GOOD", good.URL, "BAD", bad, "EDIT", edit, "TIMEOUT", timeout)
	}
	g := servertest.Start(t, files("first", "5s"), servertest.Options{Config: quiet})
	turn := func(edit, timeout string) {
		t.Helper()
		g.Write(t, files(edit, timeout))
		if changed, err := g.Apply(t); err != nil || !changed {
			t.Fatal(changed, err)
		}
	}
	for range 2 {
		g.Get(t, "/shop")
	}
	if n := sick.Load(); n != 1 {
		t.Fatalf("the bad target was asked %d times", n)
	}
	servertest.Eventually(t, "the health checks", func() bool { return conns.Load() == 2 })
	for i := range 20 {
		turn(fmt.Sprint(i), "5s")
		if reply := g.Get(t, "/shop"); reply.Body != "good" {
			t.Fatalf("%+v", reply)
		}
	}
	if n, m := conns.Load(), sick.Load(); n != 2 || m != 1 {
		t.Errorf("after reloads of other things: %d connections, and the ejected target was asked %d times", n, m)
	}

	stats := g.Stats()
	settle := func() int {
		servertest.Eventually(t, "old pools are closed", func() bool { return g.Stats() == stats })
		return runtime.NumGoroutine()
	}
	before := settle()
	for i := range reloads {
		turn("again", fmt.Sprintf("%dms", 5001+i))
		g.Get(t, "/shop")
	}
	servertest.Eventually(t, "no goroutine is left over", func() bool {
		g.Client.CloseIdleConnections()
		return settle() <= before+8 // connections of the two targets come and go
	})
}

func TestConsistentHashOfAHeader(t *testing.T) {
	var targets []string
	for i := range 4 {
		targets = append(targets, `"`+backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, i) })+`"`)
	}
	g := servertest.Start(t, project(`
apis: {a: {root: true, routes: {GET /: {integration: {upstream: u}}}}}
upstreams: {u: {targets: [TARGETS], balance: consistent_hash, hashOn: $request.header.X-Tenant}}
`, nil, "TARGETS", strings.Join(targets, ", ")), servertest.Options{Config: quiet})
	seen := map[string]bool{}
	for i := range 200 { // the addresses are random, and so are shares: a fourth of the tenants, more or less, is sure to be somebody's
		first := g.Get(t, "/", fmt.Sprint("X-Tenant: ", i)).Body
		seen[first] = true
		for range 2 {
			if again := g.Get(t, "/", fmt.Sprint("X-Tenant: ", i)).Body; again != first {
				t.Errorf("tenant %d: %s, then %s", i, first, again)
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("200 tenants met targets %v", seen)
	}
	first := g.Get(t, "/").Body // by the client's address
	for range 5 {
		if again := g.Get(t, "/").Body; again != first {
			t.Errorf("one client met %s and %s", first, again)
		}
	}
}

// The CLIENT span and the metrics tell which target answered, and that another was tried.
func TestTraceOfAnUpstream(t *testing.T) {
	receiver := otlptest.New(t)
	g := servertest.New(t, servertest.Options{Environ: map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "10",
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTP(), "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}})
	down, good := closedPort(t), backend(t, echo)
	g.Write(t, project(`
apis: {a: {root: true, routes: {GET /: {integration: {upstream: shop, path: "/x?secret=1"}}}}}
upstreams: {shop: {targets: ["DOWN", "GOOD"]}}
`, nil, "DOWN", down, "GOOD", good))
	if _, err := g.Apply(t); err != nil {
		t.Fatal(err)
	}
	reply := g.Get(t, "/")
	if reply.Status != 200 {
		t.Fatalf("%+v", reply)
	}
	span := traceOf(t, g, receiver, reply, 3).Find("GET")
	for key, want := range map[string]string{
		"postern.upstream": "shop", "server.address": strings.TrimPrefix(good, "http://"), "url.full": good + "/x",
		"network.peer.address": "127.0.0.1", "http.request.resend_count": "1", "http.response.status_code": "200",
	} {
		if got := span.Attributes[key]; got != want {
			t.Errorf("%s is %q, not %q", key, got, want)
		}
	}
}

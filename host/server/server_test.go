package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

func isKind(err error, kind host.Kind) bool { return errors.Is(err, kind) }

const simple = `
apis:
  main:
    routes:
      GET /: {integration: {mock: {body: hello}}}
      GET /held: {integration: {http: "UPSTREAM/"}}
      GET /self: {integration: {http: "${listeners.http}/"}}
      GET /variable: {integration: {http: "${stageVariables.self}/"}}
    stages: {$default: {variables: {self: "${listeners.http}"}}}
`

// heldUpstream answers when release is closed, and tells who came and who left before that.
func heldUpstream(t *testing.T) (files map[string]string, came, left chan struct{}, release func()) {
	t.Helper()
	came, left = make(chan struct{}, 10), make(chan struct{}, 10)
	open := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		select {
		case <-open:
			_, _ = io.WriteString(w, "at last")
		case <-r.Context().Done():
			left <- struct{}{}
		}
	}))
	t.Cleanup(s.Close)
	return map[string]string{"postern.yaml": strings.ReplaceAll(simple, "UPSTREAM", s.URL)}, came, left, func() { close(open) }
}

func adminGet(t *testing.T, g *servertest.Gateway, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(g.Address("admin") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestDrainLetsExchangesFinish(t *testing.T) {
	files, came, _, release := heldUpstream(t)
	g := servertest.Start(t, files)
	replies := make(chan servertest.Reply, 1)
	go func() {
		reply, _ := g.Send(context.WithoutCancel(t.Context()), "GET", "/held", nil)
		replies <- reply
	}()
	<-came
	drained := make(chan error, 1)
	go func() { drained <- g.Drain() }()
	servertest.Eventually(t, "it is not ready any more", func() bool {
		status, text := adminGet(t, g, "/readyz")
		return status == 503 && strings.Contains(text, "draining")
	})
	if status, _ := adminGet(t, g, "/healthz"); status != 200 {
		t.Errorf("a server that drains is alive, and says %d", status)
	}
	servertest.Eventually(t, "nobody is accepted", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-drained:
		t.Fatalf("drained with an exchange running: %v", err)
	default:
	}
	release()
	if reply := <-replies; reply.Status != 200 || reply.Body != "at last" || reply.Err != nil {
		t.Errorf("the running exchange got %+v", reply)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainEndsAtItsDeadline(t *testing.T) {
	files, came, left, _ := heldUpstream(t)
	g := servertest.New(t, servertest.Options{Config: func(cfg *server.Config) { cfg.DrainTimeout = 100 * time.Millisecond }})
	g.Write(t, files)
	apply(t, g, true)
	failed := make(chan error, 1)
	go func() {
		_, err := g.Send(context.WithoutCancel(t.Context()), "GET", "/held", nil)
		failed <- err
	}()
	<-came
	if err := g.Drain(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the exchange was not cut")
	}
	<-left
	g.Log.Wait(t, "how many exchanges were cut", func(l servertest.Line) bool {
		return l["msg"] == "exchanges were cut at the drain deadline" && l["count"] == float64(1) && l["listener"] == "http"
	})
	g.Log.Wait(t, "the exchange that was cut, which no client left", func(l servertest.Line) bool {
		return l["msg"] == "request" && l["status"] == float64(503) && strings.Contains(l.Text("error"), "at the deadline, and was cut")
	})
	if err := g.Stop(); err != nil { // waits for what was cut
		t.Error(err)
	}
	if now := g.Stats(); now.Plugins+now.Modules+now.Pools != 0 {
		t.Errorf("closed, and still open are %+v", now)
	}
}

func TestWhatKeepsAServerFromStarting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := servertest.New(t) // for its telemetry
	for name, c := range map[string]struct {
		cfg  server.Config
		kind host.Kind
		text string
	}{
		"port in use":        {server.Config{HTTP: taken.Addr().String()}, host.Conflict, "listener http: listen on " + taken.Addr().String()},
		"admin port in use":  {server.Config{HTTP: "127.0.0.1:0", Admin: taken.Addr().String()}, host.Conflict, "listener admin"},
		"no address":         {server.Config{HTTP: "127.0.0.1"}, host.Invalid, "127.0.0.1"},
		"no certificate":     {server.Config{HTTPS: "127.0.0.1:0", Certificate: server.Certificate{CertFile: "nowhere.pem", KeyFile: "nowhere.pem"}}, host.Invalid, "nowhere.pem does not exist"},
		"bad certificate":    {server.Config{HTTPS: "127.0.0.1:0", Certificate: server.Certificate{CertFile: bad, KeyFile: bad}}, host.Invalid, "bad.pem"},
		"not this machine's": {server.Config{HTTP: "192.0.2.1:0"}, host.Invalid, "does not have that address"},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Telemetry = g.Telemetry
			s, err := server.New(c.cfg)
			if err == nil {
				_ = s.Close(t.Context())
			}
			if !isKind(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("the error is %v of kind %v; want %v with %q", err, host.KindOf(err), c.kind, c.text)
			}
		})
	}
}

// A cache that cannot be used costs time and not the start.
func TestUnusableCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	runtimes, err := server.OpenRuntimes(server.RuntimeOptions{CacheDir: file, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.CloseRuntimes(t.Context(), runtimes); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "--cache-dir") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestTLS(t *testing.T) {
	g := servertest.New(t, servertest.Options{Config: func(cfg *server.Config) {
		cfg.HTTPS, cfg.Certificate.SelfSigned = "127.0.0.1:0", true
	}})
	g.Write(t, map[string]string{"postern.yaml": "apis: {main: {routes: {$default: {integration: {function: tell}}}}}\nfunctions: {tell: {plugin: ./tell.js}}\n",
		"tell.js": `export const handler = (e) => [e.requestContext.http.protocol, e.headers["x-forwarded-proto"]].join(" ")`})
	apply(t, g, true)
	for _, http2 := range []bool{true, false} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}
		resp, err := (&http.Client{Transport: transport}).Get(g.Address("https") + "/")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if want := map[bool]string{true: "HTTP/2.0 https", false: "HTTP/1.1 https"}[http2]; err != nil || string(text) != want {
			t.Errorf("%q %v, want %q", text, err, want)
		}
		for _, name := range []string{"localhost", "main.execute-api.localhost", "f.function.localhost", "127.0.0.1"} {
			if err := resp.TLS.PeerCertificates[0].VerifyHostname(name); err != nil {
				t.Error(err)
			}
		}
		transport.CloseIdleConnections()
	}
}

func TestAdmin(t *testing.T) {
	g := servertest.New(t)
	if status, text := adminGet(t, g, "/readyz"); status != 503 || !strings.Contains(text, "no definition serves yet") {
		t.Errorf("%d %s", status, text)
	}
	if reply := g.Get(t, "/"); reply.Status != 503 || reply.Body != `{"message":"Service Unavailable"}` {
		t.Errorf("before a definition serves: %+v", reply)
	}
	g.Write(t, map[string]string{"postern.yaml": "apis: {main: {routes: {}}}\nwrong: 1\n"})
	if _, err := g.Apply(t); err == nil {
		t.Error("no error")
	}
	if status, text := adminGet(t, g, "/readyz"); status != 503 || !strings.Contains(text, "wrong") {
		t.Errorf("a first definition that is broken: %d %s", status, text)
	}
	files, _, _, _ := heldUpstream(t)
	g.Write(t, files)
	apply(t, g, true)
	if status, _ := adminGet(t, g, "/readyz"); status != 200 {
		t.Errorf("status %d", status)
	}
	_, text := adminGet(t, g, "/")
	var status admin.Status
	if err := json.Unmarshal([]byte(text), &status); err != nil || !status.Ready || status.Version != "test" || len(status.Revision) != 64 {
		t.Fatalf("%s %v", text, err)
	}
	for _, u := range status.URLs {
		reply, err := http.Get(strings.Replace(u.URL, "main.execute-api.localhost", "127.0.0.1", 1) + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = reply.Body.Close()
		if reply.StatusCode != 200 {
			t.Errorf("%s: %d", u.URL, reply.StatusCode)
		}
	}
	if len(status.URLs) < 2 {
		t.Errorf("only %v", status.URLs)
	}
}

func TestMetrics(t *testing.T) {
	files, _, _, _ := heldUpstream(t)
	g := servertest.Start(t, files)
	body(t, g, "/", "hello")
	g.Get(t, "/nowhere")
	c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nBad Field\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("%s %v", answer, err)
	}
	servertest.Eventually(t, "the metrics have all of it", func() bool {
		_, text := adminGet(t, g, "/metrics")
		want := [][]string{
			{"http_server_request_duration_seconds_count{", `http_request_method="GET"`, `http_response_status_code="200"`, `http_route="/"`, `postern_api="main"`, `postern_stage="$default"`, "} 1"},
			{"http_server_request_duration_seconds_count{", `http_response_status_code="404"`, "} 1"},
			{"postern_refused_requests_total{", `postern_listener="http"`, `postern_reason="malformed_request"`, "} 1"},
			{"postern_exchanges_active 0"},
		}
		for line := range strings.Lines(text) {
			for i, parts := range want {
				all := len(parts) > 0
				for _, part := range parts {
					all = all && strings.Contains(line, part)
				}
				if all {
					want[i] = nil
				}
			}
		}
		for _, parts := range want {
			if parts != nil {
				return false
			}
		}
		return true
	})
	g.Log.Wait(t, "the refusal", func(l servertest.Line) bool {
		return l["msg"] == "request refused" && l["reason"] == "malformed_request"
	})
	body(t, g, "/", "hello")
}

// A definition may name this host's own listeners, whatever ports they have.
func TestDefinitionsNameTheListeners(t *testing.T) {
	files, _, _, _ := heldUpstream(t)
	g := servertest.Start(t, files)
	for _, path := range []string{"/self", "/variable"} {
		body(t, g, path, "hello")
	}
}

func TestCheck(t *testing.T) {
	files := versionedFiles(t, "http://127.0.0.1:1")
	for name, c := range map[string]struct{ file, content, want string }{
		"good":         {"version.js", version("one"), ""},
		"cannot start": {"version.js", "export const handler = () => 1; null.x", "TypeError"},
		"no entry":     {"counts.js", "export const handle = () => 1", `and not authorize`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files[c.file] = c.content
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			loaded, err := project.Load(t.Context(), dir, project.Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = server.Check(t.Context(), loaded.Snapshot, t.TempDir(), nil)
			if c.want == "" && err != nil || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("the error is %v; want %q", err, c.want)
			}
			files[c.file] = versionedFiles(t, "http://127.0.0.1:1")[c.file]
		})
	}
}

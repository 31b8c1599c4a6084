package pipeline_test

import (
	"context"
	"io"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	folder "github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
	"github.com/postern/postern/host/telemetry"
)

// A workbench builds pipelines without a server around them, so that a test chooses each one's snapshot and configuration.
type workbench struct {
	shared    *pipeline.Shared
	log       *servertest.Log
	telemetry *telemetry.Telemetry
}

// newWorkbench opens the runtimes. At the end of the test every pipeline must have been released, and nothing be left open.
func newWorkbench(t *testing.T, environ map[string]string) *workbench {
	t.Helper()
	w := &workbench{log: &servertest.Log{}}
	var err error
	w.telemetry, err = telemetry.Setup(t.Context(), telemetry.Options{Output: w.log, LogFormat: telemetry.LogJSON, LogLevel: "debug",
		Environ: func(name string) string { return environ[name] }})
	if err != nil {
		t.Fatal(err)
	}
	runtimes, err := server.OpenRuntimes(server.RuntimeOptions{Logger: w.telemetry.Logger})
	if err != nil {
		t.Fatal(err)
	}
	w.shared = pipeline.NewShared(runtimes, w.telemetry, nil)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
		defer cancel()
		if err := w.shared.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if left := w.shared.Stats(); left != (pipeline.Stats{}) {
			t.Errorf("left open: %+v", left)
		}
		if err := server.CloseRuntimes(ctx, runtimes); err != nil {
			t.Error(err)
		}
		if err := w.telemetry.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", w.log)
		}
	})
	return w
}

// build builds a pipeline, which is released at the end of the test.
func (w *workbench) build(t *testing.T, s *host.Snapshot, change ...func(*pipeline.Config)) *pipeline.Pipeline {
	t.Helper()
	p, err := w.tryBuild(t, s, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

func (w *workbench) tryBuild(t *testing.T, s *host.Snapshot, change ...func(*pipeline.Config)) (*pipeline.Pipeline, error) {
	cfg := pipeline.Config{Shared: w.shared, Telemetry: w.telemetry, Domain: "localhost", AccessLog: true}
	for _, f := range change {
		f(&cfg)
	}
	return pipeline.Build(t.Context(), s, cfg)
}

// load loads a project of these files, as project makes them.
func load(t *testing.T, files map[string]string) *host.Snapshot {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := folder.Load(t.Context(), dir, folder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Snapshot
}

// An outcome is a response that was read to its end.
type outcome struct {
	status       int
	body, id, by string // by is the field X-By
}

// ask sends a request through a pipeline as a listener would. target is a path, or host and path.
func ask(t testing.TB, p *pipeline.Pipeline, target string) outcome {
	authority, path, _ := strings.Cut(target, "/")
	if !p.Acquire() {
		t.Error("the pipeline is closed")
		return outcome{}
	}
	resp := p.Serve(t.Context(), &host.Request{Method: "GET", Scheme: "http", Host: authority, Target: "/" + path,
		Body: io.NopCloser(strings.NewReader("")), Peer: host.Peer{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Protocol: "HTTP/1.1"}})
	out := outcome{status: resp.Status, id: resp.Header.Get("Apigw-Requestid"), by: resp.Header.Get("X-By")}
	if resp.Body != nil {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		_ = resp.Body.Close()
		out.body = string(body)
	}
	resp.End(nil)
	return out
}

// line waits for the access log's line about an answer.
func (w *workbench) line(t *testing.T, a outcome) servertest.Line {
	t.Helper()
	return w.log.Wait(t, "a line for request "+a.id, func(l servertest.Line) bool {
		return l.Text("msg") == "request" && l.Text("request_id") == a.id
	})
}

// metricsText is what /metrics says.
func metricsText(t *testing.T, w *workbench) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	w.telemetry.MetricsHandler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String()
}

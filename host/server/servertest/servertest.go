// Package servertest runs whole gateways for tests: a real server with listeners on loopback, a project written to a
// folder, a real client, and the log as lines that a test can wait for.
package servertest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/telemetry"
)

// Patience is how long a test waits for what must come before it fails.
const Patience = 20 * time.Second

// A Gateway is a running server with the project that it serves.
type Gateway struct {
	*server.Server
	URL       string // of the clear listener
	Dir       string // of the project
	Telemetry *telemetry.Telemetry
	Log       *Log
	Client    *http.Client // follows no redirects

	config server.Config
	stop   func() error
	close  func() error
}

// Options are what a test may choose.
type Options struct {
	Environ map[string]string           // of the telemetry: OTEL_*
	Config  func(config *server.Config) // changes the server's configuration; nil leaves it
	Token   string                      // of a Host: for its admin API, where another one made the first; "" is the first
}

// Start serves a project of these files, by their paths in its folder, until the test ends. The test fails when it
// cannot be served.
func Start(tb testing.TB, files map[string]string, options ...Options) *Gateway {
	tb.Helper()
	g := New(tb, options...)
	g.Write(tb, files)
	if _, err := g.Apply(tb); err != nil {
		tb.Fatal(err)
	}
	return g
}

// New starts a server that has no project yet.
func New(tb testing.TB, options ...Options) *Gateway {
	tb.Helper()
	var opts Options
	if len(options) > 0 {
		opts = options[0]
	}
	g, err := open(tb, opts)
	if err != nil {
		tb.Fatal(err)
	}
	g.serve()
	return g
}

// open makes a server that does not accept yet, and ends it with the test.
func open(tb testing.TB, opts Options) (*Gateway, error) {
	tb.Helper()
	g := &Gateway{Dir: tb.TempDir(), Log: &Log{}}
	var err error
	g.Telemetry, err = telemetry.Setup(tb.Context(), telemetry.Options{Output: g.Log, LogFormat: telemetry.LogJSON,
		LogLevel: "debug", Environ: func(name string) string { return opts.Environ[name] }})
	if err != nil {
		return nil, err
	}
	g.config = server.Config{HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0", AccessLog: true, Version: "test", Telemetry: g.Telemetry}
	if opts.Config != nil {
		opts.Config(&g.config)
	}
	if g.Server, err = server.New(g.config); err != nil {
		return nil, errors.Join(err, g.Telemetry.Shutdown(tb.Context()))
	}
	g.URL = g.Address("http")
	g.Client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	g.stop = func() error { return nil }
	g.close = sync.OnceValue(func() error {
		g.Client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		return errors.Join(g.Close(ctx), g.Telemetry.Shutdown(ctx))
	})
	tb.Cleanup(func() {
		if err := g.Stop(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			tb.Logf("the log:\n%s", g.Log)
		}
	})
	return g, nil
}

func (g *Gateway) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx) }()
	g.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
}

// Drain ends Serve and returns what it returned.
func (g *Gateway) Drain() error { return g.stop() }

// Stop drains the gateway and frees everything. Further calls do nothing.
func (g *Gateway) Stop() error { return errors.Join(g.stop(), g.close()) }

// Write writes files into the project's folder.
func (g *Gateway) Write(tb testing.TB, files map[string]string) {
	tb.Helper()
	if err := write(g.Dir, files); err != nil {
		tb.Fatal(err)
	}
}

// Apply loads the project as it stands and serves it. It reports whether that made a difference.
func (g *Gateway) Apply(tb testing.TB) (changed bool, err error) {
	tb.Helper()
	_, changed, err = g.Load(tb.Context(), g.Dir, project.Options{})
	return changed, err
}

// A Reply is a response with its body, and the error that cut it off.
type Reply struct {
	Status int
	Header http.Header
	Length int64 // as announced; -1 when it was not
	Body   string
	Err    error
}

// Get sends a GET for path with header fields as "Name: value".
func (g *Gateway) Get(tb testing.TB, path string, fields ...string) Reply {
	tb.Helper()
	return g.Do(tb, "GET", path, "", fields...)
}

// Do sends a request. A field "Host: …" goes where it belongs. The test fails when there is no response.
func (g *Gateway) Do(tb testing.TB, method, path, body string, fields ...string) Reply {
	tb.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	reply, err := g.Send(tb.Context(), method, path, reader, fields...)
	if err != nil {
		tb.Fatal(err)
	}
	return reply
}

// Send is Do for a body of any kind and with a context. The error says why there is no response.
func (g *Gateway) Send(ctx context.Context, method, path string, body io.Reader, fields ...string) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, g.URL+path, body)
	if err != nil {
		return Reply{}, err
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Add(name, value)
	}
	return g.send(req)
}

func (g *Gateway) send(req *http.Request) (Reply, error) {
	resp, err := g.Client.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	reply := Reply{Status: resp.StatusCode, Header: resp.Header, Length: resp.ContentLength}
	var read []byte
	read, reply.Err = io.ReadAll(resp.Body)
	reply.Body = string(read)
	return reply, nil
}

// Guest returns a module of host/wasm/testdata, as a file's content.
func Guest(tb testing.TB, name string) string {
	tb.Helper()
	for _, dir := range []string{"../wasm/testdata", "../../wasm/testdata"} {
		if code, err := os.ReadFile(filepath.Join(filepath.FromSlash(dir), name)); err == nil {
			return string(code)
		}
	}
	tb.Fatalf("host/wasm/testdata has no %s", name)
	return ""
}

// Eventually waits until ok returns true, and fails the test when it never does.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain until %s", what)
		}
	}
}

// NoGoroutineLeft waits until no more goroutines run than before, calling settle between two looks, and fails the test with what they do
// when they never do. settle may be nil.
func NoGoroutineLeft(tb testing.TB, before int, settle func()) {
	tb.Helper()
	for deadline := time.Now().Add(Patience); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if settle != nil {
			settle()
		}
		if time.Now().After(deadline) {
			var all strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
			tb.Fatalf("%d goroutines run, and %d did before:\n%s", runtime.NumGoroutine(), before, all.String())
		}
	}
}

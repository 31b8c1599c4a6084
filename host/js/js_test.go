package js_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/js/bundle"
)

// effects is the world as a test gives it: real time, real random numbers, real HTTP.
type effects struct {
	host.StartEffects // for what is not overridden

	client  *http.Client // nil refuses
	secrets map[string]string

	mu    sync.Mutex
	lines []string
}

func (e *effects) Now() time.Time { return time.Now() }
func (e *effects) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (e *effects) Rand(p []byte) { _, _ = rand.Read(p) }
func (e *effects) Fetch(ctx context.Context, r *host.Request) (*host.Response, error) {
	if e.client == nil {
		return nil, &host.Error{Op: "fetch " + r.Host, Kind: host.Forbidden, Err: errors.New("not in the egress list")}
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.Scheme+"://"+r.Host+r.Target, r.Body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = r.Length
	for _, f := range r.Header {
		req.Header.Add(f.Name, f.Value)
	}
	resp, err := e.client.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	var h host.Header
	for name, values := range resp.Header {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return &host.Response{Status: resp.StatusCode, Header: h, Body: resp.Body, Length: resp.ContentLength}, nil
}
func (e *effects) Secret(_ context.Context, name string) (string, bool) {
	v, ok := e.secrets[name]
	return v, ok
}
func (e *effects) Log(_ context.Context, level slog.Level, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, level.String()+" "+message)
}

// await waits for a line that is logged behind an answer.
func (e *effects) await(t testing.TB, line string) {
	t.Helper()
	for end := time.Now().Add(25 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		e.mu.Lock()
		there := slices.Contains(e.lines, line)
		e.mu.Unlock()
		if there {
			return
		}
	}
	t.Errorf("never logged: %s; but %q", line, e.lines)
}
func (e *effects) Span(context.Context, string) func(string) { return func(string) {} }
func (e *effects) TraceParent() string                       { return "" }

// files writes a project and returns its folder.
func files(t testing.TB, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// source bundles one file of that name.
func source(t testing.TB, name, text string) host.Source {
	t.Helper()
	res, err := bundle.Build(context.Background(), bundle.Options{Dir: files(t, map[string]string{name: text}), Entry: name})
	if err != nil {
		t.Fatal(err)
	}
	return *res.Source
}

// newRuntime makes the runtime that a test is to run on (quickjs_test.go).
func newRuntime(t testing.TB) host.Runtime {
	if strings.HasPrefix(t.Name(), onQuickJS) {
		return quickJS()
	}
	return js.New(js.Options{})
}

func compile(t testing.TB, name, text string) host.Module {
	t.Helper()
	m, err := newRuntime(t).Compile(context.Background(), source(t, name, text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t testing.TB, name, text string, change ...func(*host.PluginConfig)) host.Plugin {
	t.Helper()
	cfg := host.PluginConfig{Name: "test", Isolation: host.IsolationFresh}
	cfg.Limits.Timeout.Value = 25 * time.Second // a machine may be busy; tests of time set their own
	cfg.Limits.Fuel.Value = 1 << 40
	for _, c := range change {
		c(&cfg)
	}
	p, err := compile(t, name, text).Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func pooled(c *host.PluginConfig) { c.Isolation = host.IsolationPooled }

func timeout(d time.Duration) func(*host.PluginConfig) {
	return func(c *host.PluginConfig) {
		c.Limits.Timeout = host.Setting[time.Duration]{Value: d, Pos: host.Position{File: "postern.yaml", Line: 7, Column: 3}}
	}
}

// result is what came of a call.
type result struct {
	meta string
	body string
	has  bool // a body
}

func call(p host.Plugin, entry, meta string, body io.ReadCloser, fx *effects) (result, error) {
	if fx == nil {
		fx = &effects{}
	}
	out, err := p.Call(context.Background(), entry, host.Event{Meta: []byte(meta), Body: body}, fx)
	if err != nil {
		return result{}, err
	}
	r := result{meta: string(out.Meta)}
	if out.Body != nil {
		b, err := io.ReadAll(out.Body)
		if err != nil {
			return r, err
		}
		r.body, r.has = string(b), true
		if err := out.Body.Close(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// eval runs the body of an async function and returns its result as JSON.
func eval(t testing.TB, code string, fx *effects) string {
	t.Helper()
	r, err := call(open(t, "eval.js", "export async function handle(event, context) {\n"+code+"\n}"), "handle", "{}", nil, fx)
	if err != nil {
		var g *host.GuestError
		errors.As(err, &g)
		t.Fatalf("%v\n%+v", err, g)
	}
	return r.meta
}

func guest(t testing.TB, err error) *host.GuestError {
	t.Helper()
	var g *host.GuestError
	if !errors.As(err, &g) {
		t.Fatalf("no GuestError in %v", err)
	}
	return g
}

func body(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

// same compares JSON without regard to the order of names.
func same(t testing.TB, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	a, _ := json.Marshal(g)
	b, _ := json.Marshal(w)
	if !bytes.Equal(a, b) {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

// noLeak checks that no goroutine is left that was not there when it was called.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+1; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) { // one more is regexp2's clock, which stops by itself
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			}
		}
	})
}

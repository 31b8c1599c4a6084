package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
	"github.com/postern/postern/host/wasm/engine"
)

func newRuntime(t testing.TB, opts wasm.Options) *wasm.Runtime {
	t.Helper()
	rt, err := wasm.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if got := rt.Stats(); got != (engine.Stats{}) {
			t.Errorf("left behind: %+v", got)
		}
	})
	return rt
}

func guestCode(t testing.TB, name string) []byte {
	t.Helper()
	code, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func compile(t testing.TB, rt *wasm.Runtime, name string, code []byte) host.Module {
	t.Helper()
	m, err := rt.Compile(context.Background(), host.Source{Name: name, Runtime: host.RuntimeWasm, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// limits are small, so that tests reach them soon.
func limits() host.Limits {
	return host.Limits{
		Timeout:     host.Setting[time.Duration]{Value: 500 * time.Millisecond, Pos: host.Position{File: "postern.yaml", Line: 7, Column: 9}},
		Memory:      host.Default[int64](4 << 20),
		Concurrency: host.Default(4),
		MaxResult:   host.Default[int64](1 << 20),
		Fuel:        host.Default[int64](1 << 50), // its time is over before
	}
}

func open(t testing.TB, m host.Module, cfg host.PluginConfig) host.Plugin {
	t.Helper()
	p, err := m.Open(context.Background(), cfg)
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

func openGuest(t testing.TB, name string) (*wasm.Runtime, host.Plugin) {
	t.Helper()
	rt := newRuntime(t, wasm.Options{})
	return rt, open(t, compile(t, rt, name, guestCode(t, name)), host.PluginConfig{Name: name, Limits: limits()})
}

// ask calls an entry with an event that is all there, and reads the whole result.
func ask(p host.Plugin, entry, meta string, body []byte, fx host.Effects) (outMeta, outBody string, err error) {
	in := host.Event{Meta: []byte(meta)}
	if body != nil {
		in.Body = io.NopCloser(bytes.NewReader(body))
	}
	out, err := p.Call(context.Background(), entry, in, fx)
	if err != nil {
		return "", "", err
	}
	if out.Body == nil {
		return string(out.Meta), "", nil
	}
	read, err := io.ReadAll(out.Body)
	return string(out.Meta), string(read), errors.Join(err, out.Body.Close())
}

func TestAuthorizer(t *testing.T) {
	_, p := openGuest(t, "authorizer")
	for meta, want := range map[string]string{
		`{"headers":{"authorization":"Bearer demo"}}`:  `{"isAuthorized":true,"context":{"user":"demo"}}`,
		`{"headers":{"authorization":"Bearer other"}}`: `{"isAuthorized":false}`,
		`{}`:                                     `{"isAuthorized":false}`,
		`"` + strings.Repeat("x", 100_000) + `"`: `{"isAuthorized":false}`,
	} {
		got, _, err := ask(p, host.EntryAuthorize, meta, nil, &effects{})
		if err != nil || got != want {
			t.Errorf("%.60s: got %s, %v; want %s", meta, got, err, want)
		}
	}
}

func TestEcho(t *testing.T) {
	_, p := openGuest(t, "echo")
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	for _, body := range [][]byte{nil, {}, []byte("hello"), big[:32<<10], big[:32<<10+1], big} {
		meta, got, err := ask(p, host.EntryHandle, `{}`, body, &effects{})
		if err != nil || meta != `{"statusCode":200}` || got != string(body) {
			t.Errorf("%d bytes: got %s, %d bytes, %v", len(body), meta, len(got), err)
		}
		meta, got, err = ask(p, host.EntryMapRequest, `{}`, body, &effects{})
		if err != nil || meta != `{"contentType":"text/plain"}` || got != string(body) {
			t.Errorf("mapping %d bytes: got %s, %d bytes, %v", len(body), meta, len(got), err)
		}
	}
}

// An answer begins while the request's body is still being sent.
func TestEchoStreams(t *testing.T) {
	_, p := openGuest(t, "echo")
	r, w := io.Pipe()
	first := bytes.Repeat([]byte("a"), 40<<10)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = w.Write(first)
	}()
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`{}`), Body: r}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(first))
	if _, err := io.ReadFull(out.Body, got); err != nil || !bytes.Equal(got, first) {
		t.Fatalf("the first part: %v", err)
	}
	<-sent
	go func() { _, _ = w.Write([]byte("end")); _ = w.Close() }()
	rest, err := io.ReadAll(out.Body)
	if err != nil || string(rest) != "end" {
		t.Errorf("the rest: %q, %v", rest, err)
	}
	_ = out.Body.Close()
}

// A body that breaks off fails the call with the body's own kind.
func TestInputBreaksOff(t *testing.T) {
	_, p := openGuest(t, "echo")
	broken := &host.Error{Op: "read", Kind: host.TooLarge, Err: errors.New("the body is over its limit")}
	body := io.NopCloser(io.MultiReader(strings.NewReader("some"), &failingReader{broken}))
	for _, entry := range []string{host.EntryHandle, host.EntryMapRequest} {
		_, err := p.Call(context.Background(), entry, host.Event{Meta: []byte("{}"), Body: body}, &effects{})
		if !errors.Is(err, host.TooLarge) || !errors.Is(err, broken) {
			t.Errorf("%s: got %v", entry, err)
		}
	}
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

// A reader who leaves ends a guest that pours without end, and the instance serves again.
func TestReaderLeaves(t *testing.T) {
	rt, p := openGuest(t, "hostile")
	for range 3 {
		out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`"B"`)}, &effects{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, out.Body, 300<<10); err != nil {
			t.Fatal(err)
		}
		_ = out.Body.Close()
		if _, err := out.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a read after Close succeeded")
		}
		waitFor(t, func() bool { return rt.Stats().Leased == 0 })
	}
	if n := rt.Stats().Instances; n != 1 {
		t.Errorf("%d instances; the guest ended by itself each time, so one should do", n)
	}
}

// A reader who does not read holds a guest up to its deadline, and learns of it.
func TestBackPressureHasADeadline(t *testing.T) {
	rt, p := openGuest(t, "hostile")
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`"B"`)}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })
	n, err := io.Copy(io.Discard, out.Body)
	if !errors.Is(err, host.Timeout) || n > 64<<10 {
		t.Errorf("read %d bytes, %v", n, err)
	}
	_ = out.Body.Close()
}

// A guest that waits for a byte of the request's body is let go of once it is overdue.
func TestSilentSender(t *testing.T) {
	rt, p := openGuest(t, "echo")
	r, w := io.Pipe()
	_, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`{}`), Body: r}, &effects{})
	if !errors.Is(err, host.Timeout) {
		t.Errorf("got %v", err)
	}
	_ = w.Close() // as the caller does with what it read from
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })
}

func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Fatalf("waited in vain\n%s", buf[:runtime.Stack(buf, true)])
}

// The binaries in testdata are what wat2wasm makes of the text beside them.
func TestTestdata(t *testing.T) {
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("wat2wasm is not there; apt-get install wabt")
		}
		t.Skip("wat2wasm is not there; apt-get install wabt")
	}
	sources, err := filepath.Glob("testdata/*.wat")
	hostile, failed := filepath.Glob("testdata/hostile/*.wat")
	if sources = append(sources, hostile...); err != nil || failed != nil || len(hostile) == 0 {
		t.Fatal("no sources", err, failed)
	}
	for _, src := range sources {
		out := filepath.Join(t.TempDir(), "out.wasm")
		if text, err := exec.Command(tool, "--debug-names", src, "-o", out).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", src, err, text)
			continue
		}
		want, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(src, "testdata/"), ".wat")
		if !bytes.Equal(guestCode(t, name), want) {
			t.Errorf("%s.wasm is not what its source says; run: wat2wasm --debug-names %s -o testdata/%s.wasm", name, src, name)
		}
	}
}

func TestInfo(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	want := host.ModuleInfo{
		Carrier: "postern", Entries: []string{"map_request", "handle"}, Memory: 2 << 16,
		Imports: []string{"postern.meta_write", "postern.body_read", "postern.body_write"},
	}
	if diff := cmp.Diff(want, compile(t, rt, "echo", guestCode(t, "echo")).Info()); diff != "" {
		t.Error(diff)
	}
}

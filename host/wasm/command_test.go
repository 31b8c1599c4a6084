package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

// goCommand is testdata/gocommand, built as any program for WASI is.
var goCommand = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "gocommand")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "command.wasm")
	build := exec.Command("go", "build", "-o", out, ".")
	build.Dir = filepath.Join("testdata", "gocommand")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return os.ReadFile(out)
})

// compiled is a compilation cache for the tests that need a large guest.
var compiled = filepath.Join(os.TempDir(), fmt.Sprintf("postern-wasm-test-%d", os.Getpid()))

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(compiled)
	os.Exit(code)
}

func commandConfig() host.PluginConfig {
	cfg := host.PluginConfig{Name: "teller", Limits: limits(), Env: map[string]string{"TABLE": "orders", "REQUEST_METHOD": "mine"}}
	cfg.Limits.Memory = host.Default[int64](32 << 20)
	cfg.Limits.Timeout = host.Default(25 * time.Second)
	return cfg
}

// compileAs compiles code for a carrier, "" to detect it.
func compileAs(t testing.TB, rt *wasm.Runtime, abi string, code []byte) host.Module {
	t.Helper()
	m, err := rt.Compile(context.Background(), host.Source{Name: "command", Runtime: host.RuntimeWasm, ABI: abi, Code: code})
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

func openCommand(t testing.TB, abi string, cfg host.PluginConfig) (*wasm.Runtime, host.Plugin) {
	t.Helper()
	code, err := goCommand()
	if err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, wasm.Options{CacheDir: compiled})
	return rt, open(t, compileAs(t, rt, abi, code), cfg)
}

// request is the event of a POST to a path below a $default route.
func request(path string) string {
	return `{"version":"2.0","routeKey":"$default","rawPath":"` + path + `","rawQueryString":"a=b%20c","headers":{"host":"shop.example","content-type":"text/plain","x-a":"1"},` +
		`"requestContext":{"domainName":"shop.example","stage":"$default","http":{"method":"POST","path":"` + path + `","protocol":"HTTP/1.1","sourceIp":"203.0.113.7"}}}`
}

func TestCGI(t *testing.T) {
	rt, p := openCommand(t, "", commandConfig())
	meta, body, err := ask(p, host.EntryHandle, request("/echo"), []byte("hello"), &effects{})
	if want := `{"statusCode":200,"headers":{"content-type":"text/plain"}}`; err != nil || meta != want || body != "hello" {
		t.Errorf("got %s %q, %v", meta, body, err)
	}
	out, err := p.Call(context.Background(), host.EntryHandle,
		host.Event{Meta: []byte(request("/env")), Body: io.NopCloser(strings.NewReader("12345")), Length: 5}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil {
		t.Fatal(err)
	}
	want := `teller
CONTENT_LENGTH=5
CONTENT_TYPE=text/plain
GATEWAY_INTERFACE=CGI/1.1
HTTP_HOST=shop.example
HTTP_X_A=1
PATH_INFO=/env
QUERY_STRING=a=b%20c
REMOTE_ADDR=203.0.113.7
REMOTE_HOST=203.0.113.7
REQUEST_METHOD=POST
REQUEST_URI=/env?a=b%20c
SCRIPT_NAME=
SERVER_NAME=shop.example
SERVER_PORT=80
SERVER_PROTOCOL=HTTP/1.1
SERVER_SOFTWARE=postern
TABLE=orders
X_FULL_URL=http://shop.example/env?a=b%20c
X_MATCHED_ROUTE=$default
X_RAW_PATH_INFO=/env
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, body, err := ask(p, host.EntryHandle, request("/world"), nil, &effects{}); err != nil || body != "file true, socket true, folder true 0, time true\n" {
		t.Errorf("the world: %q, %v", body, err)
	}
	if _, body, err := ask(p, host.EntryHandle, request("/zero"), nil, &effects{}); err != nil || body != "done" {
		t.Errorf("an exit with 0: %q, %v", body, err)
	}
	if n := rt.Stats().Instances; n != 0 {
		t.Errorf("%d instances are kept", n)
	}
}

// What a program is asked by name is any JSON, or an event with a body of its own.
func TestCGIByName(t *testing.T) {
	_, p := openCommand(t, host.ABICGI, commandConfig())
	event := strings.TrimSuffix(request("/echo"), "}") + `,"body":"aGVsbG8=","isBase64Encoded":true}`
	if _, body, err := ask(p, host.EntryHandle, event, nil, &effects{}); err != nil || body != "hello" {
		t.Errorf("an event: %q, %v", body, err)
	}
	rt := newRuntime(t, wasm.Options{})
	echo := open(t, compileAs(t, rt, "", guestCode(t, "command_echo")), host.PluginConfig{Name: "echo", Limits: limits()})
	if _, body, err := ask(echo, host.EntryHandle, `{"any":["thing"]}`, nil, &effects{}); err != nil || body != `{"any":["thing"]}` {
		t.Errorf("any JSON: %q, %v", body, err)
	}
}

func TestCGIResponses(t *testing.T) {
	_, p := openCommand(t, "", commandConfig())
	for name, test := range map[string]struct{ out, meta, body string }{
		"status":   {"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno\n", `{"statusCode":404,"headers":{"content-type":"text/plain"}}`, "no\n"},
		"lists":    {"Content-Type: a/b\nLink: x\nlink: y\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n", `{"statusCode":200,"headers":{"content-type":"a/b","link":"x, y"},"cookies":["a=1","b=2"]}`, ""},
		"redirect": {"Location: https://example.com/\n\n", `{"statusCode":302,"headers":{"content-type":"application/octet-stream","location":"https://example.com/"}}`, ""},
		"empty":    {"Status: 204\n\n", `{"statusCode":204}`, ""},
	} {
		meta, body, err := ask(p, host.EntryHandle, request("/raw"), []byte(test.out), &effects{})
		if err != nil || meta != test.meta || body != test.body {
			t.Errorf("%s: got %s %q, %v; want %s %q", name, meta, body, err, test.meta, test.body)
		}
	}
	for name, test := range map[string]struct{ out, says string }{
		"nothing":    {"", "wrote no response"},
		"no end":     {"Content-Type: text/plain\n", "has no end"},
		"no field":   {"hello\n\n", "without a colon"},
		"nph":        {"HTTP/1.1 200 OK\nContent-Type: text/plain\n\n", "NPH"},
		"injection":  {"Content-Type: text/plain\x00\n\n", "no field"},
		"too large":  {strings.Repeat("x", 100<<10), "larger than"},
		"a bad code": {"Status: 099\n\n", "Status must be"},
	} {
		_, _, err := ask(p, host.EntryHandle, request("/raw"), []byte(test.out), &effects{})
		var guest *host.GuestError
		if !errors.Is(err, host.Internal) || !errors.As(err, &guest) || !strings.Contains(guest.Message, test.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestCommandFailures(t *testing.T) {
	cfg := commandConfig()
	cfg.Limits.Timeout = host.Default(3 * time.Second)
	rt, p := openCommand(t, "", cfg)
	for path, test := range map[string]struct {
		kind               host.Kind
		guest, says, stack string
	}{
		"/exit":  {host.Internal, "exit", "code 3", "one\ntwo"},
		"/panic": {host.Internal, "exit", "code 2", "the shelf fell over"},
		"/hoard": {host.Internal, "memory", "32 MiB (default)", ""},
		"/spin":  {host.Timeout, "timeout", "3s (default)", ""},
		"/sleep": {host.Timeout, "timeout", "3s (default)", ""},
	} {
		fx := &effects{}
		_, _, err := ask(p, host.EntryHandle, request(path), nil, fx)
		var guest *host.GuestError
		if !errors.Is(err, test.kind) || !errors.As(err, &guest) || guest.Type != test.guest ||
			!strings.Contains(guest.Message, test.says) || !strings.Contains(guest.Stack, test.stack) {
			t.Errorf("%s: got %v\n%+v", path, err, guest)
		}
		if path == "/exit" && !slices.Equal(fx.logs, []string{"WARN one", "WARN two"}) {
			t.Errorf("standard error: %q", fx.logs)
		}
	}
	if _, body, err := ask(p, host.EntryHandle, request("/zero"), nil, &effects{}); err != nil || body != "done" {
		t.Errorf("afterwards: %q, %v", body, err)
	}
	// What fails behind its head is cut off, unless the whole of it was known before anybody read.
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(request("/cut"))}, &effects{})
	if err == nil {
		_, err = io.ReadAll(out.Body)
		_ = out.Body.Close()
	}
	if !errors.Is(err, host.Internal) {
		t.Errorf("an exit with 1 behind the head: %v", err)
	}
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })
}

// A program is heard as it writes, and hears as its sender sends.
func TestCommandStreams(t *testing.T) {
	_, p := openCommand(t, "", commandConfig())
	r, w := io.Pipe()
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(request("/ticks")), Body: r}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		line := make([]byte, 7)
		if _, err := io.ReadFull(out.Body, line); err != nil || string(line) != fmt.Sprintf("tick %d\n", i) {
			t.Fatalf("line %d: %q, %v", i, line, err)
		}
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if rest, err := io.ReadAll(out.Body); err != nil || len(rest) > 0 {
		t.Errorf("the rest: %q, %v", rest, err)
	}
	_ = out.Body.Close()
}

// A reader who leaves ends a program that writes on, and a sender who is silent does not hold one beyond its time.
func TestCommandIsLeft(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	cfg := host.PluginConfig{Name: "pour", Limits: limits()}
	cfg.Limits.Timeout = host.Default(25 * time.Second)
	pour := open(t, compileAs(t, rt, "", guestCode(t, "command_pour")), cfg)
	out, err := pour.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(request("/"))}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, out.Body, 300<<10); err != nil {
		t.Fatal(err)
	}
	_ = out.Body.Close()
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })

	cfg.Limits.Timeout = host.Default(2 * time.Second)
	echo := open(t, compileAs(t, rt, "", guestCode(t, "command_echo")), cfg)
	r, w := io.Pipe()
	out, err = echo.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(request("/")), Body: r}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(out.Body); !errors.Is(err, host.Timeout) {
		t.Errorf("a silent sender: %v", err)
	}
	_ = out.Body.Close()
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })
	_ = w.Close()
}

func TestCommandInfo(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	for abi, want := range map[string]host.ModuleInfo{
		"":      {Carrier: "cgi", Entries: []string{"handle"}},
		"stdio": {Carrier: "stdio", Entries: []string{"authorize", "map_request", "map_response", "handle"}},
	} {
		want.Memory = 2 << 16
		for _, name := range []string{"fd_read", "fd_write", "proc_exit"} {
			want.Imports = append(want.Imports, "wasi_snapshot_preview1."+name)
		}
		if diff := cmp.Diff(want, compileAs(t, rt, abi, guestCode(t, "command_echo")).Info()); diff != "" {
			t.Errorf("%q: %s", abi, diff)
		}
	}
}

// What a command could never see is refused, also where nobody wrote that it is one.
func TestCommandsHaveNoConfiguration(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	module := compileAs(t, rt, "", guestCode(t, "command_echo"))
	for what, cfg := range map[string]host.PluginConfig{
		"secrets": {Secrets: []host.Secret{{Name: "key", Value: "s"}}},
		"config":  {Config: []byte(`{}`)},
		"egress":  {Egress: []string{"https://a"}},
	} {
		cfg.Name, cfg.Limits = "teller", limits()
		if _, err := module.Open(t.Context(), cfg); !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Nothing is left of programs and filters that were dropped at every point.
func TestDroppedCallsLeaveNothing(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	cfg := host.PluginConfig{Name: "dropped", Limits: limits()}
	cfg.Limits.Timeout = host.Default(25 * time.Second)
	command := open(t, compileAs(t, rt, "", guestCode(t, "command_echo")), cfg)
	cfg.Config = []byte(`"c"`)
	filter := open(t, compileAs(t, rt, "", guestCode(t, "filter")), cfg)
	sender := func() *io.PipeReader {
		r, w := io.Pipe()
		go func() { _, _ = w.Write(bytes.Repeat([]byte("x"), 100)) }() // and then it is silent
		return r
	}
	drop := func(read int64) {
		ctx, cancel := context.WithCancel(context.Background())
		body := sender()
		out, err := command.Call(ctx, host.EntryHandle, host.Event{Meta: []byte(request("/")), Body: body}, &effects{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.CopyN(io.Discard, out.Body, read)
		if read%2 == 0 {
			cancel() // the exchange, before its body
		}
		_ = out.Body.Close()
		cancel()
		_ = body.Close()
		pinned := pin(t, filter)
		body = sender()
		out, err = pinned.Call(context.Background(), host.EntryFilterRequest, host.Event{Meta: []byte(requestMeta), Body: body}, &effects{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.CopyN(io.Discard, out.Body, read)
		pinned.Release()
		_ = body.Close()
	}
	drop(0)
	waitFor(t, func() bool { return rt.Stats().Leased == 0 })
	goroutines := runtime.NumGoroutine()
	for read := range int64(100) {
		drop(read)
	}
	waitFor(t, func() bool { return rt.Stats().Leased == 0 && runtime.NumGoroutine() <= goroutines })
}

package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

// goGuest is the conformance guest of sdk/go, built as a user builds a plugin: without a network. The go command's cache makes the
// second time quick.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "goguest")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, ".")
	build.Dir = filepath.Join("..", "..", "sdk", "go", "conformance")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return os.ReadFile(out)
})

func goConfig() host.PluginConfig {
	cfg := host.PluginConfig{Name: "goguest", Limits: limits(), Env: map[string]string{"TABLE": "orders"}, Config: []byte(`{"issuer":"acme"}`)}
	cfg.Limits.Memory = host.Default[int64](32 << 20)
	cfg.Limits.Timeout = host.Default(5 * time.Second)
	return cfg
}

func TestGoGuest(t *testing.T) {
	code, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, wasm.Options{CacheDir: compiled})
	m := compile(t, rt, "goguest", code)
	if got := m.Info().Entries; !slices.Equal(got, []string{"authorize", "map_request", "map_response", "handle", "filter_request", "filter_response"}) {
		t.Errorf("entries: %q", got)
	}
	p := open(t, m, goConfig())
	t.Run("authorizer", func(t *testing.T) { testGoAuthorizer(t, p) })
	t.Run("mapping", func(t *testing.T) { testGoMapping(t, p) })
	t.Run("function", func(t *testing.T) { testGoFunction(t, p) })
	t.Run("streaming", func(t *testing.T) { testGoStreaming(t, p) })
	t.Run("filter", func(t *testing.T) { testGoFilter(t, p) })
	t.Run("world", func(t *testing.T) { testGoWorld(t, p) })
	t.Run("fetch", func(t *testing.T) { testGoFetch(t, p) })
	t.Run("failures", func(t *testing.T) { testGoFailures(t, m) })
}

func testGoAuthorizer(t *testing.T, p host.Plugin) {
	for token, want := range map[string]string{
		"Bearer demo":   `{"isAuthorized":true,"context":{"user":"demo"}}`,
		"Bearer other":  `{"isAuthorized":false}`,
		"Bearer policy": `{"principalId":"p","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["execute-api:Invoke"],"Resource":["arn:x"]}]}}`,
	} {
		got, _, err := ask(p, host.EntryAuthorize, `{"version":"2.0","routeArn":"arn:x","identitySource":["x"],"headers":{"authorization":"`+token+`"}}`, nil, &effects{})
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", token, got, err, want)
		}
	}
	_, _, err := ask(p, host.EntryAuthorize, `{"identitySource":"one"}`, nil, &effects{})
	var guest *host.GuestError
	if !errors.As(err, &guest) || guest.Message != "Unauthorized" {
		t.Errorf("without a token: %v", err)
	}
}

func testGoMapping(t *testing.T, p host.Plugin) {
	meta, body, err := ask(p, host.EntryMapRequest, `{"params":{"path":{"id":"7"}}}`, []byte(`{"item":"pen"}`), &effects{})
	if want := `{"contentType":"application/json","requestOverride":{"path":{"id":"7"}}}`; err != nil || meta != want || body != `{"sku":"PEN"}` {
		t.Errorf("request: got %s %s, %v", meta, body, err)
	}
	meta, _, err = ask(p, host.EntryMapResponse, `{"response":{"status":200,"headers":{}}}`, nil, &effects{})
	if want := `{"responseOverride":{"status":201,"header":{"x-mapped":"yes"}}}`; err != nil || meta != want {
		t.Errorf("response: got %s, %v", meta, err)
	}
	if _, _, err := ask(p, host.EntryMapRequest, `{}`, []byte(`{"item":`), &effects{}); !errors.Is(err, host.Internal) {
		t.Errorf("a body that is no JSON: %v", err)
	}
}

func get(path string) string { return `{"version":"2.0","rawPath":"` + path + `"}` }

func testGoFunction(t *testing.T, p host.Plugin) {
	meta, body, err := ask(p, host.EntryHandle, `{"rawPath":"/order","pathParameters":{"id":"7"},"requestContext":{"authorizer":{"lambda":{"user":"demo"}}}}`, nil, &effects{})
	if want := `{"statusCode":201,"headers":{"content-type":"application/json"}}`; err != nil || meta != want || body != `{"id":"7","who":"demo"}` {
		t.Errorf("got %s %s, %v", meta, body, err)
	}
	_, first, _ := ask(p, host.EntryHandle, get("/calls"), nil, &effects{})
	_, second, err := ask(p, host.EntryHandle, get("/calls"), nil, &effects{})
	if err != nil || first == second {
		t.Errorf("the instance does not live on: %s, then %s, %v", first, second, err)
	}
}

func testGoStreaming(t *testing.T, p host.Plugin) {
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(get("/ticks"))}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(out.Body)
	if want := `{"statusCode":200,"headers":{"content-type":"text/event-stream"},"cookies":["a=b"]}`; string(out.Meta) != want || string(body) != "tick 0\ntick 1\ntick 2\n" || err != nil {
		t.Errorf("got %s %q, %v", out.Meta, body, err)
	}
	_ = out.Body.Close()
	big := strings.Repeat("0123456789", 100_000)
	if _, got, err := ask(p, host.EntryHandle, get("/echo"), []byte(big), &effects{}); err != nil || got != big {
		t.Errorf("echo: %d bytes, %v", len(got), err)
	}
}

func testGoFilter(t *testing.T, p host.Plugin) {
	pinned := pin(t, p)
	half := func(entry, meta string, body io.ReadCloser) (string, io.ReadCloser) {
		t.Helper()
		out, err := pinned.Call(context.Background(), entry, host.Event{Meta: []byte(meta), Body: body}, &effects{})
		if err != nil {
			t.Fatal(err)
		}
		return string(out.Meta), out.Body
	}
	request := func(path string) string {
		return `{"phase":"request","request":{"method":"POST","scheme":"https","host":"a.example","path":"` + path + `","query":"a=1","headers":[["X-Old","1"],["Content-Type","text/plain"]],"length":-1},` +
			`"context":{"requestId":"id","timeEpoch":1},"pathParameters":{"id":"7"},"stageVariables":{}}`
	}
	r, w := io.Pipe()
	meta, body := half(host.EntryFilterRequest, request("/orders/7"), r)
	want := `{"method":"PUT","path":"/new","host":"other.example","query":"","headers":[["X-Old","1"],["Content-Type","text/plain"]],"removeHeaders":["x-old"],"setHeaders":[["x-param","7"]],"addHeaders":[["x-a","1"],["x-a","2"]],"body":true}`
	if meta != want {
		t.Errorf("got  %s\nwant %s", meta, want)
	}
	for _, piece := range []string{"one ", "two"} { // each comes through before the next is sent
		go func() { _, _ = io.WriteString(w, piece) }()
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(body, got); err != nil || string(got) != strings.ToUpper(piece) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	_ = w.Close()
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("the rest: %q, %v", rest, err)
	}
	meta, body = half(host.EntryFilterResponse, `{"phase":"response","response":{"statusCode":200,"headers":[["Content-Type","text/html"]],"length":5},"request":{"method":"PUT","headers":[]},"context":{}}`,
		io.NopCloser(strings.NewReader("hello")))
	got, err := io.ReadAll(body)
	want = `{"statusCode":201,"setHeaders":[["x-seen","POST /orders/7 id"],["x-type","text/html"],["x-sent","PUT"]],"body":true}`
	if err != nil || meta != want || string(got) != "HELLO" {
		t.Errorf("got  %s %q, %v\nwant %s", meta, got, err, want)
	}
	if meta, body, err := ask(p, host.EntryFilterRequest, request("/early"), []byte("x"), &effects{}); err != nil || meta != `{"response":{"statusCode":403,"headers":[["set-cookie","a=b"]]}}` || body != "no" {
		t.Errorf("an early answer: %s %q, %v", meta, body, err)
	}
	if meta, _, err := ask(p, host.EntryFilterRequest, request("/as-it-is"), []byte("x"), &effects{}); err != nil || meta != `{}` {
		t.Errorf("no edits: %s, %v", meta, err)
	}
	if _, _, err := ask(p, host.EntryFilterRequest, request("/panic"), nil, &effects{}); err == nil || !strings.Contains(err.Error(), "the shelf fell over") {
		t.Errorf("a panic: %v", err)
	}
}

func testGoWorld(t *testing.T, p host.Plugin) {
	fx := &effects{secrets: map[string]string{"TOKEN": "s3cret"}}
	_, body, err := ask(p, host.EntryHandle, get("/world"), nil, fx)
	for _, want := range []string{`"color":""`, `"issuer":"acme"`, `"missing":true`, `"secret":"s3cret"`, `"trace":"` + fx.TraceParent() + `"`} {
		if err != nil || !strings.Contains(body, want) {
			t.Errorf("got  %s, %v\nwant %s", body, err, want)
		}
	}
	if strings.Contains(body, `"random":"0000000000000000"`) {
		t.Error("random bytes are zero")
	}
	_, body, err = ask(p, host.EntryHandle, get("/system"), nil, fx)
	if want := `{"args":0,"env":["TABLE=orders"],"file":false}`; err != nil || body != want {
		t.Errorf("got  %s, %v\nwant %s", body, err, want)
	}
	if diff := cmp.Diff([]string{"INFO looked around", "INFO looked around env=1 at.year=true", "ERROR not good", "INFO to standard output", "WARN to standard error"}, fx.logs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"look", "fail: it broke"}, fx.spans); diff != "" {
		t.Error(diff)
	}
}

func testGoFetch(t *testing.T, p host.Plugin) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.Header.Get("X-From"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" ")
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	fx := &effects{client: server.Client(), allow: server.URL}
	event := func(url string) string {
		return `{"rawPath":"/fetch","queryStringParameters":{"url":"` + url + `"}}`
	}
	meta, body, err := ask(p, host.EntryHandle, event(server.URL+"/pay?a=b"), []byte("sum"), fx)
	if want := `{"statusCode":202,"headers":{"x-seen":"conformance"}}`; err != nil || meta != want || body != "POST /pay?a=b sum" {
		t.Errorf("got %s %q, %v", meta, body, err)
	}
	if fx.open != 0 {
		t.Errorf("%d responses stay open", fx.open)
	}
	if meta, body, err := ask(p, host.EntryHandle, event("http://elsewhere.example/"), nil, fx); err != nil || !strings.Contains(meta, "403") || body != "denied" {
		t.Errorf("what is not allowed: %s %s, %v", meta, body, err)
	}
	if _, _, err := ask(p, host.EntryHandle, event("ftp://elsewhere.example/"), nil, fx); err == nil || !strings.Contains(err.Error(), "http://host") {
		t.Errorf("another scheme: %v", err)
	}
}

func testGoFailures(t *testing.T, m host.Module) {
	cfg := goConfig()
	cfg.Limits.Timeout = host.Default(3 * time.Second)
	p := open(t, m, cfg)
	for path, test := range map[string]struct {
		kind        host.Kind
		guest, says string
		stack       string
	}{
		"/error": {host.Internal, "Error", "no stock: file does not exist", ""},
		"/panic": {host.Internal, "panic", "the shelf fell over", "main.go"},
		"/exit":  {host.Internal, "exit", "code 4", ""},
		"/hoard": {host.Internal, "memory", "32 MiB (default)", ""},
		"/spin":  {host.Timeout, "timeout", "3s (default)", ""},
	} {
		_, _, err := ask(p, host.EntryHandle, get(path), nil, &effects{})
		var guest *host.GuestError
		if !errors.Is(err, test.kind) || !errors.As(err, &guest) || guest.Type != test.guest ||
			!strings.Contains(guest.Message, test.says) || !strings.Contains(guest.Stack, test.stack) {
			t.Errorf("%s: got %v\n%+v", path, err, guest)
		}
		if meta, _, err := ask(p, host.EntryHandle, get("/nowhere"), nil, &effects{}); err != nil || meta != `{"statusCode":404}` {
			t.Errorf("after %s: %s, %v", path, meta, err)
		}
	}
}

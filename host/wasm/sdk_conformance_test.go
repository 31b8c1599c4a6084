package wasm_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/kv"
	"github.com/postern/postern/host/wasm"
)

// A conformance is what is particular to the conformance guest of one SDK.
type conformance struct {
	panicAt string // where a panic is told to be
	frame   string // a function that the stack of a crash names
	exit    string // what the end of /exit says
	huge    bool   // it takes numbers that no double holds
}

// world is real effects with a map and metrics.
type world struct {
	effects
	host.KV
	metrics []string
}

func (w *world) Metric(_ context.Context, kind host.MetricKind, name string, value float64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, err := json.Marshal([]any{kind, name, value})
	w.metrics = append(w.metrics, string(text))
	return err
}

func newWorld() *world {
	return &world{effects: effects{secrets: map[string]string{"TOKEN": "s3cret"}}, KV: new(kv.Store).Map("x", 128<<10)}
}

func conformanceConfig() host.PluginConfig {
	cfg := host.PluginConfig{Name: "conformance", Limits: limits(), Env: map[string]string{"COLOR": "blue"}, Config: []byte(`{"issuer":"äcme"}`)}
	cfg.Limits.Memory = host.Default[int64](32 << 20)
	cfg.Limits.Timeout = host.Default(10 * time.Second)
	return cfg
}

// testConformance holds a conformance guest to the contracts.
func testConformance(t *testing.T, m host.Module, of conformance) {
	want := []string{"authorize", "map_request", "map_response", "handle", "filter_request", "filter_response"}
	if got := m.Info().Entries; !slices.Equal(got, want) {
		t.Errorf("entries: %q", got)
	}
	p := open(t, m, conformanceConfig())
	t.Run("authorizer", func(t *testing.T) { testGoAuthorizer(t, p) })
	t.Run("mapping", func(t *testing.T) { testSDKMapping(t, p) })
	t.Run("function", func(t *testing.T) { testSDKFunction(t, p) })
	t.Run("json", func(t *testing.T) { testSDKJSON(t, p, of.huge) })
	t.Run("streaming", func(t *testing.T) { testGoStreaming(t, p) })
	t.Run("filter", func(t *testing.T) { testSDKFilter(t, p) })
	t.Run("world", func(t *testing.T) { testSDKWorld(t, p) })
	t.Run("fetch", func(t *testing.T) { testSDKFetch(t, p) })
	t.Run("map", func(t *testing.T) { testSDKMap(t, p) })
	t.Run("failures", func(t *testing.T) { testSDKFailures(t, m, of) })
}

// sameJSON compares what JSON says, and not how.
func sameJSON(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Errorf("%s: %v: %s", what, err, got)
	} else if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func testSDKMapping(t *testing.T, p host.Plugin) {
	meta, body, err := ask(p, host.EntryMapRequest, `{"params":{"path":{"id":"7"}}}`, []byte(`{"item":"pen"}`), &effects{})
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "request", meta, `{"contentType":"application/json","requestOverride":{"path":{"id":"7"}}}`)
	sameJSON(t, "its body", body, `{"sku":"PEN"}`)
	meta, _, err = ask(p, host.EntryMapResponse, `{"response":{"status":200,"headers":{}}}`, nil, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "response", meta, `{"responseOverride":{"status":201,"header":{"x-mapped":"yes"}}}`)
	for _, bad := range []string{`{"item":`, ``, strings.Repeat("[", 100_000), "{\"item\":\"\xff\"}x"} {
		var guest *host.GuestError
		_, _, err := ask(p, host.EntryMapRequest, `{}`, []byte(bad), &effects{})
		if !errors.Is(err, host.Internal) || !errors.As(err, &guest) || host.Crashed(err) {
			t.Errorf("the body %.20q: %v", bad, err)
		}
	}
}

func testSDKFunction(t *testing.T, p host.Plugin) {
	testGoFunction(t, p)
	echoes := []string{`{"a":[1,-2.5,1e3,true,false,null,"\u00e9\ud83d\ude00\n\"\\"],"o":{"":{}},"l":[]}`, `7`, `"x"`, `[]`, `null`, `9007199254740991`}
	for _, payload := range echoes {
		meta, body, err := ask(p, host.EntryHandle, payload, nil, &effects{})
		if err != nil || body != "" {
			t.Errorf("%s: %q, %v", payload, body, err)
			continue
		}
		sameJSON(t, payload, meta, `{"echo":`+payload+`}`)
	}
	meta, body, err := ask(p, host.EntryHandle, get("/binary"), nil, &effects{})
	if err != nil || len(body) != 256 || body[255] != 255 || body[128] != 128 {
		t.Errorf("bytes: %s, %d, %v", meta, len(body), err)
	}
	first, second := ``, ``
	for _, value := range []string{"ä", "b"} {
		_, got, err := ask(p, host.EntryHandle, `{"rawPath":"/keep","queryStringParameters":{"value":"`+value+`"}}`, nil, &effects{})
		if err != nil {
			t.Error(err)
		}
		first, second = second, got
	}
	if first != "" || second != "ä" {
		t.Errorf("kept: %q, then %q", first, second)
	}
	in := host.Event{Meta: []byte(get("/context")), Function: &host.FunctionContext{Name: "orders", Version: "3", ARN: "arn:x", RequestID: "r-1"}}
	out, err := p.Call(context.Background(), host.EntryHandle, in, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	read, _ := io.ReadAll(out.Body)
	_ = out.Body.Close()
	sameJSON(t, "context", string(read), `{"function":"orders","version":"3","requestId":"r-1","remaining":true}`)
}

// testSDKJSON has a guest echo texts that are near to JSON: it takes and refuses what encoding/json does, makes the same of it, and
// never crashes.
func testSDKJSON(t *testing.T, p host.Plugin, huge bool) {
	good := `{"s":"\u00e9\ud83d\ude00é😀x","n":[-1.5e+3,0,12345678901234567890,true,false,null],"o":{"":{}}, "t":"\n\"\\/"}`
	texts := []string{good, " \t\r\n7 ", `"` + strings.Repeat(`\u0001\n`, 20_000) + `"`, `"\ud800"`, `"\udc00\ud800x"`, `"\ud800\u0041"`, `1e999`, `-`, ``,
		"\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", `{"a":1,"a":2}`, `9223372036854775807`, `-9223372036854775808`, `9223372036854775808`, `1e-7`, `0.1`}
	for i := range good {
		texts = append(texts, good[:i])
		for _, c := range "\"\\{}[]:,-+.eE019utf \x00\x1f\xe9" {
			texts = append(texts, good[:i]+string(c)+good[i+1:])
		}
		texts = append(texts, good[:i]+"\xc3"+good[i+1:])
	}
	for _, text := range texts {
		var want, got any
		err := json.Unmarshal([]byte(text), &want)
		taken := err == nil
		meta, _, err := ask(p, host.EntryHandle, text, nil, &effects{})
		switch {
		case host.Crashed(err):
			t.Errorf("%.200q: %v", text, err)
		case !utf8.ValidString(text): // may be refused, or mended
		case huge && !taken && json.Valid([]byte(text)): // its numbers are too large for Go
		case (err == nil) != taken:
			t.Errorf("%.200q: %v; JSON: %t", text, err, taken)
		case err == nil:
			if err := json.Unmarshal([]byte(meta), &got); err != nil {
				t.Errorf("%.200q: %v: %.200q", text, err, meta)
			} else if diff := cmp.Diff(map[string]any{"echo": want}, got); diff != "" {
				t.Errorf("%.200q: %s", text, diff)
			}
		}
	}
}

func testSDKFilter(t *testing.T, p host.Plugin) {
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
	sameJSON(t, "request", meta, `{"method":"PUT","path":"/new","host":"other.example","query":"","removeHeaders":["x-old"],"setHeaders":[["x-param","7"]],"addHeaders":[["x-a","1"],["x-a","2"]],"body":true}`)
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
	if err != nil || string(got) != "HELLO" {
		t.Errorf("got %q, %v", got, err)
	}
	sameJSON(t, "response", meta, `{"statusCode":201,"setHeaders":[["x-seen","POST /orders/7 id"],["x-type","text/html"],["x-sent","PUT"]],"body":true}`)
	meta, early, err := ask(p, host.EntryFilterRequest, request("/early"), []byte("x"), &effects{})
	if err != nil || early != "no" {
		t.Errorf("an early answer: %q, %v", early, err)
	}
	sameJSON(t, "an early answer", meta, `{"response":{"statusCode":403,"headers":[["set-cookie","a=b"]]}}`)
	if meta, _, err := ask(p, host.EntryFilterRequest, request("/as-it-is"), []byte("x"), &effects{}); err != nil || meta != `{}` {
		t.Errorf("no edits: %s, %v", meta, err)
	}
	if _, _, err := ask(p, host.EntryFilterRequest, request("/panic"), nil, &effects{}); err == nil || !strings.Contains(err.Error(), "the shelf fell over") {
		t.Errorf("a panic: %v", err)
	}
}

func testSDKWorld(t *testing.T, p host.Plugin) {
	fx := newWorld()
	_, body, err := ask(p, host.EntryHandle, get("/world"), nil, fx)
	if err != nil {
		t.Fatal(err)
	}
	var seen struct {
		Issuer, Secret, Color, Random, Trace string
		Missing                              bool
		Now                                  int64
	}
	if err := json.Unmarshal([]byte(body), &seen); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(time.UnixMilli(seen.Now)); age < -time.Minute || age > time.Hour || len(seen.Random) != 16 || seen.Random == strings.Repeat("0", 16) {
		t.Errorf("now %d, random %q", seen.Now, seen.Random)
	}
	if seen.Issuer != "äcme" || seen.Secret != "s3cret" || seen.Color != "blue" || seen.Trace != fx.TraceParent() || !seen.Missing {
		t.Errorf("got %s", body)
	}
	if diff := cmp.Diff([]string{"INFO looked around"}, fx.logs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"look", "fail: it broke"}, fx.spans); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`[0,"looks",1]`}, fx.metrics); diff != "" {
		t.Error(diff)
	}
}

func testSDKFetch(t *testing.T, p host.Plugin) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Header.Get("X-From"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	}))
	defer server.Close()
	fx := &effects{client: server.Client(), allow: server.URL}
	event := func(url string) string {
		return `{"rawPath":"/fetch","queryStringParameters":{"url":"` + url + `"}}`
	}
	large := strings.Repeat("sum ", 20_000)
	meta, body, err := ask(p, host.EntryHandle, event(server.URL+"/pay?a=b"), []byte(large), fx)
	if err != nil || body != "POST /pay?a=b "+large {
		t.Fatalf("got %s, %d bytes, %v", meta, len(body), err)
	}
	sameJSON(t, "head", meta, `{"statusCode":202,"headers":{"x-seen":"conformance"}}`)
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

func testSDKMap(t *testing.T, p host.Plugin) {
	fx := newWorld()
	type result struct {
		StatusCode int
		Headers    map[string]string
	}
	do := func(query string) (result, string) {
		t.Helper()
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		parameters := map[string]string{}
		for name := range values {
			parameters[name] = values.Get(name)
		}
		event, err := json.Marshal(map[string]any{"rawPath": "/kv", "queryStringParameters": parameters})
		if err != nil {
			t.Fatal(err)
		}
		meta, body, err := ask(p, host.EntryHandle, string(event), nil, fx)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		var r result
		if err := json.Unmarshal([]byte(meta), &r); err != nil {
			t.Fatal(err)
		}
		return r, body
	}
	status := func(query string, want int) {
		t.Helper()
		if r, body := do(query); r.StatusCode != want {
			t.Errorf("%.60s: %d %s; want %d", query, r.StatusCode, body, want)
		}
	}
	status("op=get&key=a", 404)
	put, _ := do("op=put&key=a&value=1&revision=0")
	revision := put.Headers["x-revision"]
	if put.StatusCode != 200 || revision == "" || revision == "0" {
		t.Errorf("put: %+v", put)
	}
	if r, body := do("op=get&key=a"); r.StatusCode != 200 || body != "1" || r.Headers["x-revision"] != revision {
		t.Errorf("get: %+v %s", r, body)
	}
	status("op=put&key=a&value=2&revision=0", 409)
	status("op=put&key=a&value=2&revision="+revision, 200)
	status("op=delete&key=a&revision="+revision, 409)
	status("op=put&key=ab&value="+strings.Repeat("x", 60<<10)+"&ttl=3600", 200)
	if r, body := do("op=get&key=ab"); r.StatusCode != 200 || len(body) != 60<<10 {
		t.Errorf("a large value: %+v, %d bytes", r, len(body))
	}
	status("op=put&key=c&value="+strings.Repeat("x", 65<<10), 413)
	_, keys := do("op=keys&prefix=a")
	sameJSON(t, "keys", keys, `["a","ab"]`)
	status("op=delete&key=a", 204)
	status("op=delete&key=a", 204)
	_, keys = do("op=keys&prefix=")
	sameJSON(t, "keys", keys, `["ab"]`)
}

func testSDKFailures(t *testing.T, m host.Module, of conformance) {
	cfg := conformanceConfig()
	cfg.Limits.Timeout = host.Default(3 * time.Second)
	p := open(t, m, cfg)
	for _, test := range []struct {
		path                string
		kind                host.Kind
		guest, says, places string
	}{
		{"/error", host.Internal, "Error", "no stock", ""},
		{"/panic", host.Internal, host.GuestTrap, "the shelf fell over", of.panicAt},
		{"/panic", host.Internal, host.GuestTrap, "then: unreachable", of.frame},
		{"/exit", host.Internal, "", of.exit, ""},
		{"/hoard", host.Internal, host.GuestMemory, "", ""},
		{"/spin", host.Timeout, host.GuestTimeout, "3s (default)", ""},
		{"/deep", host.Internal, host.GuestStack, "", ""},
	} {
		_, _, err := ask(p, host.EntryHandle, get(test.path), nil, &effects{})
		var guest *host.GuestError
		if !errors.Is(err, test.kind) || !errors.As(err, &guest) || test.guest != "" && guest.Type != test.guest ||
			!strings.Contains(guest.Message, test.says) || !strings.Contains(guest.Stack, test.places) {
			t.Errorf("%s: got %v\n%+v", test.path, err, guest)
		}
		if meta, _, err := ask(p, host.EntryHandle, get("/nowhere"), nil, &effects{}); err != nil || meta != `{"statusCode":404}` {
			t.Errorf("after %s: %s, %v", test.path, meta, err)
		}
	}
}

// testTemplates has each template built in a folder of its own, and looks at what it exports.
func testTemplates(t *testing.T, templates string, build func(dir string) ([]byte, error)) {
	for name, entries := range map[string][]string{
		"function": {"handle"}, "authorizer": {"authorize"}, "mapping": {"map_request"}, "filter": {"filter_request", "filter_response"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "my-plugin")
			if err := copyInto(dir, filepath.Join(templates, name), "."); err != nil {
				t.Fatal(err)
			}
			code, err := build(dir)
			if err != nil {
				t.Fatal(err)
			}
			m := compile(t, newRuntime(t, wasm.Options{}), name, code)
			if got := m.Info().Entries; !slices.Equal(got, entries) {
				t.Errorf("entries: %q", got)
			}
			cases, err := filepath.Glob(filepath.Join(dir, "tests", "*.txtar"))
			if err != nil || len(cases) == 0 {
				t.Errorf("no cases, %v", err)
			}
		})
	}
}

// copyInto copies a file or folder into dir, as postern new does: {{name}} is filled in, and .tmpl goes.
func copyInto(dir, from, part string) error {
	return filepath.WalkDir(filepath.Join(from, part), func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() && (e.Name() == "node_modules" || e.Name() == "target") {
			return fs.SkipDir
		}
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimSuffix(relative, ".tmpl"))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(strings.ReplaceAll(string(data), "{{name}}", "my-plugin")), 0o644)
	})
}

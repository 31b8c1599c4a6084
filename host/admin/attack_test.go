package admin

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// open is the API of dev: no token.
func open(c *Config) { c.Open, c.Access, c.Audit = true, nil, nil }

func TestOpenAPIIsForThisMachineAlone(t *testing.T) {
	f := start(t, open)
	at, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	port := at.Port()
	var who Whoami
	f.want(200, "GET", "/v1/whoami", nil).into(t, &who)
	if who.By != "dev" || who.Role != "admin" {
		t.Errorf("%+v", who)
	}
	for _, name := range []string{"localhost:" + port, "LOCALHOST:" + port, "127.0.0.1:" + port, "127.1.2.3:" + port, "[::1]:" + port} {
		f.want(200, "GET", "/v1/apis", nil, "Host", name)
	}
	f.want(200, "GET", "/v1/apis", nil, "Origin", "http://"+at.Host, "Sec-Fetch-Site", "same-origin")
	f.want(200, "GET", "/v1/apis", nil, "Sec-Fetch-Site", "none") // typed into the address bar
	for _, attack := range [][]string{
		{"Host", "evil.example:" + port}, {"Host", "127.0.0.1.evil.example:" + port}, {"Host", "localhost.:" + port}, {"Host", "localhost"}, {"Host", "localhost:1"},
		{"Host", "0.0.0.0:" + port}, {"Host", "10.0.0.1:" + port}, {"Host", "[::]:" + port}, {"Host", "2130706433:" + port},
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "https://" + at.Host}, {"Origin", "http://localhost:1"}, {"Origin", "http://localhost:" + port},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "none", "Origin", "https://evil.example"},
	} {
		for _, request := range []string{"GET /v1/apis", "GET /", "GET /metrics", "POST /v1/projects/web/apply", "PUT /v1/secrets/a", "OPTIONS /v1/apis", "GET /nothing"} {
			method, path, _ := strings.Cut(request, " ")
			a := f.send(method, path, nil, attack...)
			if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%v: %s answered %d %v", attack, request, a.status, a.header)
			}
		}
	}
	// A form or a simple request of a page has no media type that is taken, even if its browser told nothing.
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		f.wantProblem(415, host.Unsupported, "POST", "/v1/projects/web/apply", "{}", "Content-Type", kind)
		f.wantProblem(415, host.Unsupported, "POST", "/v1/functions/greet/versions", "x", "Content-Type", kind)
	}
}

func TestHostAndOriginOfTLS(t *testing.T) {
	f := start(t, open)
	req, err := http.NewRequestWithContext(t.Context(), "GET", f.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req = req.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}))
	req.Host = "localhost"
	if err := localCaller(req); err != nil {
		t.Errorf("the default port: %v", err)
	}
	req.Host = "localhost:8090"
	if err := localCaller(req); err == nil {
		t.Error("another port is taken")
	}
}

// raw sends bytes on a connection of their own, and returns the status of the answer; 0 when there was none.
func (f *fixture) raw(text string) (int, string) {
	f.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, text) // the host may answer and close before the end
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestPathTricks(t *testing.T) {
	f := start(t)
	f.applied("web", shop)
	long := strings.Repeat("a", 10_000)
	for path, want := range map[string]int{
		"/v1/apis/" + long: 400, "/v1/functions/" + long: 400, "/v1/projects/" + long: 400, "/v1/apis/shop/stages/" + long: 400,
		"/v1/apis/a%2Fb": 400, "/v1/apis/%2e%2e": 400, "/v1/apis/%2e": 400, "/v1/apis/a%20b": 400, "/v1/apis/a%00b": 400, "/v1/apis/%ff": 400, "/v1/apis/%252e": 400,
		"/v1/functions/..%2f..%2fsecrets": 400, "/v1/functions/greet/versions/0": 400, "/v1/functions/greet/versions/-1": 400,
		"/v1/functions/greet/versions/99999999999999999999": 400, "/v1/functions/greet/versions/1e3": 400, "/v1/blobs/" + strings.Repeat("A", 64): 400,
		"/v1//apis": 404, "/v1/./apis": 404, "/v1/../v1/apis": 404, "/v1/apis/../secrets": 404, "//v1/apis": 404, "/v1/apis//": 404, "/v1/apis/": 404, "/V1/apis": 404,
		"/v1/apis/shop/stages/$default": 200, "/v1/apis/shop/stages/%24default": 200, "/v1/apis/%73hop": 200,
	} {
		status, body := f.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + f.token + "\r\nConnection: close\r\n\r\n")
		if status != want {
			t.Errorf("%.100s: %d, want %d: %.300s", path, status, want, body)
		}
		if status != 200 && !strings.Contains(body, `"kind"`) {
			t.Errorf("%.100s: no problem: %s", path, body)
		}
	}
	if status, _ := f.raw("GET /v1/apis/%zz HTTP/1.1\r\nHost: x\r\n\r\n"); status != 400 {
		t.Errorf("a broken escape: %d", status)
	}
	if status, _ := f.raw("CONNECT /v1/apis/shop HTTP/1.1\r\nHost: x\r\n\r\n"); status < 400 {
		t.Errorf("CONNECT: %d", status)
	}
	if strings.Contains(f.log.String(), "panic") {
		t.Error(f.log.String())
	}
}

func TestHugeHeaders(t *testing.T) {
	f := start(t)
	for _, header := range []string{"Authorization: Bearer " + strings.Repeat("x", 20_000), "If-Match: " + strings.Repeat("9", 20_000), "Accept: " + strings.Repeat("a,", 10_000)} {
		if status, _ := f.raw("GET /v1/apis HTTP/1.1\r\nHost: x\r\n" + header + "\r\nConnection: close\r\n\r\n"); status != 401 {
			t.Errorf("%.30s: %d", header, status)
		}
	}
	if status, _ := f.raw("GET /v1/apis HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n"); status != 431 {
		t.Errorf("%d", status)
	}
	f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/a", "v", "If-Match", `"`+strings.Repeat("9", 1000)+`"`)
	f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/a", "v", "If-Match", "7")
	f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/a?message="+strings.Repeat("m", maxMessage+1), "v")
	f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/a?message=two%0Alines", "v")
	for _, e := range f.audit("?action=putSecret") {
		if e.Message != "" {
			t.Errorf("the audit log has a message that was refused: %.100q", e.Message)
		}
	}
}

func TestBodies(t *testing.T) {
	f := start(t)
	const stage = "/v1/apis/shop/stages/prod"
	f.applied("web", shop)
	json := []string{"Content-Type", "application/json"}
	for body, want := range map[string]int{
		"": 400, "{": 400, "nonsense": 400, "{}{}": 400, "\"\xff\"": 400, `{"variables":{"a":1}}`: 422, `{"deployment":"1"}`: 422, "[]": 422, `{"deployment":-1}`: 400,
		strings.Repeat("[", 100_000): 422, `{"variables":{"a":"` + strings.Repeat("x", maxJSON) + `"}}`: 413,
	} {
		a := f.send("PUT", stage, body, json...)
		if a.status != want && !(want == 422 && a.status == 400) {
			t.Errorf("%.40q: %d, want %d: %s", body, a.status, want, a.body)
		}
	}
	p := f.wantProblem(422, host.Invalid, "PUT", stage, `{"deploymnt": 1}`, json...)
	if !strings.Contains(p.Detail, `did you mean "deployment"`) {
		t.Errorf("no hint: %s", p.Detail)
	}
	if p = f.wantProblem(422, host.Invalid, "PUT", stage, "[]", json...); p.Detail != "the body must be a JSON object, and not array" {
		t.Errorf("%s", p.Detail)
	}
	p = f.wantProblem(400, host.Invalid, "PUT", stage, "{\n  \"deployment\": 1,\n}", json...)
	if !strings.Contains(p.Detail, "line 3") {
		t.Errorf("no place: %s", p.Detail)
	}
	f.wantProblem(415, host.Unsupported, "PUT", stage, "{}", "Content-Type", "text/plain")
	f.wantProblem(415, host.Unsupported, "PUT", stage, "{}")
	f.wantProblem(400, host.Invalid, "PUT", stage, "{}", "Content-Type", "/;;")
	f.wantProblem(413, host.TooLarge, "POST", "/v1/projects/web/apply", strings.Repeat(" ", maxApply+1), json...)
	// What was announced as too large is refused before it is sent.
	status, _ := f.raw(fmt.Sprintf("PUT /v1/blobs/%064d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", 0, f.token, maxUpload+1))
	if status != 413 {
		t.Errorf("%d", status)
	}
}

func TestSlowBodiesEnd(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.server.pace = pace{grace: 2 * time.Second, rate: 1 << 20}
	for _, path := range []string{"PUT /v1/blobs/" + strings.Repeat("0", 64), "POST /v1/functions/greet/versions"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+f.token+"\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		stop := make(chan struct{})
		go func() { // a byte now and then, for ever
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					if _, err := io.WriteString(conn, "1\r\nx\r\n"); err != nil {
						return
					}
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		close(stop)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 408 || !strings.Contains(string(body), `"kind": "timeout"`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// A body that nobody reads, since its sender may not send one, holds no connection either.
func TestSlowBodiesOfStrangersEnd(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.server.pace = pace{grace: 2 * time.Second, rate: 1 << 20}
	for request, want := range map[string]int{"POST /v1/functions/greet/versions": 401, "POST /nothing": 404, "POST /v1/apis": 405} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			status, _ := f.raw(request + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nexport")
			if status != want {
				t.Errorf("%d, want %d", status, want)
			}
		})
	}
}

// TestWhatIsCutOffIsNotTakenForWhole: the client stops in the middle, and waits for the answer.
func TestWhatIsCutOffIsNotTakenForWhole(t *testing.T) {
	f := start(t)
	for request, body := range map[string]string{
		"POST /v1/functions/greet/versions": wasmMagic + "\x01\x00\x00\x00", "POST /v1/functions/script/versions": "export const handler = () => 1",
		"PUT /v1/blobs/" + strings.Repeat("0", 64): "x", "PUT /v1/secrets/a": "half", "POST /v1/restore": "\x1f\x8b",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, request+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+f.token+"\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n"+body)
		_ = conn.(*net.TCPConn).CloseWrite()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", request, err)
			continue
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 400 && resp.StatusCode != 503 { // who sends no more may have left, and then the store is not asked any more
			t.Errorf("%s: %s %s", request, resp.Status, answer)
		}
	}
	for blob, err := range f.Blobs.List(t.Context()) {
		t.Errorf("%+v was kept, %v", blob, err)
	}
}

func TestUploadsThatAreCutOff(t *testing.T) {
	f := start(t)
	for _, path := range []string{"PUT /v1/blobs/" + strings.Repeat("0", 64), "POST /v1/functions/greet/versions", "POST /v1/restore"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+f.token+"\r\nContent-Type: text/javascript\r\nContent-Length: 1000\r\n\r\nexport ")
		_ = conn.Close()
	}
	f.wantProblem(404, host.NotFound, "GET", "/v1/functions/greet", nil)
	for blob, err := range f.Blobs.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if blob.Size == 7 {
			t.Errorf("half an upload was kept: %+v", blob)
		}
	}
}

// zipped is a zip with one file.
// zipped makes a zip of names, each with its content behind it.
func zipped(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		file, err := w.Create(files[i])
		if err == nil {
			_, err = io.WriteString(file, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUploads(t *testing.T) {
	f := start(t)
	const path = "/v1/functions/greet/versions"
	for kind, code := range map[string]string{
		TypeTypeScript: "export const handler = async (e: unknown): Promise<number> => 1\n", TypeZip: zipped(t, "index.ts", "export const handler = async () => 2 as number\n"),
		TypeOctets: "export const handler = async (e: any) => 3\n", "application/javascript": "exports.handler = async () => 4\n",
		TypeWasm: wasmMagic + "\x01\x00\x00\x00",
	} {
		f.want(201, "POST", path, code, "Content-Type", kind)
	}
	for what, c := range map[string]struct {
		kind, code string
		status     int
	}{
		"empty":        {TypeJavaScript, "", 422},
		"no module":    {TypeWasm, "\x00as", 422},
		"no code":      {TypeJavaScript, "this is not a script", 422},
		"not UTF-8":    {TypeJavaScript, "export const handler = () => '\xff'", 422},
		"no zip":       {TypeZip, "PK nothing", 422},
		"climbs":       {TypeZip, zipped(t, "../index.js", "export const handler = () => 1"), 422},
		"bomb":         {TypeZip, zipped(t, "index.js", strings.Repeat("a", 100<<20)), 413},
		"no type":      {"", "x", 415},
		"another type": {"text/html", "x", 415},
	} {
		a := f.send("POST", path, c.code, "Content-Type", c.kind)
		if a.status != c.status {
			t.Errorf("%s: %d, want %d: %s", what, a.status, c.status, a.body)
		}
	}
	var g catalog.Function
	f.want(200, "GET", "/v1/functions/greet", nil).into(t, &g)
	if g.Version != 5 || g.Live != 5 {
		t.Errorf("%+v", g)
	}
	var module catalog.Version
	code := wasmMagic + "\x01\x00\x00\x00" + strings.Repeat("\x00\x02\x01x", 200_000) // custom sections
	f.want(201, "POST", path, code, "Content-Type", TypeOctets).into(t, &module)
	if module.Runtime != host.RuntimeWasm || module.Size != int64(len(code)) {
		t.Errorf("%+v", module)
	}
	if saved := f.want(200, "GET", "/v1/blobs/"+module.Digest, nil); string(saved.body) != code {
		t.Errorf("%d bytes were saved of %d", len(saved.body), len(code))
	}
	f.want(201, "POST", path+"?config="+url.QueryEscape(`{"timeout":"9s"}`), numbered(9), "Content-Type", TypeJavaScript)
	f.wantProblem(422, host.Invalid, "POST", path+"?config="+url.QueryEscape(`{"timeot":"9s"}`), numbered(9), "Content-Type", TypeJavaScript)
}

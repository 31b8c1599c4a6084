package server_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern/postern/host/server/servertest"
)

const everyIntegration = `
apis:
  all:
    routes:
      ANY /http: {integration: {http: "CLEAR/echo"}, timeout: 60s}
      ANY /h2c: {integration: {upstream: second}, timeout: 60s}
      ANY /script: {integration: {function: script}, timeout: 60s}
      ANY /handler: {integration: {function: handler}, timeout: 60s}
      ANY /wasm: {integration: {function: wasm}, timeout: 60s}
      ANY /cgi: {integration: {function: cgi}, timeout: 60s}
      ANY /stdio: {integration: {function: stdio}, timeout: 60s}
      ANY /mock: {integration: {mock: {status: 203, headers: {x-kind: mock}, body: mocked}}, timeout: 60s}
upstreams: {second: {targets: ["h2c://SECOND"]}}
functions:
  script: {plugin: ./script.js, timeout: 60s}
  handler: {plugin: ./handler.js, timeout: 60s}
  wasm: {plugin: ./echo.wasm, timeout: 60s}
  cgi: {plugin: ./cgi.wasm, timeout: 60s}
  stdio: {plugin: ./stdio.wasm, abi: stdio, timeout: 60s}
`

// startEveryIntegration serves one route for each kind of integration. All but the mock answer with what they were sent.
func startEveryIntegration(t *testing.T) *servertest.Gateway {
	t.Helper()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Kind", r.Proto)
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		w.Header().Set("X-Got", r.Header.Get("X-Sent"))
		w.WriteHeader(201)
		cutEcho(w, r)
	})
	clear := httptest.NewServer(echo)
	t.Cleanup(clear.Close)
	return startEveryDoor(t, map[string]string{
		"postern.yaml": strings.NewReplacer("CLEAR", clear.URL, "SECOND", secondServer(t, echo)).Replace(everyIntegration),
		"script.js": `export default { fetch: (request) => new Response(request.body, { status: 202,
			headers: { "x-kind": "script", "x-got": request.headers.get("x-sent") } }) }`,
		"handler.js": `export const handler = (e) => ({ statusCode: 206, body: e.body ?? "", isBase64Encoded: e.isBase64Encoded,
			headers: { "x-kind": "handler", "x-got": e.headers["x-sent"] } })`,
		"echo.wasm": servertest.Guest(t, "echo.wasm"), "cgi.wasm": servertest.Guest(t, "command_echo.wasm"), "stdio.wasm": servertest.Guest(t, "command_cat.wasm"),
	})
}

// secondServer serves HTTP/2 by prior knowledge.
func secondServer(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: protocols, ReadHeaderTimeout: servertest.Patience, Handler: h}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close() })
	return ln.Addr().String()
}

// cutEcho answers with the body, a piece at a time.
func cutEcho(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex()
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buf)
		_, werr := w.Write(buf[:n])
		if err != nil || werr != nil {
			return
		}
		_ = control.Flush()
	}
}

// A kind of integration answers with a status and a field that says which it is; plain takes what it was sent out of its body.
type integrationKind struct {
	path   string
	status int
	kind   string
	fields bool // it gives back X-Sent
	length bool // it says how long the body was that came
	plain  func(body string) (string, error)
}

func integrationKinds() []integrationKind {
	same := func(body string) (string, error) { return body, nil }
	return []integrationKind{
		{"/http", 201, "HTTP/1.1", true, true, same},
		{"/h2c", 201, "HTTP/2.0", true, true, same},
		{"/script", 202, "script", true, false, same},
		{"/handler", 206, "handler", true, false, same},
		{"/wasm", 200, "", false, false, same},
		{"/cgi", 200, "", false, false, same},
		{"/stdio", 200, "", false, false, fromEvent},
		{"/mock", 203, "mock", false, false, nil},
	}
}

// fromEvent returns the body that is in a Lambda proxy event.
func fromEvent(text string) (string, error) {
	var event struct {
		Body            string
		IsBase64Encoded bool
		Headers         map[string]string
	}
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		return "", err
	}
	if event.Headers["x-sent"] != "value" {
		return "", fmt.Errorf("the event's header is %v", event.Headers)
	}
	if !event.IsBase64Encoded {
		return event.Body, nil
	}
	raw, err := base64.StdEncoding.DecodeString(event.Body)
	return string(raw), err
}

// TestEveryIntegrationOverEveryVersion sends bodies of three sizes, with and without their length, to each kind of integration over each
// version of HTTP.
func TestEveryIntegrationOverEveryVersion(t *testing.T) {
	g := startEveryIntegration(t)
	contents := map[string]string{"nothing": "", "1 KB of bytes": "\x00\xff\xfe" + strings.Repeat("k", 1021), "3 MiB": strings.Repeat("0123456789abcde\n", 3<<16)}
	for _, w := range ways() {
		base, client := w.client(t, g)
		for _, kind := range integrationKinds() {
			t.Run(w.name+kind.path, func(t *testing.T) {
				for name, content := range contents {
					for _, known := range []bool{true, false} {
						if err := kind.exchange(t, client, w.proto, base, content, known); err != nil {
							t.Errorf("%s, length known: %v: %v", name, known, err)
						}
					}
				}
				if err := kind.head(t, client, base); err != nil {
					t.Errorf("HEAD: %v", err)
				}
			})
		}
	}
	for _, line := range g.Log.Lines() {
		if line["level"] == "ERROR" || line["level"] == "WARN" {
			t.Errorf("logged: %v", line)
		}
	}
}

func (k *integrationKind) exchange(t *testing.T, client *http.Client, proto, base, content string, known bool) error {
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+k.path, io.NopCloser(strings.NewReader(content)))
	if err != nil {
		return err
	}
	req.ContentLength = -1
	if known {
		req.ContentLength = int64(len(content))
		if content == "" {
			req.Body = http.NoBody // another body of length 0 is one of unknown length
		}
	}
	req.Header.Set("X-Sent", "value")
	if !utf8.ValidString(content) {
		req.Header.Set("Content-Type", "application/octet-stream")
	} else {
		req.Header.Set("Content-Type", "text/plain")
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("after %d bytes: %w", len(body), err)
	}
	got, want := string(body), content
	if k.plain == nil {
		want = "mocked"
	} else if got, err = k.plain(got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%d bytes came back as %d: %.80q", len(want), len(got), got)
	}
	empty := content == "" && resp.Header.Get("X-Length") == "0" // HTTP/3 may tell by the stream's end
	if k.length && !empty && resp.Header.Get("X-Length") != fmt.Sprint(req.ContentLength) {
		return fmt.Errorf("the upstream was told of %s bytes, the gateway of %d", resp.Header.Get("X-Length"), req.ContentLength)
	}
	if resp.ContentLength >= 0 && resp.ContentLength != int64(len(body)) {
		return fmt.Errorf("announced were %d bytes", resp.ContentLength)
	}
	return errors.Join(k.described(resp), protoIs(resp, proto))
}

func protoIs(resp *http.Response, proto string) error {
	if resp.Proto != proto {
		return fmt.Errorf("it went by %s", resp.Proto)
	}
	return nil
}

// described checks the head.
func (k *integrationKind) described(resp *http.Response) error {
	h := resp.Header
	if resp.StatusCode != k.status || h.Get("X-Kind") != k.kind || k.fields && h.Get("X-Got") != "value" || len(h.Values("Apigw-Requestid")) != 1 {
		return fmt.Errorf("answered %d %v", resp.StatusCode, h)
	}
	return nil
}

func (k *integrationKind) head(t *testing.T, client *http.Client, base string) error {
	req, err := http.NewRequestWithContext(t.Context(), "HEAD", base+k.path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Sent", "value")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) > 0 {
		return fmt.Errorf("a body of %d bytes, %w", len(body), err)
	}
	return k.described(resp)
}

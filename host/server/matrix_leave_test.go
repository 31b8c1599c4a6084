package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

// A breaker is an upstream of which exchanges break off.
type breaker struct {
	came, left chan struct{}
}

func (b *breaker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/answers": // for as long as somebody listens
		b.came <- struct{}{}
		for piece := strings.Repeat("a piece ", 128); ; {
			if _, err := io.WriteString(w, piece); err != nil {
				b.left <- struct{}{}
				return
			}
		}
	case "/listens": // to a body that does not end
		_, _ = io.ReadFull(r.Body, make([]byte, 5))
		b.came <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
		b.left <- struct{}{}
	case "/breaks": // within its answer
		_, _ = io.WriteString(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		reset(w)
	case "/breaks-early": // within the request
		_, _ = io.ReadFull(r.Body, make([]byte, 5))
		reset(w)
	default:
		_, _ = io.Copy(w, r.Body)
	}
}

// reset closes the connection without peace.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

// TestWhoeverLeavesAFilter has clients leave, and upstreams break off, in the middle of bodies that a filter makes anew both ways. There is one
// instance of each filter, so that the next exchange shows whether the last one has let it go.
func TestWhoeverLeavesAFilter(t *testing.T) {
	b := &breaker{came: make(chan struct{}, 10), left: make(chan struct{}, 10)}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	g := startFilterMatrix(t, s.URL)
	all := func(t *testing.T, once string) {
		for _, w := range ways() {
			base, client := w.client(t, g)
			for _, c := range []struct {
				path, method string
				status       float64
				level        string
			}{
				{"/answers", "GET", 499, "INFO"},
				{"/listens", "POST", 499, "INFO"},
				{"/breaks", "GET", 200, "ERROR"},
				{"/breaks-early", "POST", 502, "ERROR"},
			} {
				t.Run(w.name+once+c.path, func(t *testing.T) {
					before := len(g.Log.Lines())
					b.breakOff(t, client, c.method, base+once+c.path)
					servertest.Eventually(t, "the exchange is in the log", func() bool {
						for _, line := range g.Log.Lines()[before:] {
							if line["msg"] == "request" && line["path"] == once+c.path {
								if c.path == "/listens" && line["status"] == float64(400) {
									return true // its body's end was seen before its leaving, which on HTTP/1.1 is so always
								}
								if c.path == "/breaks" && line["status"] == float64(502) && line["level"] == c.level {
									return true // before the answer's head was on its way
								}
								if line["status"] != c.status || line["level"] != c.level || line.Text("error") == "" {
									t.Fatalf("logged as %v", line)
								}
								return true
							}
						}
						return false
					})
					ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
					defer cancel()
					resp := ask(ctx, t, client, "POST", base+once+"/x", strings.NewReader("next"))
					if text, err := io.ReadAll(resp.Body); string(text) != "NEXT" || err != nil {
						t.Errorf("the next one got %d %q, %v", resp.StatusCode, text, err)
					}
				})
			}
		}
	}
	for _, once := range []string{"/js-once", "/wasm-once"} {
		t.Run("first", func(t *testing.T) { all(t, once) })
	}
	s.CloseClientConnections()
	settle(t)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for _, once := range []string{"/js-once", "/wasm-once"} {
		t.Run("again", func(t *testing.T) { all(t, once) })
	}
	s.CloseClientConnections()
	nothingIsLeft(t, goroutines, files)
}

// breakOff makes an exchange that its upstream breaks off, or that the client leaves once it is under way.
func (b *breaker) breakOff(t *testing.T, client *http.Client, method, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	reader, writer := io.Pipe()
	defer writer.Close()
	var body io.Reader
	if method == "POST" {
		body = reader
		go func() { _, _ = io.WriteString(writer, "hello, and") }()
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 {
				err = fmt.Errorf("status %d", resp.StatusCode)
			}
		}
		ended <- err
	}()
	if strings.HasSuffix(url, "s") && !strings.HasSuffix(url, "/breaks") {
		waitFor(t, "the upstream's part", b.came)
		cancel()
		_ = writer.CloseWithError(context.Canceled)
		waitFor(t, "the upstream to be told", b.left)
	}
	if err := waitFor(t, "the client's end", ended); err == nil {
		t.Error("the client saw a whole exchange")
	}
}

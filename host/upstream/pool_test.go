package upstream_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// patience bounds every wait of a test; none is meant to take it.
const patience = 10 * time.Second

// A sender is a pool whose requests are of the key "" and whose trips nobody asks for.
type sender struct {
	pool interface {
		Do(ctx context.Context, req *host.Request, key string) (*host.Response, upstream.Trip, error)
		Close()
	}
}

func (s sender) RoundTrip(ctx context.Context, req *host.Request) (*host.Response, error) {
	res, _, err := s.pool.Do(ctx, req, "")
	return res, err
}

func direct(t *testing.T) sender {
	t.Helper()
	return closing(t, sender{upstream.NewDirect(upstream.Options{})})
}

func open(t *testing.T, u *host.Upstream) sender {
	t.Helper()
	return closing(t, sender{openPool(t, u, upstream.Options{})})
}

func openPool(t *testing.T, u *host.Upstream, opts upstream.Options) *upstream.Pool {
	t.Helper()
	p, err := upstream.Open(u, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// closing closes the pool at the test's end, and looks then for what it left behind: once, behind the last pool.
func closing(t *testing.T, s sender) sender {
	t.Helper()
	if _, later := openPools.LoadOrStore(t, nil); !later {
		t.Cleanup(func() {
			openPools.Delete(t)
			noGoroutines(t)
		})
	}
	t.Cleanup(s.pool.Close)
	return s
}

// openPools has the tests that have opened a pool.
var openPools sync.Map

func targets(urls ...string) []host.Target {
	out := make([]host.Target, len(urls))
	for i, u := range urls {
		out[i] = host.Target{URL: u, Weight: 1}
	}
	return out
}

func noGoroutines(t *testing.T) {
	t.Helper()
	var left string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		left = ""
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "net/http.(*persistConn)") || strings.Contains(g, "http2clientConn") || strings.Contains(g, "host/upstream.") {
				left = g
			}
		}
		if left == "" {
			return
		}
	}
	t.Errorf("a goroutine is left:\n%s", left)
}

func get(addr string) *host.Request {
	return &host.Request{Method: "GET", Scheme: "http", Host: addr, Target: "/", Body: http.NoBody}
}

func post(addr, body string) *host.Request {
	r := get(addr)
	r.Method, r.Body, r.Length = "POST", io.NopCloser(strings.NewReader(body)), int64(len(body))
	return r
}

// rawServer hands each connection to serve, after it has read one request header, and closes it then.
func rawServer(t *testing.T, serve func(n int, c net.Conn, br *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				br := bufio.NewReader(c)
				if req, err := http.ReadRequest(br); err == nil {
					_, _ = io.Copy(io.Discard, req.Body)
					serve(n, c, br)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func says(answer string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, answer) }
}

// A POST that meets a connection which the upstream is closing fails once, and is not sent twice.
func TestStaleConnection(t *testing.T) {
	var posts atomic.Int32
	addr := rawServer(t, func(_ int, c net.Conn, br *bufio.Reader) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if req, err := http.ReadRequest(br); err == nil { // the second request gets no answer
			if req.Method == "POST" {
				posts.Add(1)
			}
		}
	})
	p := direct(t)
	for _, req := range []*host.Request{get(addr), post(addr, "once")} {
		res, err := p.RoundTrip(context.Background(), req)
		switch {
		case req.Method == "GET":
			if err != nil || res.Status != 200 {
				t.Fatal(res, err)
			}
		case upstream.CauseOf(err) != upstream.CauseClosed:
			t.Errorf("%v", err)
		}
	}
	if n := posts.Load(); n != 1 {
		t.Errorf("the POST was sent %d times", n)
	}
}

func TestConnectionReuse(t *testing.T) {
	var conns atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	p := direct(t)
	for range 20 {
		res, err := p.RoundTrip(context.Background(), post(s.Listener.Addr().String(), "body"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); string(b) != "body" || err != nil {
			t.Fatal(string(b), err)
		}
		_ = res.Body.Close()
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestHTTP2OverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Protocol", r.Proto)
		_, _ = io.Copy(w, r.Body)
		w.Header().Set(http.TrailerPrefix+"X-Late", r.Trailer.Get("X-Sum"))
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	p := open(t, &host.Upstream{Targets: targets(s.URL), TLS: host.UpstreamTLS{CA: ca, ServerName: "example.com"}})
	req := post("", "hello")
	req.Length, req.Header = -1, host.Header{{Name: "Trailer", Value: "X-Sum, Content-Length"}}
	req.Trailer = func() host.Header {
		return host.Header{{Name: "X-Sum", Value: "42"}, {Name: "X-Unannounced", Value: "1"}}
	}
	res, err := p.RoundTrip(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if string(b) != "hello" || err != nil || res.Header.Get("X-Protocol") != "HTTP/2.0" {
		t.Error(string(b), err, res.Header)
	}
	if d := cmp.Diff(host.Header{{Name: "X-Late", Value: "42"}}, res.Trailer()); d != "" {
		t.Error(d)
	}
}

func TestBadDefinition(t *testing.T) {
	good := targets("http://a")
	for name, u := range map[string]*host.Upstream{
		"no target":   {},
		"no scheme":   {Targets: targets("10.0.0.1:80")},
		"ftp":         {Targets: targets("ftp://a")},
		"path":        {Targets: targets("http://a/path")},
		"user":        {Targets: targets("http://u:p@a")},
		"no host":     {Targets: targets("http://")},
		"space":       {Targets: targets("http://a b")},
		"CA":          {Targets: good, TLS: host.UpstreamTLS{CA: []byte("no PEM")}},
		"certificate": {Targets: good, TLS: host.UpstreamTLS{Cert: []byte("no PEM"), Key: "none"}},
		"retries":     {Targets: good, Retries: &host.Retries{On: []string{"rain"}}},
		"retry on OK": {Targets: good, Retries: &host.Retries{On: []string{"200"}}},
		"check path":  {Targets: good, HealthCheck: &host.HealthCheck{Path: "health"}},
		"status":      {Targets: good, HealthCheck: &host.HealthCheck{Path: "/", Status: "("}},
	} {
		if _, err := upstream.Open(u, upstream.Options{}); !errors.Is(err, host.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is sent must be what was asked: target, field values, and nothing that the engine invents.
func TestOnTheWire(t *testing.T) {
	for _, target := range []string{"/", "/a%2Fb?x=%zz&y", "//double//slash", "/%zz", "/?", "/q?", "/a[b]|c", "/semi;colon?a;b"} {
		lines := make(chan string, 1)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			buf := make([]byte, 4096)
			n, _ := c.Read(buf)
			lines <- string(buf[:n])
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}()
		req := with(get(ln.Addr().String()), "X-A", "1")
		req.Target = target
		if _, err := direct(t).RoundTrip(context.Background(), req); err != nil {
			t.Error(err)
		}
		_ = ln.Close()
		want := "GET " + target + " HTTP/1.1\r\nHost: " + req.Host + "\r\nX-A: 1\r\n\r\n"
		if d := cmp.Diff(want, <-lines); d != "" {
			t.Error(target, d)
		}
	}
}

func TestLocalhostNames(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	res, err := direct(t).RoundTrip(context.Background(), get("orders.execute-api.localhost:"+port))
	if err != nil || res.Status != 200 {
		t.Fatal(res, err)
	}
}

// waitFor waits until ok, at most patience.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

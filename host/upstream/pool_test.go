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
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// patience bounds every wait of a test; none is meant to take it.
const patience = 10 * time.Second

func pool(t *testing.T, cfg upstream.Config) *upstream.Pool {
	t.Helper()
	p, err := upstream.NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		noGoroutines(t)
	})
	return p
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

func TestFailures(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	wait := func(_ int, _ net.Conn, _ *bufio.Reader) { <-hang }
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	endless := func(_ int, c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(c, "X-More: and more and more and more and more\r\n"); err != nil {
				return
			}
		}
	}
	plain := rawServer(t, says("HTTP/1.1 200 OK\r\n\r\n"))
	clear := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(clear.Close)
	other := httptest.NewTLSServer(http.NotFoundHandler())
	other.Config.ErrorLog = quiet()
	t.Cleanup(other.Close)
	for name, tc := range map[string]struct {
		req   *host.Request
		cfg   upstream.Config
		kind  host.Kind
		cause upstream.Cause
	}{
		"down":                 {get(closed.Addr().String()), upstream.Config{}, host.BadGateway, upstream.CauseRefused},
		"no such name":         {get("no.such.host.invalid"), upstream.Config{}, host.BadGateway, upstream.CauseName},
		"hangs up":             {get(rawServer(t, says(""))), upstream.Config{}, host.BadGateway, upstream.CauseClosed},
		"hangs up on POST":     {post(rawServer(t, says("")), "x"), upstream.Config{}, host.BadGateway, upstream.CauseClosed},
		"ends in its header":   {get(rawServer(t, says("HTTP/1.1 200 OK\r\nX: 1\r\n"))), upstream.Config{}, host.BadGateway, upstream.CauseClosed},
		"speaks nonsense":      {get(rawServer(t, says("nonsense\r\n\r\n"))), upstream.Config{}, host.BadGateway, upstream.CauseMalformed},
		"bad field":            {get(rawServer(t, says("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"))), upstream.Config{}, host.BadGateway, upstream.CauseMalformed},
		"bad length":           {get(rawServer(t, says("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"))), upstream.Config{}, host.BadGateway, upstream.CauseMalformed},
		"switches protocols":   {get(rawServer(t, says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))), upstream.Config{}, host.BadGateway, upstream.CauseMalformed},
		"endless header":       {get(rawServer(t, endless)), upstream.Config{}, host.BadGateway, upstream.CauseHeaderTooLarge},
		"slow header":          {get(rawServer(t, wait)), upstream.Config{HeaderTimeout: 50 * time.Millisecond}, host.Timeout, upstream.CauseHeaderTimeout},
		"deadline":             {get(rawServer(t, wait)), upstream.Config{}, host.Timeout, upstream.CauseTimeout},
		"unknown certificate":  {https(get(other.Listener.Addr().String())), upstream.Config{}, host.BadGateway, upstream.CauseTLS},
		"HTTP instead of TLS":  {https(get(clear.Listener.Addr().String())), upstream.Config{}, host.BadGateway, upstream.CauseTLS},
		"field that cannot be": {with(get(plain), "X-A", "a\r\nb"), upstream.Config{}, host.Invalid, upstream.CauseInvalidRequest},
		"target that cannot":   {&host.Request{Method: "GET", Scheme: "http", Host: plain, Target: "/a b"}, upstream.Config{}, host.Invalid, upstream.CauseInvalidRequest},
		"scheme that cannot":   {&host.Request{Method: "GET", Scheme: "ftp", Host: plain, Target: "/"}, upstream.Config{}, host.Invalid, upstream.CauseInvalidRequest},
		"host that cannot":     {get("user@" + plain), upstream.Config{}, host.Invalid, upstream.CauseInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			limit := patience
			if tc.cause == upstream.CauseTimeout {
				limit = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			_, err := pool(t, tc.cfg).RoundTrip(ctx, tc.req)
			if !errors.Is(err, tc.kind) || upstream.CauseOf(err) != tc.cause {
				t.Errorf("%v: %v, %s", err, host.KindOf(err), upstream.CauseOf(err))
			}
			var e *host.Error
			if errors.As(err, &e) && (tc.kind == host.BadGateway) != (e.Code == host.IntegrationFailure) || (tc.kind == host.Timeout) != (e.Code == host.IntegrationTimeout) {
				t.Errorf("code %q", e.Code)
			}
		})
	}
}

func https(r *host.Request) *host.Request {
	r.Scheme = "https"
	return r
}

func with(r *host.Request, name, value string) *host.Request {
	r.Header.Add(name, value)
	return r
}

func TestBodyCutOff(t *testing.T) {
	for name, answer := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
		"broken": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npartxx",
	} {
		t.Run(name, func(t *testing.T) {
			res, err := pool(t, upstream.Config{}).RoundTrip(context.Background(), get(rawServer(t, says(answer))))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if string(b) != "part" || !errors.Is(err, host.BadGateway) || upstream.CauseOf(err) != upstream.CauseCutOff {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

func TestSlowBody(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	addr := rawServer(t, func(_ int, c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
		<-hang
	})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	res, err := pool(t, upstream.Config{}).RoundTrip(ctx, get(addr))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if !errors.Is(err, host.Timeout) || upstream.CauseOf(err) != upstream.CauseTimeout {
		t.Error(err)
	}
}

func TestCallerLeaves(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		close(left)
	}))
	defer s.Close()
	ctx, leave := context.WithCancel(context.Background())
	go func() {
		<-arrived
		leave()
	}()
	_, err := pool(t, upstream.Config{}).RoundTrip(ctx, get(s.Listener.Addr().String()))
	if upstream.CauseOf(err) != upstream.CauseCanceled || !errors.Is(err, context.Canceled) || !errors.Is(err, host.Unavailable) {
		t.Error(err)
	}
	<-left
}

// A body that blocks must not hold the caller up when its context ends.
func TestStalledRequestBody(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }))
	defer s.Close()
	r, w := io.Pipe()
	defer w.Close()
	req := get(s.Listener.Addr().String())
	req.Method, req.Body, req.Length = "POST", r, -1
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := pool(t, upstream.Config{}).RoundTrip(ctx, req); !errors.Is(err, host.Timeout) {
		t.Error(err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }
func (f failing) Close() error             { return nil }

func TestRequestBodyError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }))
	defer s.Close()
	req := get(s.Listener.Addr().String())
	req.Method, req.Body, req.Length = "POST", failing{&host.Error{Op: "read", Kind: host.TooLarge}}, -1
	if _, err := pool(t, upstream.Config{}).RoundTrip(context.Background(), req); !errors.Is(err, host.TooLarge) {
		t.Error(err)
	}
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
	p := pool(t, upstream.Config{})
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
	p := pool(t, upstream.Config{})
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
	p := pool(t, upstream.Config{CA: ca, ServerName: "example.com", Targets: []string{s.URL}})
	req := post("", "hello")
	req.Scheme, req.Host = p.Pick()
	req.Length, req.Header = -1, host.Header{{Name: "Trailer", Value: "X-Sum"}}
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

func TestBadConfig(t *testing.T) {
	for _, cfg := range []upstream.Config{
		{CA: []byte("no PEM")}, {Targets: []string{"10.0.0.1:80"}}, {Targets: []string{"ftp://a"}}, {Targets: []string{"http://a/path"}},
		{Targets: []string{"http://u:p@a"}}, {Targets: []string{"http://"}}, {Targets: []string{"http://a b"}},
	} {
		if _, err := upstream.NewPool(cfg); !errors.Is(err, host.Invalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestPick(t *testing.T) {
	p := pool(t, upstream.Config{Targets: []string{"http://a:1", "https://b"}})
	var got []string
	for range 3 {
		scheme, hostport := p.Pick()
		got = append(got, scheme+"://"+hostport)
	}
	if d := cmp.Diff([]string{"http://a:1", "https://b", "http://a:1"}, got); d != "" {
		t.Error(d)
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
		if _, err := pool(t, upstream.Config{}).RoundTrip(context.Background(), req); err != nil {
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
	res, err := pool(t, upstream.Config{}).RoundTrip(context.Background(), get("orders.execute-api.localhost:"+port))
	if err != nil || res.Status != 200 {
		t.Fatal(res, err)
	}
}

func TestStreamingBothWays(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 16)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	}))
	s.Start()
	defer s.Close()
	addr := proxy(t, s.URL) // through the whole gateway
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	r, w := io.Pipe()
	req, _ := http.NewRequest("POST", "http://"+addr, r)
	go func() { _, _ = io.WriteString(w, "ping") }()
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	for range 3 {
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "ping" {
			t.Fatal(string(buf), err)
		}
		go func() { _, _ = io.WriteString(w, "ping") }()
	}
	if _, err := io.ReadFull(res.Body, buf); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
		t.Error(rest, err)
	}
}

// An upstream may answer before it has the whole request.
func TestEarlyAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no room", http.StatusRequestEntityTooLarge)
	}))
	defer s.Close()
	addr := proxy(t, s.URL)
	for range 5 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nthe beginning")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 413 {
			t.Fatal(res, err)
		}
		if b, err := io.ReadAll(res.Body); string(b) != "no room\n" || err != nil {
			t.Error(string(b), err)
		}
		_ = c.Close()
	}
}

// A response that the upstream cuts off is cut off for the client too.
func TestCutOffThroughGateway(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
	} {
		res, err := http.Get("http://" + proxy(t, "http://"+rawServer(t, says(answer))))
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Error("the client took a part for the whole")
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

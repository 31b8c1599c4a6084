package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

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
		head  time.Duration // that its head may take
		kind  host.Kind
		cause upstream.Cause
	}{
		"down":                 {get(closed.Addr().String()), 0, host.BadGateway, upstream.CauseRefused},
		"no such name":         {get("no.such.host.invalid"), 0, host.BadGateway, upstream.CauseName},
		"hangs up":             {get(rawServer(t, says(""))), 0, host.BadGateway, upstream.CauseClosed},
		"hangs up on POST":     {post(rawServer(t, says("")), "x"), 0, host.BadGateway, upstream.CauseClosed},
		"ends in its header":   {get(rawServer(t, says("HTTP/1.1 200 OK\r\nX: 1\r\n"))), 0, host.BadGateway, upstream.CauseClosed},
		"speaks nonsense":      {get(rawServer(t, says("nonsense\r\n\r\n"))), 0, host.BadGateway, upstream.CauseMalformed},
		"bad field":            {get(rawServer(t, says("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"))), 0, host.BadGateway, upstream.CauseMalformed},
		"bad length":           {get(rawServer(t, says("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"))), 0, host.BadGateway, upstream.CauseMalformed},
		"switches protocols":   {get(rawServer(t, says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))), 0, host.BadGateway, upstream.CauseMalformed},
		"endless header":       {get(rawServer(t, endless)), 0, host.BadGateway, upstream.CauseHeaderTooLarge},
		"slow header":          {get(rawServer(t, wait)), 50 * time.Millisecond, host.Timeout, upstream.CauseHeaderTimeout},
		"deadline":             {get(rawServer(t, wait)), 0, host.Timeout, upstream.CauseTimeout},
		"unknown certificate":  {https(get(other.Listener.Addr().String())), 0, host.BadGateway, upstream.CauseTLS},
		"HTTP instead of TLS":  {https(get(clear.Listener.Addr().String())), 0, host.BadGateway, upstream.CauseTLS},
		"field that cannot be": {with(get(plain), "X-A", "a\r\nb"), 0, host.Invalid, upstream.CauseInvalidRequest},
		"target that cannot":   {&host.Request{Method: "GET", Scheme: "http", Host: plain, Target: "/a b"}, 0, host.Invalid, upstream.CauseInvalidRequest},
		"scheme that cannot":   {&host.Request{Method: "GET", Scheme: "ftp", Host: plain, Target: "/"}, 0, host.Invalid, upstream.CauseInvalidRequest},
		"host that cannot":     {get("user@" + plain), 0, host.Invalid, upstream.CauseInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			limit := patience
			if tc.cause == upstream.CauseTimeout {
				limit = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			send := direct(t)
			if tc.head > 0 {
				send = open(t, &host.Upstream{Targets: targets("http://" + tc.req.Host), Timeout: host.Default(tc.head)})
			}
			_, err := send.RoundTrip(ctx, tc.req)
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
			res, err := direct(t).RoundTrip(context.Background(), get(rawServer(t, says(answer))))
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	res, err := direct(t).RoundTrip(ctx, get(addr))
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
	_, err := direct(t).RoundTrip(ctx, get(s.Listener.Addr().String()))
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
	if _, err := direct(t).RoundTrip(ctx, req); !errors.Is(err, host.Timeout) {
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
	if _, err := direct(t).RoundTrip(context.Background(), req); !errors.Is(err, host.TooLarge) {
		t.Error(err)
	}
}

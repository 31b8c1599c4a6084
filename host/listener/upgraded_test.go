package listener_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

const upgradeRequest = "GET /chat?a=1 HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c, WebSocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// A tunnel is a client's end of an upgraded connection.
type tunnel struct {
	io.Reader
	io.Writer
	header http.Header
	status int
	end    func() // the client's half
}

// everyUpgrade runs f over each protocol, with a function that asks for a WebSocket connection.
func everyUpgrade(t *testing.T, cfg listener.Config, f func(t *testing.T, s *running, open func(t *testing.T) *tunnel)) {
	t.Helper()
	for name, dial := range map[string]func(*testing.T, *running, *x509.CertPool) *tunnel{
		"h1": upgradeHTTP1, "h2": upgradeHTTP2, "h3": upgradeHTTP3,
	} {
		t.Run(name, func(t *testing.T) {
			s, roots := startHTTP3(t, cfg)
			f(t, s, func(t *testing.T) *tunnel { return dial(t, s, roots) })
		})
	}
}

func upgradeHTTP1(t *testing.T, s *running, roots *x509.CertPool) *tunnel {
	t.Helper()
	c := tls.Client(dial(t, s.addr), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if _, err := io.WriteString(c, upgradeRequest); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &tunnel{br, c, res.Header, res.StatusCode, func() { _ = c.CloseWrite() }}
}

func connectRequest(t *testing.T, s *running, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(patient(t), http.MethodConnect, "https://"+s.addr+"/chat?a=1", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "localhost"
	req.Header.Set("Sec-WebSocket-Version", "13")
	return req
}

func upgradeHTTP3(t *testing.T, s *running, roots *x509.CertPool) *tunnel {
	t.Helper()
	conn := (&http3.Transport{}).NewClientConn(dialQUIC(t, s, roots))
	<-conn.ReceivedSettings()
	if !conn.Settings().EnableExtendedConnect {
		t.Fatal("extended CONNECT is not announced")
	}
	str, err := conn.OpenRequestStream(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	req := connectRequest(t, s, nil)
	req.Proto = "websocket"
	if err := str.SendRequestHeader(req); err != nil {
		t.Fatal(err)
	}
	res, err := str.ReadResponse()
	if err != nil {
		t.Fatal(err)
	}
	return &tunnel{str, str, res.Header, res.StatusCode, func() { _ = str.Close() }}
}

// accept answers an upgrade.
func accept(f func(context.Context, net.Conn)) *host.Response {
	return &host.Response{Status: 101, Upgrade: f, Header: fields("Upgrade", "websocket", "Connection", "upgrade",
		"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Protocol", "chat")}
}

func TestUpgrade(t *testing.T) {
	requests, ended := make(chan *host.Request, 1), make(chan error, 1)
	everyUpgrade(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		requests <- r
		if b, err := io.ReadAll(r.Body); len(b) != 0 || err != nil {
			t.Errorf("the request has a body: %q %v", b, err)
		}
		resp := accept(func(_ context.Context, c net.Conn) {
			_, _ = io.Copy(c, c) // until the client ends its half
			_, _ = io.WriteString(c, "bye")
			if c.LocalAddr().String() != r.Peer.Local.String() || c.RemoteAddr().String() != r.Peer.Remote.String() {
				t.Error(c.LocalAddr(), c.RemoteAddr())
			}
			_ = c.Close()
			if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
		resp.End = func(err error) { ended <- err }
		return resp
	}}, func(t *testing.T, _ *running, open func(t *testing.T) *tunnel) {
		c := open(t)
		r := <-requests
		want := []any{"GET", "/chat?a=1", "localhost", "https", int64(0), "websocket", false, false, false, "13"}
		have := []any{r.Method, r.Target, r.Host, r.Scheme, r.Length, r.Upgrade, r.Header.Has("Connection"), r.Header.Has("Upgrade"),
			r.Header.Has(":protocol"), r.Header.Get("Sec-WebSocket-Version")}
		if d := cmp.Diff(want, have); d != "" {
			t.Error(d)
		}
		header, status := http.Header{"Sec-Websocket-Protocol": {"chat"}}, 200
		if r.Peer.Protocol == "HTTP/1.1" {
			status = 101
			header["Upgrade"], header["Connection"] = []string{"websocket"}, []string{"Upgrade"}
			header["Sec-Websocket-Accept"] = []string{"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}
		}
		c.header.Del("Date")
		c.header.Del("Alt-Svc")
		if d := cmp.Diff(header, c.header); d != "" || c.status != status {
			t.Error(c.status, d)
		}
		if _, err := io.WriteString(c, "one "); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "two ")
		c.end()
		if b, err := io.ReadAll(c); string(b) != "two bye" || err != nil {
			t.Errorf("%q %v", b, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestUpgradeEarly is a client that does not wait for the 101.
func TestUpgradeEarly(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint(secure), func(t *testing.T) {
			_, c := startRaw(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
				return accept(func(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c) })
			}}, secure)
			// A second offer, which nobody takes, does not make what follows HTTP again.
			_, _ = io.WriteString(c, strings.TrimSuffix(upgradeRequest, "\r\n")+"Upgrade: h2c\r\n\r\n\x81early ")
			br := bufio.NewReader(c)
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
				t.Fatal(res, err)
			}
			_, _ = io.WriteString(c, "late")
			buf := make([]byte, 11)
			if _, err := io.ReadFull(br, buf); err != nil || string(buf) != "\x81early late" {
				t.Fatalf("%q %v", buf, err)
			}
		})
	}
}

func TestUpgradeDeadlines(t *testing.T) {
	done := make(chan struct{})
	everyUpgrade(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		return accept(func(_ context.Context, c net.Conn) {
			defer func() { done <- struct{}{} }()
			buf := make([]byte, 4)
			_ = c.SetReadDeadline(time.Now().Add(-time.Second))
			if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			_ = c.SetWriteDeadline(time.Now().Add(-time.Second))
			if r.Peer.Protocol != "HTTP/1.1" { // a write that times out breaks a connection of TLS
				if _, err := c.Write(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
			}
			_ = c.SetDeadline(time.Time{})
			_, _ = io.WriteString(c, "go")
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "ahoy" {
				t.Errorf("%q %v", buf, err)
			}
			_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := io.Copy(struct{ io.Writer }{c}, endless{}); !errors.Is(err, os.ErrDeadlineExceeded) { // nobody reads
				t.Error(err)
			}
			_ = c.Close()
		})
	}}, func(t *testing.T, _ *running, open func(t *testing.T) *tunnel) {
		c := open(t)
		if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "ahoy")
		<-done
	})
}

// TestUpgradeLeft is an Upgrade that returns while its connection is read and written.
func TestUpgradeLeft(t *testing.T) {
	gone := make(chan error, 2)
	everyUpgrade(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		return accept(func(_ context.Context, c net.Conn) {
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil { // the client has the header: HTTP/3 may take it back
				t.Error(err)
			}
			begun := make(chan struct{}, 2)
			go func() {
				begun <- struct{}{}
				_, err := io.Copy(io.Discard, struct{ io.Reader }{c})
				gone <- err
			}()
			go func() {
				begun <- struct{}{}
				_, err := io.Copy(struct{ io.Writer }{c}, endless{})
				gone <- err
			}()
			<-begun
			<-begun
		})
	}}, func(t *testing.T, _ *running, open func(t *testing.T) *tunnel) {
		_, _ = io.WriteString(open(t), "begin")
		for range 2 {
			if err := <-gone; err == nil {
				t.Error("no error")
			}
		}
	})
}

func TestUpgradeDrain(t *testing.T) {
	taken := make(chan struct{}, 1)
	everyUpgrade(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		return accept(func(ctx context.Context, c net.Conn) {
			taken <- struct{}{}
			<-ctx.Done()
			_, _ = io.WriteString(c, "going away")
			_ = c.Close()
		})
	}}, func(t *testing.T, s *running, open func(t *testing.T) *tunnel) {
		c := open(t)
		<-taken
		cut := make(chan int, 1)
		go func() { cut <- s.Shutdown(patient(t)) }()
		if b, err := io.ReadAll(c); string(b) != "going away" {
			t.Errorf("%q %v", b, err)
		}
		c.end()
		if n := <-cut; n != 0 {
			t.Errorf("%d were cut", n)
		}
	})
}

func TestUpgradeCut(t *testing.T) {
	taken, ended := make(chan struct{}, 1), make(chan error, 1)
	everyUpgrade(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		resp := accept(func(_ context.Context, c net.Conn) {
			taken <- struct{}{}
			_, err := io.Copy(io.Discard, c)
			ended <- err
		})
		return resp
	}}, func(t *testing.T, s *running, open func(t *testing.T) *tunnel) {
		open(t)
		<-taken
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if n := s.Shutdown(ctx); n != 1 {
			t.Errorf("%d were cut", n)
		}
		if err := <-ended; err == nil {
			t.Error("the connection ended well")
		}
	})
}

// TestNoUpgrade is about answers that do not upgrade.
func TestNoUpgrade(t *testing.T) {
	everyUpgrade(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		resp := text("no")
		if r.Peer.Protocol != "HTTP/1.1" {
			return resp // a 200 would mean that the client speaks WebSocket now
		}
		resp.Status = 501
		return resp
	}}, func(t *testing.T, _ *running, open func(t *testing.T) *tunnel) {
		if c := open(t); c.status != 501 {
			t.Error(c.status)
		}
	})
	everyUpgrade(t, listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
		resp := text("denied")
		resp.Status = 403
		return resp
	}}, func(t *testing.T, _ *running, open func(t *testing.T) *tunnel) {
		c := open(t)
		b := make([]byte, 6)
		if _, err := io.ReadFull(c, b); c.status != 403 || string(b) != "denied" || err != nil {
			t.Error(c.status, string(b), err)
		}
	})
}

// TestNoUpgradeAsked is about offers that are none.
func TestNoUpgradeAsked(t *testing.T) {
	seen := make(chan *host.Request, 1)
	s := start(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		seen <- r
		return accept(func(context.Context, net.Conn) { t.Error("upgraded") })
	}})
	for name, request := range map[string]string{
		"another protocol":  "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"another method":    "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0":          "GET / HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"a body":            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
		"not in Connection": "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s.addr)
			_, _ = io.WriteString(c, request)
			res, _ := readResponse(t, bufio.NewReader(c), "GET")
			if r := <-seen; r.Upgrade != "" || r.Header.Has("Upgrade") || res.StatusCode != 500 {
				t.Errorf("%q %v %d", r.Upgrade, r.Header, res.StatusCode)
			}
		})
	}
}

// TestNoRequestBehindAnOffer is about what follows a request to upgrade that was not granted, behind its body too.
func TestNoRequestBehindAnOffer(t *testing.T) {
	s := start(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		_, _ = io.Copy(io.Discard, r.Body)
		resp := text(r.Target)
		resp.Status = 403
		return resp
	}})
	for name, more := range map[string]string{
		"no body":  "\r\n",
		"a body":   "Content-Length: 5\r\n\r\nhello",
		"chunks":   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"no bytes": "Content-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s.addr)
			answer := converse(t, c, "GET /offer HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+more+
				"GET /behind HTTP/1.1\r\nHost: h\r\n\r\n")
			if strings.Count(answer, "HTTP/1.1 ") != 1 || !strings.HasSuffix(answer, "/offer") || !strings.Contains(answer, "Connection: close\r\n") {
				t.Errorf("%q", answer)
			}
		})
	}
}

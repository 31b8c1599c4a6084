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
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

func tlsDial(t *testing.T, addr string, roots *x509.CertPool, protocol string) *tls.Conn {
	t.Helper()
	c := tls.Client(dial(t, addr), &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{protocol}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// startRaw returns a listener and a raw HTTP/1 connection to it.
func startRaw(t *testing.T, cfg listener.Config, secure bool) (*running, net.Conn) {
	t.Helper()
	if !secure {
		s := start(t, cfg)
		return s, dial(t, s.addr)
	}
	conf, roots := testTLS(t)
	cfg.TLS = conf
	s := start(t, cfg)
	return s, tlsDial(t, s.addr, roots, "http/1.1")
}

func TestRefusedByEngine(t *testing.T) {
	many := strings.Builder{}
	for i := range 100_000 {
		fmt.Fprintf(&many, "X-%d: 1\r\n", i)
	}
	some := strings.Repeat("a: 1\r\n", 300)
	for name, tc := range map[string]struct {
		request string
		status  int
		reason  listener.Reason
	}{
		"nonsense":           {"\x16\x03\x01 nonsense\r\n\r\n", 400, listener.ReasonMalformed},
		"request line":       {"GET /only-two-words\r\n\r\n", 400, listener.ReasonMalformed},
		"no host":            {"GET / HTTP/1.1\r\n\r\n", 400, listener.ReasonMalformed},
		"two hosts":          {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, listener.ReasonMalformed},
		"field name":         {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n", 400, listener.ReasonMalformed},
		"field value":        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400, listener.ReasonMalformed},
		"two lengths":        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, listener.ReasonMalformed},
		"transfer coding":    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, listener.ReasonUnsupported},
		"version":            {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, listener.ReasonUnsupported},
		"expectation":        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417, listener.ReasonUnsupported},
		"CONNECT":            {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n", 501, listener.ReasonUnsupported},
		"one large field":    {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 431, listener.ReasonHeaderTooLarge},
		"100,000 fields":     {"GET / HTTP/1.1\r\nHost: a\r\n" + many.String() + "\r\n", 431, listener.ReasonHeaderTooLarge},
		"small but too many": {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + some + "\r\n", 431, listener.ReasonHeaderTooLarge},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, secure), func(t *testing.T) {
				cfg := listener.Config{Handler: func(context.Context, *host.Request) *host.Response {
					t.Error("the handler was called")
					return text("")
				}}
				s, c := startRaw(t, cfg, secure)
				go func() { _, _ = io.WriteString(c, tc.request) }() // the server may hang up before it has all
				line, err := bufio.NewReader(c).ReadString('\n')
				if err != nil || !strings.HasPrefix(line, fmt.Sprintf("HTTP/1.1 %d", tc.status)) {
					t.Errorf("answered %q, %v", line, err)
				}
				f := s.refusal(t)
				if f.Reason != tc.reason || f.Status != tc.status || f.Remote.String() != c.LocalAddr().String() || f.Listener != "test" {
					t.Errorf("%+v", f)
				}
				_ = c.Close()
			})
		}
	}
}

// A handler's own answer must not be taken for the engine's, also not when it is written late.
func TestHandlersErrorIsNoRefusal(t *testing.T) {
	s := start(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		return &host.Response{Status: 404}
	}})
	c := dial(t, s.addr)
	br := bufio.NewReader(c)
	for range 3 {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		readResponse(t, br, "GET")
	}
	if len(s.refusals) > 0 {
		t.Error(s.refusals)
	}
}

func TestSlowHeader(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint(secure), func(t *testing.T) {
			s, c := startRaw(t, listener.Config{Handler: hello, Limits: listener.Limits{ReadHeader: 100 * time.Millisecond}}, secure)
			if answer := converse(t, c, "GET / HTTP/1.1\r\nHo"); !strings.HasPrefix(answer, "HTTP/1.1 408 ") {
				t.Errorf("%q", answer)
			}
			if f := s.refusal(t); f.Reason != listener.ReasonHeaderTimeout || f.Status != 408 {
				t.Error(f)
			}
		})
	}
}

func TestSlowBody(t *testing.T) {
	everyEngineAtOnce(t, func() (listener.Config, func(*testing.T, engine)) {
		failed := make(chan error, 1)
		cfg := listener.Config{Limits: listener.Limits{BodyIdle: time.Second, BodyRate: 3}, Handler: func(_ context.Context, r *host.Request) *host.Response {
			_, err := io.ReadAll(r.Body)
			if _, again := r.Body.Read(make([]byte, 1)); err != nil && again == nil {
				err = errors.New("a failed body can be read on")
			}
			failed <- err
			return text("seen")
		}}
		return cfg, func(t *testing.T, e engine) {
			// A byte now and then is fine, in all longer than the limit.
			res, err := e.client.Post(e.url, "", trickle("x", 8, 200*time.Millisecond))
			if err := errors.Join(err, <-failed); err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()

			r, w := io.Pipe()
			defer w.Close()
			go func() { _, _ = w.Write([]byte("x")) }() // and then nothing
			if res, err := e.client.Post(e.url, "", r); err == nil {
				_ = res.Body.Close()
			}
			if err := <-failed; !errors.Is(err, host.Invalid) {
				t.Error(err)
			}
		}
	})
}

// What follows a body that was given up must not be read as a request.
func TestNoSmugglingAfterTimeout(t *testing.T) {
	s := start(t, listener.Config{Limits: listener.Limits{BodyIdle: 100 * time.Millisecond}, Handler: func(_ context.Context, r *host.Request) *host.Response {
		_, _ = io.ReadAll(r.Body)
		return text(r.Target)
	}})
	c := dial(t, s.addr)
	_, _ = io.WriteString(c, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
	br := bufio.NewReader(c)
	if _, got := readResponse(t, br, "POST"); got != "/1" {
		t.Fatal(got)
	}
	_, _ = io.WriteString(c, "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("%q", rest)
	}
}

func TestUnreadBody(t *testing.T) {
	everyEngine(t, listener.Config{Handler: hello}, func(t *testing.T, e engine) {
		for range 3 { // the answer is early, the body large
			res, err := e.client.Post(e.url+"/early", "", io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20))))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); string(b) != "hello /early" || err != nil {
				t.Fatal(string(b), err)
			}
		}
	})
}

func TestSlowReader(t *testing.T) {
	everyEngineAtOnce(t, func() (listener.Config, func(*testing.T, engine)) {
		ended := make(chan error, 1)
		cfg := listener.Config{Limits: listener.Limits{WriteIdle: 200 * time.Millisecond}, Handler: func(context.Context, *host.Request) *host.Response {
			return &host.Response{Status: 200, Length: -1, Body: endless{}, End: func(err error) { ended <- err }}
		}}
		return cfg, func(t *testing.T, e engine) {
			res, err := e.client.Get(e.url)
			if err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil { // nobody reads
				t.Error("End(nil)")
			}
			_ = res.Body.Close()
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

func TestHandshakeFailures(t *testing.T) {
	conf, _ := testTLS(t)
	for name, speak := range map[string]func(c net.Conn){
		"plain HTTP":  func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n") },
		"nonsense":    func(c net.Conn) { _, _ = io.WriteString(c, "nonsense, long enough for a record") },
		"goes silent": func(c net.Conn) { _, _ = c.Write([]byte{0x16, 3, 1, 0, 200, 1}) },
		"hangs up": func(c net.Conn) {
			_, _ = c.Write([]byte{0x16, 3, 1, 0, 200, 1})
			_ = c.(*net.TCPConn).CloseWrite()
		},
		"old version": func(c net.Conn) {
			_ = tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}).Handshake()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, listener.Config{Handler: hello, TLS: conf, Limits: listener.Limits{ReadHeader: 200 * time.Millisecond}})
			c := dial(t, s.addr)
			speak(c)
			f := s.refusal(t)
			if f.Reason != listener.ReasonHandshake || f.Detail == "" || !f.Remote.IsValid() {
				t.Errorf("%+v", f)
			}
			if answer, _ := io.ReadAll(c); name == "plain HTTP" && !strings.HasPrefix(string(answer), "HTTP/1.0 400 ") {
				t.Errorf("%q", answer)
			}
		})
	}
}

func TestHTTP2Errors(t *testing.T) {
	s := start(t, listener.Config{Handler: hello})
	c := dial(t, s.addr)
	_, _ = io.WriteString(c, http2.ClientPreface)
	fr := http2.NewFramer(c, c)
	_ = fr.WriteSettings()
	fr.AllowIllegalWrites = true
	_ = fr.WriteData(0, false, []byte("on stream 0"))
	eventually(t, "GOAWAY or the end", func() bool {
		f, err := fr.ReadFrame()
		_, goAway := f.(*http2.GoAwayFrame)
		return err != nil || goAway
	})
	if f := s.refusal(t); f.Reason != listener.ReasonHTTP2 || f.Detail == "" {
		t.Errorf("%+v", f)
	}
}

func TestHTTP2HeaderLimits(t *testing.T) {
	s := start(t, listener.Config{Handler: hello})
	for name, fields := range map[string]int{"too many": 300, "far too many": 100_000} {
		req, _ := http.NewRequest("GET", "http://"+s.addr, nil)
		for i := range fields {
			req.Header.Set(fmt.Sprintf("x-%d", i), "1")
		}
		res, err := client(t, "h2c", nil).Do(req)
		if err == nil { // else the client itself heeds the limit that the server announced
			_ = res.Body.Close()
			if res.StatusCode != 431 {
				t.Errorf("%s: %d", name, res.StatusCode)
			}
		}
	}
}

func TestConnectionLimit(t *testing.T) {
	s := start(t, listener.Config{Handler: hello, Limits: listener.Limits{Connections: 1}})
	first := dial(t, s.addr)
	br := bufio.NewReader(first)
	_, _ = io.WriteString(first, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
	readResponse(t, br, "GET")
	second := dial(t, s.addr) // the kernel takes it, nobody else does
	_, _ = io.WriteString(second, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
	_ = second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Fatal("a second connection was served")
	}
	_ = first.Close()
	_ = second.SetReadDeadline(time.Now().Add(patience))
	if _, got := readResponse(t, bufio.NewReader(second), "GET"); got != "hello /2" {
		t.Fatal(got)
	}
}

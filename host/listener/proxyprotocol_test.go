package listener_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// proxyHeader is what a proxy sends for a client at 1.2.3.4.
func proxyHeader(t *testing.T, version byte) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 567}, &net.TCPAddr{IP: net.IPv4(5, 6, 7, 8), Port: 443})
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

func TestProxyProtocol(t *testing.T) {
	peers := make(chan host.Peer, 1)
	for name, tc := range map[string]struct {
		trusted, header, remote, addr string
		peerTrusted                   bool
	}{
		"version 1":                       {"127.0.0.0/8", proxyHeader(t, 1), "1.2.3.4:567", "1.2.3.4", false},
		"version 2":                       {"127.0.0.0/8", proxyHeader(t, 2), "1.2.3.4:567", "1.2.3.4", false},
		"IPv6":                            {"127.0.0.0/8", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "[2001:db8::1]:1", "2001:db8::1", false},
		"behind another trusted proxy":    {"127.0.0.0/8 1.2.3.4/32", proxyHeader(t, 2), "1.2.3.4:567", "9.9.9.9", true},
		"unknown":                         {"127.0.0.0/8", "PROXY UNKNOWN\r\n", "", "9.9.9.9", true},
		"the proxy's own":                 {"127.0.0.0/8", local, "", "9.9.9.9", true},
		"none asked from who is no proxy": {"10.0.0.0/8", "", "", "127.0.0.1", false},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				cfg := listener.Config{ProxyProtocol: true, TrustedProxies: prefixes(tc.trusted),
					Handler: func(_ context.Context, r *host.Request) *host.Response {
						peers <- r.Peer
						return text("hello")
					}}
				conf, roots := testTLS(t)
				if secure {
					cfg.TLS = conf
				}
				s := start(t, cfg)
				c := dial(t, s.addr)
				if _, err := io.WriteString(c, tc.header); err != nil {
					t.Fatal(err)
				}
				remote := tc.remote
				if remote == "" {
					remote = c.LocalAddr().String()
				}
				if secure {
					c = tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "localhost"})
				}
				br := bufio.NewReader(c)
				for range 2 { // the header counts for the connection
					_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
					if _, body := readResponse(t, br, "GET"); body != "hello" {
						t.Fatal(body)
					}
					p := <-peers
					if p.Remote.String() != remote || p.Addr.String() != tc.addr || p.Trusted != tc.peerTrusted || p.Local.String() != s.addr {
						t.Errorf("%+v", p)
					}
				}
			})
		}
	}
}

// TestProxyProtocolInOnePiece has the header and the first request in one packet.
func TestProxyProtocolInOnePiece(t *testing.T) {
	s := start(t, listener.Config{ProxyProtocol: true, TrustedProxies: prefixes("127.0.0.1/32"), Handler: func(_ context.Context, r *host.Request) *host.Response {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		return text(r.Peer.Addr.String() + " " + string(b))
	}})
	c := dial(t, s.addr)
	_, _ = io.WriteString(c, proxyHeader(t, 1)+"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
	if _, body := readResponse(t, bufio.NewReader(c), "POST"); body != "1.2.3.4 body" {
		t.Error(body)
	}
}

func TestProxyProtocolRefused(t *testing.T) {
	udp, err := (&proxyproto.Header{Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.UDPv4,
		SourceAddr: &net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}, DestinationAddr: &net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}}).Format()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		trusted, send string
		reason        listener.Reason
		status        int
	}{
		"no header":              {"127.0.0.0/8", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", listener.ReasonProxyProtocol, 0},
		"no header, a P":         {"127.0.0.0/8", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", listener.ReasonProxyProtocol, 0},
		"garbage":                {"127.0.0.0/8", "PROXY TCP4 nonsense\r\n", listener.ReasonProxyProtocol, 0},
		"too long":               {"127.0.0.0/8", "PROXY UNKNOWN " + string(make([]byte, 200)) + "\r\n", listener.ReasonProxyProtocol, 0},
		"version 2, cut off":     {"127.0.0.0/8", local[:14] + "\xff\xff", listener.ReasonProxyProtocol, 0},
		"version 2, not of TCP":  {"127.0.0.0/8", string(udp), listener.ReasonProxyProtocol, 0},
		"nothing but a byte":     {"127.0.0.0/8", "P", listener.ReasonProxyProtocol, 0},
		"from nobody, version 1": {"10.0.0.0/8", proxyHeader(t, 1) + "GET / HTTP/1.1\r\nHost: h\r\n\r\n", listener.ReasonMalformed, 400},
		"from nobody, version 2": {"10.0.0.0/8", proxyHeader(t, 2) + "GET / HTTP/1.1\r\nHost: h\r\n\r\n", listener.ReasonMalformed, 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, listener.Config{ProxyProtocol: true, TrustedProxies: prefixes(tc.trusted), Limits: listener.Limits{ReadHeader: 300 * time.Millisecond},
				Handler: func(context.Context, *host.Request) *host.Response {
					t.Error("the handler was called")
					return text("")
				}})
			c := dial(t, s.addr)
			_, _ = io.WriteString(c, tc.send)
			if f := s.refusal(t); f.Reason != tc.reason || f.Status != tc.status || f.Remote.String() != c.LocalAddr().String() {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestProxyProtocolSilent is a proxy's port check, and one that sends nothing: neither holds up a drain or others.
func TestProxyProtocolSilent(t *testing.T) {
	s := start(t, listener.Config{ProxyProtocol: true, TrustedProxies: prefixes("127.0.0.0/8"), Handler: hello})
	check := dial(t, s.addr)
	_ = check.Close()
	silent := dial(t, s.addr)
	c := dial(t, s.addr)
	_, _ = io.WriteString(c, proxyHeader(t, 2)+"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, body := readResponse(t, bufio.NewReader(c), "GET"); body != "hello /x" {
		t.Error(body)
	}
	s.Shutdown(patient(t))
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection is open")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refusals) != 0 {
		t.Errorf("%+v", s.refusals)
	}
}

// TestProxyProtocolHTTP3 is a trusted proxy that passes datagrams on, whose clients have no address.
func TestProxyProtocolHTTP3(t *testing.T) {
	t.Run("a proxy", func(t *testing.T) {
		s, roots := startHTTP3(t, listener.Config{ProxyProtocol: true, TrustedProxies: prefixes("127.0.0.0/8"), Handler: hello})
		if _, err := client(t, "h3", roots).Get("https://" + s.addr); err == nil {
			t.Error("it was answered")
		}
		if f := s.refusal(t); f.Reason != listener.ReasonProxyProtocol {
			t.Errorf("%+v", f)
		}
	})
	t.Run("a client", func(t *testing.T) {
		s, roots := startHTTP3(t, listener.Config{ProxyProtocol: true, TrustedProxies: prefixes("10.0.0.0/8"), Handler: hello})
		res, err := client(t, "h3", roots).Get("https://" + s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Error(res.Status)
		}
	})
}

func TestProxyProtocolNeedsProxies(t *testing.T) {
	if _, err := listener.Listen(listener.Config{Addr: "127.0.0.1:0", ProxyProtocol: true, Handler: hello}); !errors.Is(err, host.Invalid) {
		t.Error(err)
	}
}

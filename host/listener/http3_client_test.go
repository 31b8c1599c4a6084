package listener_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/postern/postern/host/listener"
)

// startHTTP3 serves HTTP/3, and returns what a client trusts.
func startHTTP3(t *testing.T, cfg listener.Config) (*running, *x509.CertPool) {
	t.Helper()
	conf, roots := testTLS(t)
	cfg.TLS, cfg.HTTP3 = conf, true
	return start(t, cfg), roots
}

func quicTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{http3.NextProtoH3}}
}

// quicSocket is a client's end, on which quic-go works until the test ends.
func quicSocket(t *testing.T, ip string, wrap func(*net.UDPConn) net.PacketConn) *quic.Transport {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Skipf("this machine has no address %s", ip)
	}
	tr := &quic.Transport{Conn: socket}
	if wrap != nil {
		tr.Conn = wrap(socket)
	}
	t.Cleanup(func() {
		_ = tr.Close()
		_ = socket.Close()
	})
	return tr
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func udpAddr(t *testing.T, addr string) *net.UDPAddr {
	t.Helper()
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// dialQUIC opens a connection, and closes it with the test.
func dialQUIC(t *testing.T, s *running, roots *x509.CertPool) *quic.Conn {
	t.Helper()
	c, err := quicSocket(t, "127.0.0.1", nil).Dial(patient(t), udpAddr(t, s.addr), quicTLS(roots), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseWithError(0x100, "") })
	return c
}

// askHTTP3 sends a request on a connection of one's own, and returns the answer with its body read.
func askHTTP3(t *testing.T, c *http3.ClientConn, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(patient(t), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// frame is one of HTTP/3 (RFC 9114, section 7.1): 0 is DATA, 1 HEADERS.
func frame(kind uint64, payload []byte) []byte {
	b := quicvarint.Append(nil, kind)
	b = quicvarint.Append(b, uint64(len(payload)))
	return append(b, payload...)
}

// section is a field section without compression (RFC 9204, section 4.5.6).
func section(namesAndValues ...string) []byte {
	b := []byte{0, 0}
	for i, s := range namesAndValues {
		first, limit := byte(0x20), 7
		if i%2 == 1 {
			first, limit = 0, 127
		}
		if len(s) < limit {
			b = append(b, first|byte(len(s)))
		} else {
			b = append(b, first|byte(limit))
			rest := len(s) - limit
			for ; rest >= 128; rest /= 128 {
				b = append(b, byte(rest%128)|128)
			}
			b = append(b, byte(rest))
		}
		b = append(b, s...)
	}
	return b
}

var getFields = []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}

// A filteredSocket drops the datagrams that a test wants to be lost.
type filteredSocket struct {
	*net.UDPConn
	mu       sync.Mutex
	received func([]byte) bool // whether the client gets it
	sent     func([]byte) bool // whether the server does
}

func (f *filteredSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, addr, err := f.UDPConn.ReadFrom(p)
		f.mu.Lock()
		ok := err != nil || f.received == nil || f.received(p[:n])
		f.mu.Unlock()
		if ok {
			return n, addr, err
		}
	}
}

func (f *filteredSocket) WriteTo(p []byte, addr net.Addr) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent != nil && !f.sent(p) {
		return len(p), nil
	}
	return f.UDPConn.WriteTo(p, addr)
}

// onlyPackets hides what quic-go would use to go around ReadFrom and WriteTo.
type onlyPackets struct{ net.PacketConn }

// packetType is that of a packet with a long header (RFC 9000, section 17.2): 0 Initial, 1 0-RTT, 2 Handshake, 3 Retry; or -1.
func packetType(b []byte) int {
	if len(b) == 0 || b[0]&0x80 == 0 {
		return -1
	}
	return int(b[0] >> 4 & 3)
}

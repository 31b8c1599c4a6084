package listener_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// TestMigration moves a connection to an address that is trusted: nothing about the client changes.
func TestMigration(t *testing.T) {
	peers := make(chan host.Peer, 1)
	s, roots := startHTTP3(t, listener.Config{TrustedProxies: prefixes("127.0.0.2/32"),
		Handler: func(_ context.Context, r *host.Request) *host.Response {
			peers <- r.Peer
			return text("")
		}})
	c := dialQUIC(t, s, roots)
	conn := (&http3.Transport{}).NewClientConn(c)
	ask := func() host.Peer {
		req, _ := http.NewRequestWithContext(patient(t), "GET", "https://"+s.addr, nil)
		req.Header.Set("X-Forwarded-For", "9.9.9.9")
		res, err := conn.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return <-peers
	}
	before := ask()
	path, err := c.AddPath(quicSocket(t, "127.0.0.2", nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Probe(patient(t)); err != nil {
		t.Fatal(err)
	}
	if err := path.Switch(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		after := ask()
		if after.Trusted || after.Remote != before.Remote || after.Addr != before.Addr || after.Addr.String() != "127.0.0.1" {
			t.Fatalf("%+v, before %+v", after, before)
		}
	}
	if got := c.LocalAddr().(*net.UDPAddr).IP.String(); got != "127.0.0.2" {
		t.Errorf("the connection did not migrate: it is at %s", got)
	}
}

// TestAddressValidation opens handshakes and leaves them, as one who forges addresses does, until a new client has to show that it
// has its own.
func TestAddressValidation(t *testing.T) {
	// Neither side gives up while the test runs.
	s, roots := startHTTP3(t, listener.Config{Handler: hello, Limits: listener.Limits{ReadHeader: 4 * patience}})
	conf := &quic.Config{HandshakeIdleTimeout: 4 * patience}
	ctx, leave := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer leave()
	for range 64 {
		tr := quicSocket(t, "127.0.0.1", func(c *net.UDPConn) net.PacketConn {
			return onlyPackets{&filteredSocket{UDPConn: c, received: func([]byte) bool { return false }}}
		})
		clients.Go(func() {
			if _, err := tr.Dial(ctx, udpAddr(t, s.addr), quicTLS(roots), conf); err == nil {
				t.Error("a client that receives nothing is connected")
			}
		})
	}
	eventually(t, "a Retry", func() bool {
		var retried atomic.Bool
		tr := quicSocket(t, "127.0.0.1", func(c *net.UDPConn) net.PacketConn {
			return onlyPackets{&filteredSocket{UDPConn: c, received: func(p []byte) bool {
				if packetType(p) == 3 {
					retried.Store(true)
				}
				return true
			}}}
		})
		c, err := tr.Dial(patient(t), udpAddr(t, s.addr), quicTLS(roots), conf)
		if err != nil {
			t.Fatal(err)
		}
		_, body := askHTTP3(t, (&http3.Transport{}).NewClientConn(c), "GET", "https://"+s.addr+"/x")
		_ = c.CloseWithError(0x100, "")
		if body != "hello /x" {
			t.Error(body)
		}
		return retried.Load()
	})
}

func TestHTTP3HandshakeFailure(t *testing.T) {
	s, roots := startHTTP3(t, listener.Config{Handler: hello})
	conf := quicTLS(roots)
	conf.NextProtos = []string{"unheard-of"}
	if _, err := quicSocket(t, "127.0.0.1", nil).Dial(patient(t), udpAddr(t, s.addr), conf, nil); err == nil {
		t.Fatal("connected")
	}
	if f := s.refusal(t); f.Reason != listener.ReasonHandshake || !f.Remote.IsValid() {
		t.Errorf("%+v", f)
	}
}

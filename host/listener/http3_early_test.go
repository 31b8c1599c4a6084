//go:build !race

// The library's client races with itself where it opens streams for early data: what limits them is written when the server's
// parameters arrive. So this test runs without the race detector.

package listener_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/listener"
)

// TestEarlyData holds the server's packets back, so that all that the client sends is 0-RTT.
func TestEarlyData(t *testing.T) {
	type seen struct{ method, early string }
	requests := make(chan seen, 2)
	s, roots := startHTTP3(t, listener.Config{Handler: func(_ context.Context, r *host.Request) *host.Response {
		requests <- seen{r.Method, r.Header.Get("Early-Data")}
		return text("")
	}})
	conf := quicTLS(roots)
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	socket := &filteredSocket{}
	tr := quicSocket(t, "127.0.0.1", func(c *net.UDPConn) net.PacketConn {
		socket.UDPConn = c
		return onlyPackets{socket}
	})
	tokens := tellingStore{quic.NewLRUTokenStore(1, 4), make(chan struct{}, 8)}
	quicConf := &quic.Config{TokenStore: tokens}
	first, err := tr.Dial(patient(t), udpAddr(t, s.addr), conf, quicConf)
	if err != nil {
		t.Fatal(err)
	}
	askHTTP3(t, (&http3.Transport{}).NewClientConn(first), "GET", "https://"+s.addr)
	<-requests
	<-tokens.told // the session's ticket came before it
	_ = first.CloseWithError(0x100, "")
	var release atomic.Bool
	socket.mu.Lock()
	socket.received = func([]byte) bool { return release.Load() }
	socket.mu.Unlock()
	second, err := tr.DialEarly(patient(t), udpAddr(t, s.addr), conf, quicConf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.CloseWithError(0x100, "") }()
	conn := (&http3.Transport{}).NewClientConn(second)
	post, err := conn.OpenRequestStream(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("POST", "https://"+s.addr, nil)
	if err := post.SendRequestHeader(req); err != nil {
		t.Fatal(err)
	}
	_ = post.Close()
	get, err := conn.OpenRequestStream(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	req, _ = http.NewRequest("GET", "https://"+s.addr, nil)
	if err := get.SendRequestHeader(req); err != nil {
		t.Fatal(err)
	}
	_ = get.Close()
	if got := <-requests; got != (seen{"GET", "1"}) {
		t.Fatalf("%+v", got)
	}
	select {
	case got := <-requests:
		t.Fatalf("before the handshake: %+v", got)
	default:
	}
	release.Store(true)
	if got := <-requests; got != (seen{"POST", ""}) {
		t.Errorf("%+v", got)
	}
	if answer, err := get.ReadResponse(); err != nil || answer.StatusCode != 200 {
		t.Error(answer, err)
	}
	if answer, err := post.ReadResponse(); err != nil || answer.StatusCode != 200 || !second.ConnectionState().Used0RTT {
		t.Error(answer, err)
	}
}

// A tellingStore says when it was given a token.
type tellingStore struct {
	quic.TokenStore
	told chan struct{}
}

func (s tellingStore) Put(key string, token *quic.ClientToken) {
	s.TokenStore.Put(key, token)
	s.told <- struct{}{}
}

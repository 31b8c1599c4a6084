package upstream

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/postern/postern/host"
)

// websocketGUID is what an accept value is made with (RFC 6455, section 1.3).
const websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// A handshake is a WebSocket's opening handshake with an upstream, over HTTP/1.1 (RFC 6455, section 4.1). The transport uses
// no HTTP/2 for a request with these fields, also where it could.
type handshake struct {
	key   string
	conn  net.Conn // that carries the request
	trace httptrace.ClientTrace
}

// newHandshake adds to h what makes the request one to upgrade. The client's key is sent on, so that the upstream's accept
// value is the one that the client waits for; over HTTP/2 and 3 there is none (RFC 8441, section 5).
func newHandshake(h http.Header) *handshake {
	s := &handshake{key: h.Get("Sec-WebSocket-Key")}
	if s.key == "" {
		var nonce [16]byte
		_, _ = rand.Read(nonce[:]) // it never fails
		s.key = base64.StdEncoding.EncodeToString(nonce[:])
	}
	// The canonical form of net/http has a small s; RFC 6455 says that names ignore case, and everybody does.
	h.Set("Sec-WebSocket-Key", s.key)
	if h.Get("Sec-WebSocket-Version") == "" {
		h.Set("Sec-WebSocket-Version", "13")
	}
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", host.UpgradeWebSocket)
	s.trace.GotConn = func(info httptrace.GotConnInfo) { s.conn = info.Conn }
	return s
}

// watch lets the handshake learn which connection carries the request.
func (s *handshake) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &s.trace)
}

// switched makes the response of an upstream's 101. Its Body is the connection to the upstream: closing it ends that, and a
// Read after Upgrade returned tells how it ended, by io.EOF or by the upstream's failure.
func (s *handshake) switched(a *attempt, res *http.Response) (*host.Response, error) {
	err := s.check(res.Header)
	rw, ok := res.Body.(io.ReadWriteCloser)
	if err == nil && !ok {
		err = errors.New("the upstream switched protocols on a connection that cannot be taken over")
	}
	if err != nil {
		_ = res.Body.Close()
		return nil, failed(a.req, host.BadGateway, CauseMalformed, err)
	}
	t := &tunnel{ReadWriteCloser: rw, conn: s.conn, attempt: a}
	header := responseHeader(res)
	header.Set("Upgrade", host.UpgradeWebSocket)
	return &host.Response{Status: res.StatusCode, Header: header, Body: (*tunnelBody)(t), Length: -1, Upgrade: t.run}, nil
}

func (s *handshake) check(h http.Header) error {
	sum := sha1.Sum([]byte(s.key + websocketGUID))
	switch {
	case !strings.EqualFold(h.Get("Upgrade"), host.UpgradeWebSocket):
		return fmt.Errorf("the upstream switched to %q, not to a WebSocket", h.Get("Upgrade"))
	case !hasToken(strings.Join(h.Values("Connection"), ","), "upgrade"):
		return errors.New("the upstream switched protocols without Connection: Upgrade")
	case h.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("the upstream's Sec-WebSocket-Accept does not fit the key")
	}
	return nil
}

// A tunnel is an upgraded connection to an upstream.
type tunnel struct {
	io.ReadWriteCloser          // through what the transport had buffered
	conn               net.Conn // below it
	attempt            *attempt
	closing            sync.Once
	ended              atomic.Pointer[error]
}

// CloseWrite ends the writing half.
func (t *tunnel) CloseWrite() error { return closeWrite(t.conn) }

// run is host.Response.Upgrade.
func (t *tunnel) run(ctx context.Context, client net.Conn) {
	err := splice(ctx, client, t)
	if err != nil {
		err = failed(t.attempt.req, host.BadGateway, CauseCutOff, err)
	} else {
		err = io.EOF
	}
	t.ended.Store(&err)
}

// A tunnelBody is a tunnel as the body of its response.
type tunnelBody tunnel

var errNotEnded = errors.New("a connection that was upgraded has no body")

// Read tells how the connection ended.
func (b *tunnelBody) Read([]byte) (int, error) {
	if err := b.ended.Load(); err != nil {
		return 0, *err
	}
	return 0, errNotEnded
}

// Close closes the connection.
func (b *tunnelBody) Close() error {
	err := b.ReadWriteCloser.Close()
	b.closing.Do(func() {
		if b.attempt.end != nil {
			b.attempt.end()
		}
		if b.attempt.cancel != nil {
			b.attempt.cancel()
		}
	})
	return err
}

// closeWrite ends the writing half of a connection, and all of one that has no halves.
func closeWrite(c io.Closer) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

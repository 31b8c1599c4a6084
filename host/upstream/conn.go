package upstream

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/postern/postern/host"
)

// A conn is a connection to an endpoint. It counts its reads, so that an answer can be told from what an upstream said unasked.
type conn struct {
	net.Conn
	reads    atomic.Uint64
	endpoint *endpoint
	closing  sync.Once
	sending  atomic.Pointer[requestBody] // which is sent over it; nil for none
}

// Read implements io.Reader.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	return n, err
}

// Close implements io.Closer.
func (c *conn) Close() error {
	err := c.Conn.Close()
	// net/http waits for a read of the body even after the connection is lost, and the client may wait for its answer first.
	if b := c.sending.Swap(nil); b.stalled() && !b.broke.Load() {
		b.lost.Store(b.ended() == nil)
		go func() { _ = b.source.Close() }() // apart: net/http holds a lock
	}
	c.closing.Do(func() {
		c.endpoint.conns.remove(c)
		c.endpoint.freeSlot()
	})
	return err
}

// CloseWrite ends the writing half, for what a connection is upgraded to.
func (c *conn) CloseWrite() error {
	if halves, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return halves.CloseWrite()
	}
	return c.Close()
}

// conns are the open connections of an endpoint, until that is over.
type conns struct {
	mu   sync.Mutex
	open map[*conn]struct{}
	over bool
}

// add reports whether a connection may be used.
func (s *conns) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	if s.open == nil {
		s.open = map[*conn]struct{}{}
	}
	s.open[c] = struct{}{}
	return true
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// shut closes all, now and to come. net/http closes no HTTP/2 connection whose last stream it is still clearing away.
func (s *conns) shut() {
	s.mu.Lock()
	s.over = true
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

// dial connects to the endpoint, within the limit of connections.
func (e *endpoint) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if err := e.takeSlot(ctx); err != nil {
		return nil, err
	}
	raw, err := e.connect(ctx, network)
	if err != nil {
		e.freeSlot()
		return nil, err
	}
	c := &conn{Conn: raw, endpoint: e}
	if !e.conns.add(c) {
		_ = c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.ErrClosed}
	}
	return c, nil
}

// connect makes a connection, and says first for whom it is where the upstream speaks the PROXY protocol.
func (e *endpoint) connect(ctx context.Context, network string) (net.Conn, error) {
	c, err := dial(ctx, &e.pool.dialer, network, e.addr)
	version := e.pool.def.ProxyProtocol
	if err != nil || version == 0 {
		return c, err
	}
	peer, _ := ctx.Value(peerKey{}).(*host.Peer)
	_ = c.SetWriteDeadline(time.Now().Add(e.pool.dialer.Timeout))
	_, err = proxyHeader(version, peer).WriteTo(c)
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		_ = c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return c, nil
}

// takeSlot waits for a place under the limit, at most as long as a connection may take to be made. Connections that idle
// make room, now and as long as nobody else looks for one (http.Transport.CloseIdleConnections): a request only dials when it
// can use none of them.
func (e *endpoint) takeSlot(ctx context.Context) error {
	if e.slots == nil {
		return nil
	}
	select {
	case e.slots <- struct{}{}:
		return nil
	default:
		e.transport.CloseIdleConnections()
	}
	timeout := time.NewTimer(e.pool.dialer.Timeout)
	defer timeout.Stop()
	select {
	case e.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout.C:
		return e.pool.refused(CauseOverflow, errors.New("every connection to "+e.name+" is in use"))
	}
}

func (e *endpoint) freeSlot() {
	if e.slots != nil {
		<-e.slots
	}
}

// dialCheck connects for a health check, beside the limit of connections.
func (e *endpoint) dialCheck(ctx context.Context, network, _ string) (net.Conn, error) {
	return e.connect(ctx, network)
}

// peerKey finds in a context whose connection is made.
type peerKey struct{}

// proxyHeader is what a connection for peer begins with; without a peer it is the gateway's own (LOCAL, UNKNOWN). The port is the
// client's where the client itself connected, and 0 where a trusted proxy told its address alone.
func proxyHeader(version int, peer *host.Peer) *proxyproto.Header {
	if peer == nil || !peer.Addr.IsValid() || !peer.Local.IsValid() {
		return proxyproto.HeaderProxyFromAddrs(byte(version), nil, nil)
	}
	source := net.TCPAddr{IP: peer.Addr.Unmap().WithZone("").AsSlice()}
	if peer.Remote.Addr().Unmap() == peer.Addr.Unmap() {
		source.Port = int(peer.Remote.Port())
	}
	local := net.TCPAddr{IP: peer.Local.Addr().Unmap().WithZone("").AsSlice(), Port: int(peer.Local.Port())}
	return proxyproto.HeaderProxyFromAddrs(byte(version), &source, &local)
}

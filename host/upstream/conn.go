package upstream

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/postern/postern/host"
)

// A conn is a connection to an endpoint. It counts its reads, so that an answer can be told from what an upstream said unasked.
type conn struct {
	net.Conn
	reads   atomic.Uint64
	closing sync.Once
	free    func() // gives its place under the limit of connections back; nil without a limit
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
	c.closing.Do(func() {
		if c.free != nil {
			c.free()
		}
	})
	return err
}

// dial connects to the endpoint, within the limit of connections.
func (e *endpoint) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if err := e.takeSlot(ctx); err != nil {
		return nil, err
	}
	c, err := e.connect(ctx, network)
	if err != nil {
		e.freeSlot()
		return nil, err
	}
	return &conn{Conn: c, free: e.freeSlot}, nil
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
	if _, err = proxyHeader(version, peer).WriteTo(c); err != nil {
		_ = c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return c, c.SetWriteDeadline(time.Time{})
}

// takeSlot waits for a place under the limit, at most as long as a connection may take to be made. Connections that idle
// make room: a request only dials when it can use none of them.
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

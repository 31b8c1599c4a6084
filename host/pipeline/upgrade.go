package pipeline

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/postern/postern/host"
)

// errDrained is why a connection that was upgraded ended, for the log.
var errDrained = &host.Error{Op: "request", Kind: host.Unavailable, Err: errors.New("the listener is draining")}

// upgraded lays this run around an upgrade: it counts what passes, ends it by the limits of streams, and keeps why it ended.
func (r *run) upgraded(upgrade func(context.Context, net.Conn)) func(context.Context, net.Conn) {
	return func(draining context.Context, conn net.Conn) {
		ctx, cancel := context.WithCancelCause(draining)
		defer cancel(nil)
		stop := context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })
		defer stop()
		counted := &countedConn{Conn: conn, activity: &r.activity}
		upgrade(ctx, counted)
		r.switched, r.written, r.received = true, counted.written.Load(), counted.read.Load()
		switch limit := limitOf(r.ctx); {
		case limit != nil:
			r.farewell = limit
		case draining.Err() != nil:
			r.farewell = errDrained
		}
		if r.body != nil {
			_, _ = r.Read(nil) // tells how it ended
		}
	}
}

// A countedConn counts bytes, and tells when they pass.
type countedConn struct {
	net.Conn
	activity      *activity
	read, written atomic.Int64
}

// Read implements io.Reader.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.pass(&c.read, n)
	return n, err
}

// Write implements io.Writer.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.pass(&c.written, n)
	return n, err
}

func (c *countedConn) pass(count *atomic.Int64, n int) {
	if n > 0 {
		count.Add(int64(n))
		c.activity.touch()
	}
}

// CloseWrite ends the writing half, or the whole of a connection that has no halves.
func (c *countedConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Conn.Close()
}

// upgrades reports whether an invocation asks for what the client asked: to switch to a WebSocket. Behind a mapping there is
// no such thing, and a server may ignore the offer (RFC 9110, section 7.8).
func upgrades(in *host.Invocation, out *host.Request) bool {
	return in.Request.Upgrade == host.UpgradeWebSocket && out.Method == "GET" && !in.Mapped
}

package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

const plainOnTLS = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"This port speaks HTTPS. Use https:// in the URL.\n"

// front is the net.Listener that net/http accepts from.
type front struct{ l *Listener }

type acceptance struct {
	conn net.Conn
	err  error
}

// Accept implements net.Listener.
func (f front) Accept() (net.Conn, error) {
	if f.l.shaken == nil {
		c, err := f.l.accept()
		if err != nil {
			return nil, err // not c: a nil *conn in an interface is not nil
		}
		return c, nil
	}
	select {
	case a := <-f.l.shaken:
		return a.conn, a.err
	case <-f.l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f front) Close() error {
	err := f.l.ln.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Addr implements net.Listener.
func (f front) Addr() net.Addr { return f.l.ln.Addr() }

// accept waits for a slot and then for a connection.
func (l *Listener) accept() (*conn, error) {
	if l.slots != nil {
		select {
		case l.slots <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
	inner, err := l.ln.Accept()
	if err != nil {
		if l.slots != nil {
			<-l.slots
		}
		return nil, err
	}
	c := newConn(l, l.fromProxy(inner))
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	return c, nil
}

// acceptEach reads the PROXY header of, and shakes hands with, each connection on a goroutine of its own, so that a slow client holds up nobody.
func (l *Listener) acceptEach() {
	for {
		c, err := l.accept()
		if err != nil {
			// net/http backs off by not calling Accept for a while, which holds this loop up too.
			if !l.hand(acceptance{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		go l.begin(c)
	}
}

func (l *Listener) hand(a acceptance) bool {
	select {
	case l.shaken <- a:
		return true
	case <-l.done:
		return false
	}
}

// begin is what comes before HTTP.
func (l *Listener) begin(c *conn) {
	if p, ok := c.Conn.(*proxied); ok && !l.readProxyHeader(c, p) {
		return
	}
	switch {
	case l.tls != nil:
		l.shake(c)
	case !l.hand(acceptance{conn: c}):
		c.shut()
	}
}

func (l *Listener) shake(c *conn) {
	c.secure = true
	t := tls.Server(c, l.tls)
	if d := l.limits.ReadHeader; d > 0 {
		_ = c.Conn.SetReadDeadline(time.Now().Add(d))
	}
	if err := t.HandshakeContext(context.Background()); err != nil {
		l.handshakeFailed(c, err)
		return
	}
	_ = c.Conn.SetReadDeadline(time.Time{})
	c.fresh.Store(true)
	c.got.Store(false)
	handed, err := c.speak(t)
	if err != nil {
		l.handshakeFailed(c, err)
		return
	}
	if !l.hand(acceptance{conn: handed}) {
		c.shut()
	}
}

func (l *Listener) handshakeFailed(c *conn, err error) {
	defer func() { _ = c.Close() }()
	r := Refusal{Remote: c.remote, Reason: ReasonHandshake, Detail: err.Error()}
	var record tls.RecordHeaderError
	switch {
	case c.fresh.Load(): // nothing was sent: a port check, not a request
		return
	case errors.As(err, &record) && looksLikeHTTP(record.RecordHeader):
		_, _ = io.WriteString(c.Conn, plainOnTLS)
		c.cut.Store(true) // Close lingers: the request is still unread
		r.Status, r.Detail = 400, "an HTTP request came to the HTTPS port"
	case isTimeout(err):
		r.Detail = "the handshake took longer than " + l.limits.ReadHeader.String()
	case errors.Is(err, io.EOF):
		r.Detail = "the client closed the connection during the handshake"
	}
	l.refuse(r)
}

func looksLikeHTTP(h [5]byte) bool {
	switch string(h[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET", "TRACE", "CONNE", "PRI *":
		return true
	}
	return false
}

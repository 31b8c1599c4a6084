package listener

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lingerTime is how long a connection whose client still sends stays half open, so that the kernel's reset does not
// overtake the answer (RFC 9112, section 9.6).
const lingerTime = 500 * time.Millisecond

// restTime is how long an answer waits for the rest of a request whose body nobody wants. When that is there, the connection is good for
// another request; a client that sends no further before it has its answer gets it then.
const restTime = time.Second

const timeoutAnswer = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n408 Request Timeout"

var errCut = errors.New("the request body was given up")

// A conn is a client's connection below TLS.
type conn struct {
	net.Conn
	l             *Listener
	remote, local netip.AddrPort

	secure   bool        // a secureConn above sees the clear text
	fresh    atomic.Bool // nothing was read since the connection, or its TLS session, began
	got      atomic.Bool // something was read since the last request ended
	serving  atomic.Bool // a request is with the Handler or its answer is still being written
	body     atomic.Bool // reads belong to a request body
	cut      atomic.Bool // the rest of a body was given up; what follows on the wire is not a request
	upgraded atomic.Bool // the connection is somebody else's: no deadlines but their own
	open     atomic.Bool // what comes is not read along: HTTP/2, or what follows a request to upgrade
	short    atomic.Bool // the client ended its half of the connection in the middle of a body
	left     atomic.Bool // reading failed; of HTTP/2, that the client has left, for there are no deadlines
	armed    atomic.Int64
	rest     atomic.Int64 // until when the rest of a body is waited for that nobody wants, as Unix time in ns; 0 where somebody does

	wire  wire // of HTTP/1, touched by Read alone
	spoil int  // how much of the poison was read
	pace  pace // of the body that is read

	streams atomic.Bool // HTTP/2 is spoken
	frames  frames
	resets  bucket
	flooded sync.Once
	tls     *tls.ConnectionState // where net/http does not see it

	closing sync.Once
	closed  error
}

func newConn(l *Listener, inner net.Conn) *conn {
	c := &conn{Conn: inner, l: l, remote: addrPort(inner.RemoteAddr()), local: addrPort(inner.LocalAddr())}
	c.fresh.Store(true)
	c.frames.balance = frameBurst
	return c
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

type connKey struct{}

// connContext lets a request find its connection.
func connContext(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connOf(nc))
}

func connOf(nc net.Conn) *conn {
	switch c := nc.(type) {
	case *conn:
		return c
	case *secureConn:
		return c.c
	case *streamConn:
		return c.s.c
	case *tls.Conn:
		return connOf(c.NetConn())
	}
	return nil
}

// connState is told by net/http when an answer is out and the next request may come.
func connState(nc net.Conn, s http.ConnState) {
	if s != http.StateIdle {
		return
	}
	if c := connOf(nc); c != nil {
		c.serving.Store(false)
		c.got.Store(false)
	}
}

// Read lays a deadline around each read of a body. net/http has one for whole requests only.
func (c *conn) Read(p []byte) (int, error) {
	if c.wire.fault != "" && !c.secure {
		return c.poison(p), nil
	}
	if c.cut.Load() {
		return 0, errCut
	}
	inBody := c.body.Load() && c.wire.inBody()
	if inBody {
		_ = c.Conn.SetReadDeadline(c.bodyDeadline())
		if c.cut.Load() { // giveUp was between
			_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.arrived()
	}
	if inBody {
		c.pace.stop(n)
		if err == io.EOF {
			c.short.Store(true)
		}
	}
	if err != nil {
		c.left.Store(true)
		if inBody && c.body.Load() && isTimeout(err) {
			c.cut.Store(true)
		}
	}
	if c.secure {
		return n, err
	}
	if err != nil {
		c.readFailed(c.Conn, err)
	}
	return c.inspect(p, n), err
}

// inspect reads along with net/http in the n bytes of p that arrived, and returns how many it may see. From a fault on it sees
// poison instead.
func (c *conn) inspect(p []byte, n int) int {
	if n == 0 || c.open.Load() || c.upgraded.Load() {
		return n
	}
	good := 0
	if !c.streams.Load() {
		good = c.wire.feed(p[:n])
	}
	switch {
	case c.wire.step == stepFrames:
		c.streams.Store(true)
		if !c.frames.feed(p[good:n]) {
			c.flood("too many frames that carry nothing")
		}
		c.holdHeader()
	case good < n && c.wire.only:
		c.l.refuse(Refusal{Remote: c.remote, Reason: ReasonMalformed, Detail: c.wire.fault})
		_ = c.shut()
	case good < n:
		c.cut.Store(true)
		return good + c.poison(p[good:])
	case c.wire.step == stepOpen:
		c.open.Store(true)
	}
	return n
}

// poison is endless: an error would end the requests that came before the fault.
func (c *conn) poison(p []byte) int {
	n := copy(p, poison[c.spoil:])
	c.spoil = (c.spoil + n) % len(poison)
	return n
}

func (c *conn) arrived() {
	if !c.got.Load() {
		c.fresh.Store(false)
		c.got.Store(true)
	}
}

// readFailed answers a client that was too slow with its header. net/http would hang up without a word.
func (c *conn) readFailed(w net.Conn, err error) {
	if c.streams.Load() || c.serving.Load() || !c.got.Load() || c.upgraded.Load() || !isTimeout(err) {
		return
	}
	c.got.Store(false)
	_ = w.SetWriteDeadline(time.Now().Add(lingerTime))
	_, _ = w.Write([]byte(timeoutAnswer))
	c.l.refuse(Refusal{Remote: c.remote, Reason: ReasonHeaderTimeout, Status: 408,
		Detail: "the header took longer than " + c.l.limits.ReadHeader.String()})
}

// Write fails when there is no progress for a while; it does not matter how long all of p takes.
func (c *conn) Write(p []byte) (int, error) {
	if c.upgraded.Load() {
		return c.Conn.Write(p)
	}
	if !c.secure && !c.serving.Load() {
		c.watchAnswer(p)
	}
	done := 0
	for {
		c.armWrite()
		n, err := c.Conn.Write(p[done:])
		done += n
		c.frames.sent.Add(int64(n))
		switch {
		case err == nil:
			return done, nil
		case n > 0 && isTimeout(err):
			continue
		case c.streams.Load(): // net/http would read on and start Handlers, whose answers nobody gets
			c.abort()
		}
		return done, err
	}
}

// armWrite moves the deadline only when a quarter of it has gone, which spares most writes a timer.
func (c *conn) armWrite() {
	idle := c.l.limits.WriteIdle
	if idle <= 0 {
		return
	}
	now := time.Now()
	if c.armed.Load()-now.UnixNano() < int64(idle-idle/4) {
		until := now.Add(idle)
		c.armed.Store(until.UnixNano())
		_ = c.Conn.SetWriteDeadline(until)
	}
}

// watchAnswer recognises what net/http answers on its own: it is written while no request is with the Handler.
func (c *conn) watchAnswer(p []byte) {
	rest, ok := bytes.CutPrefix(p, []byte("HTTP/1.1 "))
	if !ok || len(rest) < 3 || (rest[0] != '4' && rest[0] != '5') {
		return
	}
	line, _, _ := bytes.Cut(rest, []byte("\r\n"))
	status, err := strconv.Atoi(string(line[:3]))
	if err != nil {
		return
	}
	r := Refusal{Remote: c.remote, Status: status, Reason: ReasonMalformed, Detail: strings.TrimSpace(string(line[3:]))}
	switch status {
	case http.StatusBadRequest:
		if c.wire.fault != "" {
			r.Detail = c.wire.fault
		}
	case http.StatusRequestHeaderFieldsTooLarge:
		r.Reason = ReasonHeaderTooLarge
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusExpectationFailed:
		r.Reason = ReasonUnsupported
	}
	c.cut.Store(true)
	c.l.refuse(r)
}

// SetReadDeadline is net/http's sign that what it reads next is not a body.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.body.Store(false)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline keeps Write's own deadline when net/http clears it after each answer.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && !c.upgraded.Load() {
		return nil
	}
	c.armed.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// bodyDeadline is until when the next read of a body may take, the zero time for no limit.
func (c *conn) bodyDeadline() time.Time {
	until := c.pace.start(c.l.limits)
	if ns := c.rest.Load(); ns != 0 && (until.IsZero() || ns < until.UnixNano()) {
		return time.Unix(0, ns)
	}
	return until
}

// awaitRest is told when net/http reads the rest of a body before it answers.
func (c *conn) awaitRest() { c.rest.Store(time.Now().Add(restTime).UnixNano()) }

// beginBody is told when what is read next belongs to a body.
func (c *conn) beginBody() {
	c.pace.reset()
	c.rest.Store(0)
	c.body.Store(true)
}

// giveUp ends a read of the body that is under way, and lets nothing be read after it.
func (c *conn) giveUp() {
	c.cut.Store(true)
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// upgrade hands the connection to somebody else.
func (c *conn) upgrade() {
	c.upgraded.Store(true)
	_ = c.SetDeadline(time.Time{})
}

// CloseWrite ends the writing half, where the connection has one.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// Close closes the connection, lingering where the client may still be sending.
func (c *conn) Close() error {
	if c.cut.Load() {
		c.linger()
		return nil
	}
	return c.shut()
}

func (c *conn) linger() {
	_ = c.CloseWrite()
	time.AfterFunc(lingerTime, func() { _ = c.shut() })
}

// shut closes at once. It frees the connection's slot.
func (c *conn) shut() error {
	c.closing.Do(func() {
		c.closed = c.Conn.Close()
		c.l.mu.Lock()
		delete(c.l.conns, c)
		c.l.mu.Unlock()
		if c.l.slots != nil {
			<-c.l.slots
		}
	})
	return c.closed
}

// A secureConn is HTTP/1 over TLS. Not being a *tls.Conn, it is read and written through by net/http.
type secureConn struct {
	*tls.Conn
	c *conn
}

// Read reads clear text.
func (s *secureConn) Read(p []byte) (int, error) {
	if s.c.wire.fault != "" {
		return s.c.poison(p), nil
	}
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.c.arrived() // the first request may have come in one piece with the handshake's end
	}
	if err != nil {
		s.c.left.Store(true) // TLS may have an end that the connection below does not show
		s.c.readFailed(s.Conn, err)
	}
	n = s.c.inspect(p, n)
	if err == io.EOF && s.c.wire.inBody() {
		s.c.short.Store(true)
	}
	return n, err
}

// Write writes clear text.
func (s *secureConn) Write(p []byte) (int, error) {
	if !s.c.serving.Load() && !s.c.upgraded.Load() {
		s.c.watchAnswer(p)
	}
	return s.Conn.Write(p)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

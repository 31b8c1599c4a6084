package listener

import (
	"bufio"
	"errors"
	"io"
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

// A proxied is a connection from a trusted proxy that begins with a PROXY header. It keeps what was read beyond that.
type proxied struct {
	net.Conn
	buffered *bufio.Reader // nil when it is empty; touched by readers alone
}

// fromProxy wraps a connection that must begin with a PROXY header.
func (l *Listener) fromProxy(inner net.Conn) net.Conn {
	if !l.cfg.ProxyProtocol || !contains(l.cfg.TrustedProxies, addrPort(inner.RemoteAddr()).Addr()) {
		return inner
	}
	return &proxied{Conn: inner, buffered: bufio.NewReader(inner)}
}

// Read implements net.Conn.
func (p *proxied) Read(b []byte) (int, error) {
	if p.buffered == nil {
		return p.Conn.Read(b)
	}
	n := p.buffered.Buffered()
	if n == 0 {
		p.buffered = nil
		return p.Conn.Read(b)
	}
	return p.buffered.Read(b[:min(n, len(b))])
}

// CloseWrite ends the writing half.
func (p *proxied) CloseWrite() error {
	if w, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// readProxyHeader takes the client's address from the PROXY header, or closes the connection: there is no answer that a proxy
// would understand.
func (l *Listener) readProxyHeader(c *conn, p *proxied) bool {
	if d := l.limits.ReadHeader; d > 0 {
		_ = p.SetReadDeadline(time.Now().Add(d))
	}
	if _, err := p.buffered.Peek(1); errors.Is(err, io.EOF) {
		c.shut() // a port check
		return false
	}
	header, err := proxyproto.Read(p.buffered)
	_ = p.SetReadDeadline(time.Time{})
	select {
	case <-l.done:
		c.shut()
		return false
	default:
	}
	if err == nil && header.Command.IsLocal() { // the proxy's own connection, or one that it knows nothing of
		return true
	}
	if err == nil {
		source, _, ok := header.TCPAddrs()
		if ok {
			c.remote = addrPort(source)
			return true
		}
		err = errors.New("the PROXY header is not of a TCP connection")
	}
	if isTimeout(err) {
		err = errors.New("the PROXY header took longer than " + l.limits.ReadHeader.String())
	}
	l.refuse(Refusal{Remote: c.remote, Reason: ReasonProxyProtocol, Detail: err.Error()})
	c.shut()
	return false
}

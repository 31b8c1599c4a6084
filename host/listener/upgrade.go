package listener

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/postern/postern/host"
)

// pseudoProtocol is where net/http leaves the :protocol of an extended CONNECT (RFC 8441, section 4).
const pseudoProtocol = ":protocol"

// upgradeAsked returns the protocol that the client asks to switch to, or "". It is false for an extended CONNECT with another
// protocol than WebSocket, which is no GET with an offer that may be ignored.
func (x *exchange) upgradeAsked() (protocol string, ok bool) {
	if asked := x.extended(); asked != "" {
		x.tunnel = asked == host.UpgradeWebSocket
		return host.UpgradeWebSocket, x.tunnel
	}
	// A request with a body has it between its header and the new protocol (RFC 9110, section 7.8), and no WebSocket
	// handshake has one: such an offer is ignored.
	r := x.r
	if r.ProtoMajor != 1 || r.ProtoMinor < 1 || r.Method != http.MethodGet || r.ContentLength != 0 ||
		!httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") ||
		!httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], host.UpgradeWebSocket) {
		return "", true
	}
	return host.UpgradeWebSocket, true
}

// switchOffered reports whether a request of HTTP/1 names another protocol than HTTP/2, as the wire understands it, with a body or
// without: the client may speak it behind the request, before it knows that it was refused.
func (x *exchange) switchOffered() bool {
	return slices.ContainsFunc(x.r.Header["Upgrade"], func(v string) bool { return !strings.EqualFold(v, "h2c") })
}

// extended returns the :protocol of an extended CONNECT, or "".
func (x *exchange) extended() string {
	r := x.r
	switch {
	case r.Method != http.MethodConnect:
		return ""
	case r.ProtoMajor == 2:
		if v := r.Header[pseudoProtocol]; len(v) > 0 {
			return v[0]
		}
	case r.ProtoMajor == 3 && r.Proto != "HTTP/3.0":
		return r.Proto
	}
	return ""
}

// upgrade gives the connection, or the stream, away.
func (x *exchange) upgrade(resp *host.Response) error {
	if x.req.Upgrade == "" {
		x.refuse(http.StatusInternalServerError, ReasonUnsupported, "the handler answered with an upgrade that nobody asked for")
		return errors.New("the client asked for no upgrade")
	}
	x.start()
	x.setHeader(resp)
	h := x.w.Header()
	delete(h, "Content-Length")
	delete(h, "Content-Type")
	if x.tunnel {
		return x.openTunnel(resp)
	}
	return x.switchProtocols(resp)
}

// switchProtocols writes the 101 and gives the connection away (RFC 9110, section 7.8).
func (x *exchange) switchProtocols(resp *host.Response) error {
	hijacker, ok := x.w.(http.Hijacker)
	if !ok {
		return errors.New("the connection cannot be taken over")
	}
	h := x.w.Header()
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", x.req.Upgrade)
	nc, rw, err := hijacker.Hijack()
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	x.conn.upgrade()
	x.wrote = true
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(rw)
	_, _ = rw.WriteString("\r\n")
	if err := rw.Flush(); err != nil {
		return err
	}
	given := nc
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n)
		given = &upgradedConn{Conn: nc, early: early}
	}
	resp.Upgrade(x.l.draining, given)
	return nil
}

// openTunnel answers an extended CONNECT with 200, without the fields that only HTTP/1.1 needs (RFC 8441, section 5), and gives
// the stream away.
func (x *exchange) openTunnel(resp *host.Response) error {
	x.w.Header().Del("Sec-Websocket-Accept")
	x.wrote = true
	x.w.WriteHeader(http.StatusOK)
	c := newTunnelConn(x)
	defer c.end()
	if err := c.w.FlushError(); err != nil {
		return err
	}
	resp.Upgrade(x.l.draining, c)
	return nil
}

// addrs are the ends of an upgraded connection.
func (x *exchange) addrs() (local, remote net.Addr) {
	if x.conn == nil {
		return net.UDPAddrFromAddrPort(x.local), net.UDPAddrFromAddrPort(x.remote)
	}
	return net.TCPAddrFromAddrPort(x.local), net.TCPAddrFromAddrPort(x.remote)
}

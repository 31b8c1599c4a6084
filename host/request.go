package host

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
)

// A Request is one HTTP request, independent of the engine that read it. host/listener and host/upstream
// convert; nothing else touches net/http.
type Request struct {
	Method, Scheme, Host string
	Target               string        // path and query as received, undecoded; starts with / but for "*"
	Header               Header        // without Host
	Body                 io.ReadCloser // never nil
	Length               int64         // -1 when unknown
	Trailer              func() Header // after Body is at its end; nil when there can be none
	Peer                 Peer

	// Upgrade is the protocol that the client asks to switch to, in lower case: UpgradeWebSocket, or "" for none. An extended
	// CONNECT (RFC 8441, RFC 9220) arrives as the GET that it stands for, so that routes match alike over every version
	// of HTTP; only Sec-WebSocket-Key is missing there. Offers of other protocols are dropped: a server may ignore them.
	Upgrade string

	// Authority is the field Host (RFC 9110, section 7.2) that a server is sent, where a mapping wants another one than Host, which says where the
	// request goes; "" is Host.
	Authority string
}

// UpgradeWebSocket is the one protocol that a connection can be upgraded to (RFC 6455).
const UpgradeWebSocket = "websocket"

// Path returns the part of Target before the query, undecoded.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(r.Target, "?")
	return path
}

// Query returns the part of Target after the first question mark, undecoded.
func (r *Request) Query() string {
	_, query, _ := strings.Cut(r.Target, "?")
	return query
}

// A Peer is who sent a request, and over what.
type Peer struct {
	Addr     netip.Addr     // the client, after trusted proxies
	Remote   netip.AddrPort // the other end of the connection when it began, or whom a trusted proxy named with the PROXY protocol
	Local    netip.AddrPort // the listener's end
	Trusted  bool           // Remote is a trusted proxy: its forwarded headers, baggage and sampling are believed
	Protocol string         // "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"
	TLS      *tls.ConnectionState
}

// A Response is one HTTP response, independent of the engine that writes it.
type Response struct {
	Status  int
	Header  Header
	Body    io.ReadCloser // nil for none; the receiver closes it
	Length  int64         // -1 when unknown
	Trailer func() Header // after Body is at its end; nil when there can be none

	// BodyTrailer is for the log: the trailers that Body itself ends with, as that of gRPC-Web does, once it has. nil for none.
	BodyTrailer func() Header

	// Upgrade takes the connection over behind a Status of 101, which the listener writes as 200 where an extended CONNECT
	// asked. It owns conn and returns when it is done with it. ctx ends when the listener begins to drain: then it says goodbye in its
	// protocol's way and returns soon, before the connection is cut.
	Upgrade func(ctx context.Context, conn net.Conn)

	// End, when set, is called by the listener once, after the last byte was written (nil) or the client
	// could not be given all of it (the reason).
	End func(err error)
}

// Unhurried is what the Body of a Request may be besides: one that is told that its sender may take its time. The listener
// then drops its own limits on how slowly the body may come, because the route's IdleTimeout and MaxDuration hold.
type Unhurried interface {
	Unhurried()
}

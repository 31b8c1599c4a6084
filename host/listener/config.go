package listener

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"github.com/postern/postern/host"
)

// A Handler answers one request. ctx ends when the client leaves or the listener is cut off. It is called from
// many goroutines at once. What it returns, the listener owns: it closes the Body and calls End, exactly once.
type Handler func(ctx context.Context, r *host.Request) *host.Response

// A Config says where to listen and who answers. Only Handler must be set.
type Config struct {
	Name           string      // for logs and refusals: "http", "https"
	Addr           string      // host:port; port 0 picks a free one
	TLS            *tls.Config // nil for a clear listener; it must hold a certificate or a way to get one
	Limits         Limits
	TrustedProxies []netip.Prefix // whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed
	HTTP3          bool           // on the UDP port beside Addr's, where TLS is set, announced by Alt-Svc over HTTP/1 and 2

	// ProxyProtocol demands the header of the PROXY protocol, version 1 or 2, from connections of TrustedProxies, within
	// Limits.ReadHeader; from anybody else it is a malformed request. Its source is then the client, Peer.Remote, and whether the
	// forwarded headers are believed is decided by that address: a proxy that passes bytes on does not vouch for what is in them. LOCAL and
	// UNKNOWN leave the address as it is. It is for TCP; a trusted proxy that comes over QUIC is refused.
	ProxyProtocol bool

	Handler   Handler
	Logger    *slog.Logger  // nil logs nothing
	OnRefused func(Refusal) // called for every request that no Handler answered; nil for none
}

// Limits bound what a client may take. A field that is zero has the default beside it, a negative duration none.
type Limits struct {
	ReadHeader time.Duration // for the TLS handshake, and then for a whole request header, or trailer of HTTP/2, from its first byte: 10 s
	BodyIdle   time.Duration // between two reads of a request body, and how far it may lag behind BodyRate: 30 s
	Idle       time.Duration // between two requests of a connection: 60 s
	WriteIdle  time.Duration // without progress in writing; noticed at the earliest after three quarters of it: 30 s

	// BodyRate is how many bytes of a request body must come in a second, counted while the Handler waits for them; a negative
	// one for none. A body may lag behind by BodyIdle, so that one of n bytes is waited for at most BodyIdle + n/BodyRate: 240,
	// which is Kestrel's MinRequestBodyDataRate. Bodies that are slow by nature are exempt, see host.Unhurried.
	BodyRate int

	HeaderBytes       int // request line and header fields: 64 KiB. net/http allows 4 KiB more on HTTP/1, and 320 bytes on HTTP/2
	HeaderFields      int // field lines of one request: 256
	ConcurrentStreams int // of one connection of HTTP/2 or 3: 250
	Connections       int // open at a time: 0, no limit. Further ones of TCP wait in the kernel's queue; those of QUIC count apart, and are refused
}

// The defaults of Limits.
const (
	DefaultReadHeader        = 10 * time.Second
	DefaultBodyIdle          = 30 * time.Second
	DefaultIdle              = 60 * time.Second
	DefaultWriteIdle         = 30 * time.Second
	DefaultBodyRate          = 240
	DefaultHeaderBytes       = 64 << 10
	DefaultHeaderFields      = 256
	DefaultConcurrentStreams = 250
)

func (l Limits) withDefaults() Limits {
	l.ReadHeader = duration(l.ReadHeader, DefaultReadHeader)
	l.BodyIdle = duration(l.BodyIdle, DefaultBodyIdle)
	l.Idle = duration(l.Idle, DefaultIdle)
	l.WriteIdle = duration(l.WriteIdle, DefaultWriteIdle)
	if l.BodyRate == 0 {
		l.BodyRate = DefaultBodyRate
	}
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = DefaultHeaderBytes
	}
	if l.HeaderFields <= 0 {
		l.HeaderFields = DefaultHeaderFields
	}
	if l.ConcurrentStreams <= 0 {
		l.ConcurrentStreams = DefaultConcurrentStreams
	}
	return l
}

// duration returns the default for zero, and zero, which net/http takes for none, for a negative value.
func duration(v, byDefault time.Duration) time.Duration {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

// A Refusal is a request, or what should have become one, that no Handler answered.
type Refusal struct {
	Listener string
	Remote   netip.AddrPort // not valid where HTTP/2 does not say whose frame it was
	Reason   Reason
	Detail   string // what exactly, for logs
	Status   int    // what the client was answered; 0 for nothing
}

// A Reason classifies refusals; it is fit for a metric's label.
type Reason string

// The reasons.
const (
	ReasonMalformed      Reason = "malformed_request" // the request line, a field, Host or the framing
	ReasonHeaderTooLarge Reason = "header_too_large"  // over Limits.HeaderBytes or Limits.HeaderFields
	ReasonHeaderTimeout  Reason = "header_timeout"    // over Limits.ReadHeader
	ReasonUnsupported    Reason = "unsupported"       // a protocol version, transfer coding, expectation or CONNECT
	ReasonHandshake      Reason = "tls_handshake"     // TLS failed, or was not spoken
	ReasonHTTP2          Reason = "http2_error"       // Detail is net/http's word for the broken rule
	ReasonHTTP3          Reason = "http3_error"       // a broken rule of HTTP/3 or QUIC that ended the connection
	ReasonConnections    Reason = "connection_limit"  // over Limits.Connections, on HTTP/3
	ReasonProxyProtocol  Reason = "proxy_protocol"    // a trusted proxy without a good PROXY header
	ReasonFlood          Reason = "flood"             // an HTTP/2 connection was made work for nothing, and closed
	ReasonPanic          Reason = "panic"             // the Handler panicked
)

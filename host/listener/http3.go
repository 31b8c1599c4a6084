package listener

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host"
)

// What a QUIC connection may take, beside Limits. The windows are what one peer can make the process hold of unread bodies; they begin
// small and grow while the Handler reads as fast as the client sends. A stream's are those of net/http for HTTP/2.
const (
	streamWindow         = 256 << 10
	maxStreamWindow      = 1 << 20
	connectionWindow     = 512 << 10
	maxConnectionWindow  = 4 << 20
	unidirectional       = 16               // streams: three of the client's own, and some that only exercise the protocol
	silence              = 30 * time.Second // after which a peer that acknowledges nothing is gone
	unvalidatedHandshake = 64               // at a time; beyond, a Retry shows first that the client has its address (RFC 9000, section 8.1.2)
	altSvcAge            = 86400            // seconds for which clients may remember HTTP/3 (RFC 7838, section 3.1)
	samePortTries        = 16               // to find a free port of TCP that is free on UDP too
)

// noBufferWarning keeps quic-go from writing to the standard logger, in a form of its own, that the kernel's buffer is small.
const noBufferWarning = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"

// An http3Server is HTTP/3 on the UDP port of a listener.
//
// The accept loops are this package's rather than http3.Server's. So each stream has a deadline for its header, and what quic-go
// refuses by itself is seen and counted. The price is the GOAWAY frame, which only http3.Server can send: a drain rejects
// new streams with H3_REQUEST_REJECTED instead, which says as well that they were not processed (RFC 9114, section 8.1).
type http3Server struct {
	l         *Listener
	socket    *net.UDPConn
	tls       *tls.Config // a copy: net/http changes the listener's while it begins to serve
	engine    *http3.Server
	transport *quic.Transport

	unvalidated atomic.Int64 // handshakes with an address that might be forged
	draining    atomic.Bool

	mu        sync.Mutex
	listening *quic.EarlyListener // nil before serve, and again after close
	closed    bool
	conns     map[*http3Conn]struct{}
}

// bindTCPAndUDP binds the same port for both.
func bindTCPAndUDP(op, addr string) (net.Listener, *net.UDPConn, error) {
	for try := 1; ; try++ {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, listenError(op, err)
		}
		socket, err := net.ListenPacket("udp", ln.Addr().String())
		if err == nil {
			return ln, socket.(*net.UDPConn), nil
		}
		_ = ln.Close()
		if _, port, _ := net.SplitHostPort(addr); port != "0" && port != "" || try == samePortTries {
			wrapped := listenError(op, err).(*host.Error)
			wrapped.Err = fmt.Errorf("HTTP/3, on the UDP port: %w", wrapped.Err)
			return nil, nil, wrapped
		}
	}
}

func newHTTP3Server(l *Listener, socket *net.UDPConn) *http3Server {
	s := &http3Server{l: l, socket: socket, tls: http3.ConfigureTLSConfig(l.tls), conns: map[*http3Conn]struct{}{}}
	s.engine = &http3.Server{
		Handler:        http.HandlerFunc(s.handle),
		MaxHeaderBytes: l.limits.HeaderBytes,
		IdleTimeout:    l.limits.Idle,
	}
	var reset quic.StatelessResetKey
	_, _ = rand.Read(reset[:]) // it never fails
	s.transport = &quic.Transport{
		Conn:                socket,
		StatelessResetKey:   &reset,
		ConnContext:         s.connContext,
		VerifySourceAddress: func(net.Addr) bool { return s.unvalidated.Load() >= unvalidatedHandshake || s.full() },
	}
	l.altSvc = `h3=":` + strconv.Itoa(socket.LocalAddr().(*net.UDPAddr).Port) + `"; ma=` + strconv.Itoa(altSvcAge)
	return s
}

func (s *http3Server) quicConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           s.l.limits.ReadHeader / 2, // the whole handshake may take twice as long
		MaxIdleTimeout:                 silence,
		KeepAlivePeriod:                silence / 2, // a response may pause; whether a client is idle, its requests tell
		InitialStreamReceiveWindow:     streamWindow,
		MaxStreamReceiveWindow:         maxStreamWindow,
		InitialConnectionReceiveWindow: connectionWindow,
		MaxConnectionReceiveWindow:     maxConnectionWindow,
		MaxIncomingStreams:             int64(s.l.limits.ConcurrentStreams),
		MaxIncomingUniStreams:          unidirectional,
		Allow0RTT:                      true, // see earlyData
		Tracer:                         traceFields,
	}
}

// serve accepts connections until close.
func (s *http3Server) serve() error {
	if os.Getenv(noBufferWarning) == "" {
		_ = os.Setenv(noBufferWarning, "true")
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	ln, err := s.transport.ListenEarly(s.tls, s.quicConfig())
	s.listening = ln
	s.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		conn, err := ln.Accept(context.Background())
		switch {
		case errors.Is(err, quic.ErrServerClosed) || errors.Is(err, quic.ErrTransportClosed):
			return nil
		case err != nil:
			return err
		}
		c := conn.Context().Value(http3Key{}).(*http3Conn)
		go c.awaitHandshake(conn)
		go c.serve(conn)
	}
}

// full reports whether there are as many connections as may be.
func (s *http3Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.l.limits.Connections > 0 && len(s.conns) >= s.l.limits.Connections
}

type http3Key struct{}

// connContext begins a connection, or refuses it. ctx ends with it, whether its handshake succeeded or not.
func (s *http3Server) connContext(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	remote := udpAddrPort(info.RemoteAddr)
	refuse := func(reason Reason, detail string) (context.Context, error) {
		s.l.refuse(Refusal{Remote: remote, Reason: reason, Detail: detail})
		return nil, errors.New(detail)
	}
	if s.l.cfg.ProxyProtocol && contains(s.l.cfg.TrustedProxies, remote.Addr()) {
		return refuse(ReasonProxyProtocol, "a trusted proxy came over QUIC, which has no PROXY protocol")
	}
	if s.full() {
		return refuse(ReasonConnections, fmt.Sprintf("the limit is %d", s.l.limits.Connections))
	}
	c := &http3Conn{s: s, remote: remote, validated: info.AddrVerified, streams: map[quic.StreamID]*http3Stream{}}
	if !c.validated {
		s.unvalidated.Add(1)
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	ctx = context.WithValue(ctx, http3Key{}, c)
	context.AfterFunc(ctx, func() { c.ended(context.Cause(ctx)) })
	return ctx, nil
}

func udpAddrPort(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := u.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// drain refuses new connections and streams, and lets connections go as they fall idle.
func (s *http3Server) drain() {
	s.draining.Store(true)
	s.mu.Lock()
	s.closed = true
	ln := s.listening
	s.mu.Unlock()
	if ln != nil {
		_ = ln.Close()
	}
	for _, c := range s.open() {
		c.leave()
	}
}

func (s *http3Server) open() []*http3Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make([]*http3Conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	return open
}

// close cuts what is left.
func (s *http3Server) close() {
	var all sync.WaitGroup
	for _, c := range s.open() {
		all.Go(c.close)
	}
	all.Wait()
	s.mu.Lock()
	served := s.listening != nil
	s.listening = nil
	s.mu.Unlock()
	if served {
		_ = s.transport.Close()
	}
	_ = s.socket.Close()
}

// handle is quic-go's door to the Handler.
func (s *http3Server) handle(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(http3Key{}).(*http3Conn)
	str := c.begun(r.Body.(interface{ StreamID() quic.StreamID }).StreamID())
	_ = str.SetReadDeadline(time.Time{})
	if !c.earlyData(r) {
		panic(http.ErrAbortHandler)
	}
	str.findEnd(r)
	if str.fault == "" && str.hasContent(r, s.l.limits.ReadHeader) {
		s.l.refuse(Refusal{Remote: c.remote, Reason: ReasonMalformed, Detail: "content where Content-Length is 0"})
		panic(http.ErrAbortHandler)
	}
	defer c.resetEnds(r.Context())
	x := &exchange{l: s.l, remote: c.remote, local: c.local, w: w, r: r, fault: str.fault}
	x.run()
	if d := s.l.limits.WriteIdle; d > 0 { // for the end of the answer, which quic-go writes when this returns
		_ = str.SetWriteDeadline(time.Now().Add(d))
	}
}

// tlsState is that of a finished handshake, where quic-go's request has what was known when it came.
func tlsState(conn *quic.Conn) *tls.ConnectionState {
	state := conn.ConnectionState().TLS
	return &state
}

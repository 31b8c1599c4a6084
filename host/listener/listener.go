// Package listener owns sockets: it turns what clients send into host.Request and puts host.Response on the wire.
//
// A clear listener speaks HTTP/1.1 and HTTP/2 with prior knowledge (h2c), one with TLS speaks HTTP/1.1 and HTTP/2 as ALPN decides, and
// HTTP/3 on UDP. The engines are net/http and quic-go, and nothing outside this package can tell. Four things are done around net/http:
//
//   - The package shakes hands itself, before net/http sees a TLS connection, so that every failure has a name.
//   - Each connection is wrapped. The wrapper lays deadlines around single reads and writes, which net/http has only for whole
//     messages, and recognises the answers that net/http writes by itself, so that no refused request goes uncounted.
//   - The wrapper reads along, over TLS too: HTTP/1 by a grammar that is stricter than net/http's (see wire), HTTP/2 by counting
//     frames that carry nothing (see frames) and by timing field blocks (see slowHeader). spec/hardening.md says what is refused.
//   - Field order and case are what net/http leaves of them: names canonical, the order among different names not kept.
//
// Two refusals cannot be seen, as net/http makes them silently: a header list over the limit on HTTP/2, answered with 431, and the
// end of a connection for a flood of CONTINUATION.
package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/postern/postern/host"
	_ "github.com/postern/postern/host/listener/xconnect" // extended CONNECT on HTTP/2
)

// frameSize is the largest frame of HTTP/2 that is read: the least that RFC 9113, section 4.2, allows, as each connection holds one.
const frameSize = 16 << 10

// drainPoll is how often Shutdown looks whether upgraded connections have ended.
const drainPoll = 10 * time.Millisecond

// ErrDrained is the cause (context.Cause) by which exchanges end that were running when a drain's deadline passed.
var ErrDrained error = &host.Error{Op: "drain", Kind: host.Unavailable, Err: errors.New("the exchange was still running at the deadline, and was cut")}

// A Listener is a bound socket. Make it with Listen, then call Serve once.
type Listener struct {
	cfg    Config
	limits Limits
	log    *slog.Logger
	ln     net.Listener
	server *http.Server
	http3  *http3Server // nil when it is off
	altSvc string       // which announces it
	tls    *tls.Config
	slots  chan struct{}   // one for each open connection; nil without a limit
	shaken chan acceptance // connections whose handshake is over; nil on a clear listener
	done   chan struct{}
	base   context.Context // of every exchange; the one place where a context outlives a call
	cut    context.CancelCauseFunc
	// draining ends when Shutdown begins, for upgraded connections.
	draining context.Context
	drain    context.CancelFunc
	stop     sync.Once
	said     bucket       // refusals that were logged
	unsaid   atomic.Int64 // those that were not, since the last one that was
	running  atomic.Int64 // exchanges between their header and their last byte

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// Listen binds cfg.Addr, so that the port is known and errors appear early, but accepts nothing until Serve. Its
// errors have Kind Conflict when the port is taken, Forbidden when binding is not permitted, and Invalid for an
// address or TLS configuration that cannot work.
func Listen(cfg Config) (*Listener, error) {
	op := fmt.Sprintf("listener %s: listen on %s", cfg.Name, cfg.Addr)
	if cfg.Handler == nil {
		return nil, &host.Error{Op: op, Kind: host.Internal, Err: errors.New("no handler")}
	}
	l := &Listener{cfg: cfg, limits: cfg.Limits.withDefaults(), log: cfg.Logger, done: make(chan struct{}), conns: map[*conn]struct{}{}}
	l.base, l.cut = context.WithCancelCause(context.Background())
	l.draining, l.drain = context.WithCancel(l.base)
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.log = l.log.With("listener", cfg.Name)
	if cfg.TLS != nil {
		if len(cfg.TLS.Certificates) == 0 && cfg.TLS.GetCertificate == nil && cfg.TLS.GetConfigForClient == nil {
			return nil, &host.Error{Op: op, Kind: host.Invalid, Err: errors.New("TLS needs a certificate")}
		}
		l.tls = cfg.TLS.Clone()
		l.tls.NextProtos = []string{"h2", "http/1.1"}
	}
	if cfg.TLS != nil || cfg.ProxyProtocol {
		l.shaken = make(chan acceptance)
	}
	if err := l.bind(op); err != nil {
		return nil, err
	}
	if n := l.limits.Connections; n > 0 {
		l.slots = make(chan struct{}, n)
	}
	l.server = l.newServer()
	return l, nil
}

// bind opens the port.
func (l *Listener) bind(op string) error {
	if l.cfg.ProxyProtocol && len(l.cfg.TrustedProxies) == 0 {
		return &host.Error{Op: op, Kind: host.Invalid, Err: errors.New("the PROXY protocol is believed from trusted proxies alone, and there are none")}
	}
	if !l.cfg.HTTP3 || l.tls == nil {
		ln, err := net.Listen("tcp", l.cfg.Addr)
		if err != nil {
			return listenError(op, err)
		}
		l.ln = ln
		return nil
	}
	ln, socket, err := bindTCPAndUDP(op, l.cfg.Addr)
	if err != nil {
		return err
	}
	l.ln, l.http3 = ln, newHTTP3Server(l, socket)
	return nil
}

func listenError(op string, err error) error {
	e := &host.Error{Op: op, Kind: host.Invalid, Err: err}
	var addr *net.AddrError
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Kind, e.Err = host.Conflict, errors.New("the port is in use by another program")
	case errors.Is(err, os.ErrPermission):
		e.Kind, e.Err = host.Forbidden, errors.New("no permission to bind this address; ports below 1024 need a privilege")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Err = errors.New("this machine does not have that address")
	case errors.As(err, &addr):
		e.Err = fmt.Errorf("not a host:port address: %s", addr.Err)
	case errors.As(err, &dns):
		e.Err = fmt.Errorf("the host or port name %q is not known", dns.Name)
	}
	return e
}

func (l *Listener) newServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(l.tls != nil)
	protocols.SetUnencryptedHTTP2(true) // over TLS too, see streamConn
	return &http.Server{
		Handler:                      http.HandlerFunc(l.serve),
		Protocols:                    protocols,
		TLSConfig:                    l.tls,
		DisableGeneralOptionsHandler: true, // OPTIONS * is the Handler's
		BaseContext:                  func(net.Listener) context.Context { return l.base },
		ReadHeaderTimeout:            l.limits.ReadHeader,
		IdleTimeout:                  l.limits.Idle,
		MaxHeaderBytes:               l.limits.HeaderBytes,
		ConnState:                    connState,
		ConnContext:                  connContext,
		ErrorLog:                     log.New(lineLogger{l.log}, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: l.limits.ConcurrentStreams,
			MaxReadFrameSize:     frameSize,
			CountError:           l.countHTTP2,
		},
	}
}

// Addr returns the address that was bound.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Serve accepts connections until Shutdown, then returns nil. Any other end is an error.
func (l *Listener) Serve() error {
	if l.shaken != nil {
		go l.acceptEach()
	}
	if l.http3 != nil {
		go func() {
			if err := l.http3.serve(); err != nil {
				l.log.Error("HTTP/3 has ended", "error", err.Error())
			}
		}()
	}
	err := l.server.Serve(front{l})
	select {
	case <-l.done:
		return nil
	default:
	}
	return &host.Error{Op: "listener " + l.cfg.Name + ": serve", Kind: host.Internal, Err: err}
}

// Shutdown stops accepting, tells clients that this is the end (HTTP/2: GOAWAY; HTTP/1: Connection: close; HTTP/3: new requests
// are rejected as not processed, and connections closed when they fall idle), and waits for the running exchanges until ctx ends. It
// then cuts what is left and returns how many exchanges that were.
func (l *Listener) Shutdown(ctx context.Context) (cut int) {
	l.stop.Do(func() {
		close(l.done)
		l.drain()
		if l.http3 != nil {
			l.http3.drain()
		}
		_ = l.ln.Close() // net/http reports a failure to close once more, and there is nothing to do about it
	})
	l.closeConns(func(c *conn) bool { return c.fresh.Load() }) // net/http would wait 5 s for their first byte
	err := l.server.Shutdown(ctx)
	for err == nil && l.busy() { // upgraded connections, which net/http no longer knows, and HTTP/3
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(drainPoll):
		}
	}
	cut = int(l.running.Load())
	l.cut(ErrDrained)
	_ = l.server.Close()
	l.closeConns(func(*conn) bool { return true })
	if l.http3 != nil {
		l.http3.close()
	}
	return cut
}

// busy reports whether a drain has something to wait for.
func (l *Listener) busy() bool {
	return l.running.Load() > 0 || l.http3 != nil && len(l.http3.open()) > 0
}

func (l *Listener) closeConns(which func(*conn) bool) {
	l.mu.Lock()
	var closing []*conn
	for c := range l.conns {
		if which(c) {
			closing = append(closing, c)
		}
	}
	l.mu.Unlock()
	for _, c := range closing {
		c.shut()
	}
}

// refuse logs and counts.
func (l *Listener) refuse(r Refusal) {
	r.Listener = l.cfg.Name
	if l.said.add(logBurst, logRate) {
		l.log.Warn("request refused", "reason", string(r.Reason), "detail", r.Detail, "status", r.Status, "remote", r.Remote.String(), "unlogged", l.unsaid.Swap(0))
	} else {
		l.unsaid.Add(1)
	}
	if l.cfg.OnRefused != nil {
		l.cfg.OnRefused(r)
	}
}

// afterTheEnd is net/http's name for DATA on a stream that it has closed. Clients break no rule by it: what they had sent when an answer
// came before the end of their request is still on its way (RFC 9113, section 5.1).
const afterTheEnd = "stream_STREAM_CLOSED_closed"

// countHTTP2 is net/http's report of a frame or stream that broke a rule. It does not say whose.
func (l *Listener) countHTTP2(errType string) {
	if errType == afterTheEnd {
		return
	}
	l.refuse(Refusal{Reason: ReasonHTTP2, Detail: errType})
}

// A lineLogger takes net/http's own log, one line a call.
type lineLogger struct{ log *slog.Logger }

func (w lineLogger) Write(p []byte) (int, error) {
	w.log.Warn("net/http reported", "line", strings.TrimSpace(string(p)))
	return len(p), nil
}

// Bind listens on addr for a server that is not a gateway's, with the errors of Listen.
func Bind(name, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenError(fmt.Sprintf("listener %s: listen on %s", name, addr), err)
	}
	return ln, nil
}

package jetstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/postern/postern/host"
)

// A link is what is known of the connection.
type link struct {
	parent context.Context
	mu     sync.Mutex
	down   time.Time       // since when; zero when connected
	up     context.Context // ends when the connection is lost; a new one when it is back
	cut    context.CancelFunc

	denied error // the last permission that was lacking: NATS tells it beside the call, which then ends for want of an answer
}

func (l *link) init(parent context.Context) {
	l.parent = parent
	l.up, l.cut = context.WithCancel(parent)
}

func (l *link) set(connected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case connected && !l.down.IsZero():
		l.down = time.Time{}
		l.up, l.cut = context.WithCancel(l.parent)
	case !connected && l.down.IsZero():
		l.down = time.Now()
		l.cut()
	}
}

func (l *link) deny(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.denied = err
}

// lacking returns the last permission that was lacking, and forgets it.
func (l *link) lacking() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.denied
	l.denied = nil
	return err
}

// lost returns since when there is no connection; zero when there is one.
func (l *link) lost() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// whileUp returns a context that ends when the connection is lost, too: what was asked over it is not answered, and nothing waits for that.
func (l *link) whileUp(ctx context.Context) (context.Context, context.CancelFunc) {
	l.mu.Lock()
	up := l.up
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(up, cancel)
	return ctx, func() { stop(); cancel() }
}

func (s *State) connOptions() []nats.Option {
	return []nats.Option{
		nats.Name("postern"),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // an operator mends what a server refuses; nats.go gives up for good at the second time
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 300*time.Millisecond),
		// What cannot be sent now fails now: a write that is sent minutes later would surprise its writer.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(5 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			s.link.set(false)
			if err != nil {
				s.log.Warn("connection to NATS lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			s.link.set(true)
			s.log.Info("connection to NATS is back", "server", nc.ConnectedUrlRedacted())
		}),
		nats.ClosedHandler(func(*nats.Conn) { s.link.set(false) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.link.deny(err)
			s.log.Warn("NATS", "error", err)
		}),
	}
}

// connect reaches an external server.
func (s *State) connect() error {
	for _, file := range []string{s.opts.Credentials, s.opts.NKey, s.opts.CA, s.opts.Cert, s.opts.Key} {
		if _, err := os.Stat(file); file != "" && err != nil {
			return &host.Error{Op: "connect to NATS", Kind: host.Invalid, Err: err}
		}
	}
	o := s.connOptions()
	if s.opts.Credentials != "" {
		o = append(o, nats.UserCredentials(s.opts.Credentials))
	}
	if s.opts.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(s.opts.NKey)
		if err != nil {
			return &host.Error{Op: "read the NKey seed", Kind: host.Invalid, Err: err}
		}
		o = append(o, key)
	}
	if s.opts.CA != "" {
		o = append(o, nats.RootCAs(s.opts.CA))
	}
	if s.opts.Cert != "" {
		o = append(o, nats.ClientCert(s.opts.Cert, s.opts.Key))
	}
	nc, err := nats.Connect(s.opts.URL, o...)
	if err != nil {
		return connectError(err)
	}
	s.nc = nc
	return nil
}

// connectError says what to do about a server that does not take us. The address stays out: it may hold a password.
func connectError(err error) error {
	fail := func(kind host.Kind, remedy string) error {
		return &host.Error{Op: "connect to NATS", Kind: kind, Err: fmt.Errorf("%w (%s)", err, remedy)}
	}
	var unknown x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAccountAuthExpired):
		return fail(host.Unauthenticated, "check the user, the credentials file, or the NKey, and that they are not expired")
	case errors.As(err, &unknown):
		return fail(host.Unauthenticated, "the server's certificate is signed by an authority that is not trusted: name its CA file")
	case errors.As(err, &verify):
		return fail(host.Unauthenticated, "the server's certificate does not fit its address")
	case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		return fail(host.Invalid, "the server and the URL do not agree about TLS: use tls:// for a server that has it")
	case errors.Is(err, nats.ErrNoServers):
		return fail(host.Unavailable, "no server answers there: is it running, and is the address right?")
	}
	return fail(host.Unavailable, "check the address, the certificates and the credentials")
}

// checkServer refuses a server that lacks what is needed.
func (s *State) checkServer(ctx context.Context) error {
	refuse := func(format string, args ...any) error {
		return &host.Error{Op: "use the NATS server", Kind: host.Unsupported, Err: fmt.Errorf(format, args...)}
	}
	if v := s.nc.ConnectedServerVersion(); older(v, minServer) {
		return refuse("it is version %s, and %s or newer is needed", v, minServer)
	}
	if m := s.nc.MaxPayload(); m < minPayload {
		return refuse("its max_payload is %d bytes, and %d are needed: set max_payload in its configuration", m, minPayload)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if _, err := s.js.AccountInfo(ctx); err != nil {
		return s.fail("use the NATS server", err)
	}
	return nil
}

const (
	minServer  = "2.10.0" // the first with several filters to a consumer
	minPayload = 1 << 20  // NATS's default; a document and its headers fit
)

func older(version, than string) bool {
	var v, t [3]int
	if n, _ := fmt.Sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]); n < 3 {
		return false // a build without a number says nothing
	}
	_, _ = fmt.Sscanf(than, "%d.%d.%d", &t[0], &t[1], &t[2])
	for i := range v {
		if v[i] != t[i] {
			return v[i] < t[i]
		}
	}
	return false
}

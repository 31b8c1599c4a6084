package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// A target is one of the definition's, taken apart.
type target struct {
	scheme, host string // as requests name it
	name, port   string
	address      string // name:port
	fixed        bool   // an address, or this machine: there is nothing to look up
	weight       int
}

func parseTargets(defs []host.Target) ([]*target, error) {
	if len(defs) == 0 {
		return nil, errors.New("there is no target")
	}
	targets := make([]*target, len(defs))
	for i, def := range defs {
		t, err := parseTarget(def.URL)
		if err != nil {
			return nil, err
		}
		t.weight = max(1, def.Weight)
		targets[i] = t
	}
	return targets, nil
}

func parseTarget(s string) (*target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", s, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != schemeH2C) || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("target %q is not scheme://host[:port] with http, https or h2c", s)
	}
	t := &target{scheme: u.Scheme, host: u.Host, name: u.Hostname(), port: u.Port()}
	if t.port == "" {
		t.port = map[string]string{"http": "80", "https": "443", schemeH2C: "80"}[u.Scheme]
	}
	t.address = net.JoinHostPort(t.name, t.port)
	_, err = netip.ParseAddr(t.name)
	t.fixed = err == nil || isLocalhost(t.name)
	return t, nil
}

// tlsConfig makes what all endpoints share.
func tlsConfig(def *host.UpstreamTLS) (*tls.Config, error) {
	conf := &tls.Config{ServerName: def.ServerName, MinVersion: tls.VersionTLS12}
	if def.CA != nil {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(def.CA) {
			return nil, errors.New("the CA holds no PEM certificate")
		}
	}
	if def.Cert != nil || def.Key != "" {
		pair, err := tls.X509KeyPair(def.Cert, []byte(def.Key.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("the client certificate and its key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// takeAnyIssuer holds certificates to all but who issued them (API Gateway API reference, "TlsConfig", insecureSkipVerification).
func takeAnyIssuer(conf *tls.Config) {
	name := conf.ServerName
	conf.InsecureSkipVerify = true
	conf.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server has no certificate")
		}
		leaf := state.PeerCertificates[0]
		if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}
		}
		return leaf.VerifyHostname(name)
	}
}

// An endpoint is one address of a target. Its state is guarded by its pool's mutex.
type endpoint struct {
	pool      *Pool
	target    *target
	addr      string // host:port that is dialed
	name      string // for logs, metrics and Status
	hash      uint64
	transport *http.Transport
	conns     conns
	slots     chan struct{} // a place for each connection that there may be; nil for no limit
	quit      context.CancelFunc

	weight   float64
	current  float64 // of the smooth weighted round robin
	inFlight int
	retired  bool
	passive  passive
	active   active
}

// newEndpoint makes the endpoint of an address, and begins to check its health.
func (p *Pool) newEndpoint(t *target, addr string) *endpoint {
	e := &endpoint{pool: p, target: t, addr: addr, name: t.scheme + "://" + t.host}
	if addr != t.address {
		e.name += " (" + addr + ")"
	}
	e.hash = hashOf(e.name)
	if n := p.def.MaxConnections.Value; n > 0 {
		e.slots = make(chan struct{}, n)
	}
	e.transport = newTransport(p.wireOf(t, e.dial))
	var ctx context.Context
	ctx, e.quit = context.WithCancel(p.ctx)
	p.opts.Metrics.Target(e.name, true)
	if p.check != nil {
		p.tasks.Go(func() { e.keepChecked(ctx) })
	}
	return e
}

func (p *Pool) wireOf(t *target, dial dialFunc) wire {
	conf := p.tls.Clone()
	if conf.ServerName == "" {
		conf.ServerName = t.name
	}
	if p.opts.AnyIssuer {
		takeAnyIssuer(conf)
	}
	w := wire{
		connect:     p.dialer.Timeout,
		idle:        orDefault(p.def.IdleTimeout.Value, host.DefaultUpstreamIdle),
		idlePerHost: maxIdlePerHost,
		headerBytes: maxHeaderBytes,
		tls:         conf,
		protocols:   protocolsOf(t.scheme),
		dial:        dial,
	}
	if p.def.ProxyProtocol != 0 {
		w.idlePerHost = maxIdlePerPeer
	}
	return w
}

// health returns what is known of the endpoint.
func (e *endpoint) health() Health {
	switch {
	case e.retired:
		return HealthGone
	case e.active.unwell:
		return HealthUnwell
	case e.passive.ejected:
		return HealthEjected
	}
	return HealthWell
}

// full reports whether the endpoint has as many requests as it may.
func (e *endpoint) full() bool {
	limit := e.pool.def.MaxRequests.Value
	return limit > 0 && e.inFlight >= limit
}

// release ends what pick began.
func (e *endpoint) release() {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	if e.inFlight--; e.retired && e.inFlight == 0 {
		e.conns.shut()
	}
}

// retire takes the endpoint out for good. What it has under way goes on; its connections close when they have no request.
func (e *endpoint) retire() {
	if e.retired {
		return
	}
	e.readmit()
	e.retired = true
	e.quit()
	e.transport.CloseIdleConnections()
	if e.inFlight == 0 {
		e.conns.shut()
	}
	e.pool.opts.Metrics.TargetGone(e.name)
}

// tell logs a change of health and records it.
func (e *endpoint) tell(level slog.Level, msg string, args ...any) {
	e.pool.opts.Metrics.Target(e.name, e.health() == HealthWell)
	args = append([]any{"upstream", e.pool.def.Name, "target", e.name}, args...)
	e.pool.opts.Logger.Log(context.Background(), level, msg, args...)
}

// send makes one attempt at the endpoint. The response's head must be there within limit of the request's end, 0 for no limit; its
// body may take as long as ctx lives.
func (e *endpoint) send(ctx context.Context, req *host.Request, limit time.Duration) (*host.Response, *attempt, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	if e.pool.def.ProxyProtocol != 0 {
		ctx = context.WithValue(ctx, peerKey{}, &req.Peer)
	}
	a := &attempt{req: req, body: newRequestBody(ctx, req), lane: e.lane(&req.Peer), end: e.release, cancel: func() { cancel(nil) }}
	a.head.limit, a.head.late = limit, cancel
	if a.body == nil {
		a.head.start()
	} else {
		a.body.atEnd = a.head.start
	}
	resp, err := roundTrip(ctx, e.transport, a)
	if inTime := a.head.stop(); !inTime && err == nil {
		// The head came in the moment that its time was over: what follows would be cut.
		discard(resp)
		return nil, a, failed(req, host.Timeout, CauseHeaderTimeout, errLate)
	}
	if err != nil {
		e.release()
		cancel(err)
		return nil, a, err
	}
	return resp, a, nil
}

// A headTimer bounds the wait for a response's head. It runs from the request's end on: how long a client takes to send its body
// is no fault of the upstream's, and the route's to bound.
type headTimer struct {
	limit time.Duration
	late  context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

func (h *headTimer) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.limit > 0 && !h.over && h.timer == nil {
		h.timer = time.AfterFunc(h.limit, func() { h.late(errLate) })
	}
}

// stop reports whether it came before late.
func (h *headTimer) stop() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	return h.timer == nil || h.timer.Stop()
}

// lane names the connections that a client's requests may use where each connection belongs to one client (the PROXY protocol).
func (e *endpoint) lane(peer *host.Peer) string {
	if e.pool.def.ProxyProtocol == 0 {
		return ""
	}
	name := "nobody"
	if peer.Addr.IsValid() && peer.Local.IsValid() {
		label := strings.NewReplacer(".", "-", ":", "-", "[", "", "]", "")
		name = label.Replace(peer.Addr.WithZone("").String()) + "." + label.Replace(peer.Local.Addr().WithZone("").String()) +
			"." + strconv.Itoa(int(peer.Local.Port()))
	}
	return name + ":" + e.target.port
}

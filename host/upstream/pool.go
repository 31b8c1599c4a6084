// Package upstream sends requests to HTTP servers: those of a definition (Pool) and those a guest may reach (Fetcher).
//
// The engine is http.Transport, used bare: no redirects, no cookies, no proxy from the environment, no decompression.
// Names at or below localhost are this machine without asking DNS (RFC 6761, section 6.3). A request is sent
// again by the transport alone, and only where that cannot do a thing twice: when nothing of it was written, or when it has no body
// and an idempotent method (or an Idempotency-Key) and met a kept-alive connection that the other side was just closing.
package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
)

// A Config describes a pool. The zero value is a pool for any host, with the defaults beside the fields.
type Config struct {
	Name           string        // of the upstream, for errors; "" for the pool of http: integrations
	Targets        []string      // scheme://host[:port], what Pick chooses from; none for a pool for any host
	CA             []byte        // PEM; nil trusts the system's roots
	ServerName     string        // to verify certificates by, and for SNI; "" is the target's host
	DialTimeout    time.Duration // for the connection, and again for its TLS handshake: 10 s
	HeaderTimeout  time.Duration // from the request's last byte to the response's header: none, the context decides
	IdleTimeout    time.Duration // for a connection that is kept: 30 s, below what most servers keep
	MaxIdlePerHost int           // connections kept for one host: 256
	MaxHeaderBytes int64         // of a response's header: 256 KiB
}

// The defaults of Config.
const (
	DefaultDialTimeout    = 10 * time.Second
	DefaultIdleTimeout    = 30 * time.Second
	DefaultMaxIdlePerHost = 256
	DefaultMaxHeaderBytes = 256 << 10
)

// expectContinue is how long a body waits for an upstream's 100, after which it is sent anyway (RFC 9110, section 10.1.1).
const expectContinue = time.Second

// A Pool keeps connections to upstreams. It is safe for concurrent use.
type Pool struct {
	name      string
	targets   []target
	next      atomic.Uint32
	transport *http.Transport
}

type target struct{ scheme, host string }

// NewPool makes a pool. Its errors have Kind Invalid: a target that is no URL, or a CA that holds no certificate.
func NewPool(cfg Config) (*Pool, error) {
	op := "upstream " + cfg.Name
	p := &Pool{name: cfg.Name}
	for _, t := range cfg.Targets {
		parsed, err := parseTarget(t)
		if err != nil {
			return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
		}
		p.targets = append(p.targets, parsed)
	}
	conf := &tls.Config{ServerName: cfg.ServerName, MinVersion: tls.VersionTLS12}
	if cfg.CA != nil {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return nil, &host.Error{Op: op, Kind: host.Invalid, Err: errors.New("the CA holds no PEM certificate")}
		}
	}
	dialer := &net.Dialer{Timeout: orDefault(cfg.DialTimeout, DefaultDialTimeout)}
	p.transport = newTransport(cfg, conf, func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dial(ctx, dialer, network, addr)
	})
	return p, nil
}

func newTransport(cfg Config, conf *tls.Config, dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    orDefault(cfg.DialTimeout, DefaultDialTimeout),
		DisableCompression:     true,
		MaxIdleConnsPerHost:    orDefault(cfg.MaxIdlePerHost, DefaultMaxIdlePerHost),
		IdleConnTimeout:        orDefault(cfg.IdleTimeout, DefaultIdleTimeout),
		ResponseHeaderTimeout:  cfg.HeaderTimeout,
		ExpectContinueTimeout:  expectContinue,
		MaxResponseHeaderBytes: orDefault(cfg.MaxHeaderBytes, DefaultMaxHeaderBytes),
		Protocols:              protocols,
	}
}

func orDefault[T int | int64 | time.Duration](v, byDefault T) T {
	if v <= 0 {
		return byDefault
	}
	return v
}

func parseTarget(s string) (target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return target{}, fmt.Errorf("target %q: %w", s, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return target{}, fmt.Errorf("target %q is not scheme://host[:port] with http or https", s)
	}
	return target{u.Scheme, u.Host}, nil
}

// dial reaches addr, and this machine for names at or below localhost.
func dial(ctx context.Context, d *net.Dialer, network, addr string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(addr)
	if err != nil || !isLocalhost(name) {
		return d.DialContext(ctx, network, addr)
	}
	c, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return c, nil
	}
	if c, v6 := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); v6 == nil {
		return c, nil
	}
	return nil, err
}

func isLocalhost(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// Pick returns the scheme and host of the next target, round robin. A pool without targets has none.
func (p *Pool) Pick() (scheme, hostport string) {
	if len(p.targets) == 0 {
		return "", ""
	}
	t := p.targets[int(p.next.Add(1)-1)%len(p.targets)]
	return t.scheme, t.host
}

// RoundTrip sends req to its Scheme and Host and returns when the response's header is there. The caller closes the
// response's Body, and ctx must live until then. What fails is a *host.Error: Kind BadGateway or Timeout for
// the upstream's faults, Invalid for a request that cannot be sent, Unavailable when ctx was cancelled; CauseOf tells them apart. So is
// every error of the Body but io.EOF. req.Body's own errors come back as they are.
func (p *Pool) RoundTrip(ctx context.Context, req *host.Request) (*host.Response, error) {
	return roundTrip(ctx, p.transport, req)
}

// Close closes the connections that nobody uses. Those in use close after their response.
func (p *Pool) Close() { p.transport.CloseIdleConnections() }

package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/postern/postern/host"
)

// A FetchConfig is what a Fetcher needs beside its allow-list. The zero value has the defaults beside the fields.
type FetchConfig struct {
	DialTimeout    time.Duration  // for a connection, and again for its TLS handshake: 10 s
	MaxIdlePerHost int            // connections kept for one host: 8
	MaxHeaderBytes int64          // of a response's header: 256 KiB
	RootCAs        *x509.CertPool // nil trusts the system's roots
	Resolver       *net.Resolver  // nil is the system's
}

// The defaults of FetchConfig, and how long a connection is kept.
const (
	fetchConnect     = 10 * time.Second
	fetchIdle        = 30 * time.Second
	fetchIdlePerHost = 8
)

// A Fetcher makes requests for guests, to what an allow-list names and nowhere else. Its connections are its own: no
// other allow-list shares them. It is safe for concurrent use.
type Fetcher struct {
	rules     []rule
	dialer    net.Dialer
	transport *http.Transport
}

// A rule is one entry of an allow-list.
type rule struct {
	scheme string
	name   string // lower-case; of "*.example.com" the part from the dot
	wild   bool
	addr   netip.Addr // valid when the entry is an address
	port   string
}

// NewFetcher makes a fetcher for entries scheme://host[:port]. A host is a name, *.name for all names below it, or an
// address. The port is the scheme's own unless it is written.
//
// A name is allowed to lead to public addresses only. Loopback, link-local (the clouds' metadata services), private and other
// special addresses must be listed themselves, as an address; localhost and names below it lead to loopback and nowhere else.
// This is checked on the address that is connected to, so that no change of DNS between check and use gets round it.
// Errors have Kind Invalid.
func NewFetcher(allow []string, cfg FetchConfig) (*Fetcher, error) {
	f := &Fetcher{dialer: net.Dialer{Timeout: orDefault(cfg.DialTimeout, fetchConnect), Resolver: cfg.Resolver}}
	for _, entry := range allow {
		r, err := parseRule(entry)
		if err != nil {
			return nil, &host.Error{Op: "egress", Kind: host.Invalid, Err: err}
		}
		f.rules = append(f.rules, r)
	}
	idle := orDefault(cfg.MaxIdlePerHost, fetchIdlePerHost)
	conf := &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	f.transport = newTransport(wire{
		connect:     f.dialer.Timeout,
		idle:        fetchIdle,
		idlePerHost: idle,
		headerBytes: orDefault(cfg.MaxHeaderBytes, maxHeaderBytes),
		tls:         conf,
		protocols:   protocolsOf("https"),
		dial:        f.dial,
	})
	return f, nil
}

func parseRule(entry string) (rule, error) {
	u, err := url.Parse(entry)
	if err != nil {
		return rule{}, fmt.Errorf("%q: %w", entry, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return rule{}, fmt.Errorf("%q is not scheme://host[:port] with http or https", entry)
	}
	name, addr, port, err := splitHost(u.Scheme, u.Host)
	if err != nil {
		return rule{}, fmt.Errorf("%q: %w", entry, err)
	}
	r := rule{scheme: u.Scheme, name: name, addr: addr, port: port}
	if rest, ok := strings.CutPrefix(name, "*"); ok {
		r.wild, r.name = true, rest
	}
	if strings.Contains(r.name, "*") || (r.wild && (len(r.name) < 2 || r.name[0] != '.')) {
		return rule{}, fmt.Errorf("%q: * stands only for whole labels at the start, as in *.example.com", entry)
	}
	return r, nil
}

// splitHost takes host[:port] apart. The name is in lower case, and empty when it is an address.
func splitHost(scheme, hostport string) (name string, addr netip.Addr, port string, err error) {
	u := url.URL{Host: hostport}
	name, port = strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("/?#@\\%", c) >= 0 {
			return "", addr, "", fmt.Errorf("host %q: only ASCII names are known, other ones in their xn-- form", hostport)
		}
	}
	if name == "" {
		return "", addr, "", errors.New("no host")
	}
	if addr, err = netip.ParseAddr(name); err == nil {
		return "", addr.Unmap(), port, nil
	}
	if strings.Contains(name, ":") {
		return "", netip.Addr{}, "", fmt.Errorf("host %q is not a host", hostport)
	}
	return name, netip.Addr{}, port, nil
}

// Fetch implements host.Fetcher: it sends r, whose Header it frees of hop-by-hop fields, and follows no redirect. What the
// list does not allow has Kind Forbidden and names the rule that is missing; all else is as for Pool.Do.
func (f *Fetcher) Fetch(ctx context.Context, r *host.Request) (*host.Response, error) {
	name, addr, port, err := splitHost(r.Scheme, r.Host)
	if err != nil {
		return nil, failed(r, host.Invalid, CauseInvalidRequest, err)
	}
	if !f.allows(r.Scheme, name, addr, port) {
		return nil, failed(r, host.Forbidden, CauseNotAllowed, fmt.Errorf("egress does not list %s://%s", r.Scheme, r.Host))
	}
	out := *r
	out.Header = endToEnd(r.Header)
	return once(ctx, f.transport, &out)
}

// endToEnd leaves out what belongs to a connection (RFC 9110, section 7.6.1).
func endToEnd(h host.Header) host.Header {
	out := make(host.Header, 0, len(h))
	for _, field := range h {
		switch http.CanonicalHeaderKey(field.Name) {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Transfer-Encoding", "Upgrade", "Host":
		default:
			out = append(out, field)
		}
	}
	return out
}

func (f *Fetcher) allows(scheme, name string, addr netip.Addr, port string) bool {
	for _, r := range f.rules {
		if r.scheme != scheme || r.port != port {
			continue
		}
		switch {
		case addr.IsValid():
			if r.addr == addr {
				return true
			}
		case r.addr.IsValid():
		case r.wild:
			if len(name) > len(r.name) && strings.HasSuffix(name, r.name) {
				return true
			}
		case r.name == name:
			return true
		}
	}
	return false
}

// dial connects, and looks at each address in the moment before.
func (f *Fetcher) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d := f.dialer
	d.ControlContext = func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		return f.checkAddress(name, resolved)
	}
	return dial(ctx, &d, network, addr)
}

func (f *Fetcher) checkAddress(name, resolved string) error {
	ap, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	addr := ap.Addr().Unmap().WithZone("")
	if !isSpecial(addr) || isLocalhost(name) && addr.IsLoopback() {
		return nil
	}
	port := fmt.Sprint(ap.Port())
	for _, r := range f.rules {
		if r.addr == addr && r.port == port {
			return nil
		}
	}
	return &host.Error{Op: "egress to " + name, Kind: host.Forbidden, Err: &Failure{CauseNotAllowed,
		fmt.Errorf("it leads to %s, a loopback, link-local, private or special address, which egress does not list", resolved)}}
}

// Close closes the connections that nobody uses.
func (f *Fetcher) Close() { f.transport.CloseIdleConnections() }

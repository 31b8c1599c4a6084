package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/listener"
	"github.com/postern/postern/host/router"
)

// A Certificate says which one the TLS listener shows: a pair of files, or one made in memory.
type Certificate struct {
	CertFile, KeyFile string // PEM
	SelfSigned        bool   // for development: localhost and the two wildcards below the base domain
}

// A door is one bound address.
type door struct {
	name     string // "http", "https", "admin"
	scheme   string
	addr     net.Addr
	listener *listener.Listener // nil for admin
	serve    func() error
	close    func() error
}

// bind opens the addresses that the configuration names.
func (s *Server) bind() error {
	if s.cfg.HTTP != "" {
		if err := s.open("http", s.cfg.HTTP, nil); err != nil {
			return err
		}
	}
	if s.cfg.HTTPS != "" {
		cert, err := s.certificate()
		if err != nil {
			return err
		}
		if err := s.open("https", s.cfg.HTTPS, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}); err != nil {
			return err
		}
	}
	if s.cfg.Admin != "" {
		return s.openAdmin()
	}
	return nil
}

func (s *Server) certificate() (tls.Certificate, error) {
	if c := s.cfg.Certificate; !c.SelfSigned {
		return listener.LoadCertificate(c.CertFile, c.KeyFile)
	}
	d := s.cfg.Domain
	return listener.SelfSigned("localhost", "*.execute-api."+d, "*.function."+d, "127.0.0.1", "::1")
}

func (s *Server) open(scheme, addr string, tlsConfig *tls.Config) error {
	l, err := listener.Listen(listener.Config{
		Name: scheme, Addr: addr, TLS: tlsConfig, Limits: s.cfg.Limits, TrustedProxies: s.cfg.TrustedProxies,
		HTTP3: s.cfg.HTTP3, ProxyProtocol: s.cfg.ProxyProtocol,
		Handler: s.Handle, Logger: s.log,
		OnRefused: func(r listener.Refusal) {
			s.cfg.Telemetry.Metrics.Refuse(context.Background(), r.Listener, string(r.Reason))
		},
	})
	if err != nil {
		return err
	}
	s.doors = append(s.doors, &door{name: scheme, scheme: scheme, addr: l.Addr(), listener: l, serve: l.Serve, close: func() error {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		l.Shutdown(ctx)
		return nil
	}})
	return nil
}

func (s *Server) openAdmin() error {
	ln, err := listener.Bind("admin", s.cfg.Admin)
	if err != nil {
		return err
	}
	handler, err := s.adminHandler(ln.Addr())
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	scheme := "http"
	if c := s.cfg.AdminCertificate; c != (Certificate{}) {
		cert, err := listener.LoadCertificate(c.CertFile, c.KeyFile)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		scheme, ln = "https", tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	s.admin = admin.HTTPServer(handler, s.log)
	if s.control != nil {
		s.admin.RegisterOnShutdown(s.control.endReaders)
	}
	serve := func() error {
		if err := s.admin.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return &host.Error{Op: "admin listener", Kind: host.Internal, Err: err}
		}
		return nil
	}
	s.doors = append(s.doors, &door{name: "admin", scheme: scheme, addr: ln.Addr(), serve: serve, close: func() error {
		return errors.Join(s.admin.Close(), ignoreClosed(ln.Close()))
	}})
	return nil
}

// adminHandler is the admin API over the catalog, or health, metrics and status alone without one.
func (s *Server) adminHandler(addr net.Addr) (http.Handler, error) {
	metrics := s.cfg.Telemetry.MetricsHandler()
	tcp, ok := addr.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	c := s.control
	if c == nil {
		return admin.Handler(s.Status, s.shared.Plugins, metrics, loopback), nil
	}
	if c.Open && !loopback {
		return nil, &host.Error{Op: "listener admin", Kind: host.Forbidden,
			Err: fmt.Errorf("%s is not a loopback address, and this admin API asks for no token: choose one such as 127.0.0.1:8090", addr)}
	}
	cfg := admin.Config{Catalog: c.catalog, Store: c.state.Store(), Blobs: c.state.Blobs(), Gateway: c, Audit: c.audit, Metrics: metrics,
		Logger: s.log, Recipients: c.key.Recipients(), TempDir: c.temp(), Open: c.Open, Loopback: loopback}
	if c.foreign != nil {
		cfg.Source = c.foreign.Source
	}
	if !c.Open {
		cfg.Access = c.access
	}
	return admin.New(cfg), nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Address returns the URL of a listener ("http", "https" or "admin") with the port that was chosen, "" when it is off.
// An address that means every interface is given as loopback, where this machine reaches it.
func (s *Server) Address(name string) string {
	for _, d := range s.doors {
		if d.name == name {
			return d.scheme + "://" + reachable(d.addr)
		}
	}
	return ""
}

func reachable(addr net.Addr) string {
	h, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(h); ip != nil && ip.IsUnspecified() {
		h = "127.0.0.1"
	}
	return net.JoinHostPort(h, port)
}

// Status tells what serves now.
func (s *Server) Status() admin.Status {
	status := admin.Status{Version: s.cfg.Version, URLs: []admin.URL{}}
	if reason := s.refused.Load(); reason != nil {
		status.Reason = *reason
	}
	p := s.current.Load()
	if p == nil {
		if status.Reason == "" {
			status.Reason = "no definition serves yet"
		}
		return status
	}
	status.Revision, status.Loading = p.Snapshot().Revision, p.Loading()
	status.Ready = !s.draining.Load()
	if !status.Ready {
		status.Reason = "draining"
	}
	for _, address := range s.Addresses() {
		for _, url := range address.URLs {
			status.URLs = append(status.URLs, adminURL(address, url))
		}
	}
	return status
}

func adminURL(a router.Address, url string) admin.URL {
	if a.Function != nil {
		return admin.URL{Function: a.Function.Name, URL: url}
	}
	return admin.URL{API: a.API.Name, Stage: a.Stage.Name, URL: url}
}

// Addresses returns every address at which the current definition answers, on the clear listener or else on the TLS one.
func (s *Server) Addresses() []router.Address {
	p := s.current.Load()
	if p == nil {
		return nil
	}
	for _, name := range []string{"http", "https"} {
		if base := s.Address(name); base != "" {
			scheme, authority, _ := strings.Cut(base, "://")
			return p.Addresses(scheme, authority)
		}
	}
	return nil
}

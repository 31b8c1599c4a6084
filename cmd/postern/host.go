package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/telemetry"
)

// A gateway is a server with its telemetry, as dev, serve and invoke start it.
type gateway struct {
	*server.Server
	telemetry *telemetry.Telemetry
	std       *streams
	http3     bool // beside https
}

// open resolves the settings and binds the listeners of a host without a state. Logs go to standard error.
func (s *settings) open(cmd *cobra.Command, std *streams, development bool) (*gateway, error) {
	if err := s.resolve(); err != nil {
		return nil, err
	}
	return s.openWith(cmd, std, development, nil)
}

// openWith is open for settings that are resolved. state is nil for a host without one.
func (s *settings) openWith(cmd *cobra.Command, std *streams, development bool, state *hostState) (*gateway, error) {
	prefixes, err := s.check(development)
	if err != nil {
		return nil, err
	}
	tel, err := telemetry.Setup(cmd.Context(), telemetry.Options{Version: version(), LogFormat: s.logFormat, LogLevel: s.logLevel, Output: std.err})
	if err != nil {
		return nil, err
	}
	slog.SetDefault(tel.Logger) // also for what net/http's client says through package log
	cfg := server.Config{
		HTTP: s.http, HTTPS: s.https, Admin: s.admin,
		Certificate:    server.Certificate{CertFile: s.tlsCert, KeyFile: s.tlsKey, SelfSigned: development && s.tlsCert == ""},
		Domain:         s.domain,
		TrustedProxies: prefixes,
		HTTP3:          s.http3,
		ProxyProtocol:  s.proxyProtocol,
		DrainTimeout:   s.drain,
		AccessLog:      s.accessLog,
		CacheDir:       s.cacheDir,
		PluginMemory:   int64(s.pluginMemory),
		Before:         s.before,
		Version:        version(),
		Telemetry:      tel,
	}
	if state != nil {
		cfg.State, cfg.AdminCertificate = &state.State, server.Certificate{CertFile: s.adminCert, KeyFile: s.adminKey}
	}
	opened, err := server.New(cfg)
	if err != nil {
		return nil, errors.Join(s.remedy(err), tel.Shutdown(cmd.Context()))
	}
	return &gateway{Server: opened, telemetry: tel, std: std, http3: s.http3 && s.https != ""}, nil
}

// remedy says for an address that is taken which flag chooses another.
func (s *settings) remedy(err error) error {
	var e *host.Error
	if !errors.As(err, &e) || e.Kind != host.Conflict {
		return err
	}
	for _, name := range []string{"http", "https", "admin"} {
		if strings.HasPrefix(e.Op, "listener "+name+":") {
			hint := fmt.Sprintf("choose another port, or any free one: --%s 127.0.0.1:0", name)
			if strings.HasPrefix(e.Err.Error(), "HTTP/3") {
				hint += "; or do without HTTP/3: --http3=false"
			}
			return &conflictError{&definition.Error{Message: e.Error(), Hint: hint}}
		}
	}
	return err
}

// A conflictError is a definition.Error only by its form: nothing is wrong with a definition.
type conflictError struct{ problem *definition.Error }

func (c *conflictError) Error() string { return c.problem.Error() }

// closing bounds what is left to do after the listeners have drained.
const closing = 5 * time.Second

// close ends the gateway and sends the last spans. Spans that no collector takes are told, and fail nothing.
func (g *gateway) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	err := g.Close(ctx)
	if lost := g.telemetry.Shutdown(ctx); lost != nil {
		g.std.warn(&definition.Error{Message: lost.Error()})
	}
	return err
}

// projectOptions are the settings that building a project needs. A build that takes long is told on standard error.
func (s *settings) projectOptions(std *streams) project.Options {
	return project.Options{AllowUnsupported: s.allowUnsupported, NoBuild: s.noBuild, CacheDir: s.cacheDir, Progress: func(line string) { fmt.Fprintln(std.err, line) }}
}

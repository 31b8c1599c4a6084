package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/telemetry"
)

// A gateway is a server with its telemetry, as dev, serve and invoke start it.
type gateway struct {
	*server.Server
	telemetry *telemetry.Telemetry
	settings  *settings
}

// open resolves the settings and binds the listeners. Logs go to logs.
func (s *settings) open(cmd *cobra.Command, logs io.Writer, development bool) (*gateway, error) {
	if err := s.resolve(cmd.Flags()); err != nil {
		return nil, err
	}
	if err := s.checkTLS(development); err != nil {
		return nil, err
	}
	prefixes, err := s.prefixes()
	if err != nil {
		return nil, err
	}
	tel, err := telemetry.Setup(cmd.Context(), telemetry.Options{Version: version(), LogFormat: s.logFormat, LogLevel: s.logLevel, Output: logs})
	if err != nil {
		return nil, err
	}
	opened, err := server.New(server.Config{
		HTTP: s.http, HTTPS: s.https, Admin: s.admin,
		Certificate:    server.Certificate{CertFile: s.tlsCert, KeyFile: s.tlsKey, SelfSigned: development && s.tlsCert == ""},
		Domain:         s.domain,
		TrustedProxies: prefixes,
		DrainTimeout:   s.drain,
		AccessLog:      s.accessLog,
		CacheDir:       s.cacheDir,
		Version:        version(),
		Telemetry:      tel,
	})
	if err != nil {
		return nil, errors.Join(err, tel.Shutdown(cmd.Context()))
	}
	return &gateway{opened, tel, s}, nil
}

// checkTLS settles the TLS listener: it needs a certificate, and without one serve opens none.
func (s *settings) checkTLS(development bool) error {
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return &usageError{errors.New("--tls-cert and --tls-key go together")}
	}
	if !development && s.https != "" && s.tlsCert == "" {
		return &usageError{errors.New("--https needs --tls-cert and --tls-key")}
	}
	if !development && s.https == "" && s.tlsCert != "" {
		s.https = ":8443"
	}
	if s.http == "" && s.https == "" {
		return &usageError{errors.New("--http and --https are both off: nothing would listen")}
	}
	return nil
}

// closing bounds what is left to do after the listeners have drained.
const closing = 5 * time.Second

// close ends the gateway and sends the last spans.
func (g *gateway) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	return errors.Join(g.Close(ctx), g.telemetry.Shutdown(ctx))
}

// projectOptions are the settings that building a project needs.
func (s *settings) projectOptions(log func(string)) project.Options {
	return project.Options{NoBuild: s.noBuild, CacheDir: s.cacheDir, Progress: log}
}

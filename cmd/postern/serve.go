package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/definition"
)

func newServe(std *streams) *cobra.Command {
	s := newSettings()
	cmd := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Run a host in production",
		Long: `With --data, runs a host whose APIs and functions are deployed while it runs (postern apply, postern function upload): its state is kept
in that folder, by an embedded store, or with --nats in an external NATS. The first start makes an admin token, prints it once and
keeps it in the folder's admin.token.

Without --data, serves the project in DIR (or the current folder) as it is: the definition is loaded once, and nothing can be changed
while it runs.

Either runs until SIGTERM, then stops accepting and lets running requests end within --drain-timeout. A TLS listener needs a
certificate.` + precedence,
		Example: `  postern serve --data /var/lib/postern --http :80
  postern serve --nats nats://10.0.0.5:4222 --nats-creds host.creds --data /var/lib/postern
  postern serve /srv/shop --http :80 --https :443 --tls-cert shop.pem --tls-key shop.key
  postern serve /srv/shop --config host.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.resolve(); err != nil {
				return err
			}
			if s.data != "" || s.nats != "" {
				if len(args) > 0 {
					return usageErrorf("--data is for a host whose projects are applied while it runs, and %s is one to serve as it is: start the host without it, then: postern apply %s", args[0], args[0])
				}
				return s.serveState(cmd, std)
			}
			dir, err := projectDir(args, std)
			if err != nil {
				return err
			}
			return s.serveProject(cmd, dir, std)
		},
	}
	s.addState()
	s.addDocument()
	s.addHost(cmd, false)
	return cmd
}

func (s *settings) serveProject(cmd *cobra.Command, dir string, std *streams) error {
	g, err := s.open(cmd, std, false)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	loaded, _, err := g.Load(ctx, dir, s.projectOptions(std))
	std.warn(loaded.Warnings...)
	if err != nil {
		if ctx.Err() == nil {
			err = problems(err) // whatever keeps a project from serving is the project's fault
		}
		return errors.Join(err, g.close())
	}
	s.warnStatus(g, std)
	g.printAddresses()
	return errors.Join(g.Serve(ctx), g.close())
}

// serveState serves what is deployed, and what is deployed later.
func (s *settings) serveState(cmd *cobra.Command, std *streams) error {
	state, err := s.state()
	if err != nil {
		return err
	}
	g, err := s.openWith(cmd, std, false, state)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	s.warnOpen(g, std)
	if err := g.begin(ctx); err != nil {
		return errors.Join(err, g.close())
	}
	g.printAddresses()
	err = g.Serve(ctx)
	if lost := withdrawLocal(g.Address("admin")); lost != nil {
		fmt.Fprintf(std.err, "the postern command may look for this host where it was: %v\n", lost)
	}
	return errors.Join(err, g.close())
}

// warnOpen tells when tokens and secrets would cross a network in the clear.
func (s *settings) warnOpen(g *gateway, std *streams) {
	if s.adminCert == "" && s.adminIsPublic(g) {
		std.warn(&definition.Error{Message: fmt.Sprintf("the admin API at %s has no TLS, and others on the network can reach it: tokens and secrets travel in the clear", s.admin),
			Hint: "give it a certificate: --admin-tls-cert and --admin-tls-key; or keep it on this machine: --admin 127.0.0.1:8090"})
	}
}

// warnStatus tells when a host without tokens shows itself to a network.
func (s *settings) warnStatus(g *gateway, std *streams) {
	if s.adminIsPublic(g) {
		std.warn(&definition.Error{Message: fmt.Sprintf("others on the network can read the status and metrics at %s: a host that serves a folder has no tokens", s.admin),
			Hint: "keep it on this machine: --admin 127.0.0.1:8090"})
	}
}

// adminIsPublic reports whether others than this machine may reach the admin listener.
func (s *settings) adminIsPublic(g *gateway) bool {
	name, _, err := net.SplitHostPort(s.admin)
	return g.Address("admin") != "" && (err != nil || !loopback(name))
}

// begin serves the state as it is, and tells how to reach the admin API.
func (g *gateway) begin(ctx context.Context) error {
	token, file, err := g.FirstToken(ctx)
	if err != nil {
		return err
	}
	if err := g.Follow(ctx); err != nil {
		return err
	}
	if token != "" {
		fmt.Fprintf(g.std.err, "The admin token of this host, shown this once and kept in %s:\n%s\n", file, token)
	}
	if err := announceLocal(g.Address("admin"), file); err != nil {
		fmt.Fprintf(g.std.err, "the postern command will not find this host by itself: %v\n", err)
	}
	return nil
}

// printAddresses prints where the listeners are, a line each.
func (g *gateway) printAddresses() {
	for _, name := range []string{"http", "https", "admin"} {
		if address := g.Address(name); address != "" {
			fmt.Fprintf(g.std.out, "%s %s\n", name, address)
			if name == "https" && g.http3 {
				fmt.Fprintf(g.std.out, "http3 %s\n", address)
			}
		}
	}
	if to := g.telemetry.Exporting(); to != "" {
		fmt.Fprintf(g.std.out, "traces %s\n", to)
	}
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newServe(std *streams) *cobra.Command {
	s := newSettings()
	cmd := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Run the project in DIR in production",
		Long: `Serves the project in DIR (or the current folder) until SIGTERM, then stops accepting and lets running requests end within
--drain-timeout. The definition is loaded once; nothing is watched. A TLS listener needs a certificate.` + precedence,
		Example: `  postern serve /srv/shop --http :80 --https :443 --tls-cert shop.pem --tls-key shop.key
  POSTERN_HTTP=:80 postern serve /srv/shop
  postern serve /srv/shop --config host.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := projectDir(args, std)
			if err != nil {
				return err
			}
			return serve(cmd, s, dir, std)
		},
	}
	s.addHost(cmd, false)
	return cmd
}

func serve(cmd *cobra.Command, s *settings, dir string, std *streams) error {
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
	for _, name := range []string{"http", "https", "admin"} {
		if address := g.Address(name); address != "" {
			fmt.Fprintf(std.out, "%s %s\n", name, address)
			if name == "https" && g.http3 {
				fmt.Fprintf(std.out, "http3 %s\n", address)
			}
		}
	}
	if to := g.telemetry.Exporting(); to != "" {
		fmt.Fprintf(std.out, "traces %s\n", to)
	}
	return errors.Join(g.Serve(ctx), g.close())
}

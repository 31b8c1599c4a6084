package main

import (
	"errors"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
)

func newDev(std *streams) *cobra.Command {
	s := newSettings()
	cmd := &cobra.Command{
		Use:   "dev [DIR | DOCUMENT]",
		Short: "Run the project in DIR, or an OpenAPI document, and reload it as you edit",
		Long: `Runs the project in DIR (or the current folder) on loopback. Nothing is written into the folder.

An OpenAPI document (3.0, 3.1 or Swagger 2.0, JSON or YAML), as API Gateway exports it, runs as it is: the code of a function NAME that it names lies
beside it at ./functions/NAME.js (or .ts, .mjs, .wasm), or in the folder ./functions/NAME. The other commands take a document for a project, too.

An edit is live as soon as it builds. A broken edit is told with its place, and the last good version goes on serving.
The TLS listener shows a certificate that is made in memory: curl -k takes it.` + precedence,
		Example: `  postern dev examples/orders
  postern dev shop.json                                               an OpenAPI document
  postern dev --http 127.0.0.1:0                                      any free port
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 postern dev       with traces to Jaeger`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := projectDir(args, std)
			if err != nil {
				return err
			}
			return develop(cmd, s, dir, std)
		},
	}
	s.addDocument()
	s.addHost(cmd, true)
	return cmd
}

func develop(cmd *cobra.Command, s *settings, dir string, std *streams) error {
	if _, err := project.Define(dir, project.Options{}); errors.Is(err, host.NotFound) {
		return err // a wrong folder is not waited for; a definition that is broken is
	}
	if err := s.resolve(); err != nil {
		return err
	}
	g, err := s.openWith(cmd, std, true, developmentState())
	if err != nil {
		return err
	}
	if err := g.Follow(cmd.Context()); err != nil {
		return errors.Join(err, g.close())
	}
	group, ctx := errgroup.WithContext(cmd.Context())
	told := make(chan struct{})
	tell := sync.OnceFunc(func() { close(told) })
	c := &console{std: std, gateway: g, dir: dir}
	group.Go(func() error {
		return g.Develop(ctx, dir, s.projectOptions(std), func(r server.Report) {
			c.report(r)
			tell()
		})
	})
	group.Go(func() error {
		select {
		case <-told: // what serves, or why it does not: now accept
		case <-ctx.Done():
			return nil
		}
		return g.Serve(ctx)
	})
	return errors.Join(group.Wait(), g.close())
}

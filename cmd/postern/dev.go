package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/router"
	"github.com/postern/postern/host/server"
)

func newDev(std streams) *cobra.Command {
	var s *settings
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Run the project in DIR, and reload it as you edit",
		Long: `Runs the project in DIR (or the current folder) on loopback, in memory. An edit is live as soon as it builds;
a broken edit is told with its place, and the last good version goes on serving. The TLS listener shows a
certificate that is made in memory.`,
		Example: `  postern dev examples/orders
  postern dev --http 127.0.0.1:0                 any free port
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 postern dev    with traces to Jaeger`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return develop(cmd, s, projectDir(args), std)
		},
	}
	s = addSettings(cmd, true)
	return cmd
}

func develop(cmd *cobra.Command, s *settings, dir string, std streams) error {
	g, err := s.open(cmd, std.err, true)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(cmd.Context())
	ready := make(chan struct{})
	first := true
	report := func(r server.Report) {
		if first {
			first = false
			printBanner(std.out, colors(std.out), g, dir)
			defer close(ready)
		}
		printReport(std, r)
	}
	group.Go(func() error {
		opts := s.projectOptions(func(line string) { fmt.Fprintln(std.err, line) })
		return g.Develop(ctx, dir, opts, report)
	})
	group.Go(func() error {
		select {
		case <-ready: // what serves, or why it does not, was said: now accept
		case <-ctx.Done():
			return nil
		}
		return g.Serve(ctx)
	})
	return errors.Join(group.Wait(), g.close())
}

// printReport tells what became of a load.
func printReport(std streams, r server.Report) {
	p := colors(std.err)
	what := "loaded"
	if r.Changed != nil {
		what = "reloaded after a change of " + strings.Join(r.Changed[:min(len(r.Changed), 3)], ", ")
	}
	took := r.Took.Round(time.Millisecond)
	switch {
	case r.Err != nil:
		printError(std.err, p, r.Err)
		if r.Changed == nil {
			fmt.Fprintln(std.err, p.red("not serving")+": correct it, and it is loaded again")
		} else {
			fmt.Fprintln(std.err, p.red("not reloaded")+": the last good version goes on serving")
		}
	case r.Changed != nil && !r.Swapped:
		fmt.Fprintf(std.err, "%s made no difference (%s)\n", strings.Join(r.Changed[:min(len(r.Changed), 3)], ", "), took)
	default:
		fmt.Fprintf(std.err, "%s %s in %s\n", p.green("ok:"), what, took)
	}
}

// printBanner prints where the gateway answers: listeners, the admin address, traces, and every route with its URL.
func printBanner(w io.Writer, p palette, g *gateway, dir string) {
	fmt.Fprintf(w, "%s %s\n\n", p.bold("postern dev"), dir)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "  %s\t%s\n", name, value)
		}
	}
	row("http", g.Address("http"))
	row("https", g.Address("https"))
	row("admin", g.Address("admin"))
	row("traces", traces(g.telemetry.Exporting()))
	_ = table.Flush()
	printRoutes(w, p, g.Addresses())
	fmt.Fprintln(w)
}

func traces(destination string) string {
	if destination == "" {
		return "nowhere; OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 sends them to a Jaeger on this machine"
	}
	return destination
}

// printRoutes lists each address, and below it its routes.
func printRoutes(w io.Writer, p palette, addresses []router.Address) {
	for _, a := range addresses {
		if a.Function != nil {
			fmt.Fprintf(w, "\n  function %s  %s\n", p.bold(a.Function.Name), strings.Join(a.URLs, "  "))
			continue
		}
		fmt.Fprintf(w, "\n  api %s, stage %s\n", p.bold(a.API.Name), a.Stage.Name)
		for _, url := range a.URLs {
			fmt.Fprintf(w, "    %s\n", p.dim(url+"/"))
		}
		if len(a.URLs) == 0 {
			continue
		}
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range a.API.Routes {
			method := r.Method
			if method == "" {
				method = "ANY"
			}
			path := r.Pattern
			if r.Key == host.DefaultRoute {
				path = "/…"
			}
			fmt.Fprintf(table, "      %s\t%s%s\t%s\n", method, a.URLs[0], path, describe(r))
		}
		_ = table.Flush()
	}
}

// describe says in a few words what a route does.
func describe(r *host.Route) string {
	var parts []string
	if r.Authorizer != nil {
		parts = append(parts, "authorizer "+r.Authorizer.Name)
	}
	if len(r.Mappings) > 0 {
		parts = append(parts, "mapping")
	}
	i := &r.Integration
	parts = append(parts, strings.TrimSpace(string(i.Type)+" "+i.Function+i.URI+i.Upstream))
	if slices.ContainsFunc(r.Responses, func(rule host.ResponseRule) bool { return len(rule.Mappings) > 0 }) {
		parts = append(parts, "mapping")
	}
	return strings.Join(parts, " → ")
}

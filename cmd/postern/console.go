package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/router"
	"github.com/postern/postern/host/server"
)

// A console tells a developer what serves, and what became of each change.
type console struct {
	std     *streams
	gateway *gateway
	dir     string
	begun   bool
	serving bool
	routes  []string // of what serves, one line each
}

// report tells what became of a load. The first one follows the banner.
func (c *console) report(r server.Report) {
	if !c.begun {
		c.begun = true
		c.banner()
	}
	p := c.std.colors(c.std.err)
	w := c.std.err
	took := r.Took.Round(time.Millisecond)
	c.std.warn(r.Warnings...)
	switch {
	case r.Err != nil && c.serving:
		c.std.fail(r.Err)
		fmt.Fprintf(w, "%s after a change of %s (%s): the last good version goes on serving\n", p.red("not reloaded"), files(r.Changed), took)
	case r.Err != nil:
		c.std.fail(r.Err)
		fmt.Fprintf(w, "%s: every request gets 503 until this is corrected\n", p.red("not serving"))
	case !r.Swapped:
		fmt.Fprintf(w, "%s: the change of %s makes no difference (%s)\n", p.green("ok"), files(r.Changed), took)
	case !c.serving:
		c.serving = true
		printAddresses(c.std.out, c.std.colors(c.std.out), c.gateway.Addresses())
		fmt.Fprintf(w, "%s: loaded in %s\n", p.green("ok"), took)
		c.routes = routeLines(c.gateway.Addresses())
	default:
		fmt.Fprintf(w, "%s: reloaded after a change of %s in %s\n", p.green("ok"), files(r.Changed), took)
		c.difference(p)
	}
}

// difference tells which routes came and went.
func (c *console) difference(p palette) {
	now := routeLines(c.gateway.Addresses())
	for _, line := range c.routes {
		if !slices.Contains(now, line) {
			fmt.Fprintln(c.std.err, "  "+p.red("- "+line))
		}
	}
	for _, line := range now {
		if !slices.Contains(c.routes, line) {
			fmt.Fprintln(c.std.err, "  "+p.green("+ "+line))
		}
	}
	c.routes = now
}

// files names what changed, shortly.
func files(changed []string) string {
	const shown = 3
	if len(changed) > shown {
		return strings.Join(changed[:shown], ", ") + " and " + strconv.Itoa(len(changed)-shown) + " more"
	}
	return strings.Join(changed, ", ")
}

// banner prints the listeners, and where traces go.
func (c *console) banner() {
	w, p := c.std.out, c.std.colors(c.std.out)
	fmt.Fprintf(w, "%s %s\n\n", p.bold("postern dev"), c.dir)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value, remark string) {
		if value != "" {
			fmt.Fprintf(table, "  %s\t%s%s\n", name, value, p.dim(remark))
		}
	}
	row("http", c.gateway.Address("http"), "")
	row("https", c.gateway.Address("https"), "  a certificate made in memory: curl -k")
	if c.gateway.http3 {
		row("http3", c.gateway.Address("https"), "")
	}
	row("admin", c.gateway.Address("admin"), "  /readyz, /metrics")
	if to := c.gateway.telemetry.Exporting(); to != "" {
		row("traces", to, "")
	} else {
		row("traces", "nowhere", "; OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 sends them to a Jaeger on this machine")
	}
	_ = table.Flush()
	fmt.Fprintln(w)
}

// printAddresses lists each API with the URLs of its stages and its routes, then the functions with URLs of their own.
func printAddresses(w io.Writer, p palette, addresses []router.Address) {
	var api *host.API
	width := 0
	for _, a := range addresses {
		if a.Stage != nil {
			width = max(width, len(a.Stage.Name))
		}
	}
	for i, a := range addresses {
		if a.Function != nil {
			fmt.Fprintf(w, "  function %s\n    %s\n\n", p.bold(a.Function.Name), strings.Join(a.URLs, "\n    "))
			continue
		}
		if a.API != api {
			api = a.API
			fmt.Fprintf(w, "  api %s\n", p.bold(a.API.Name))
		}
		indent := fmt.Sprintf("    stage %-*s  ", width, a.Stage.Name)
		for _, url := range a.URLs {
			fmt.Fprintf(w, "%s%s/\n", indent, url)
			indent = strings.Repeat(" ", len(indent))
		}
		if i+1 == len(addresses) || addresses[i+1].API != api {
			printRoutes(w, p, firstStage(addresses, api))
		}
	}
}

// firstStage is the address at which an API's routes are shown: that of its $default stage, or else of its first.
func firstStage(addresses []router.Address, api *host.API) router.Address {
	var first router.Address
	for _, a := range addresses {
		if a.API == api && len(a.URLs) > 0 && (first.API == nil || a.Stage.Name == host.DefaultStage) {
			first = a
		}
	}
	return first
}

func printRoutes(w io.Writer, p palette, a router.Address) {
	if a.API != nil {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range a.API.Routes {
			fmt.Fprintf(table, "    %s\t%s\t%s\n", method(r), a.URLs[0]+target(r), p.dim(describe(a.API, r)))
		}
		_ = table.Flush()
	}
	fmt.Fprintln(w)
}

// routeLines are the routes of every stage, for telling which of them a change added and removed.
func routeLines(addresses []router.Address) []string {
	var lines []string
	for _, a := range addresses {
		if a.Function != nil {
			lines = append(lines, "function "+a.Function.Name+" "+strings.Join(a.URLs, " "))
			continue
		}
		for _, r := range a.API.Routes {
			if len(a.URLs) > 0 {
				lines = append(lines, method(r)+" "+a.URLs[0]+target(r)+"  "+describe(a.API, r))
			}
		}
	}
	return lines
}

func method(r *host.Route) string {
	if r.Method == "" {
		return "ANY"
	}
	return r.Method
}

func target(r *host.Route) string {
	if r.Key == host.DefaultRoute {
		return "/…"
	}
	return r.Pattern
}

// describe says in a few words what a route does.
func describe(a *host.API, r *host.Route) string {
	var parts []string
	for _, f := range slices.Concat(a.Filters, r.Filters) {
		parts = append(parts, "filter "+f.Plugin.Name)
	}
	if r.Authorizer != nil {
		parts = append(parts, "authorizer "+r.Authorizer.Name)
	}
	if len(r.Mappings) > 0 {
		parts = append(parts, "mapping")
	}
	i := &r.Integration
	what := string(i.Type) + " " + i.Function + i.URI + i.Upstream
	if i.Mock != nil {
		what += strconv.Itoa(i.Mock.Status)
	}
	parts = append(parts, strings.TrimSpace(what))
	if slices.ContainsFunc(r.Responses, func(rule host.ResponseRule) bool { return len(rule.Mappings) > 0 }) {
		parts = append(parts, "mapping")
	}
	return strings.Join(parts, " → ")
}

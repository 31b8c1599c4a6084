package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
)

func newLogs(std *streams) *cobra.Command {
	r := &remote{std: std}
	var filter admin.LogFilter
	var since time.Duration
	var format string
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show a host's log: requests, and what guests log; -f follows it",
		Long: `Shows the last lines of the host's log that fit every filter, and with -f those that come, until it is interrupted. Each request is one
line, with its trace and request id; what guests log has the same.`,
		Example: `  postern logs -f --api orders --status 5xx
  postern logs --function greet --last 20
  postern logs -f -o json | jq 'select(.level == "ERROR")'`,
		Args: cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			if format != formatText && format != formatJSON {
				return checkFormat(format)
			}
			return printLogs(cmd.Context(), c, filter, since, format, std)
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&filter.Follow, "follow", "f", false, "go on with the lines that come")
	f.StringVar(&filter.API, "api", "", "lines of this `API`")
	f.StringVar(&filter.Stage, "stage", "", "of this `stage`")
	f.StringVar(&filter.Route, "route", "", "of this `route`, such as 'GET /orders/{id}'")
	f.StringVar(&filter.Function, "function", "", "of this `function`")
	f.StringVar(&filter.Status, "status", "", "with this `status`: 404, 5xx or 400-499")
	f.StringVar(&filter.Level, "level", "", "the lowest `level`: debug, info, warn or error")
	f.IntVar(&filter.Last, "last", 100, "`number` of lines before now")
	f.DurationVar(&since, "since", 0, "no lines that are `older`, such as 10m")
	f.StringVarP(&format, "output", "o", formatText, "text or json")
	_ = cmd.RegisterFlagCompletionFunc("api", r.complete(apiNames))
	_ = cmd.RegisterFlagCompletionFunc("function", r.complete(functionNames))
	r.addTo(cmd)
	return cmd
}

// printLogs prints the lines. To be interrupted is how following ends.
func printLogs(ctx context.Context, c *admin.Client, filter admin.LogFilter, since time.Duration, format string, std *streams) error {
	p := std.colors(std.out)
	oldest := time.Time{}
	if since > 0 {
		oldest = time.Now().Add(-since)
	}
	for line, err := range c.Logs(ctx, filter) {
		if err != nil {
			if filter.Follow && ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		if line.Dropped > 0 {
			fmt.Fprintf(std.err, "%d lines were lost: they came faster than they were read\n", line.Dropped)
		}
		if line.Time.Before(oldest) {
			continue
		}
		if format == formatJSON {
			if err := json.NewEncoder(std.out).Encode(line); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintln(std.out, logText(p, line)); err != nil {
			return err
		}
	}
	return nil
}

// logText is a line for people.
func logText(p palette, line admin.LogLine) string {
	level := line.Level
	switch strings.ToLower(level) {
	case "error":
		level = p.red(level)
	case "warn":
		level = p.yellow(level)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", p.dim(line.Time.Local().Format("15:04:05.000")), level, strings.Map(printable, line.Message))
	for _, k := range slices.Sorted(maps.Keys(line.Fields)) {
		fmt.Fprintf(&b, " %s%s", p.dim(k+"="), fieldText(line.Fields[k]))
	}
	return b.String()
}

// fieldText is a field's value, quoted where it would not be told from what follows.
func fieldText(value any) string {
	text, ok := value.(string)
	if !ok {
		data, err := json.Marshal(value)
		if err != nil {
			return "?"
		}
		return string(data)
	}
	if text == "" || strings.ContainsAny(text, " =\"") || strings.ContainsFunc(text, func(r rune) bool { return printable(r) != r }) {
		return fmt.Sprintf("%q", text)
	}
	return text
}

func newAudit(std *streams) *cobra.Command {
	r := &remote{std: std}
	query := map[string]*string{}
	v := &view[admin.AuditEntry]{columns: []string{"TIME", "BY", "FROM", "ACTION", "RESOURCE", "OUTCOME", "STATE", "MESSAGE"},
		name: func(e admin.AuditEntry) string { return fmt.Sprint(e.Sequence) },
		row: func(e admin.AuditEntry) []string {
			state := ""
			if e.After != 0 && e.Before != e.After {
				state = fmt.Sprintf("%d→%d", e.Before, e.After)
			}
			outcome := e.Outcome
			if e.Detail != "" {
				outcome += ": " + shortened(e.Detail)
			}
			if e.DryRun {
				outcome += " (dry run)"
			}
			if e.Force {
				outcome += " (forced)"
			}
			return []string{localTime(e.Time), e.By, e.From, e.Action, shortened(e.Resource), outcome, state, e.Message}
		}}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List who changed what, and refused logins",
		Example: `  postern audit --by 'token ci'
  postern audit --action applyProject -o json`,
		Args: cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			q := url.Values{}
			for name, value := range query {
				if *value != "" {
					q.Set(name, *value)
				}
			}
			return v.list(std.out, c.Audit(cmd.Context(), q))
		}),
	}
	for name, usage := range map[string]string{"by": "changes by this `caller`, such as 'token ci'", "action": "with this `action`, such as applyProject or login",
		"resource": "of this `resource`, such as /v1/functions/greet", "outcome": "with this `outcome`: ok, conflict, forbidden, …", "since": "since this `time` (2026-01-31T12:00:00Z), or for so long, such as 24h"} {
		query[name] = cmd.Flags().String(name, "", usage)
	}
	v.flag(cmd)
	r.addTo(cmd)
	return cmd
}

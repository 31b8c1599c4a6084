package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
)

// newPluginList is `postern plugin list`.
func newPluginList(r *remote) *cobra.Command {
	v := &view[admin.Plugin]{
		columns: []string{"NAME", "KIND", "RUNTIME", "STATE", "CALLS", "CRASHES", "LAST CRASH", "IDLE", "BUSY", "WAITING", "MEMORY"},
		name:    func(p admin.Plugin) string { return p.Name },
		row: func(p admin.Plugin) []string {
			state, last, memory := p.State, "", ""
			if !p.RetryAt.IsZero() {
				state += ", again at " + localTime(p.RetryAt)
			}
			if c := p.LastCrash; c != nil {
				last = c.Type + " at " + localTime(c.Time)
				if c.Limit != "" {
					last = c.Limit + " passed at " + localTime(c.Time)
				}
			}
			if p.Pool.Memory > 0 {
				memory = fmt.Sprintf("%.1f MiB", float64(p.Pool.Memory)/(1<<20))
			}
			return []string{p.Name, p.Kind, p.Runtime, state, strconv.FormatInt(p.Calls, 10), strconv.FormatInt(p.Crashes, 10), last,
				strconv.Itoa(p.Pool.Idle), strconv.Itoa(p.Pool.Busy), strconv.Itoa(p.Pool.Waiting), memory}
		},
	}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List a host's open plugins: what keeps crashing, and what their instances hold",
		Long: `List the plugins that the host has open, with the state of each one's breaker: closed lets calls through, open answers them at once
because the plugin keeps crashing, half-open lets one call try. Counts are since the plugin was opened, on this host.`,
		Example: "  postern plugin list\n  postern plugin list -o json",
		Args:    cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			plugins, err := c.Plugins(cmd.Context())
			if err != nil {
				return err
			}
			return v.list(r.std.out, all(plugins))
		}),
	}
	v.flag(cmd)
	return cmd
}

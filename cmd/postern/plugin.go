package main

import "github.com/spf13/cobra"

func newPlugin(std *streams) *cobra.Command {
	r := &remote{std: std}
	list := newPluginList(r)
	r.addTo(list)
	return group("plugin", "What plugins are, and how they do on a host",
		`A plugin is code that is an authorizer, a mapping, a function or a filter. inspect tells what code of yours is, without a host; list asks a
host how the plugins are that it has open.`,
		newPluginInspect(std), list)
}

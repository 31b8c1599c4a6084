package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/project"
)

func newExplain(std *streams) *cobra.Command {
	s := newSettings()
	var dir, format string
	cmd := &cobra.Command{
		Use:   "explain METHOD URL",
		Short: "Say which route takes a request, and why; sends nothing",
		Long: `Tells which API, stage and route a request would reach, which other routes match and why they lose, the phases that run, and
every limit with the place that sets it. URL is a path, or a whole URL whose host selects the API.`,
		Example: `  postern explain GET /orders/7
  postern explain POST http://orders.execute-api.localhost:8080/orders -o json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if err := errors.Join(s.resolve(), checkDir(dir, std)); err != nil {
				return err
			}
			loaded, err := project.Define(dir, s.projectOptions(std))
			if err != nil {
				return err
			}
			explanation, err := project.Explain(loaded.Snapshot, args[0], args[1], s.domain)
			if err != nil {
				return err
			}
			if format == formatJSON {
				return printJSON(std.out, explanation)
			}
			return explanation.WriteText(std.out)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "the project's `folder`, or an OpenAPI document")
	s.addDomain()
	s.addDocument()
	cmd.Flags().AddFlagSet(s.flags)
	cmd.Flags().StringVarP(&format, "output", "o", formatText, "text or json")
	return cmd
}

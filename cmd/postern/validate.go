package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
)

func newValidate(std *streams) *cobra.Command {
	s := newSettings()
	var format string
	cmd := &cobra.Command{
		Use:   "validate [DIR | DOCUMENT]",
		Short: "Check all that serving would, without serving",
		Long: `Reads the definition, builds and compiles every plugin, starts each once, and resolves files and secrets. Every
error is reported, with file, line and column. The exit code is 0 when all is well, and 3 otherwise.`,
		Example: `  postern validate examples/orders
  postern validate shop.json                            an OpenAPI document
  postern validate -o json | jq '.errors[].message'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if err := s.resolve(); err != nil {
				return err
			}
			dir, err := projectDir(args, std)
			if err != nil {
				return err
			}
			loaded, err := validate(cmd, s, dir, std)
			if ctxErr := cmd.Context().Err(); ctxErr != nil {
				return ctxErr // interrupted: nothing is known of the project
			}
			return printValidation(std, format, loaded, err)
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", formatText, "text or json")
	s.addDocument()
	s.addBuild(cmd)
	return cmd
}

// validate loads the project and does with it all that serving would, but for listening.
func validate(cmd *cobra.Command, s *settings, dir string, std *streams) (*project.Project, error) {
	log := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return project.Validate(cmd.Context(), dir, s.projectOptions(std), func(ctx context.Context, snapshot *host.Snapshot) error {
		return server.Check(ctx, snapshot, s.cacheDir, log)
	})
}

// A validation is the JSON result. Its shape is stable.
type validation struct {
	Valid     bool              `json:"valid"`
	APIs      int               `json:"apis"` // these three are 0 when there are errors
	Routes    int               `json:"routes"`
	Functions int               `json:"functions"`
	Errors    definition.Errors `json:"errors"`
	Warnings  definition.Errors `json:"warnings"`
}

func printValidation(std *streams, format string, loaded *project.Project, err error) error {
	result := validation{Valid: err == nil, Errors: append(definition.Errors{}, problems(err)...), Warnings: append(definition.Errors{}, loaded.Warnings...)}
	if snapshot := loaded.Snapshot; err == nil {
		result.APIs, result.Functions = len(snapshot.APIs), len(snapshot.Functions)
		for _, a := range snapshot.APIs {
			result.Routes += len(a.Routes)
		}
	}
	if format == formatJSON {
		if err := printJSON(std.out, result); err != nil {
			return err
		}
	} else {
		printValidationText(std, &result, err)
	}
	if err != nil {
		return &toldError{err}
	}
	return nil
}

func printValidationText(std *streams, result *validation, err error) {
	std.warn(result.Warnings...)
	if err != nil {
		std.fail(err)
		fmt.Fprintln(std.err, count(len(result.Errors), "error"))
		return
	}
	fmt.Fprintf(std.out, "valid: %s, %s, %s\n", count(result.APIs, "API"), count(result.Routes, "route"), count(result.Functions, "function"))
}

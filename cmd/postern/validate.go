package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server"
)

func newValidate(std streams) *cobra.Command {
	s := &settings{}
	var format string
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check all that serving would, without serving",
		Long: `Reads the definition, builds and compiles every plugin, starts each once, and resolves files and secrets. Every
error is reported, with file, line and column. The exit code is 0 when all is well, and 3 otherwise.`,
		Example: `  postern validate examples/orders
  postern validate -o json | jq '.errors[].message'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			loaded, err := validate(cmd, s, projectDir(args), std)
			return printValidation(std, format, loaded, err)
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", formatText, "text or json")
	addBuildFlags(cmd, s)
	return cmd
}

func validate(cmd *cobra.Command, s *settings, dir string, std streams) (*project.Project, error) {
	loaded, err := project.Load(cmd.Context(), dir, s.projectOptions(func(line string) { fmt.Fprintln(std.err, line) }))
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return loaded, server.Check(cmd.Context(), loaded.Snapshot, s.cacheDir, log)
}

// A validation is the JSON result. Its shape is stable.
type validation struct {
	Valid     bool              `json:"valid"`
	APIs      int               `json:"apis"`
	Routes    int               `json:"routes"`
	Functions int               `json:"functions"`
	Errors    definition.Errors `json:"errors"`
}

func printValidation(std streams, format string, loaded *project.Project, err error) error {
	result := validation{Valid: err == nil, Errors: problems(err)}
	if loaded != nil {
		result.APIs, result.Functions = len(loaded.Snapshot.APIs), len(loaded.Snapshot.Functions)
		for _, a := range loaded.Snapshot.APIs {
			result.Routes += len(a.Routes)
		}
	}
	if result.Errors == nil {
		result.Errors = definition.Errors{}
	}
	if format == formatJSON {
		if printErr := printJSON(std.out, result); printErr != nil {
			return printErr
		}
	} else {
		printValidationText(std.out, std.err, &result, err)
	}
	if err != nil {
		return &toldError{err}
	}
	return nil
}

func printValidationText(out, talk io.Writer, result *validation, err error) {
	if err == nil {
		fmt.Fprintf(out, "valid: %s, %s, %s\n", count(result.APIs, "API"), count(result.Routes, "route"), count(result.Functions, "function"))
		return
	}
	printError(talk, colors(talk), err)
	fmt.Fprintf(talk, "%s\n", count(len(result.Errors), "error"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// streams are the command's three standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitBadInput    = 3 // bad usage or definition
	exitUnreachable = 4
	exitDenied      = 5
	exitTimeout     = 124
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var told *toldError
	if !errors.As(err, &told) {
		printError(std.err, colors(std.err), err)
	}
	return exitCode(err)
}

// A usageError is a mistake on the command line.
type usageError struct{ error }

func (u *usageError) Unwrap() error { return u.error }

// A toldError was already printed as the command's result, and only sets the exit code.
type toldError struct{ error }

func (t *toldError) Unwrap() error { return t.error }

func exitCode(err error) int {
	var usage *usageError
	var broken definition.Errors
	if errors.As(err, &usage) || errors.As(err, &broken) {
		return exitBadInput
	}
	switch host.KindOf(err) {
	case host.Invalid, host.Unsupported:
		return exitBadInput
	case host.Unavailable, host.BadGateway:
		return exitUnreachable
	case host.Forbidden, host.Unauthenticated:
		return exitDenied
	case host.Timeout:
		return exitTimeout
	}
	return exitFailed
}

func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "postern",
		Short: "A self-hosted, programmable API gateway",
		Long: `Postern serves HTTP APIs whose authorizers, mappings and functions are sandboxed
WebAssembly modules or JavaScript, and traces every phase of a request.`,
		Example: `  postern dev examples/orders          run a project, and reload it as you edit
  postern validate .                   check all that serving would, without serving
  postern explain GET /orders/7        which route takes a request, and why
  postern serve . --http :80           run a project in production`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(std.out)
			return cmd.Help()
		},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	root.AddCommand(newDev(std), newServe(std), newValidate(std), newBuild(std), newInvoke(std), newExplain(std), newSchema(std), newVersion(std))
	for _, cmd := range root.Commands() {
		wrapArgs(cmd)
	}
	return root
}

// wrapArgs makes a wrong number of arguments a usage error.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage(cmd, err)
		}
		return nil
	}
}

func usage(cmd *cobra.Command, err error) error {
	return &usageError{errors.Join(err, errors.New("see '"+cmd.CommandPath()+" --help'"))}
}

// projectDir is the folder that a command works on: its argument, or where it stands.
func projectDir(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "."
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitDifferences = 2 // plan found some
	exitBadInput    = 3 // bad usage or definition
	exitUnreachable = 4
	exitDenied      = 5
	exitTimeout     = 124
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, std *streams) int {
	root := newRoot(std)
	root.SetArgs(joinWait(args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		fmt.Fprintln(std.err, "interrupted")
		return exitFailed
	}
	var told *toldError
	if !errors.As(err, &told) {
		std.fail(err)
	}
	return exitCode(err)
}

// A usageError is a mistake on the command line or in the environment.
type usageError struct{ error }

func (u *usageError) Unwrap() error { return u.error }

func usageErrorf(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// A toldError was already printed as the command's result, and only sets the exit code.
type toldError struct{ error }

func (t *toldError) Unwrap() error { return t.error }

func exitCode(err error) int {
	var usage *usageError
	var broken definition.Errors
	if errors.Is(err, errDifferences) {
		return exitDifferences
	}
	if errors.As(err, &usage) || errors.As(err, &broken) {
		return exitBadInput
	}
	switch host.KindOf(err) {
	case host.Invalid, host.Unsupported, host.NotFound:
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

func newRoot(std *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "postern",
		Short: "A self-hosted, programmable API gateway",
		Long: `Postern serves HTTP APIs whose authorizers, mappings and functions are sandboxed
WebAssembly modules or JavaScript, and traces every phase of a request.

Results go to standard output, talk to standard error. Exit codes: 0 success, 1 failure, 2 differences found (plan),
3 bad usage or definition, 4 not reachable, 5 denied, 124 timed out.

Commands that speak to a host find it by --host or --context, POSTERN_HOST, the current context, or on this machine:
see postern context --help.`,
		Example: `  postern dev examples/orders          run a project, and reload it as you edit
  postern validate .                   check all that serving would, without serving
  postern explain GET /orders/7        which route takes a request, and why
  postern serve . --http :80           run a project in production
  postern apply . --stage prod --wait  bring it to a host that runs
  postern doctor                       which host that is, and whether all is well there`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVar(&std.color, "color", "auto", "colours: auto, always or never; auto heeds NO_COLOR and CLICOLOR_FORCE")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if std.color != "auto" && std.color != "always" && std.color != "never" {
			return usageErrorf("--color: %q is none of auto, always and never", std.color)
		}
		return nil
	}
	root.AddCommand(newDev(std), newServe(std), newValidate(std), newBuild(std), newTest(std), newInvoke(std), newReplay(std), newExplain(std), newNew(std), newSchema(std), newVersion(std))
	root.AddCommand(newPlan(std), newApply(std), newProject(std), newAPI(std), newStage(std), newFunction(std), newSecret(std), newKey(std),
		newPlugin(std), newLogs(std), newAudit(std), newImport(std), newExport(std), newBackup(std), newRestore(std), newContext(std), newDoctor(std), newCompileCheck(std))
	wrapAll(root)
	strictHelp(root)
	return root
}

// strictHelp makes help and completion refuse what there is not, as commands do.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Run = nil
			cmd.RunE = func(_ *cobra.Command, args []string) error {
				topic, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return knownCommand(cmp.Or(topic, root), append(rest, args...))
				}
				topic.InitDefaultHelpFlag()
				return topic.Help()
			}
		case "completion":
			cmd.Args, cmd.RunE = knownCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// wrapAll makes a wrong number of arguments a usage error, everywhere below a command.
func wrapAll(parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		if cmd.HasSubCommands() {
			wrapAll(cmd)
		} else {
			wrapArgs(cmd)
		}
	}
}

// knownCommand refuses a first argument that is no command.
func knownCommand(parent *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, cmd := range parent.Commands() {
		names = append(names, cmd.Name())
	}
	return usage(parent, fmt.Errorf("there is no command %q", args[0]), definition.Nearest(args[0], names))
}

// flagError explains a flag that is not known, or that has a value of the wrong kind.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &bad):
		return usage(cmd, errors.New("--"+bad.GetFlag().Name+": "+badValue(bad.GetFlag(), bad.GetValue(), bad.Unwrap())), "")
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		nearest := definition.Nearest(unknown.GetSpecifiedName(), names)
		if nearest != "" {
			nearest = "--" + nearest
		}
		return usage(cmd, fmt.Errorf("there is no flag --%s", unknown.GetSpecifiedName()), nearest)
	}
	return usage(cmd, err, "")
}

// wrapArgs makes a wrong number of arguments a usage error.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) != nil {
			return usage(cmd, fmt.Errorf("%s given, and the usage is: %s", count(len(args), "argument"), strings.TrimSuffix(cmd.UseLine(), " [flags]")), "")
		}
		return nil
	}
}

// usage is an error that says where to read on, and what was probably meant.
func usage(cmd *cobra.Command, err error, meant string) error {
	hint := "see: " + cmd.CommandPath() + " --help"
	if meant != "" {
		hint = "did you mean " + meant + "? Or " + hint
	}
	return &usageError{&definition.Error{Message: err.Error(), Hint: hint}}
}

// projectDir is the folder that a command works on: its argument, or where it stands. It must be there.
func projectDir(args []string, std *streams) (string, error) {
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	return dir, checkDir(dir, std)
}

func checkDir(dir string, std *streams) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		what := "folder"
		if slices.Contains(definitionEndings, filepath.Ext(dir)) {
			what = "file"
		}
		return usageErrorf("there is no %s %s", what, dir)
	}
	if std.dir = dir; err == nil && !info.IsDir() {
		std.dir = filepath.Dir(dir)
	}
	return nil
}

// definitionEndings are those of files that a project may be named by: its definition, or an OpenAPI document that runs as it is.
var definitionEndings = []string{".json", ".yaml", ".yml"}

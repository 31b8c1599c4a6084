package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/cases"
	"github.com/postern/postern/host/project"
)

func newPluginInspect(std *streams) *cobra.Command {
	s := newSettings()
	var format, abi, runtime string
	cmd := &cobra.Command{
		Use:   "inspect PATH",
		Short: "Show what a plugin is and what it may do, without calling it",
		Long: `Compiles a .wasm file, a script or a plugin's folder as a gateway would, and tells its carrier and entries, what it imports and what that is
for (which of it the plugin may use, its configuration says), its memory, size and digest, how long compiling took, and whether isolation: reset is possible. What is no plugin is refused with
the reason. Nothing of the code runs, but a script's top level.`,
		Example: `  postern plugin inspect dist/orders.wasm
  postern plugin inspect functions/orders -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			if err := checkScriptRuntime(runtime); err != nil {
				return err
			}
			if err := s.resolve(); err != nil {
				return err
			}
			inspected, err := inspect(cmd.Context(), std, s, args[0], abi, runtime)
			if err != nil {
				return err
			}
			var facts []fact
			for _, line := range inspected.Text() {
				facts = append(facts, fact{line[0], line[1]})
			}
			return printOne(std.out, format, inspected, facts...)
		},
	}
	cmd.Flags().StringVar(&abi, "abi", "", "what the module speaks, where detection is not enough: postern, cgi or stdio")
	cmd.Flags().StringVar(&runtime, "runtime", "", "look at a script as it is on js or quickjs")
	formatFlag(cmd, &format)
	s.addBuild(cmd)
	return cmd
}

func inspect(ctx context.Context, std *streams, s *settings, path, abi, runtime string) (_ *project.Inspection, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, usageErrorf("there is no file or folder %s", path)
	}
	src, warnings, err := project.LoadSource(ctx, path, abi, s.projectOptions(std))
	if err != nil {
		return nil, err
	}
	std.warn(warnings...)
	if abi != "" {
		src.ABI = abi
	}
	src = onRuntime(src, runtime)
	engine := &cases.Engine{} // no cache: how long compiling takes is told
	defer func() { err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))) }()
	rt, err := engine.Runtime(src.Runtime)
	if err != nil {
		return nil, err
	}
	return project.Inspect(ctx, src, rt)
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/project"
	"github.com/postern/postern/spec"
)

func newSchema(std *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of postern.yaml",
		Long: `Prints the JSON Schema (draft 2020-12) of the definition, for editors:

  postern schema > definition.schema.json

and as the first line of postern.yaml:

  # yaml-language-server: $schema=./definition.schema.json`,
		Example: `  postern schema > definition.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := std.out.Write(spec.DefinitionSchema)
			return err
		},
	}
}

// version is the module's version as Go recorded it, or "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

func newVersion(std *streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: `  postern version -o json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if format == formatJSON {
				return printJSON(std.out, map[string]string{"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintf(std.out, "postern %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", formatText, "text or json")
	return cmd
}

func newBuild(std *streams) *cobra.Command {
	s := newSettings()
	var out, format string
	cmd := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Compile the project's plugins to .wasm and .js",
		Long: `Builds every plugin of the project: folders are compiled to WebAssembly, scripts are bundled with all that they import. With
--out, the results are written there; without it they stay in the cache, and the table tells what was built.`,
		Example: `  postern build examples/orders
  postern build --out dist`,
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
			loaded, err := project.Load(cmd.Context(), dir, s.projectOptions(std))
			std.warn(loaded.Warnings...)
			if err != nil {
				return err
			}
			artifacts, err := writeArtifacts(loaded.Artifacts(), out)
			if err != nil {
				return err
			}
			return printArtifacts(std, format, artifacts)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`folder` to write the results to")
	cmd.Flags().StringVarP(&format, "output", "o", formatText, "text or json")
	s.addBuild(cmd)
	return cmd
}

// An artifact is one built plugin, as the command tells it.
type artifact struct {
	Plugin  string `json:"plugin"`
	Runtime string `json:"runtime"`
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
	File    string `json:"file,omitempty"`
}

func writeArtifacts(built []project.Artifact, out string) ([]artifact, error) {
	list := make([]artifact, 0, len(built))
	written := map[string]string{}
	for _, b := range built {
		a := artifact{Plugin: b.Ref, Runtime: b.Source.Runtime, Bytes: len(b.Source.Code), SHA256: b.Source.Digest}
		if out != "" {
			a.File = filepath.Join(out, filepath.FromSlash(b.FileName()))
			if before, taken := written[a.File]; taken {
				return nil, &usageError{fmt.Errorf("%s and %s would both be written to %s: rename one", before, b.Ref, a.File)}
			}
			written[a.File] = b.Ref
			if err := os.MkdirAll(filepath.Dir(a.File), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(a.File, b.Source.Code, 0o644); err != nil {
				return nil, err
			}
		}
		list = append(list, a)
	}
	return list, nil
}

func printArtifacts(std *streams, format string, list []artifact) error {
	if format == formatJSON {
		return printJSON(std.out, list)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PLUGIN\tRUNTIME\tBYTES\tSHA-256\tFILE")
	for _, a := range list {
		fmt.Fprintf(table, "%s\t%s\t%d\t%.12s\t%s\n", a.Plugin, a.Runtime, a.Bytes, a.SHA256, a.File)
	}
	return table.Flush()
}

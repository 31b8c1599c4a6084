package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
	"github.com/postern/postern/host/project"
)

// exportFormats are the versions of OpenAPI that documents are written in, by the names that aws apigateway get-export has for the first two.
var exportFormats = map[string]string{"oas30": "3.0", "oas31": "3.1", "swagger": "2.0"}

// An exporting is postern export with its flags.
type exporting struct {
	std         *streams
	remote      *remote
	settings    *settings
	to, dir     string
	format, api string
	yaml        bool
}

func newExport(std *streams) *cobra.Command {
	e := &exporting{std: std, remote: &remote{std: std}, settings: newSettings()}
	cmd := &cobra.Command{
		Use:   "export [PROJECT] --to DIR | --format oas30|oas31|swagger",
		Short: "Write a project as it was applied into a folder, or an API as an OpenAPI document",
		Long: `Without --format it writes a folder that postern dev and postern apply take: the definition as it was applied, and the code as it was built.
Secrets are not exported: their files are named, and not there. Without PROJECT it is the only one that the host has.

With --format it writes an API as an OpenAPI document with API Gateway's extensions: of the project on the host, or with --dir of a
folder. postern import makes the same API of it again. What API Gateway has no word for stands below x-postern, and the report on
standard error names it. The document goes to standard output, or into the file of --to.`,
		Example: `  postern export orders --to ./orders-from-prod
  postern export --format oas30 --dir . > shop.json           an API of this folder
  postern export orders --format oas30 --api shop --to shop.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(e.check(cmd, args), e.settings.resolve()); err != nil {
				return err
			}
			if e.dir != "" {
				return e.local()
			}
			return e.remote.run(e.run)(cmd, args)
		},
	}
	cmd.ValidArgsFunction = e.remote.complete(projectNames)
	f := cmd.Flags()
	f.StringVar(&e.to, "to", "", "`folder` to write, or with --format the file; a file that is there is not overwritten")
	f.StringVar(&e.format, "format", "", "write an OpenAPI document: oas30, oas31 or swagger")
	f.StringVar(&e.api, "api", "", "`name` of the API, where the project has several")
	f.StringVar(&e.dir, "dir", "", "`folder` of a project, or an OpenAPI document, instead of a host")
	f.BoolVar(&e.yaml, "yaml", false, "write YAML; a file that ends in .yaml or .yml is YAML anyway")
	e.settings.addDocument()
	f.AddFlagSet(e.settings.flags)
	e.remote.addTo(cmd)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"oas30", "oas31", "swagger"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check says which flags do not go together.
func (e *exporting) check(cmd *cobra.Command, args []string) error {
	if e.format == "" {
		for _, flag := range []string{"api", "dir", "yaml"} {
			if cmd.Flags().Changed(flag) {
				return usageErrorf("--%s is for OpenAPI documents: add --format oas30", flag)
			}
		}
		if e.to == "" {
			return usageErrorf("--to is missing: the folder to write; or write an API as an OpenAPI document: --format oas30")
		}
		return nil
	}
	if exportFormats[e.format] == "" {
		return usageErrorf("--format must be oas30, oas31 or swagger, not %q", e.format)
	}
	if cmd.Flags().Changed("dir") && (e.dir == "" || len(args) > 0 || e.remote.chosen()) {
		return usageErrorf("--dir names a folder: leave out PROJECT, --host and --context")
	}
	if _, err := os.Lstat(e.to); e.to != "" && !errors.Is(err, fs.ErrNotExist) {
		return usageErrorf("%s is there already: name another file", e.to)
	}
	return nil
}

// run exports from a host.
func (e *exporting) run(cmd *cobra.Command, c *admin.Client, args []string) error {
	name, err := onlyProject(cmd, c, args)
	if err != nil {
		return err
	}
	bundle, err := c.Bundle(cmd.Context(), name)
	if err != nil {
		return err
	}
	if e.format != "" {
		exported, report, err := project.ExportBundleAPI(bundle, e.api, exportFormats[e.format])
		if err != nil {
			return err
		}
		return e.write(exported, report)
	}
	exported, err := project.Export(cmd.Context(), bundle, c.OpenBlob, e.to)
	if err != nil {
		return err
	}
	for _, file := range exported.Files {
		fmt.Fprintln(e.std.out, filepath.Join(e.to, filepath.FromSlash(file)))
	}
	for _, file := range exported.Missing {
		fmt.Fprintf(e.std.err, "%s holds a secret, and is not exported: put it back\n", file)
	}
	return nil
}

// local exports from a folder.
func (e *exporting) local() error {
	exported, report, err := project.ExportAPI(e.dir, e.settings.projectOptions(e.std), e.api, exportFormats[e.format])
	if err != nil {
		return err
	}
	return e.write(exported, report)
}

// write writes the document, and what API Gateway makes of it.
func (e *exporting) write(exported *document.Node, report *openapi.Report) error {
	text := document.JSON(exported)
	if ending := strings.ToLower(filepath.Ext(e.to)); e.yaml || ending == ".yaml" || ending == ".yml" {
		text = document.YAML(exported)
	}
	if err := e.save(text); err != nil {
		return err
	}
	if err := report.WriteText(e.std.err); err != nil {
		return err
	}
	if len(text) > openapi.MaxBytes {
		fmt.Fprintf(e.std.err, "the document has %s, and API Gateway and postern import take %s\n", size(int64(len(text))), size(openapi.MaxBytes))
	}
	return nil
}

// save writes to standard output, or a file that is new.
func (e *exporting) save(text []byte) (err error) {
	if e.to == "" {
		_, err := e.std.out.Write(text)
		return err
	}
	f, err := os.OpenFile(e.to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return usageErrorf("%w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintln(e.std.out, e.to)
	return nil
}

// onlyProject is the project that is named, or the only one.
func onlyProject(cmd *cobra.Command, c *admin.Client, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	names, err := projectNames(cmd.Context(), c, nil)
	switch {
	case err != nil:
		return "", err
	case len(names) == 0:
		return "", usageErrorf("the host has no project")
	case len(names) > 1:
		return "", usageErrorf("the host has several projects, name one: %s", strings.Join(names, ", "))
	}
	return names[0], nil
}

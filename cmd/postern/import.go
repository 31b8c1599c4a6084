package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
	"github.com/postern/postern/host/project"
)

// An importing is postern import with its flags.
type importing struct {
	std      *streams
	format   string
	to, mode string
	check    bool
	protocol string
	opts     project.ImportOptions
}

func newImport(std *streams) *cobra.Command {
	i := &importing{std: std}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Turn an OpenAPI document or a CloudFormation template into a project, and say what differs",
		Long: `Reads an OpenAPI document (3.0, 3.1 or Swagger 2.0, JSON or YAML; - is standard input), with API Gateway's extensions or without, as
aws apigateway get-export and aws apigatewayv2 export-api write it; or a template of CloudFormation or SAM. The definition goes to standard
output, or with --to into the postern.yaml of a folder. The report says of each operation whether it is supported, different (and how) or unsupported (and why).

What is unsupported is an error, and nothing is written. With --allow-unsupported, operations that could not run, or not with the checks that
they ask for, are left out. The exit code is 0, or 3 when the document is wrong or asks for what is unsupported.`,
		Example: `  postern import shop.json                                  the definition, and the report on standard error
  postern import shop.json --to shop                        into shop/postern.yaml
  postern import shop.json --check -o json | jq .verdict    the report alone
  postern import template.yaml --to . --parameter Table=orders
  postern import shop.json --stage prod --stage-variable backend=http://127.0.0.1:9000 --to shop`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&i.format, "output", "o", formatText, "of the report: text or json")
	f.StringVar(&i.to, "to", "", "`folder` of the project to write or to add to")
	f.StringVar(&i.mode, "mode", project.ImportMerge, "what becomes of an API of the name that the project has: merge or overwrite")
	f.BoolVar(&i.check, "check", false, "write the report alone")
	f.StringVar(&i.opts.Name, "name", "", "`name` of the API; without it, the document's title")
	f.StringVar(&i.protocol, "protocol", "", "rest or http; without it, what the document is of: http for what only HTTP APIs have, else rest")
	f.StringVar(&i.opts.OpenAPI.BasePath, "basepath", openapi.BasePathIgnore, "what becomes of the document's base path: ignore, prepend or split")
	f.StringVar(&i.opts.OpenAPI.Server, "server", "", "`URL` that the operations of a document without extensions go to, instead of the servers that it names")
	f.StringVar(&i.opts.Stage, "stage", "", "`name` of the stage; without it, the one that the document was exported from")
	f.StringToStringVar(&i.opts.Variables, "stage-variable", nil, "`name=value` of a stage variable; may stand often")
	f.BoolVar(&i.opts.OpenAPI.AllowUnsupported, "allow-unsupported", false, "leave out what is unsupported")
	f.StringToStringVar(&i.opts.Parameters, "parameter", nil, "`name=value` of a template's parameter; may stand often")
	f.StringVar(&i.opts.OpenAPI.Region, "region", "", "`region` for ${AWS::Region}; us-east-1 without it")
	f.StringVar(&i.opts.OpenAPI.AccountID, "account-id", "", "`account` for ${AWS::AccountId}; 000000000000 without it")
	return cmd
}

var apiName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkFlags settles the flags, and says what is wrong with them.
func (i *importing) checkFlags() error {
	one := func(flag, value string, known ...string) error {
		if slices.Contains(known, value) {
			return nil
		}
		return usageErrorf("--%s must be %s, not %q", flag, strings.Join(known, " or "), value)
	}
	if i.opts.Name != "" && !apiName.MatchString(i.opts.Name) {
		return usageErrorf("--name %q is not the name of an API: lower-case letters, digits and hyphens, at most 63", i.opts.Name)
	}
	if i.check && i.to != "" {
		return usageErrorf("--check writes nothing, and --to says where to write: leave out one of them")
	}
	i.opts.OpenAPI.Protocol = host.Protocol(i.protocol)
	return errors.Join(checkFormat(i.format), one("mode", i.mode, project.ImportMerge, project.ImportOverwrite), one("protocol", i.protocol, "", "rest", "http"),
		one("basepath", i.opts.OpenAPI.BasePath, openapi.BasePathIgnore, openapi.BasePathPrepend, openapi.BasePathSplit))
}

func (i *importing) run(file string) error {
	if err := i.checkFlags(); err != nil {
		return err
	}
	name, data, err := i.read(file)
	if err != nil {
		return err
	}
	if i.to != "" {
		defer open(i.to, &i.opts.Code)()
	}
	defer open(filepath.Dir(file), &i.opts.Beside)()
	imported, err := project.Import(name, data, i.opts)
	if imported == nil {
		return err
	}
	if imported.Template && i.to != "" && !sameFolder(i.to, filepath.Dir(file)) {
		return usageErrorf("a template's code lies beside it, and the definition refers to it: write --to %s", filepath.Dir(file))
	}
	refused := err
	talk := i.std.err // the report is the result unless the definition is
	if i.check || i.to != "" {
		talk = i.std.out
	}
	if err := i.report(talk, imported); err != nil {
		return err
	}
	if refused != nil {
		fmt.Fprintln(i.std.err, "nothing is written; --allow-unsupported leaves out what is unsupported")
		return &toldError{refused}
	}
	return i.write(imported)
}

// read returns a document with the name that its places have.
func (i *importing) read(file string) (name string, data []byte, err error) {
	in := i.std.in
	if name = "standard input"; file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", nil, &host.Error{Op: "import", Kind: host.NotFound, Err: err}
		}
		defer f.Close()
		name, in = file, f
	}
	data, err = io.ReadAll(io.LimitReader(in, openapi.MaxBytes+1))
	return name, data, err
}

// open opens a folder, out of which nothing leads, if it is there, and returns what closes it.
func open(dir string, folder *fs.FS) (closeIt func()) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return func() {}
	}
	*folder = root.FS()
	return func() { _ = root.Close() } // it was only read from
}

func sameFolder(a, b string) bool {
	first, err := os.Stat(a)
	second, other := os.Stat(b)
	return err == nil && other == nil && os.SameFile(first, second)
}

// A templateReport is the JSON report of a template. Its shape is stable.
type templateReport struct {
	Verdict  openapi.Verdict   `json:"verdict"`
	Findings []openapi.Finding `json:"findings"` // about what belongs to no API
	APIs     []*openapi.Report `json:"apis"`
}

func (i *importing) report(w io.Writer, imported *project.ImportedProject) error {
	switch {
	case i.format == formatJSON && imported.Template:
		return printJSON(w, templateReport{imported.Verdict(), append([]openapi.Finding{}, imported.Findings...), append([]*openapi.Report{}, imported.Reports...)})
	case i.format == formatJSON:
		return printJSON(w, imported.Reports[0])
	}
	for _, f := range imported.Findings {
		fmt.Fprintln(w, f)
	}
	for _, r := range imported.Reports {
		if err := r.WriteText(w); err != nil {
			return err
		}
	}
	return nil
}

func (i *importing) write(imported *project.ImportedProject) error {
	if i.check {
		return nil
	}
	if i.to == "" {
		_, err := i.std.out.Write(document.YAML(imported.Definition))
		i.missing(imported, ".")
		for _, f := range imported.Files {
			fmt.Fprintf(i.std.err, "%s belongs to it, and is written with --to\n", f.Path)
		}
		return err
	}
	written, err := imported.Write(i.to, i.mode)
	if err != nil {
		return err
	}
	i.missing(imported, i.to)
	fmt.Fprintf(i.std.err, "%s is written; what serving it needs: postern validate %s\n", written, i.to)
	return nil
}

// missing says where the code of functions is looked for.
func (i *importing) missing(imported *project.ImportedProject, dir string) {
	for _, name := range imported.Missing {
		fmt.Fprintf(i.std.err, "the function %s is not here: put its code at %s, and add it below functions; or upload it to the host\n", name, filepath.Join(dir, "functions", name+".js"))
	}
}

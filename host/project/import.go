package project

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cloudformation"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// ImportOptions say how a document becomes a project.
type ImportOptions struct {
	Name      string            // of the API; "" is the document's title
	Stage     string            // "" is the stage that the document was exported from, or what an API has without stages
	Variables map[string]string // of the stage
	OpenAPI   openapi.Options
	Code      fs.FS // the project's folder, where code of functions may lie; nil for none

	Parameters map[string]string // of a template
	Beside     fs.FS             // the folder of the template, where code and files lie that it refers to; nil for none
}

// An ImportedProject is what a document became.
type ImportedProject struct {
	Definition *document.Node        // a whole definition
	Template   bool                  // of a template, whose code lies beside it
	Reports    []*openapi.Report     // one for each API, in the order of the definition
	Findings   []openapi.Finding     // about what belongs to no API
	Files      []cloudformation.File // to be written beside the definition
	Missing    []string              // functions that are named, and whose code is not there
}

// Verdict is the worst of all.
func (im *ImportedProject) Verdict() openapi.Verdict {
	all := openapi.Report{Findings: im.Findings}
	for _, r := range im.Reports {
		all.Findings = append(all.Findings, r.Findings...)
		all.Operations = append(all.Operations, r.Operations...)
	}
	return all.Verdict()
}

// ErrUnsupported says that a document asks for what does not run, which the reports name.
var ErrUnsupported error = &host.Error{Op: opImport, Kind: host.Unsupported, Err: errors.New("the document asks for what Postern does not do")}

const opImport = "import"

// Import reads an OpenAPI document, or a template of CloudFormation or SAM. What is wrong with the document itself is document.Errors. When it asks
// for what does not run, and that is not allowed, the error is ErrUnsupported, and the result is there for its reports; where it is allowed,
// operations that cannot run are left out.
func Import(file string, data []byte, opts ImportOptions) (*ImportedProject, error) {
	allowed := opts.OpenAPI.AllowUnsupported
	opts.OpenAPI.AllowUnsupported = true // the report is to be whole
	im, err := read(file, data, opts)
	if err != nil {
		return nil, withLines(err, data)
	}
	if err := im.check(file, data); err != nil {
		return nil, err
	}
	if !allowed && im.Verdict() == openapi.Unsupported {
		return im, ErrUnsupported
	}
	return im, nil
}

// read makes a definition, which is not checked, of whatever the document is.
func read(file string, data []byte, opts ImportOptions) (*ImportedProject, error) {
	if bytes.Contains(data, []byte("Resources")) {
		if root, err := cloudformation.Parse(file, data, cloudformation.Limits()); root != nil && cloudformation.Is(root) {
			if err != nil {
				return nil, err
			}
			return readTemplate(root, opts)
		}
	}
	root, err := cloudformation.Parse(file, data, openapi.Limits()) // with tags, so that !Sub is told of as Fn::Sub is
	if err != nil {
		return nil, err
	}
	return readDocument(root, opts)
}

func readTemplate(root *document.Node, opts ImportOptions) (*ImportedProject, error) {
	for _, name := range slices.Sorted(maps.Keys(opts.Parameters)) {
		if parameters := root.Get("Parameters"); parameters.Get(name) == nil {
			known := []string{}
			if parameters != nil {
				for _, m := range parameters.Members {
					known = append(known, m.Key)
				}
			}
			return nil, document.Errors{{Pos: root.Pos, Rule: document.RuleUnknownReference, Message: "the template has no parameter " + document.Quote(name), Hint: document.Suggest(name, known)}}
		}
	}
	o := opts.OpenAPI
	read, err := cloudformation.Read(root, cloudformation.Options{
		Parameters: opts.Parameters, Region: o.Region, AccountID: o.AccountID, Partition: o.Partition, AllowUnsupported: true, Files: opts.Beside,
	})
	if err != nil {
		return nil, err
	}
	return &ImportedProject{Definition: read.Definition, Template: true, Reports: read.Reports, Findings: read.Findings, Files: read.Files}, nil
}

func readDocument(root *document.Node, opts ImportOptions) (*ImportedProject, error) {
	read, err := openapi.Read(root, opts.OpenAPI)
	if err != nil {
		return nil, err
	}
	if opts.Name != "" {
		read.Name, read.Report.API = opts.Name, opts.Name
	}
	if err := stage(read, opts); err != nil {
		return nil, err
	}
	if !read.Plain {
		read.Report.Findings = append(read.Report.Findings, openapi.Finding{Verdict: openapi.Different, Subject: "settings outside of documents", Message: notInDocuments, Pos: root.Pos})
	}
	im := &ImportedProject{Definition: assemble(read), Reports: []*openapi.Report{read.Report}}
	im.addFunctions(read.Functions, opts.Code)
	return im, nil
}

// notInDocuments is what an API may have had at Amazon that no document tells of.
const notInDocuments = "a response cache, usage plans and API keys, IAM authorization by a stage's policy, mutual TLS and other settings of custom domains are in no document, and Postern does not have them; " +
	"nor are the variables of stages, which are set below stages. Names of header fields reach functions and upstreams over HTTP/1.1 without their original case"

// withLines adds the lines of a document to what is wrong with it.
func withLines(err error, data []byte) error {
	var wrong document.Errors
	if !errors.As(err, &wrong) || len(wrong) == 0 {
		return err
	}
	return wrong.Finish(wrong[0].Pos.File, data)
}

// assemble makes a definition of one API.
func assemble(read *openapi.Result) *document.Node {
	pos := read.API.Pos
	apis, root := document.NewObject(pos), document.NewObject(pos)
	apis.Set(read.Name, pos, read.API)
	root.Set("apis", pos, apis)
	if read.Region != "" {
		root.Set("aws", pos, awsAccess(pos, read.Region))
	}
	return root
}

// awsAccess is how services are called that a document names: with the keys that AWS's own tools take.
func awsAccess(pos host.Position, region string) *document.Node {
	env := func(name string) *document.Node {
		secret := document.NewObject(pos)
		secret.Set("env", pos, document.NewText(pos, name))
		return secret
	}
	access := document.NewObject(pos)
	access.Set("region", pos, document.NewText(pos, region))
	access.Set("accessKeyId", pos, env("AWS_ACCESS_KEY_ID"))
	access.Set("secretAccessKey", pos, env("AWS_SECRET_ACCESS_KEY"))
	return access
}

var variableUse = regexp.MustCompile(`\$\{stageVariables\.([A-Za-z0-9_]+)\}`)

// stage sets the stage of an API, and reports variables that its routes need and nobody has given.
func stage(read *openapi.Result, opts ImportOptions) error {
	pos := read.API.Pos
	var errs document.Errors
	told := map[string]bool{}
	each(read.API.Get("routes"), func(key string, n *document.Node) {
		if key != "uri" && key != "http" {
			return
		}
		for _, m := range variableUse.FindAllStringSubmatch(n.Text, -1) {
			if _, given := opts.Variables[m[1]]; !given && !told[m[1]] && read.API.Get("stages") == nil {
				told[m[1]] = true
				errs = append(errs, &document.Error{Pos: n.Pos, Rule: document.RuleUnknownReference,
					Message: "the stage variable " + document.Quote(m[1]) + " has no value: documents do not hold those of stages", Hint: "add --stage-variable " + m[1] + "=VALUE"})
			}
		}
	})
	name := cmp.Or(opts.Stage, read.Stage)
	if name == "" && len(opts.Variables) > 0 {
		if name = "dev"; read.API.Get("protocol").Text == string(host.ProtocolHTTP) {
			name = "$default"
		}
	}
	if name != "" && read.API.Get("stages") == nil {
		stage, stages := document.NewObject(pos), document.NewObject(pos)
		if len(opts.Variables) > 0 {
			variables := document.NewObject(pos)
			for _, variable := range slices.Sorted(maps.Keys(opts.Variables)) {
				variables.Set(variable, pos, document.NewText(pos, opts.Variables[variable]))
			}
			stage.Set("variables", pos, variables)
		}
		stages.Set(name, pos, stage)
		read.API.Set("stages", pos, stages)
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// each calls f for every member below n.
func each(n *document.Node, f func(key string, value *document.Node)) {
	if n == nil {
		return
	}
	for _, m := range n.Members {
		f(m.Key, m.Value)
		each(m.Value, f)
	}
	for _, item := range n.Items {
		each(item, f)
	}
}

// addFunctions defines the functions whose code is where it is by convention, and keeps the names of the others.
func (im *ImportedProject) addFunctions(names []string, code fs.FS) {
	pos := im.Definition.Pos
	functions := im.Definition.Get("functions")
	for _, name := range names {
		if functions.Get(name) != nil {
			continue
		}
		ref := ""
		if code != nil {
			ref = ConventionalCode(code, name)
		}
		if ref == "" {
			im.Missing = append(im.Missing, name)
			continue
		}
		if functions == nil {
			functions = document.NewObject(pos)
			im.Definition.Set("functions", pos, functions)
		}
		f := document.NewObject(pos)
		f.Set("plugin", pos, document.NewText(pos, ref))
		functions.Set(name, pos, f)
	}
}

// check does with what was imported all that a definition is checked for, so that what is wrong is told where it stands in the document: what
// belongs to an operation becomes a finding of its, and the operation is left out. Two rounds do: what is left out breaks nothing else.
func (im *ImportedProject) check(file string, data []byte) error {
	for range 2 {
		found := false
		var others definition.Errors
		for _, e := range im.problems(file, data) {
			if im.attribute(e) {
				found = true
			} else {
				others = append(others, e)
			}
		}
		if len(others) > 0 {
			return others.Finish(file, data)
		}
		if !found {
			break
		}
	}
	return nil
}

// problems are what a host would say of the definition.
func (im *ImportedProject) problems(file string, data []byte) definition.Errors {
	outer := *im.Definition
	outer.Members = slices.Clone(outer.Members)
	stubs := document.NewObject(outer.Pos)
	for _, report := range im.Reports {
		name := report.API
		stub := document.NewObject(outer.Pos)
		if protocol := im.api(name).Get("protocol"); protocol != nil {
			stub.Set("protocol", outer.Pos, protocol)
		}
		stub.Set("openapi", outer.Pos, document.NewText(outer.Pos, "./"+name))
		stubs.Set(name, outer.Pos, stub)
	}
	outer.Set("apis", outer.Pos, stubs)
	var errs definition.Errors
	snapshot, err := definition.Build(&outer, data, definition.Options{Host: true, Document: func(ref definition.DocumentRef) (*definition.Document, error) {
		return &definition.Document{API: im.api(strings.TrimPrefix(ref.Ref, "./")), File: file, Text: data}, nil
	}})
	if err != nil {
		errors.As(err, &errs)
		return errs
	}
	return checkTexts(snapshot)
}

func (im *ImportedProject) api(name string) *document.Node {
	return im.Definition.Get("apis").Get(name)
}

// attribute makes a problem a finding of the operation that it belongs to, and reports whether there is one.
func (im *ImportedProject) attribute(e *definition.Error) bool {
	for _, report := range im.Reports {
		for _, o := range report.Operations {
			path := definition.KeyPath(definition.KeyPath("apis", report.API)+".routes", o.Key)
			if e.Path != path && !strings.HasPrefix(e.Path, path+".") && !strings.HasPrefix(e.Path, path+"[") {
				continue
			}
			message := e.Message
			if e.Hint != "" {
				message += fmt.Sprintf(" (%s)", e.Hint)
			}
			o.LeftOut = true
			o.Findings = append(o.Findings, openapi.Finding{Verdict: openapi.Unsupported, Subject: e.Rule, Message: message, Pos: e.Pos})
			routes := im.api(report.API).Get("routes")
			routes.Members = slices.DeleteFunc(routes.Members, func(m document.Member) bool { return m.Key == o.Key })
			return true
		}
	}
	return false
}

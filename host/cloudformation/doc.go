// Package cloudformation turns templates of CloudFormation and SAM into definitions: REST and HTTP APIs, their authorizers, models and stages, and the
// functions behind them.
//
// A template is read in three steps. Its expressions (Ref, Fn::Sub, conditions and so on) are evaluated where a value is needed, within bounds: templates
// multiply like programs. What its resources say of an API becomes an OpenAPI document with API Gateway's extensions, in which every value keeps its place in
// the template; and package openapi reads that, so that an API is read the same way whatever file it comes from. A template that has such a document in it
// (Body, DefinitionBody) is thus read by the same code as a file.
//
// Nothing is passed over: each resource, property and event that has no counterpart is named in a finding.
package cloudformation

import (
	"cmp"
	"io/fs"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// Options say how a template is read.
type Options struct {
	Parameters map[string]string // values of the template's parameters; those that are left out have their defaults

	// StackName, Region, AccountID and Partition are the values of the pseudo parameters. The defaults are local, us-east-1, 000000000000 and aws.
	StackName, Region, AccountID, Partition string

	AllowUnsupported bool // what does not run is reported and left out, and is no error

	// Files is the folder of the template: code of functions is looked for there, and files that the template includes are read. With nil, files that are included are
	// refused, and code is where the template says.
	Files fs.FS
}

// A File is to be written beside the definition, which refers to it.
type File struct {
	Path string // relative to the folder of the template, with slashes
	Data []byte
}

// A Result is what a template says.
type Result struct {
	Definition *document.Node    // a whole definition; every node has its place in the template
	Reports    []*openapi.Report // one for each API, in the order of the template
	Findings   []openapi.Finding // about functions, and resources that are of no API
	Files      []File            // scripts that the template holds itself, or that give a function the name that is called here
}

// Unsupported reports whether anything does not run.
func (r *Result) Unsupported() bool {
	for _, f := range r.Findings {
		if f.Verdict == openapi.Unsupported {
			return true
		}
	}
	for _, report := range r.Reports {
		if report.Verdict() == openapi.Unsupported {
			return true
		}
	}
	return false
}

// Is reports whether a document says that it is a template.
func Is(root *document.Node) bool {
	if root.Get("AWSTemplateFormatVersion") != nil {
		return true
	}
	for _, m := range members(root.Get("Resources")) {
		if m.Value.Get("Type") != nil {
			return true
		}
	}
	return false
}

// Limits are those that templates are parsed with (CloudFormation user guide, "Quotas": a template has at most 1 MB; a file that it includes is
// bounded by openapi.Limits).
func Limits() document.Limits {
	return document.Limits{Bytes: 4 << 20, Tokens: 1_000_000, Nodes: 500_000, Depth: 128}
}

// Parse reads a template or a file that a template includes; `!Ref x` and the other short forms are what they stand for.
func Parse(name string, data []byte, limits document.Limits) (*document.Node, error) {
	return document.ParseTagged(name, data, limits, Tag)
}

// Tag returns the key that a tag of YAML stands for: Fn::Sub for "!Sub" (CloudFormation user guide, "Intrinsic function reference").
func Tag(tag string) (key string, ok bool) {
	switch tag {
	case "!Ref", "!Condition":
		return tag[1:], true
	case "!And", "!Base64", "!Cidr", "!Equals", "!FindInMap", "!GetAtt", "!GetAZs", "!If", "!ImportValue", "!Join", "!Length", "!Not", "!Or", "!Select", "!Split", "!Sub",
		"!ToJsonString", "!Transform":
		return "Fn::" + tag[1:], true
	}
	return "", false
}

// Read reads a template. The error is document.Errors with everything that is wrong or, without AllowUnsupported, not supported, in the order of the
// template; the Result, which is not nil, then holds what could be made out, and the reports are whole.
func Read(root *document.Node, opts Options) (*Result, error) {
	opts.StackName, opts.Region = cmp.Or(opts.StackName, "local"), cmp.Or(opts.Region, "us-east-1")
	opts.AccountID, opts.Partition = cmp.Or(opts.AccountID, "000000000000"), cmp.Or(opts.Partition, "aws")
	t := newTemplate(root, opts)
	if t.load() {
		t.functions()
		t.apis()
		t.others()
		t.assemble()
	}
	t.sort()
	if !opts.AllowUnsupported {
		t.refuseUnsupported()
	}
	if len(t.errs) == 0 {
		return t.result, nil
	}
	return t.result, t.errs.Finish(root.Pos.File, nil)
}

// members are those of an object, and none of what is no object.
func members(n *document.Node) []document.Member {
	if n == nil {
		return nil
	}
	return n.Members
}

// object is a new object with one member.
func object(pos host.Position, key string, value *document.Node) *document.Node {
	n := document.NewObject(pos)
	n.Set(key, pos, value)
	return n
}

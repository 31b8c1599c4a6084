package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/openapi"
)

// A definer reads a definition, and the OpenAPI documents that its APIs are made of.
type definer struct {
	project *Project
	root    *os.Root
	opts    definition.Options
	without bool // a document that is run as it is goes without what is unsupported
}

// define reads what the project is made of: a definition, or a document that is run as it is.
func (d *definer) define() (*host.Snapshot, error) {
	d.opts.Document = d.document
	p := d.project
	if p.File == FileName || p.File == otherName {
		var err error
		if p.Text, err = definition.Read(d.root.FS(), p.File); err != nil {
			return nil, err
		}
		return definition.Parse(p.File, p.Text, d.opts)
	}
	text, err := readStart(d.root, p.File, openapi.MaxBytes)
	if err != nil {
		kind := host.Internal
		if errors.Is(err, fs.ErrNotExist) {
			kind = host.NotFound
		}
		return nil, &host.Error{Op: "read the definition", Kind: kind, Pos: host.Position{File: p.File}, Err: err}
	}
	root, ok := asDocument(p.File, text)
	if !ok {
		p.Text = text
		return definition.Parse(p.File, p.Text, d.opts)
	}
	return d.asItIs(p.File, text, root)
}

// saysOpenAPI is what a document begins with that cannot be read as a whole.
var saysOpenAPI = regexp.MustCompile(`(?m)(^|[{,])\s*["']?(openapi|swagger)["']?\s*:\s*["']?[0-9]+\.[0-9]`)

// asDocument reports whether a file is an OpenAPI document, also one that is broken, rather than a definition. The tree is nil where it is broken.
func asDocument(file string, text []byte) (*document.Node, bool) {
	root, err := document.Parse(file, text, openapi.Limits())
	if err != nil {
		return nil, saysOpenAPI.Match(text)
	}
	return root, openapi.Is(root)
}

// document reads a document of the project.
func (d *definer) document(ref definition.DocumentRef) (*definition.Document, error) {
	p, file := d.project, path.Clean(ref.Ref)
	text, read := p.documents[file]
	if !read {
		p.Inputs = append(p.Inputs, file)
		start, err := readStart(d.root, file, openapi.MaxBytes) // the parser says when this is not all of it
		if err != nil {
			return nil, unreadable(d.root, ref.Ref, err)
		}
		text = start
		p.keep(file, text)
	}
	doc, report, err := catalog.ReadDocument(file, text, ref, !d.opts.Host)
	if report != nil && err == nil {
		p.Warnings = append(p.Warnings, differences(file, report)...)
	}
	return doc, err
}

// keep notes the text of a document that was read.
func (p *Project) keep(file string, text []byte) {
	if p.documents == nil {
		p.documents = map[string][]byte{}
	}
	p.documents[file] = text
}

// differences says in a line that an API is not in all what its document asks for.
func differences(file string, report *openapi.Report) definition.Errors {
	count := func(v openapi.Verdict) (n int) {
		for _, f := range report.Findings {
			if f.Verdict == v {
				n++
			}
		}
		for _, o := range report.Operations {
			for _, f := range o.Findings {
				if f.Verdict == v {
					n++
				}
			}
		}
		return n
	}
	var parts []string
	if n := count(openapi.Unsupported); n > 0 {
		parts = append(parts, fmt.Sprintf("not done at all: %d", n))
	}
	if n := count(openapi.Different); n > 0 {
		parts = append(parts, fmt.Sprintf("different from API Gateway: %d", n))
	}
	if len(parts) == 0 {
		return nil
	}
	return definition.Errors{{Pos: host.Position{File: file}, Rule: RuleDifferent, Message: "points of the document that are " + strings.Join(parts, ", "),
		Hint: "postern import " + file + " --check lists them"}}
}

// asItIs makes a definition for a document that nobody wrote one for: one API of the document's name, and the functions that it names and whose code lies
// where it is looked for by convention. Its errors stand in the document.
func (d *definer) asItIs(file string, text []byte, root *document.Node) (*host.Snapshot, error) {
	p := d.project
	p.keep(file, text)
	p.File, p.document = FileName, file
	at := host.Position{File: file, Line: 1, Column: 1}
	api, made := document.NewObject(at), document.NewObject(at)
	api.Set("openapi", at, document.NewText(at, "./"+file))
	if d.without {
		api.Set("allowUnsupported", at, document.NewBool(at, true))
	}
	p.name = apiName(strings.TrimSuffix(file, path.Ext(file)))
	if root != nil {
		d.described(api, made, root)
	}
	apis := document.NewObject(at)
	apis.Set(p.name, api.Pos, api)
	made.Members = append([]document.Member{{Key: "apis", Pos: at, Value: apis}}, made.Members...)
	p.Text = document.YAML(made)
	opts := d.opts
	opts.UnsupportedHint = "--allow-unsupported does without all that is unsupported"
	opts.FunctionHint = func(name string) string {
		return fmt.Sprintf("put its code at ./%[1]s/%[2]s.js (or .ts, .mjs, .wasm), or into the folder ./%[1]s/%[2]s", functionsFolder, name)
	}
	return definition.Build(made, text, opts)
}

var notInAPIName = regexp.MustCompile(`[^a-z0-9]+`)

// apiName makes a name for an API of what a file is called.
func apiName(text string) string {
	name := strings.Trim(notInAPIName.ReplaceAllString(strings.ToLower(text), "-"), "-")
	return cmp.Or(strings.Trim(name[:min(len(name), 63)], "-"), "api")
}

// described adds to an API and its definition what only a reader of the document knows.
func (d *definer) described(api, made, root *document.Node) {
	at := made.Pos
	protocol := openapi.Detect(root)
	read, _ := openapi.Read(root, openapi.Options{Protocol: protocol, AllowUnsupported: true, Unqualified: !d.opts.Host}) // its errors come when it is read as a part
	if title := root.Get("info").Get("title"); title != nil && title.Text != "" {
		d.project.name, api.Pos = read.Name, title.Pos
	}
	if protocol != host.ProtocolREST {
		api.Set("protocol", at, document.NewText(at, string(protocol)))
	}
	if read.Stage != "" && read.API.Get("stages") == nil {
		stages := document.NewObject(at)
		stages.Set(read.Stage, at, document.NewObject(at))
		api.Set("stages", at, stages)
	}
	functions, places := document.NewObject(at), functionPlaces(read.API)
	for _, name := range read.Functions {
		for _, ending := range codeEndings { // one that comes takes the place of a later one
			d.project.Inputs = append(d.project.Inputs, path.Join(functionsFolder, name+ending))
		}
		if ref := ConventionalCode(d.root.FS(), name); ref != "" {
			f := document.NewObject(places[name])
			f.Set("plugin", places[name], document.NewText(places[name], ref))
			functions.Set(name, places[name], f)
		}
	}
	if len(functions.Members) > 0 {
		made.Set("functions", at, functions)
	}
	if read.Region != "" {
		made.Set("aws", at, awsAccess(at, read.Region))
	}
}

// functionPlaces is where each function is named first.
func functionPlaces(api *document.Node) map[string]host.Position {
	places := map[string]host.Position{}
	each(api, func(key string, n *document.Node) {
		name := ""
		switch key {
		case "function":
			name, _, _ = strings.Cut(n.Text, "@")
		case "uri":
			arn, _ := mapping.ParseARN(n.Text) // what is no ARN names no function
			name = arn.Function
		}
		if _, known := places[name]; name != "" && !known {
			places[name] = n.Pos
		}
	})
	return places
}

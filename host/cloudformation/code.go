package cloudformation

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// scriptEndings are those of a function's source, in the order in which they are looked for: what is written comes before what was built of it.
var scriptEndings = []string{".ts", ".mts", ".cts", ".mjs", ".js", ".cjs"}

// written is the folder in which scripts that the template holds itself are written.
const written = "functions"

// code is the reference to a function's code; nil where none can run here, which is said.
func (t *template) code(r *resource) *document.Node {
	name := t.functionName(r)
	elsewhere := "; or upload code that runs here by this name: `postern function upload " + name + "`"
	if kind := t.text(r, "PackageType"); kind != nil && kind.Text == "Image" || r.props.Get("ImageUri") != nil {
		t.find(openapi.Unsupported, r.pos, "function", name+" is a container image, which is not run: build its code to WebAssembly"+elsewhere)
		return nil
	}
	runtime := t.text(r, "Runtime")
	switch {
	case runtime == nil:
		t.wrong(r.pos, document.RuleRequired, r.id+" has no Runtime", "")
		return nil
	case !runs(runtime.Text):
		t.find(openapi.Unsupported, runtime.Pos, "function", name+" is for the runtime "+document.Quote(runtime.Text)+", which is not run: compile it to WebAssembly, and name the .wasm file below functions"+elsewhere)
		return nil
	}
	handler := t.text(r, "Handler")
	if handler == nil {
		t.wrong(r.pos, document.RuleRequired, r.id+" has no Handler", "")
		return nil
	}
	module, export, ok := cutHandler(handler.Text)
	if !ok {
		t.wrong(handler.Pos, document.RuleInvalidValue, document.Quote(handler.Text)+" is no handler", "write the file without its ending, a dot and the name that it exports: app.handler")
		return nil
	}
	if inline, isInline := t.inline(r); isInline {
		if inline == nil {
			return nil
		}
		return t.writtenCode(name, inline, export)
	}
	folder := t.folder(r)
	if folder == nil {
		return nil
	}
	ref := t.source(r, folder, module)
	if ref == "" {
		return nil
	}
	return t.exported(name, ref, export, handler.Pos)
}

// cutHandler divides "src/app.handler" into the module and what it exports.
func cutHandler(handler string) (module, export string, ok bool) {
	dot := strings.LastIndexByte(handler, '.')
	if dot <= 0 || !identifier.MatchString(handler[dot+1:]) {
		return "", "", false
	}
	return handler[:dot], handler[dot+1:], true
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// inline is the code that stands in the template itself.
func (t *template) inline(r *resource) (code *document.Node, ok bool) {
	if r.kind == typeServerlessFunction {
		if r.props.Get("InlineCode") == nil {
			return nil, false
		}
		return t.text(r, "InlineCode"), true
	}
	if v := t.get(r, "Code").Get("ZipFile"); v != nil {
		if !t.is(v, document.Text, "ZipFile") {
			return nil, true
		}
		return v, true
	}
	return nil, false
}

// writtenCode is a file with code that stands in the template.
func (t *template) writtenCode(name string, code *document.Node, export string) *document.Node {
	file := path.Join(written, name+".js")
	if export == "handler" || export == "handle" {
		t.result.Files = append(t.result.Files, File{file, []byte(code.Text)})
		return document.NewText(code.Pos, "./"+file)
	}
	source := path.Join(written, name+".source.js")
	t.result.Files = append(t.result.Files, File{source, []byte(code.Text)})
	return t.exported(name, source, export, code.Pos)
}

// folder is where a function's code is, relative to the template; nil where it is not beside it.
func (t *template) folder(r *resource) *document.Node {
	property := "CodeUri"
	if r.kind == typeFunction {
		property = "Code"
	}
	v := t.get(r, property)
	if asset := r.asset(property); asset != nil {
		v = asset
	}
	switch {
	case v == nil:
		v = document.NewText(r.place(property), ".")
	case v.Shape == document.Object, v.Shape == document.Text && strings.Contains(v.Text, "://"):
		t.find(openapi.Unsupported, v.Pos, "code", "the code of "+r.id+" is in S3, which is not read: download it, and name its folder")
		return nil
	case !t.is(v, document.Text, property):
		return nil
	}
	return v
}

// asset is where the CDK has put beside the template what a property finds in S3 (CDK guide, "Assets": aws:asset:path); nil where it has not.
func (r *resource) asset(property string) *document.Node {
	at, of := r.metadata.Get("aws:asset:path"), r.metadata.Get("aws:asset:property")
	if at == nil || at.Shape != document.Text || of == nil || of.Text != property {
		return nil
	}
	return at
}

// source finds the file of a handler in a function's folder, and says when it is not there.
func (t *template) source(r *resource, folder *document.Node, module string) string {
	at := path.Clean(path.Join(strings.ReplaceAll(folder.Text, `\`, "/"), module))
	if strings.HasPrefix(at, "../") || strings.HasPrefix(folder.Text, "/") {
		t.wrong(folder.Pos, document.RuleInvalidValue, document.Quote(folder.Text)+": "+errOutside.Error(), "")
		return ""
	}
	if t.opts.Files == nil {
		return at + ".js"
	}
	for _, ending := range scriptEndings {
		if t.isFile(at + ending) {
			return at + ending
		}
	}
	base := path.Clean(strings.ReplaceAll(folder.Text, `\`, "/"))
	switch {
	case path.Ext(base) != "" && t.isFile(base):
		t.find(openapi.Unsupported, folder.Pos, "code", document.Quote(folder.Text)+" is not unpacked: name the folder with the code of "+r.id)
		return ""
	case !t.isFolder(base):
		t.find(openapi.Unsupported, folder.Pos, "code", "there is no folder "+document.Quote(folder.Text)+": the code of "+r.id+" is not beside the template")
		return ""
	}
	t.find(openapi.Unsupported, folder.Pos, "code", "there is no file "+at+" that ends in "+strings.Join(scriptEndings, ", ")+": build the code of "+r.id+", or name its source")
	return ""
}

// exported is a reference to code of which a function is called by the name handler; where the code has another name for it, a script is written that
// gives it this one.
func (t *template) exported(name, ref, export string, pos host.Position) *document.Node {
	if export == "handler" || export == "handle" {
		return document.NewText(pos, "./"+ref)
	}
	file := path.Join(written, name+".js")
	if t.opts.Files != nil && path.Clean(ref) == file {
		file = path.Join(written, name+".handler.js")
	}
	up := strings.Repeat("../", strings.Count(file, "/"))
	script := "export { " + export + " as handler } from " + strconv.Quote(up+path.Clean(ref)) + ";\n"
	t.result.Files = append(t.result.Files, File{file, []byte(script)})
	t.find(openapi.Different, pos, "handler", "a function is called by the name handler: "+file+" gives it to "+export+" of "+path.Clean(ref))
	return document.NewText(pos, "./"+file)
}

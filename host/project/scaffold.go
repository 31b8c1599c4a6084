package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/sdk"
	"github.com/postern/postern/spec"
)

// A Template is something that Scaffold can write.
type Template struct {
	Name    string `json:"name"` // "project", or a language and a kind: "rust-filter"
	Summary string `json:"summary"`
	Needs   string `json:"needs,omitempty"` // that the folder is built with; "" for nothing but postern
	Next    string `json:"-"`               // a command to give before the first build; "" for none
}

// projectTemplate is the template of a whole project.
const projectTemplate = "project"

// A language says where its SDK goes in a new plugin's folder, so that it builds without a network.
type language struct {
	name, title string
	needs, next string
	sdk         map[string]string // a file or folder of package sdk, and where it goes
	extra       map[string]string // a file, and what is in it
}

func scaffoldLanguages() []language {
	return []language{
		{name: "typescript", title: "TypeScript", sdk: map[string]string{"js/postern.d.ts": "postern.d.ts"}},
		{name: "go", title: "Go", needs: "Go 1.24 or newer", sdk: map[string]string{"go": "postern/sdk/go"},
			extra: map[string]string{"postern/go.mod": "module github.com/postern/postern\n\ngo 1.24\n"}},
		{name: "rust", title: "Rust", needs: "Rust 1.63 or newer, with a wasm32 target", sdk: map[string]string{"rust/src": "postern/src", "rust/Cargo.toml": "postern/Cargo.toml"}},
		{name: "assemblyscript", title: "AssemblyScript", needs: "Node.js", next: "npm install", sdk: map[string]string{"assemblyscript/assembly": "postern"}},
		{name: "c", title: "C", needs: "clang and lld, and make", sdk: map[string]string{"c": "postern"}},
		{name: "zig", title: "Zig", needs: "Zig", sdk: map[string]string{
			"zig/src": "postern/src", "zig/build.zig": "postern/build.zig", "zig/build.zig.zon": "postern/build.zig.zon"}},
	}
}

// pluginKinds are the contracts, with what a plugin of each is for.
var pluginKinds = []struct{ name, summary string }{
	{"function", "answers requests"},
	{"authorizer", "decides who may call"},
	{"mapping", "makes one body of another"},
	{"filter", "sees requests and responses pass, and edits them"},
}

// Templates returns what there is, sorted by language and contract.
func Templates() []Template {
	list := []Template{{Name: projectTemplate, Summary: "an API with a function in TypeScript, and its test"}}
	for _, l := range scaffoldLanguages() {
		for _, kind := range pluginKinds {
			list = append(list, Template{Name: l.name + "-" + kind.name, Summary: "a plugin in " + l.title + " that " + kind.summary, Needs: l.needs, Next: l.next})
		}
	}
	return list
}

// FindTemplate returns the template of that name. That there is none has Kind NotFound, with a suggestion.
func FindTemplate(name string) (Template, error) {
	list := Templates()
	var names []string
	for _, t := range list {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	err := fmt.Errorf("there is no template %q", name)
	if near := definition.Nearest(name, names); near != "" {
		err = fmt.Errorf("%w; did you mean %q?", err, near)
	} else {
		err = fmt.Errorf("%w; postern new, without arguments, lists them", err)
	}
	return Template{}, &host.Error{Op: "new", Kind: host.NotFound, Err: err}
}

// Scaffold writes a template into dir, which is made, or must be empty, and returns the files, relative to it and sorted. The name of the
// plugin or project is the folder's. When it fails, what it has written is taken away again. Errors have Kind Conflict for a folder
// with something in it, Invalid for a name that none can be made of, NotFound for a template that there is not.
func Scaffold(template, dir string) (files []string, err error) {
	const op = "new"
	if _, err := FindTemplate(template); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	name := scaffoldName(filepath.Base(abs))
	if name == "" {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("no name can be made of the folder's, %q: it needs a letter or a digit", filepath.Base(abs))}
	}
	w := &scaffold{dir: abs, name: name}
	if err := w.begin(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(&host.Error{Op: op, Kind: host.Internal, Err: err}, w.undo())
			files = nil
		}
	}()
	if template == projectTemplate {
		err = w.project()
	} else {
		err = w.plugin(template)
	}
	slices.Sort(w.files)
	return w.files, err
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// scaffoldName makes a name of a folder's that every language takes for that of a package: lower-case letters, digits and hyphens, a letter
// first.
func scaffoldName(base string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(base), "-"), "-")
	if name != "" && (name[0] < 'a' || name[0] > 'z') {
		name = "p" + name
	}
	return name[:min(len(name), 50)]
}

// A scaffold is a folder that is being written.
type scaffold struct {
	dir, name string
	made      bool     // the folder is new
	files     []string // relative to dir
}

func (w *scaffold) begin() error {
	const op = "new"
	entries, err := os.ReadDir(w.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.made = true
		err = os.MkdirAll(w.dir, 0o777)
	case err == nil && len(entries) > 0:
		return &host.Error{Op: op, Kind: host.Conflict, Err: fmt.Errorf("%s is not empty: name a folder that is, or that is not there yet", w.dir)}
	}
	if err != nil {
		return &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	return nil
}

// undo takes away what was written.
func (w *scaffold) undo() error {
	if w.made {
		return os.RemoveAll(w.dir)
	}
	entries, err := os.ReadDir(w.dir)
	for _, e := range entries { // it was empty before
		err = errors.Join(err, os.RemoveAll(filepath.Join(w.dir, e.Name())))
	}
	return err
}

func (w *scaffold) write(name, text string) error {
	file := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	w.files = append(w.files, name)
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// copy writes a file or folder of package sdk below to. Tests of the SDK stay behind, as do its templates and its conformance guest. In
// templates, {{name}} becomes the name, and .tmpl at the end of a file's name goes.
func (w *scaffold) copy(from, to string, template bool) error {
	return fs.WalkDir(sdk.Sources, from, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(file, from), "/")
		if e.IsDir() {
			if rel == "templates" || rel == "conformance" {
				return fs.SkipDir
			}
			return nil
		}
		text, err := sdk.Sources.ReadFile(file)
		if err != nil || !template && strings.HasSuffix(file, "_test.go") {
			return err
		}
		out := string(text)
		if template {
			out = strings.ReplaceAll(out, "{{name}}", w.name)
			rel = strings.TrimSuffix(rel, ".tmpl")
		}
		return w.write(path.Join(to, rel), out)
	})
}

func (w *scaffold) plugin(template string) error {
	name, kind, _ := strings.Cut(template, "-")
	for _, l := range scaffoldLanguages() {
		if l.name != name {
			continue
		}
		if err := w.copy(path.Join(sdkFolder(name), "templates", kind), "", true); err != nil {
			return err
		}
		for from, to := range l.sdk {
			if err := w.copy(from, to, false); err != nil {
				return err
			}
		}
		for file, text := range l.extra {
			if err := w.write(file, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// sdkFolder is a language's folder in package sdk.
func sdkFolder(language string) string {
	if language == "typescript" {
		return "js"
	}
	return language
}

func (w *scaffold) project() error {
	for name, text := range map[string]string{
		"postern.yaml":           projectYAML,
		"definition.schema.json": string(spec.DefinitionSchema),
		"README.md":              projectReadme,
		".gitignore":             "*.secret\nnode_modules/\n",
	} {
		if err := w.write(name, strings.ReplaceAll(text, "{{name}}", w.name)); err != nil {
			return err
		}
	}
	if err := w.copy("js/templates/function", "functions/hello", true); err != nil {
		return err
	}
	return w.copy("js/postern.d.ts", "functions/hello/postern.d.ts", false)
}

const projectYAML = `# yaml-language-server: $schema=./definition.schema.json
apis:
  {{name}}:
    protocol: http
    routes:
      GET /hello/{name}:
        integration: {function: hello}
      $default:
        integration: {mock: {status: 404, body: "there is nothing here\n"}}
functions:
  hello:
    plugin: ./functions/hello
`

const projectReadme = `# {{name}}

` + "```" + `console
$ postern dev
$ curl http://127.0.0.1:8080/hello/ada
$ postern test
` + "```" + `

` + "`postern.yaml`" + ` says what is served. ` + "`functions/hello`" + ` is a function with its tests in ` + "`tests/`" + `. ` + "`postern new`" + ` lists what else can be added.
`

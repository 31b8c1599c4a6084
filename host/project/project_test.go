package project_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

// write makes a project of files and returns its folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		put(t, dir, name, data)
	}
	return dir
}

func put(t *testing.T, dir, name, data string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// options build into a cache of the test's own.
func options(t *testing.T) project.Options {
	t.Helper()
	return project.Options{CacheDir: t.TempDir(), Env: func(string) (string, bool) { return "", false }}
}

func load(t *testing.T, dir string, opts project.Options) *project.Project {
	t.Helper()
	p, err := project.Load(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// problems loads a project that must fail, and returns its errors as "position rule".
func problems(t *testing.T, dir string, opts project.Options) (definition.Errors, []string) {
	t.Helper()
	p, err := project.Load(t.Context(), dir, opts)
	errs, got := problemsOf(t, err)
	if p == nil || p.Snapshot != nil || len(p.Inputs) == 0 {
		t.Errorf("got project %+v, want one with inputs and without a snapshot", p)
	}
	return errs, got
}

// problemsOf returns errors with their places and rules.
func problemsOf(t *testing.T, err error) (errs definition.Errors, got []string) {
	t.Helper()
	if !errors.As(err, &errs) || !errors.Is(err, host.Invalid) {
		t.Fatalf("got %v, want definition.Errors of Kind Invalid", err)
	}
	for _, e := range errs {
		got = append(got, e.Pos.String()+" "+e.Rule)
		t.Log(e)
	}
	return errs, got
}

// module is the smallest WebAssembly module.
const module = "\x00asm\x01\x00\x00\x00"

// one is a definition with one function.
func one(ref string, more ...string) string {
	lines := []string{"functions:", "  f:", "    plugin: " + ref}
	for _, m := range more {
		lines = append(lines, "    "+m)
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestLoad(t *testing.T) {
	dir := write(t, map[string]string{
		"postern.yaml": `
apis:
  orders:
    authorizers:
      caller: {plugin: ./authorizers/caller.ts, secrets: {KEY: {env: THE_KEY}}}
    routes:
      POST /orders:
        authorizer: caller
        request: {mapping: {application/json: ./mappings/in.js}}
        integration: {function: get}
        responses: [{match: "2..", mapping: {application/json: ./mappings/in.js}}]
functions:
  get:
    plugin: ./functions/get.wasm
    memory: 16MiB
    secrets: {PASSWORD: {file: ./db.secret}}
  page: {plugin: ./functions/page}
`,
		"authorizers/caller.ts":     "import {ok} from '../lib/check'\nexport function authorize(event: any) { return {isAuthorized: ok(event)} }\n",
		"lib/check.ts":              "export const ok = (x: unknown): boolean => !!x\n",
		"mappings/in.js":            "export function map_request(input) { return input.body }\n",
		"functions/get.wasm":        module,
		"functions/page/index.ts":   "export const handler = async () => ({statusCode: 200})\n",
		"functions/page/unused.txt": "",
		"db.secret":                 "s3cret\n\n",
	})
	opts := options(t)
	opts.Env = func(name string) (string, bool) { return "from " + name, name == "THE_KEY" }
	p := load(t, dir, opts)

	api := p.Snapshot.APIs[0]
	get, page := &p.Snapshot.Functions[0].Plugin, &p.Snapshot.Functions[1].Plugin
	caller, in, out := &api.Authorizers[0].Plugin, &api.Routes[0].Mappings[0].Plugin, &api.Routes[0].Responses[0].Mappings[0].Plugin
	for _, test := range []struct {
		plugin    *host.PluginConfig
		runtime   string
		isolation host.Isolation
		memory    int64
	}{
		{get, host.RuntimeWasm, host.IsolationPooled, 16 << 20},
		{page, host.RuntimeJS, host.IsolationFresh, 0},
		{caller, host.RuntimeJS, host.IsolationPooled, 0},
		{in, host.RuntimeJS, host.IsolationPooled, 0},
		{out, host.RuntimeJS, host.IsolationPooled, 0},
	} {
		c := test.plugin
		if c.Runtime != test.runtime || c.Isolation != test.isolation || c.Limits.Memory.Value != test.memory {
			t.Errorf("%s: runtime %q, isolation %q, memory %d; want %+v", c.Ref, c.Runtime, c.Isolation, c.Limits.Memory.Value, test)
		}
		if c.Source == nil || c.Source.Runtime != test.runtime || len(c.Source.Digest) != 64 || len(c.Source.Code) == 0 {
			t.Errorf("%s: source %+v", c.Ref, c.Source)
		}
	}
	if in.Source != out.Source {
		t.Error("one file was bundled twice")
	}
	if got := get.Secrets[0].Value.Reveal(); got != "s3cret\n" {
		t.Errorf("PASSWORD = %q, want the file without its last new line", got)
	}
	if got := caller.Secrets[0].Value.Reveal(); got != "from THE_KEY" {
		t.Errorf("KEY = %q", got)
	}
	want := []string{"authorizers/caller.schema.json", "authorizers/caller.ts", "db.secret", "functions/get.schema.json", "functions/get.wasm",
		"functions/page", "functions/page/config.schema.json", "functions/page/index.ts", "lib/check.ts", "mappings/in.js", "mappings/in.schema.json", "postern.yaml"}
	if diff := cmp.Diff(want, p.Inputs); diff != "" {
		t.Errorf("inputs: %s", diff)
	}
	if len(p.Snapshot.Revision) != 64 {
		t.Errorf("revision %q", p.Snapshot.Revision)
	}
}

func TestFindsTheDefinition(t *testing.T) {
	files := map[string]string{"f.wasm": module}
	empty := write(t, files)
	p, err := project.Load(t.Context(), empty, options(t))
	if !errors.Is(err, host.NotFound) || !strings.Contains(err.Error(), "postern.yaml") {
		t.Errorf("no definition: got %v, want Kind NotFound with a remedy", err)
	}
	if !slices.Contains(p.Inputs, "postern.yaml") {
		t.Errorf("inputs %q: the definition is not waited for", p.Inputs)
	}
	if _, err := project.Load(t.Context(), filepath.Join(empty, "missing"), options(t)); !errors.Is(err, host.NotFound) {
		t.Errorf("no folder: got %v, want Kind NotFound", err)
	}
	files["postern.yml"] = one("./f.wasm")
	dir := write(t, files)
	if p := load(t, dir, options(t)); p.File != "postern.yml" {
		t.Errorf("File = %q", p.File)
	}
	put(t, dir, "other.yaml", one("./f.wasm"))
	if p := load(t, filepath.Join(dir, "other.yaml"), options(t)); p.File != "other.yaml" {
		t.Errorf("File = %q", p.File)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	load(t, link, options(t))
	put(t, dir, "postern.yaml", one("./f.wasm"))
	if _, got := problems(t, dir, options(t)); got[0] != "postern.yml conflict" {
		t.Errorf("two definitions: got %q", got)
	}
}

func TestBadFiles(t *testing.T) {
	outside := filepath.Join(write(t, map[string]string{"x.wasm": module}), "x.wasm")
	for _, test := range []struct {
		name       string
		definition string
		files      map[string]string
		want       []string
		text       string // in the error
	}{
		{"missing", one("./f.wasm"), nil, []string{"postern.yaml:3:13 missing-file"}, "there is no ./f.wasm"},
		{"missing, with a neighbour", one("./Get_Order.js"), map[string]string{"get-order.ts": ""}, []string{"postern.yaml:3:13 missing-file"}, `did you mean "./get-order.ts"?`},
		{"missing folder", one("./functions/f"), nil, []string{"postern.yaml:3:13 missing-file"}, ""},
		{"empty", one("./f.wasm"), map[string]string{"f.wasm": ""}, []string{"postern.yaml:3:13 invalid-value"}, "is empty"},
		{"cut off in its first word", one("./f.wasm"), map[string]string{"f.wasm": module[:3]}, []string{"postern.yaml:3:13 invalid-value"}, "cut off"},
		{"text format", one("./f.wasm"), map[string]string{"f.wasm": "(module)"}, []string{"postern.yaml:3:13 invalid-value"}, "WebAssembly text"},
		{"a native program", one("./f.wasm"), map[string]string{"f.wasm": "\x7fELF\x02\x01\x01"}, []string{"postern.yaml:3:13 invalid-value"}, "compile it for WebAssembly"},
		{"a folder with the name of a module", one("./f.wasm"), map[string]string{"f.wasm/x": ""}, []string{"postern.yaml:3:13 unreadable-file"}, "is a folder"},
		{"a file without an ending", one("./f"), map[string]string{"f": "x"}, []string{"postern.yaml:3:13 invalid-value"}, "without an ending"},
		{"a folder with nothing to build", one("./f"), map[string]string{"f/README": ""}, []string{"postern.yaml:3:13 build-kind"}, "go.mod, package.json"},
		{"a folder with two build files", one("./f"), map[string]string{"f/go.mod": "", "f/Makefile": ""}, []string{"postern.yaml:3:13 build-kind"}, "go.mod and Makefile"},
		{"TypeScript that is none", one("./f.ts"), map[string]string{"f.ts": "const a = 1\nexport const handler = (\n"}, []string{"f.ts:3:1 script"}, ""},
		{"an import that is not there", one("./f.ts"), map[string]string{"f.ts": "\nimport {x} from './lib/y'\nexport const handler = x\n"}, []string{"f.ts:2:17 script"}, "./lib/y"},
		{"a package that is not there", one("./f"), map[string]string{"f/package.json": `{"main":"main.ts"}`, "f/main.ts": "import x from 'left-pad'\nexport const handler = x\n"}, []string{"f/main.ts:1:15 script"}, "npm install left-pad"},
		{"memory of a script's folder", one("./f", "memory: 64MiB"), map[string]string{"f/index.js": "exports.handler = () => 1"}, []string{"postern.yaml:4:13 unsupported"}, "memory cannot be capped"},
		{"abi of a script's folder", one("./f", "abi: postern"), map[string]string{"f/index.js": "exports.handler = () => 1"}, []string{"postern.yaml:3:13 conflict"}, "abi"},
		{"runtime of a script's folder", one("./f", "runtime: wasm"), map[string]string{"f/index.js": "exports.handler = () => 1"}, []string{"postern.yaml:3:13 conflict"}, "runs on js"},
		{"a secret's file is missing", one("./f.wasm", "secrets: {A: {file: ./a.secret}}"), map[string]string{"f.wasm": module}, []string{"postern.yaml:4:25 missing-file"}, "./a.secret"},
		{"a secret's variable is missing", one("./f.wasm", "secrets: {A: {env: NOT_SET}}"), map[string]string{"f.wasm": module}, []string{"postern.yaml:4:24 missing-secret"}, "NOT_SET"},
		{"a secret that is a folder", one("./f.wasm", "secrets: {A: {file: ./a}}"), map[string]string{"f.wasm": module, "a/b": ""}, []string{"postern.yaml:4:25 unreadable-file"}, "not a file"},
		{"certificates that are none", one("./f.wasm") + "upstreams:\n  u: {targets: [\"https://x\"], tls: {ca: ./ca.pem}}\n", map[string]string{"f.wasm": module, "ca.pem": "hello"},
			[]string{"postern.yaml:5:41 invalid-value"}, "no certificate"},
		{"a key where certificates should be", one("./f.wasm") + "upstreams:\n  u: {targets: [\"https://x\"], tls: {ca: ./ca.pem}}\n",
			map[string]string{"f.wasm": module, "ca.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, []string{"postern.yaml:5:41 invalid-value"}, "private key"},
		{"a filter that is missing", strings.Replace(one("./f.wasm"), "functions:", "apis: {a: {filters: [./x.js], routes: {$default: {filters: [./y.js], integration: {function: f}}}}}\nfunctions:", 1), map[string]string{"f.wasm": module},
			[]string{"postern.yaml:1:22 missing-file", "postern.yaml:1:61 missing-file"}, "./x.js"},
		{"a link that leads outside", one("./f.wasm"), map[string]string{"f.wasm": "-> " + outside}, []string{"postern.yaml:3:13 outside-project"}, ""},
		{"a folder that leads outside", one("./f"), map[string]string{"f": "-> " + filepath.Dir(outside)}, []string{"postern.yaml:3:13 outside-project"}, ""},
		{"a link to itself", one("./f.wasm"), map[string]string{"f.wasm": "-> f.wasm"}, []string{"postern.yaml:3:13 unreadable-file"}, ""},
		{"many at once", one("./f.wasm", "secrets: {A: {env: NOT_SET}, B: {file: ./b}}") + "  g: {plugin: ./g.ts}\n  h: {plugin: ./f.wasm}\n", map[string]string{"g.ts": "let let = 1;\n;;;)\n"},
			[]string{"g.ts:1:5 script", "g.ts:2:4 script", "postern.yaml:3:13 missing-file", "postern.yaml:4:24 missing-secret", "postern.yaml:4:44 missing-file", "postern.yaml:6:15 missing-file"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, map[string]string{"postern.yaml": test.definition})
			for name, data := range test.files {
				if target, ok := strings.CutPrefix(data, "-> "); ok {
					if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
					continue
				}
				put(t, dir, name, data)
			}
			errs, got := problems(t, dir, options(t))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(errs.Error(), test.text) {
				t.Errorf("the error has no %q:\n%v", test.text, errs)
			}
			for _, e := range errs {
				if e.Path == "" || e.Source == "" && e.Pos.Line < 3 {
					t.Errorf("no path or source line: %#v", e)
				}
			}
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := write(t, map[string]string{"postern.yaml": one("./f.wasm"), "f.wasm": module})
	if err := os.Chmod(filepath.Join(dir, "f.wasm"), 0); err != nil {
		t.Fatal(err)
	}
	if errs, got := problems(t, dir, options(t)); got[0] != "postern.yaml:3:13 unreadable-file" || !strings.Contains(errs.Error(), "chmod") {
		t.Errorf("got %q", got)
	}
}

func TestDefinitionErrorsStayTheirOwn(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": "functions: {f: {plugin: ../f.wasm, memroy: 1}}\n"})
	_, got := problems(t, dir, options(t))
	if len(got) != 2 {
		t.Errorf("got %q, want both errors of the definition", got)
	}
}

// goGuest is a guest without an SDK, of this body.
func goGuest(body string) map[string]string {
	return map[string]string{
		"postern.yaml":       one("./functions/f"),
		"functions/f/go.mod": "module guest\n\ngo 1.24\n", "functions/f/main.go": "package main\n\nfunc main() {}\n\n" + body + "\n",
	}
}

func needGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go in PATH; install it: https://go.dev/dl/")
	}
}

func TestBuildsGo(t *testing.T) {
	needGo(t)
	dir := write(t, goGuest("//go:wasmexport handle\nfunc handle() {}"))
	opts := options(t)
	t.Chdir(opts.CacheDir)
	opts.CacheDir = "relative" // to here, not to the folder that is built
	before := listing(t, dir)
	p := load(t, dir, opts)
	f := p.Snapshot.Functions[0].Plugin
	if f.Runtime != host.RuntimeWasm || f.Isolation != host.IsolationPooled || !strings.HasPrefix(string(f.Source.Code), module) {
		t.Errorf("got runtime %q, isolation %q, %d bytes", f.Runtime, f.Isolation, len(f.Source.Code))
	}
	if diff := cmp.Diff(before, listing(t, dir)); diff != "" {
		t.Errorf("the build wrote into the project: %s", diff)
	}
	if !slices.Contains(p.Inputs, "functions/f/") {
		t.Errorf("inputs %q: the folder is not watched", p.Inputs)
	}
	again := load(t, dir, opts)
	if again.Snapshot.Revision != p.Snapshot.Revision {
		t.Error("nothing changed, and the revision did")
	}
	put(t, dir, "functions/f/more.go", "package main\n\n//go:wasmexport other\nfunc other() {}\n")
	if load(t, dir, opts).Snapshot.Revision == p.Snapshot.Revision {
		t.Error("the code changed, and the revision did not")
	}
}

func listing(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		files = append(files, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestGoErrors(t *testing.T) {
	needGo(t)
	dir := write(t, goGuest("func f() int { return undefined }\n\nfunc g() { 1 + \"a\" }"))
	errs, got := problems(t, dir, options(t))
	if diff := cmp.Diff([]string{"functions/f/main.go:5:23 build", "functions/f/main.go:7:12 build"}, got[:min(2, len(got))]); diff != "" {
		t.Error(diff)
	}
	if errs[0].Source != "func f() int { return undefined }" || !strings.Contains(errs[0].Message, "undefined: undefined") {
		t.Errorf("got %#v", errs[0])
	}
	put(t, dir, "functions/f/go.mod", "module guest\n\ngo 1.24\n\nrequire\n")
	if _, got := problems(t, dir, options(t)); !strings.HasPrefix(got[0], "functions/f/go.mod:5") {
		t.Errorf("a broken go.mod: got %q", got)
	}
	put(t, dir, "functions/f/go.mod", "module guest\n\ngo 1.24\n")
	put(t, dir, "functions/f/main.go", "package main\n\nimport _ \"example.com/nowhere\"\n\nfunc main() {}\n")
	if errs, got := problems(t, dir, options(t)); got[0] != "functions/f/main.go:3:8 build" || errs[0].Hint == "" {
		t.Errorf("a missing package: got %q, hint %q", got, errs[0].Hint)
	}
}

func TestNoBuild(t *testing.T) {
	files := goGuest("")
	files["postern.yaml"] += "  g: {plugin: ./g}\n"
	files["g/index.js"] = "exports.handler = () => 1"
	opts := options(t)
	opts.NoBuild = true
	_, got := problems(t, write(t, files), opts)
	if diff := cmp.Diff([]string{"postern.yaml:3:13 not-built"}, got); diff != "" {
		t.Errorf("a script needs no compiler, Go does: %s", diff)
	}
}

func TestMissingToolchain(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for kind, remedy := range map[string]string{"go.mod": "go.dev/dl", "Cargo.toml": "rustup", "asconfig.json": "nodejs.org", "build.zig": "ziglang.org", "Makefile": "make"} {
		dir := write(t, map[string]string{"postern.yaml": one("./f"), "f/" + kind: ""})
		if kind == "asconfig.json" { // whose compiler comes from npm
			put(t, dir, "f/package.json", "{}")
		}
		errs, got := problems(t, dir, options(t))
		if got[0] != "postern.yaml:3:13 missing-toolchain" || !strings.Contains(errs[0].Hint, remedy) {
			t.Errorf("%s: got %q, hint %q", kind, got, errs[0].Hint)
		}
	}
}

func TestBuildsWithMake(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make in PATH; install it with your system's package manager")
	}
	dir := write(t, map[string]string{"postern.yaml": one("./f"), "f/module": module, "f/Makefile": "plugin.wasm: module\n\tcp module plugin.wasm\n"})
	p := load(t, dir, options(t))
	if got := string(p.Snapshot.Functions[0].Plugin.Source.Code); got != module {
		t.Errorf("got %q", got)
	}
	put(t, dir, "f/Makefile", "OUT = plugin.wasm\n$(OUT): module\n\tcp module $(OUT)\n")
	if err := os.Remove(filepath.Join(dir, "f", "plugin.wasm")); err != nil {
		t.Fatal(err)
	}
	load(t, dir, options(t))
	if _, err := os.Stat(filepath.Join(dir, "f", "plugin.wasm")); err == nil {
		t.Error("make was told where to build, and built into the project")
	}
	put(t, dir, "f/Makefile", "all:\n\t@echo 'src/main.c:3:5: error: expected expression' >&2; echo 'main.c:9:1: warning: unused'; exit 1\n")
	put(t, dir, "f/src/main.c", "\n\nint x = ;\n")
	errs, got := problems(t, dir, options(t))
	if diff := cmp.Diff([]string{"f/src/main.c:3:5 build"}, got); diff != "" || errs[0].Source != "int x = ;" {
		t.Errorf("%s, source %q", diff, errs[0].Source)
	}
	put(t, dir, "f/Makefile", "all:\n\t@echo nothing\n")
	if errs, _ := problems(t, dir, options(t)); !strings.Contains(errs[0].Message, "plugin.wasm") {
		t.Errorf("got %v", errs)
	}
}

func TestCancelledLoad(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := write(t, goGuest(""))
	if p, err := project.Load(ctx, dir, options(t)); !errors.Is(err, host.Unavailable) || p.Snapshot != nil {
		t.Errorf("got %v, want Kind Unavailable", err)
	}
}

func TestRevision(t *testing.T) {
	files := map[string]string{
		"postern.yaml": one("./f.js", "secrets: {A: {file: ./a.secret}}", "env: {X: a, Y: b}", "timeout: 2s"),
		"f.js":         "exports.handler = () => 1", "a.secret": "one",
	}
	dir := write(t, files)
	revision := func() string { return load(t, dir, options(t)).Snapshot.Revision }
	first := revision()
	for name, data := range map[string]string{
		"postern.yaml": "# a comment\n\n" + files["postern.yaml"],
		"a.secret":     "one\n",
		"unused.js":    "",
	} {
		put(t, dir, name, data)
		if revision() != first {
			t.Errorf("%s: the revision changed, and nothing else did", name)
		}
	}
	for name, data := range map[string]string{
		"postern.yaml": strings.Replace(files["postern.yaml"], "2s", "4s", 1),
		"f.js":         "exports.handler = () => 2",
		"a.secret":     "two",
	} {
		put(t, dir, name, data)
		if revision() == first {
			t.Errorf("%s: the revision did not change", name)
		}
		put(t, dir, name, files[name])
	}
	put(t, dir, "f.js", "// a comment\n"+files["f.js"])
	if revision() == first {
		t.Error("the script's lines moved, and the revision did not change")
	}
}

func TestValidate(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": one("./f.wasm"), "f.wasm": module})
	p, err := project.Validate(t.Context(), dir, options(t), func(_ context.Context, s *host.Snapshot) error {
		if s.Functions[0].Plugin.Source == nil {
			t.Error("the snapshot is not resolved")
		}
		return nil
	})
	if err != nil || p.Snapshot == nil {
		t.Errorf("got %v", err)
	}
	at, missing := host.Position{File: "postern.yaml", Line: 3, Column: 13}, host.Position{File: "postern.yaml", Line: 4, Column: 15}
	_, err = project.Validate(t.Context(), dir, options(t), func(context.Context, *host.Snapshot) error {
		return errors.Join(
			&host.Error{Op: "open plugin f", Kind: host.Invalid, Pos: at, Err: errors.New("no entry")},
			fmt.Errorf("wrapped: %w", &host.GuestError{Type: "SyntaxError", Message: "bad", Pos: host.Position{File: "a.ts", Line: 1}}))
	})
	var errs definition.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v", err)
	}
	want := definition.Errors{
		{Pos: host.Position{File: "a.ts", Line: 1}, Rule: "plugin", Message: "wrapped: SyntaxError: bad"},
		{Pos: at, Rule: "plugin", Message: "open plugin f: no entry", Source: "    plugin: ./f.wasm"},
	}
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Error(diff)
	}

	put(t, dir, "postern.yaml", one("./f.wasm")+"  g: {plugin: ./g.wasm}\n")
	p, err = project.Validate(t.Context(), dir, options(t), func(_ context.Context, s *host.Snapshot) error {
		return errors.Join(&host.Error{Op: "open plugin f", Kind: host.Invalid, Pos: at, Err: errors.New("no entry")},
			&host.Error{Op: "open plugin g", Kind: host.Invalid, Pos: missing, Err: errors.New("it has no code")})
	})
	if !errors.As(err, &errs) || len(errs) != 2 || errs[0].Rule != "plugin" || errs[1].Rule != "missing-file" || p.Snapshot != nil {
		t.Errorf("got %v, want what loading and what the check found, each once", err)
	}
}

// What is wrong in the definition does not hide what is wrong around it, and is told once.
func TestErrorsOfTheDefinitionAndOfFilesComeTogether(t *testing.T) {
	dir := write(t, map[string]string{
		"postern.yaml": `
apis:
  main:
    routs: {}
    routes:
      GET /: {integration: {function: broken}}
      GET /b: {integration: {function: none}}
functions:
  broken: {plugin: ./broken.ts}
  missing: {plugin: ./missing.js, secrets: {A: {file: ./a.secret}, B: {}}}
  outside: {plugin: ../outside.js}
`,
		"broken.ts": "export const handler = ;\n",
	})
	loaded, err := project.Load(t.Context(), dir, project.Options{})
	var errs definition.Errors
	if !errors.As(err, &errs) || loaded.Snapshot != nil {
		t.Fatalf("error: %v", err)
	}
	places := map[host.Position]string{}
	for _, e := range errs {
		if before, twice := places[e.Pos]; twice {
			t.Errorf("%s is told twice: %s and %s", e.Pos, before, e.Message)
		}
		places[e.Pos] = e.Message
	}
	for _, want := range []string{"routs", `"none"`, "missing.js", "a.secret", "broken.ts:1:24", "outside.js"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s:\n%v", want, err)
		}
	}
}

package project_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
)

func TestLoadSource(t *testing.T) {
	dir := write(t, map[string]string{
		"shop/postern.yaml": "", "shop/lib/x.ts": "export const x: number = 1\n", "shop/fn/greet.ts": "import {x} from '../lib/x'\nexport const handler = () => x\n",
		"shop/folder/index.ts": "import {x} from '../lib/x'\nexport const handler = () => x\n",
		"shop/f.wasm":          module, "shop/f.zip": string(archive(t, file{name: "index.js", text: handler})),
		"alone/index.js": "import '../shop/lib/x'\n" + handler, "alone/package.json": `{}`,
		"warned.js": "export const handler = () => 1\nif (handler === NaN) handler()\n",
	})
	for path, runtime := range map[string]string{"shop/fn/greet.ts": host.RuntimeJS, "shop/folder": host.RuntimeJS, "shop/f.wasm": host.RuntimeWasm, "shop/f.zip": host.RuntimeJS} {
		src, warnings, err := project.LoadSource(t.Context(), filepath.Join(dir, path), "", options(t))
		if err != nil || src.Runtime != runtime || len(src.Code) == 0 || len(warnings) > 0 {
			t.Errorf("%s: %+v, %v, %v", path, src, warnings, err)
		}
	}
	if _, warnings, err := project.LoadSource(t.Context(), filepath.Join(dir, "warned.js"), "", options(t)); err != nil || len(warnings) != 1 || warnings[0].Pos.Line != 2 || warnings[0].Source == "" {
		t.Errorf("warnings %v, %v", warnings, err)
	}
	if _, _, err := project.LoadSource(t.Context(), filepath.Join(dir, "missing.js"), "", options(t)); !errors.Is(err, host.NotFound) {
		t.Errorf("missing: %v", err)
	}
}

func TestLoadSourceErrors(t *testing.T) {
	dir := write(t, map[string]string{"package.json": "{}", "fn/bad.ts": "let a = ]", "empty/README": "", "two/go.mod": "", "two/package.json": "{}", "a.txt": "", "outside.js": "import '../x'", "go/go.mod": "module x\n"})
	t.Chdir(filepath.Join(dir, "fn"))
	for path, want := range map[string]string{"bad.ts": "bad.ts:1:9 script", "../empty": "../empty build-kind", "../two": "../two build-kind", "../outside.js": "../outside.js:1:8 script"} {
		_, _, err := project.LoadSource(t.Context(), path, "", options(t))
		if _, got := problemsOf(t, err); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %s", path, got, want)
		}
	}
	opts := options(t)
	opts.NoBuild = true
	_, _, err := project.LoadSource(t.Context(), "../go", "", opts)
	if _, got := problemsOf(t, err); len(got) != 1 || got[0] != "../go not-built" {
		t.Errorf("got %q", got)
	}
}

// A program in Go is built as what it is asked for.
func TestLoadSourceBuilds(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go in PATH")
	}
	dir := write(t, map[string]string{"go.mod": "module example.com/f\n\ngo 1.24\n", "main.go": "package main\n\nfunc main() {}\n"})
	src, _, err := project.LoadSource(t.Context(), dir, host.ABICGI, options(t))
	if err != nil || src.Runtime != host.RuntimeWasm || !strings.HasPrefix(string(src.Code), "\x00asm") {
		t.Errorf("%v, %v", src, err)
	}
}

// What lies about beside temporary files changes nothing.
func TestLoadSourceBelowTemporaryFiles(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	put(t, temp, "a/greet.js", handler)
	put(t, temp, "b/greet.js", handler)
	var digests []string
	for _, name := range []string{"a", "b"} {
		src, _, err := project.LoadSource(t.Context(), filepath.Join(temp, name, "greet.js"), "", options(t))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, src.Digest)
		put(t, temp, "package.json", "{}")
	}
	if digests[0] != digests[1] {
		t.Error("the same script comes to other code")
	}
}

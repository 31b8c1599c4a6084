package project_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/project"
)

// blobsOf opens the blobs of a loaded project.
func blobsOf(p *project.Project) func(context.Context, string) (io.ReadCloser, error) {
	blobs := maps.Collect(p.Blobs())
	return func(_ context.Context, digest string) (io.ReadCloser, error) {
		content, ok := blobs[digest]
		if !ok {
			return nil, &host.Error{Op: "open blob", Kind: host.NotFound}
		}
		return io.NopCloser(bytes.NewReader(content)), nil
	}
}

func TestExport(t *testing.T) {
	cert, private := pair(t)
	files := hostedFiles()
	files["postern.yaml"] = hosted + "  go: {plugin: ./fn/go, abi: cgi}\n  js: {plugin: ./fn/plain.mjs}\n" + mutual
	files["fn/go/go.mod"], files["fn/go/main.go"] = "module example.com/f\n\ngo 1.24\n", "package main\n\nfunc main() {}\n"
	files["fn/plain.mjs"] = "import {x} from '../lib/x'\nexport async function* gen() {}\nexport const handler = () => x\n"
	files["lib/x.ts"] = "export const x: number = 1\n"
	files["ca.pem"], files["client.pem"], files["client.key"] = cert, cert, private
	before := load(t, write(t, files), hostOptions(t))
	dir := filepath.Join(t.TempDir(), "new", "folder")
	done, err := project.Export(t.Context(), before.Input().Bundle, blobsOf(before), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"EXPORTED.md", "ca.pem", "client.pem", "f.wasm", "fn/go/plugin.wasm", "fn/index.js", "fn/index.js.map", "fn/index.ts", "fn/index.ts.map",
		"fn/plain.mjs", "fn/plain.mjs.map", "maps/x.js", "maps/x.js.map", "postern.yaml"}
	if diff := cmp.Diff(want, done.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a.secret", "client.key"}, done.Missing); diff != "" {
		t.Error(diff)
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if bytes.Contains(data, []byte("hush")) || bytes.Contains(data, []byte("PRIVATE KEY")) {
			t.Errorf("%s holds a secret", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	notes, err := os.ReadFile(filepath.Join(dir, "EXPORTED.md"))
	if err != nil || !strings.Contains(string(notes), "- `client.key`") {
		t.Errorf("%s, %v", notes, err)
	}

	put(t, dir, "a.secret", "hush\n")
	put(t, dir, "client.key", private)
	opts := hostOptions(t)
	opts.NoBuild = true // all is built
	after := load(t, dir, opts)
	if before.Snapshot.Revision != after.Snapshot.Revision {
		t.Errorf("it loads to another revision:\n%s", cmp.Diff(before.Input(), after.Input()))
	}
	if diff := cmp.Diff(before.Input(), after.Input()); diff != "" {
		t.Error(diff)
	}
	if _, err := project.Export(t.Context(), before.Input().Bundle, blobsOf(before), dir); !errors.Is(err, host.Conflict) {
		t.Errorf("over itself: %v", err)
	}
}

func TestExportRefuses(t *testing.T) {
	p := load(t, write(t, map[string]string{"postern.yaml": one("./f.js", "secrets: {A: {file: ./a.secret}}"), "f.js": handler, "a.secret": "x"}), options(t))
	code := p.Input().Bundle.Code["f.js"]
	for name, test := range map[string]struct {
		change func(*catalog.Bundle)
		kind   host.Kind
	}{
		"a definition above":    {func(b *catalog.Bundle) { b.File = "../postern.yaml" }, host.Invalid},
		"no name":               {func(b *catalog.Bundle) { b.File = "" }, host.Invalid},
		"an absolute file":      {func(b *catalog.Bundle) { b.Files = map[string]string{"/etc/x": "x"} }, host.Invalid},
		"code above":            {func(b *catalog.Bundle) { b.Code["../x.js"] = code }, host.Invalid},
		"code with a backslash": {func(b *catalog.Bundle) { b.Code[`..\x.js`] = code }, host.Invalid},
		"code of no form":       {func(b *catalog.Bundle) { b.Code["a//x.js"] = code }, host.Invalid},
		"a secret's file":       {func(b *catalog.Bundle) { b.Files = map[string]string{"a.secret": "x"} }, host.Invalid},
		"the definition twice":  {func(b *catalog.Bundle) { b.Files = map[string]string{"postern.yaml": "x"} }, host.Invalid},
		"one file for two": {func(b *catalog.Bundle) {
			b.Code["g"], b.Code["g/index.js"] = code, catalog.Code{Runtime: host.RuntimeJS, Digest: strings.Repeat("0", 64)}
		}, host.Invalid},
		"a wrong definition": {func(b *catalog.Bundle) { b.Text = "apis: 1" }, host.Invalid},
		"a lost blob": {func(b *catalog.Bundle) {
			b.Code["f.js"] = catalog.Code{Runtime: host.RuntimeJS, Digest: strings.Repeat("0", 64)}
		}, host.NotFound},
		"a folder in the way": {func(b *catalog.Bundle) { b.Files = map[string]string{"taken": "x"} }, host.Conflict},
		"a file in the way":   {func(b *catalog.Bundle) { b.Files = map[string]string{"file/x.pem": "x"} }, host.Conflict},
		"a link in the way":   {func(b *catalog.Bundle) { b.Files = map[string]string{"link/x.pem": "x"} }, host.Conflict},
		"a dead link":         {func(b *catalog.Bundle) { b.Files = map[string]string{"dead": "x"} }, host.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			parent := write(t, map[string]string{"dir/taken/x": "", "dir/file": "", "beside/y": ""})
			dir := filepath.Join(parent, "dir")
			for link, to := range map[string]string{"link": "../beside", "dead": "../nothing"} {
				if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			b := p.Input().Bundle
			test.change(&b)
			_, err := project.Export(t.Context(), b, blobsOf(p), dir)
			if host.KindOf(err) != test.kind || err == nil {
				t.Errorf("got %v, want Kind %v", err, test.kind)
			}
			t.Log(err)
			if entries, err := os.ReadDir(filepath.Join(parent, "beside")); err != nil || len(entries) != 1 {
				t.Errorf("something was written beside the folder: %v, %v", entries, err)
			}
			if _, err := os.Lstat(filepath.Join(parent, "nothing")); err == nil {
				t.Error("something was written where a link leads")
			}
		})
	}
	// A blob that is not what its digest says is not left behind.
	dir := t.TempDir()
	wrong := func(context.Context, string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("other")), nil
	}
	if _, err := project.Export(t.Context(), p.Input().Bundle, wrong, dir); !errors.Is(err, host.Internal) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "f.js")); err == nil {
		t.Error("the wrong code was left")
	}
}

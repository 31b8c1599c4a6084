package cloudformation_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/postern/postern/host/cloudformation"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
)

var update = flag.Bool("update", false, "write what templates become into testdata")

// TestTemplates reads whole templates. An archive holds a template, the files beside it, the definition that it becomes, which must be one without errors, and what is said.
func TestTemplates(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	root, err := cloudformation.Parse(archive.Files[0].Name, archive.Files[0].Data, cloudformation.Limits())
	if err != nil {
		t.Fatal(err)
	}
	opts := cloudformation.Options{AllowUnsupported: true, Files: files, Parameters: map[string]string{}}
	for _, line := range strings.Split(string(archive.Comment), "\n") {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "parameter "), "="); ok && strings.HasPrefix(line, "parameter ") {
			opts.Parameters[name] = value
		}
	}
	result, err := cloudformation.Read(root, opts)
	made := document.YAML(result.Definition)
	got := map[string]string{"postern.yaml": string(made), "report.txt": report(t, result, err)}
	if _, err := definition.Parse("postern.yaml", made, definition.Options{Host: true}); err != nil {
		t.Errorf("the definition is none: %v", err)
	}
	for i := range archive.Files {
		f := &archive.Files[i]
		want, ok := got[f.Name]
		if ok && *update {
			f.Data = []byte(want)
		} else if ok && string(f.Data) != want {
			t.Errorf("%s is\n%s\nwanted\n%s", f.Name, want, f.Data)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// report writes all that is said about a template, and the files that come of it.
func report(t *testing.T, result *cloudformation.Result, err error) string {
	t.Helper()
	var b strings.Builder
	for _, f := range result.Findings {
		fmt.Fprintln(&b, f)
	}
	for _, r := range result.Reports {
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
	}
	var wrong document.Errors
	if errors.As(err, &wrong) {
		fmt.Fprintln(&b, wrong)
	}
	for _, f := range result.Files {
		fmt.Fprintf(&b, "== %s\n%s", f.Path, f.Data)
		if !strings.HasSuffix(string(f.Data), "\n") {
			b.WriteString("\n")
		}
	}
	return b.String()
}

// seeds are the templates of the archives.
func seeds(f *testing.F) (list [][]byte) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		list = append(list, archive.Files[0].Data)
	}
	return list
}

// TestTranslated checks that a template of SAM becomes the same APIs as what SAM's own translator makes of it.
func TestTranslated(t *testing.T) {
	files, err := filepath.Glob("testdata/translated/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var apis [2]any
			for i, f := range archive.Files {
				root, err := cloudformation.Parse(f.Name, f.Data, cloudformation.Limits())
				if err != nil {
					t.Fatal(err)
				}
				result, err := cloudformation.Read(root, cloudformation.Options{AllowUnsupported: true})
				if err != nil {
					t.Fatal(err)
				}
				apis[i] = result.Definition.Get("apis").Plain()
			}
			if diff := cmp.Diff(apis[1], apis[0]); diff != "" {
				t.Errorf("(-translated +template):\n%s", diff)
			}
		})
	}
}

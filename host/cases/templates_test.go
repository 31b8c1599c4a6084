package cases_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host/cases"
)

// TestScriptTemplates runs the tests that the templates of sdk/js come with.
func TestScriptTemplates(t *testing.T) {
	e := engine(t)
	for _, kind := range []string{"function", "authorizer", "mapping", "filter"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(root, "sdk", "js", "templates", kind)
			code, err := os.ReadFile(filepath.Join(dir, "index.ts.tmpl"))
			if err != nil {
				t.Fatal(err)
			}
			s := subject(t, e, script(t, "index.ts", strings.ReplaceAll(string(code), "{{name}}", "example")))
			files, err := filepath.Glob(filepath.Join(dir, "tests", "*.txtar"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%q, %v", files, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				c, err := cases.Parse(file, text)
				if err != nil {
					t.Fatal(err)
				}
				r := s.Run(t.Context(), c)
				for _, f := range r.Failures {
					t.Errorf("%s: %s\n%s", f.Pos, f.Section, f.Text)
				}
				if !r.Passed() {
					t.Errorf("%s did not pass: %s", file, r.NotOffered)
				}
			}
		})
	}
}

package project_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
)

// What a template writes has no placeholder left, names no place outside of itself, and is a folder that a project can refer to.
func TestTemplates(t *testing.T) {
	for _, template := range project.Templates() {
		t.Run(template.Name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "My Shop 2")
			files, err := project.Scaffold(template.Name, dir)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSorted(files) || len(files) < 3 {
				t.Errorf("it wrote %q", files)
			}
			named := false
			for _, name := range files {
				data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
				if err != nil {
					t.Fatal(err)
				}
				if text := string(data); strings.Contains(text, "{{name}}") || strings.HasSuffix(name, ".tmpl") {
					t.Errorf("%s is not filled in", name)
				} else if strings.Contains(text, "my-shop-2") {
					named = true
				}
			}
			if !named {
				t.Error("nothing has the name my-shop-2")
			}
			if !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".txtar") }) {
				t.Error("it has no test")
			}
			if _, err := project.Scaffold(template.Name, dir); !errors.Is(err, host.Conflict) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

func TestScaffoldRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := project.Scaffold("go-functoin", filepath.Join(dir, "x"))
	if !errors.Is(err, host.NotFound) || !strings.Contains(err.Error(), `did you mean "go-function"?`) {
		t.Errorf("a slip: %v", err)
	}
	if _, err := project.Scaffold("go-function", filepath.Join(dir, "…")); !errors.Is(err, host.Invalid) {
		t.Errorf("a folder that gives no name: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := project.Scaffold("go-function", file); err == nil {
		t.Error("a file was taken for a folder")
	}
	if _, err := project.Scaffold("go-function", filepath.Join(file, "below")); err == nil {
		t.Error("a folder was made below a file")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of no template is there: %v", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := project.Scaffold("go-function", empty); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
}

package openapi_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// What is a definition is exported, and read again as one; what is none does no harm.
func FuzzExport(f *testing.F) {
	files, err := filepath.Glob("testdata/export-*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	example, err := os.ReadFile("../../examples/orders/postern.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := document.Parse("postern.yaml", data, document.Limits{})
		if err != nil || root.Get("apis") == nil {
			return
		}
		_, invalid := definition.Build(root, data, definition.Options{Host: true})
		for _, m := range root.Get("apis").Members {
			for _, version := range []string{"2.0", "3.0", "3.1"} {
				exported, _, err := openapi.Export(m.Value, openapi.ExportOptions{Name: "shop", Version: version, Text: func(string) ([]byte, error) { return []byte("{}"), nil }})
				if err != nil || invalid != nil {
					continue
				}
				read, err := openapi.Read(exported, openapi.Options{})
				if err != nil {
					t.Fatalf("%s: %v\n%s", version, err, document.YAML(exported))
				}
				again := document.NewObject(root.Pos)
				again.Members = append(again.Members, root.Members...)
				apis := document.NewObject(root.Pos)
				apis.Members = append(apis.Members, root.Get("apis").Members...)
				apis.Set(m.Key, root.Pos, read.API)
				again.Set("apis", root.Pos, apis)
				if _, err := definition.Build(again, data, definition.Options{Host: true}); err != nil {
					t.Fatalf("%s: %v\n%s", version, err, document.YAML(exported))
				}
			}
		}
	})
}

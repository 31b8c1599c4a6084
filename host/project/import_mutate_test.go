package project_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cloudformation"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
	"github.com/postern/postern/host/project"
)

// TestImportOfWrongTypes puts values of other types in the place of every value of real documents: each is harmless, or is told with its place in the
// document, and none ends the import.
func TestImportOfWrongTypes(t *testing.T) {
	for file, parse := range map[string]func(string, []byte, document.Limits) (*document.Node, error){
		"../openapi/testdata/rest-export.txtar":         document.Parse,
		"../openapi/testdata/http-export.txtar":         document.Parse,
		"../openapi/testdata/plain-swagger2.txtar":      document.Parse,
		"../cloudformation/testdata/sam-rest.txtar":     cloudformation.Parse,
		"../cloudformation/testdata/rest-pieces.txtar":  cloudformation.Parse,
		"../cloudformation/testdata/http-pieces.txtar":  cloudformation.Parse,
		"../cloudformation/testdata/sam-implicit.txtar": cloudformation.Parse,
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			beside := fstest.MapFS{}
			for _, f := range archive.Files {
				beside[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			root, err := parse(archive.Files[0].Name, archive.Files[0].Data, openapi.Limits())
			if err != nil {
				t.Fatal(err)
			}
			tree := root.Plain()
			mutate(tree, func() { importWrong(t, tree, beside) })
		})
	}
}

// mutate puts wrong values in the place of each value below v, one at a time.
func mutate(v any, try func()) {
	wrong := []any{nil, 7, "", []any{nil}, map[string]any{"x": nil}}
	inPlaceOf := func(old any, set func(any)) {
		for _, w := range wrong {
			set(w)
			try()
		}
		set(old)
		mutate(old, try)
	}
	switch v := v.(type) {
	case map[string]any:
		for key, old := range v {
			inPlaceOf(old, func(w any) { v[key] = w })
		}
	case []any:
		for i, old := range v {
			inPlaceOf(old, func(w any) { v[i] = w })
		}
	}
}

func importWrong(t *testing.T, tree any, beside fstest.MapFS) {
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("the import of %s", data)
			panic(p)
		}
	}()
	im, err := project.Import("x.json", data, project.ImportOptions{Beside: beside, OpenAPI: openapi.Options{AllowUnsupported: true}})
	var places []host.Position
	var wrong document.Errors
	var defined definition.Errors
	switch {
	case err == nil:
		again, err := document.Parse("postern.yaml", document.YAML(im.Definition), document.Limits{})
		if err != nil || !reflect.DeepEqual(again.Plain(), im.Definition.Plain()) {
			t.Errorf("%v: %s became\n%s", err, data, document.YAML(im.Definition))
		}
	case errors.As(err, &wrong):
		for _, e := range wrong {
			places = append(places, e.Pos)
		}
	case errors.As(err, &defined):
		for _, e := range defined {
			places = append(places, e.Pos)
		}
	default:
		t.Errorf("%T %v", err, err)
	}
	for _, at := range places {
		if at.File != "x.json" || at.Line != 1 || at.Column < 1 {
			t.Errorf("%v is no place of %s", at, data)
		}
	}
	if err != nil && strings.Contains(err.Error(), "%!") {
		t.Errorf("%v", err)
	}
}

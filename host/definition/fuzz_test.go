package definition_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
)

// FuzzParse checks that any bytes give a snapshot or Errors that point into the file, and the same ones again.
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := definition.Parse("postern.yaml", data, definition.Options{Host: true}); err != nil && host.KindOf(err) != host.Invalid {
			t.Fatal(err)
		}
		if f, err := definition.ParseFunction("f", data, ""); (f == nil) == (err == nil) || err != nil && host.KindOf(err) != host.Invalid {
			t.Fatalf("ParseFunction = %v, %v", f, err)
		}
		snapshot, err := definition.Parse("postern.yaml", data, definition.Options{})
		again, errAgain := definition.Parse("postern.yaml", data, definition.Options{})
		if err == nil {
			if snapshot == nil {
				t.Fatal("neither a snapshot nor an error")
			}
			if diff := cmp.Diff(snapshot, again); diff != "" {
				t.Fatalf("two readings differ:\n%s", diff)
			}
			return
		}
		var errs definition.Errors
		if !errors.As(err, &errs) || len(errs) == 0 || host.KindOf(err) != host.Invalid {
			t.Fatalf("Parse = %v, %v", snapshot, err)
		}
		if errAgain == nil || err.Error() != errAgain.Error() {
			t.Fatalf("two readings differ:\n%v\n%v", err, errAgain)
		}
		for _, e := range errs {
			if e.Pos.Line < 1 || e.Pos.Column < 1 || e.Message == "" || e.Rule == "" {
				t.Errorf("incomplete: %+v", e)
			}
		}
	})
}

// FuzzBeside checks that any API beside any document is told with places in one of the two, and that what is written in the definition stays.
func FuzzBeside(f *testing.F) {
	f.Add("{stages: {prod: {}}, routes: {GET /a: {integration: {mock: {}}}}}", "routes: {GET /a: {integration: {mock: {status: 201}}}, GET /b: {integration: {function: f}}}")
	f.Add("{models: {A: {type: object}}, protocol: http}", "models: {A: 1}\nauthorizers: {x: {function: f}}")
	f.Add("{routes: [], allowUnsupported: x, basePath: 1}", "[]")
	f.Add("{openapi: {}, routes: null}", "routes: {$default: {integration: {http: 'http://${stageVariables.x}/'}}}")
	f.Fuzz(func(t *testing.T, api, doc string) {
		node, err := document.Parse("own.yaml", []byte(api), document.Limits{})
		if err != nil || node.Shape != document.Object {
			return
		}
		own := *node
		own.Members = append([]document.Member(nil), node.Members...)
		if own.Get("openapi") == nil {
			own.Set("openapi", own.Pos, document.NewText(own.Pos, "./doc.yaml"))
		}
		apis, root := document.NewObject(own.Pos), document.NewObject(own.Pos)
		apis.Set("a", own.Pos, &own)
		root.Set("apis", own.Pos, apis)
		snapshot, err := definition.Build(root, []byte(api), documents(map[string]string{"./doc.yaml": doc}, nil))
		var errs definition.Errors
		if err != nil && !errors.As(err, &errs) {
			t.Fatal(err)
		}
		for _, e := range errs {
			if e.Pos.Line < 1 || e.Pos.File != "own.yaml" && e.Pos.File != "doc.yaml" || e.Message == "" || e.Rule == "" {
				t.Errorf("incomplete: %+v", e)
			}
		}
		if err != nil {
			return
		}
		routes := own.Get("routes")
		if routes == nil {
			return
		}
		for _, m := range routes.Members {
			if r := routeOf(t, snapshot, "a", m.Key); r.Pos != m.Pos {
				t.Errorf("the route %s is the document's", m.Key)
			}
		}
	})
}

package openapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// What definitions become: the document in OpenAPI 3.0, its report, and in every version the same definition again.
func TestExport(t *testing.T) {
	files, err := filepath.Glob("testdata/export-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source, err := txtar.FS(archive)
			if err != nil {
				t.Fatal(err)
			}
			root := tree(t, source)
			for _, api := range root.Get("apis").Members {
				again(t, source, root, api.Key)
				exported, report := export(t, source, root, api.Key, "3.0")
				var said strings.Builder
				if err := report.WriteText(&said); err != nil {
					t.Fatal(err)
				}
				settle(t, archive, api.Key+".openapi.yaml", string(document.YAML(exported)))
				settle(t, archive, api.Key+".report.txt", said.String())
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// settle holds a file of an archive to what it should be, or makes it so.
func settle(t *testing.T, archive *txtar.Archive, name, got string) {
	t.Helper()
	i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
	switch {
	case i < 0 && *update:
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(got)})
	case i < 0:
		t.Errorf("the archive has no %s", name)
	case *update:
		archive.Files[i].Data = []byte(got)
	case string(archive.Files[i].Data) != got:
		t.Errorf("%s is not what it was: %s", name, cmp.Diff(string(archive.Files[i].Data), got))
	}
}

// Projects that come with Postern are the same again.
func TestExportExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/postern.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		source := os.DirFS(filepath.Dir(file))
		root := tree(t, source)
		apis := root.Get("apis")
		if apis == nil {
			continue
		}
		for _, api := range apis.Members {
			if p := api.Value.Get("protocol"); p == nil || p.Text != string(host.ProtocolWebSocket) {
				t.Run(file+" "+api.Key, func(t *testing.T) { again(t, source, root, api.Key) })
			}
		}
	}
}

// What is written in OpenAPI 3.0 is of that version, by its own schema.
func TestExportIsOpenAPI(t *testing.T) {
	text, err := os.ReadFile("testdata/oas30/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("oas30.json", schema); err != nil {
		t.Fatal(err)
	}
	valid, err := compiler.Compile("oas30.json")
	if err != nil {
		t.Fatal(err)
	}
	projects := map[string]fs.FS{}
	examples, err := filepath.Glob("../../examples/*/postern.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range examples {
		projects[file] = os.DirFS(filepath.Dir(file))
	}
	archives, err := filepath.Glob("testdata/export-*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if projects[file], err = txtar.FS(archive); err != nil {
			t.Fatal(err)
		}
	}
	for file, source := range projects {
		root := tree(t, source)
		if root.Get("apis") == nil {
			continue
		}
		for _, api := range root.Get("apis").Members {
			exported, _ := export(t, source, root, api.Key, "3.0")
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(document.JSON(exported))))
			if err != nil {
				t.Fatal(err)
			}
			if err := valid.Validate(value); err != nil {
				t.Errorf("%s, %s: %v", file, api.Key, err)
			}
		}
	}
}

// What was imported is exported, and imported to the same.
func TestExportOfImports(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, protocol := range []host.Protocol{host.ProtocolREST, host.ProtocolHTTP} {
			doc, err := document.Parse(archive.Files[0].Name, archive.Files[0].Data, openapi.Limits())
			if err != nil || !openapi.Is(doc) {
				continue
			}
			read, err := openapi.Read(doc, openapi.Options{Protocol: protocol, AllowUnsupported: true})
			if err != nil || len(read.API.Get("routes").Members) == 0 {
				continue
			}
			t.Run(filepath.Base(file)+" "+string(protocol), func(t *testing.T) {
				root, err := document.Parse("postern.yaml", []byte("aws: {region: us-east-1, accessKeyId: {env: A}, secretAccessKey: {env: B}}\napis: {}"), document.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				root.Get("apis").Set("shop", doc.Pos, read.API)
				if _, err := definition.Build(root, nil, definition.Options{Host: true}); err != nil {
					t.Skipf("no definition: %v", err)
				}
				again(t, os.DirFS("."), root, "shop")
			})
		}
	}
}

func tree(t *testing.T, source fs.FS) *document.Node {
	t.Helper()
	data, err := fs.ReadFile(source, "postern.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := document.Parse("postern.yaml", data, document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func export(t *testing.T, source fs.FS, root *document.Node, api, version string) (*document.Node, *openapi.Report) {
	t.Helper()
	exported, report, err := openapi.Export(root.Get("apis").Get(api), openapi.ExportOptions{Name: api, Version: version, Text: func(ref string) ([]byte, error) {
		return fs.ReadFile(source, path.Clean(ref))
	}})
	if err != nil {
		t.Fatalf("%s: %v", version, err)
	}
	return exported, report
}

// again exports an API in every version, as JSON and YAML, imports it, and compares the definitions.
func again(t *testing.T, source fs.FS, root *document.Node, api string) {
	t.Helper()
	want := meaning(t, source, root)
	for _, version := range []string{"2.0", "3.0", "3.1"} {
		exported, _ := export(t, source, root, api, version)
		for name, text := range map[string][]byte{"api.json": document.JSON(exported), "api.yaml": document.YAML(exported)} {
			doc, err := document.Parse(name, text, openapi.Limits())
			if err != nil {
				t.Fatalf("%s: %v\n%s", version, err, text)
			}
			read, err := openapi.Read(doc, openapi.Options{})
			if err != nil {
				t.Fatalf("%s: %v\n%s", version, err, text)
			}
			if read.Name != api {
				t.Errorf("%s: the name is %q", version, read.Name)
			}
			with := *root
			with.Members = slices.Clone(root.Members)
			apis := document.NewObject(root.Pos)
			apis.Members = slices.Clone(root.Get("apis").Members)
			apis.Set(api, root.Pos, read.API)
			with.Set("apis", root.Pos, apis)
			if diff := cmp.Diff(want, meaning(t, source, &with)); diff != "" {
				t.Fatalf("%s: %s\nof\n%s", version, diff, text)
			}
		}
	}
}

// meaning is a snapshot without what makes no difference: places, names of templates and files, the order of routes, and what is written and
// what is meant without being written.
func meaning(t *testing.T, source fs.FS, root *document.Node) any {
	t.Helper()
	snapshot, err := definition.Build(root, nil, definition.Options{Host: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, document.YAML(root))
	}
	for _, a := range snapshot.APIs {
		slices.SortFunc(a.Routes, func(a, b *host.Route) int { return strings.Compare(a.Key, b.Key) })
		for _, r := range a.Routes {
			plainRoute(t, source, a, r)
		}
		if a.REST == nil {
			continue
		}
		for _, x := range a.Authorizers {
			for i, s := range x.IdentitySources {
				if rest, ok := strings.CutPrefix(s, "$request."); ok && x.Function != "" {
					x.IdentitySources[i] = "method.request." + rest
				}
			}
		}
		for _, m := range a.REST.Models {
			plainModel(t, source, m)
		}
	}
	return withoutPlaces(snapshot)
}

func plainRoute(t *testing.T, source fs.FS, a *host.API, r *host.Route) {
	t.Helper()
	plainMappings(t, source, r.Mappings)
	for i := range r.Responses {
		plainMappings(t, source, r.Responses[i].Mappings)
		if a.REST != nil && r.Responses[i].Status == 0 && r.Integration.Type == host.IntegrationFunction {
			r.Responses[i].Status = 200 // which is what a function's response has
		} else if a.REST != nil && r.Responses[i].Status == 0 {
			fmt.Sscan(r.Responses[i].Match, &r.Responses[i].Status) // what matches one status answers it
		}
	}
	if a.REST == nil {
		return
	}
	slices.SortStableFunc(r.Responses, func(a, b host.ResponseRule) int { // what matches all is tried last
		if (a.Match == "") == (b.Match == "") {
			return 0
		} else if a.Match == "" {
			return 1
		}
		return -1
	})
	r.REST.Parameters = slices.DeleteFunc(r.REST.Parameters, func(p host.MethodParameter) bool {
		return p.In == host.InPath && (strings.Contains(r.Pattern, "{"+p.Name+"}") || strings.Contains(r.Pattern, "{"+p.Name+"+}"))
	})
	if len(r.REST.Parameters) == 0 {
		r.REST.Parameters = nil
	}
}

func plainMappings(t *testing.T, source fs.FS, mappings []host.Mapping) {
	t.Helper()
	for i := range mappings {
		if tpl := mappings[i].Template; tpl != nil {
			if tpl.Ref != "" {
				tpl.Text = read(t, source, tpl.Ref)
			}
			tpl.Ref, tpl.Name = "", ""
		}
	}
}

func plainModel(t *testing.T, source fs.FS, m *host.Model) {
	t.Helper()
	if m.Ref != "" {
		m.Schema, m.Ref = json.RawMessage(read(t, source, m.Ref)), ""
	}
	var value any
	if err := json.Unmarshal(m.Schema, &value); err != nil {
		t.Fatal(err)
	}
	if object, ok := value.(map[string]any); ok {
		delete(object, "$schema") // there is one draft
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/a1b2c3/models/", "/-/models/").Replace(string(sorted))
	base := "https://apigateway.amazonaws.com/restapis/-/models/" + m.Name
	m.Schema = json.RawMessage(strings.NewReplacer(`"`+base+`"`, `"#"`, `"`+base+`#`, `"#`).Replace(text))
}

func read(t *testing.T, source fs.FS, ref string) string {
	t.Helper()
	data, err := fs.ReadFile(source, path.Clean(ref))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// withoutPlaces is the JSON of a snapshot without positions, which cmp then shows in readable lines.
func withoutPlaces(s *host.Snapshot) any {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		panic(err)
	}
	var strip func(v any) any
	strip = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				if strings.HasSuffix(key, "Pos") {
					delete(v, key)
				} else {
					v[key] = strip(inner)
				}
			}
		case []any:
			for i := range v {
				v[i] = strip(v[i])
			}
		}
		return v
	}
	return strip(value)
}

// What cannot be exported says so.
func TestExportRefuses(t *testing.T) {
	for name, test := range map[string]struct{ api, version, want string }{
		"a version":     {"routes: {}", "4.0", `the version "4.0" of OpenAPI is not written`},
		"a websocket":   {"protocol: websocket\nroutes: {}", "", "no words for an API of the protocol websocket"},
		"a template":    {"protocol: rest\nroutes: {GET /a: {request: {mapping: {application/json: ./a.vtl}}, integration: {function: f}}}", "", `2:57: "./a.vtl" cannot be read`},
		"a model":       {"protocol: rest\nmodels: {A: ./a.json}\nroutes: {}", "", `2:13: "./a.json" cannot be read`},
		"a broken path": {"routes: {GET a: {integration: {function: f}}}", "", "is no method and path"},
	} {
		t.Run(name, func(t *testing.T) {
			api, err := document.Parse("api.yaml", []byte(test.api), document.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = openapi.Export(api, openapi.ExportOptions{Name: "a", Version: test.version})
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, host.Invalid) {
				t.Fatalf("the error is %v, and not %q", err, test.want)
			}
		})
	}
}

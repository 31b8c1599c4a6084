package openapi_test

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

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

// What a document cannot say, or says in another way, comes back all the same.
func TestExportAgain(t *testing.T) {
	for name, api := range map[string]string{
		"cors for days":                `{cors: {allowOrigins: ["https://a.example.com"], maxAge: 48h}, routes: {GET /a: {integration: {function: f}}}}`,
		"no cors in it":                `{cors: {}, routes: {GET /a: {integration: {function: f}}}}`,
		"settings":                     `{root: true, defaultEndpoint: false, stages: {$default: {}, b: {variables: {c: d}}}, routes: {GET /a: {integration: {function: f}}}}`,
		"a short timeout":              `{routes: {GET /a: {integration: {function: f, timeout: 500us}}}}`,
		"passthrough of an HTTP API":   `{routes: {GET /a: {integration: {http: "http://a.example.com", method: PUT, passthroughBehavior: NEVER}}}}`,
		"a result for 1.5 s":           `{authorizers: {a: {function: f, identitySources: [$request.header.A], resultTTL: 1500ms}}, routes: {GET /a: {authorizer: a, integration: {function: f}}}}`,
		"sources of all kinds":         `{protocol: rest, authorizers: {a: {function: f, type: request, identitySources: [$request.header.A, $context.identity.sourceIp, $stageVariables.v]}}, routes: {GET /a: {authorizer: a, integration: {function: f}}}}`,
		"a token":                      `{protocol: rest, authorizers: {a: {function: f, type: token}, b: {function: f}, c: {function: f, identitySources: [method.request.querystring.q], resultTTL: 0s}}, routes: {GET /a: {authorizer: a, integration: {function: f}}}}`,
		"an authorizer's long name":    `{protocol: rest, authorizers: {aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: {plugin: ./a.js}}, routes: {GET /a: {integration: {function: f}}}}`,
		"models that exist":            `{protocol: rest, models: {Error: {type: string}, Empty: {type: object, title: mine}}, routes: {POST /a: {request: {models: {application/json: Error, $default: Empty}}, integration: {function: f}}}}`,
		"models within models":         `{protocol: rest, models: {A: {definitions: {b: {definitions: {c: {type: string}}}, A: {type: object}}, properties: {d: {$ref: "#/definitions/b/definitions/c"}, e: {$ref: "#/properties/d"}}}, Ab: {$ref: "https://apigateway.amazonaws.com/restapis/-/models/A#/definitions/A"}}, routes: {POST /a: {request: {models: {application/json: Ab}}, integration: {function: f}}}}`,
		"bounds of models":             `{protocol: rest, models: {A: {minimum: 1, exclusiveMinimum: true, maximum: 2, exclusiveMaximum: false, items: [{type: string}], type: [string, "null"]}}, routes: {POST /a: {request: {models: {application/json: A}}, integration: {function: f}}}}`,
		"no rules":                     `{protocol: rest, routes: {GET /a: {integration: {function: f}, responses: []}, GET /b: {request: {mapping: {a/b: {template: x}}}, integration: {function: f}}}}`,
		"a template that is empty":     `{protocol: rest, routes: {GET /a: {request: {mapping: {application/json: {template: ""}}}, integration: {function: f}, responses: [{mapping: {application/json: {template: ""}}}]}}}`,
		"a function by its ARN":        `{protocol: rest, stages: {prod: {variables: {v: f}}}, routes: {GET /a: {integration: {type: AWS_PROXY, uri: "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:${stageVariables.v}:live/invocations"}}, GET /b: {integration: {type: AWS, method: POST, uri: "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST"}, responses: [{match: ".*", status: 500}]}}}`,
		"a proxy with responses":       `{protocol: rest, routes: {GET /a: {methodResponses: {"200": {headers: [A]}}, integration: {type: AWS_PROXY, uri: "arn:aws:lambda:eu-west-1:123456789012:function:f"}, responses: [{status: 200, parameters: {method.response.header.A: "'b'"}}]}}}`,
		"an upstream that is mapped":   `{protocol: rest, routes: {GET /a: {request: {mapping: {a/b: {template: x}}}, integration: {upstream: u}, responses: [{status: 200, mapping: {a/b: ./p.js}}]}}}`,
		"a mock that is mapped":        `{protocol: rest, routes: {GET /a: {integration: {mock: {body: "a]]#b$c"}}, responses: [{}]}, GET /b: {integration: {mock: {body: "a]]#b$c"}}}}}`,
		"mapped bodies of an HTTP API": `{routes: {GET /a: {request: {mapping: {a/b: ./p.js}}, integration: {type: HTTP, uri: "http://a.example.com"}}, GET /b: {integration: {type: HTTP_PROXY, uri: "http://a.example.com"}, responses: [{match: "404", parameters: {"remove:header.a": "''"}}]}, GET /c: {integration: {type: MOCK}}}}`,
		"rules of an HTTP API":         `{routes: {GET /a: {integration: {function: f}, responses: [{status: 201}, {match: "404", parameters: {"append:header.a": b}}, {match: "404", status: 400}]}}}`,
		"filters":                      `{filters: [./p.js, {plugin: ./p.js, timeout: 1s}], routes: {GET /a: {filters: [./p.js], idleTimeout: 1s, maxDuration: 2s, streaming: true, integration: {function: f}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			source := fstest.MapFS{"postern.yaml": {Data: []byte("apis: {shop: " + api + "}\nupstreams: {u: {targets: [\"http://u.example.com\"]}}")}}
			again(t, source, tree(t, source), "shop")
		})
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

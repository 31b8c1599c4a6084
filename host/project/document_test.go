package project_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/openapi"
	"github.com/postern/postern/host/project"
)

// shop is a REST API as it is exported.
const shop = `{
  "openapi": "3.0.1",
  "info": {"title": "The Shop", "version": "1"},
  "servers": [{"url": "https://abc.execute-api.us-east-1.amazonaws.com/{basePath}", "variables": {"basePath": {"default": "v1"}}}],
  "paths": {
    "/orders/{id}": {
      "get": {
        "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
        "x-amazon-apigateway-integration": {
          "type": "aws_proxy", "httpMethod": "POST",
          "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:GetOrder:live/invocations"
        }
      }
    },
    "/about": {
      "get": {
        "responses": {"200": {"description": "200 response"}},
        "x-amazon-apigateway-integration": {
          "type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
          "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{}"}}}
        }
      }
    }
  }
}
`

const shopCode = "export const handler = async () => ({statusCode: 200, body: 'hello'})\n"

func TestDocumentOfAPI(t *testing.T) {
	dir := write(t, map[string]string{
		"postern.yaml": "apis: {shop: {openapi: docs/../docs/shop.json, stages: {prod: {}}}}\nfunctions: {GetOrder: {plugin: ./order.js}}\n", "docs/shop.json": shop, "order.js": shopCode,
	})
	p := load(t, dir, options(t))
	a := p.Snapshot.APIs[0]
	if a.Protocol != host.ProtocolREST || len(a.Routes) != 2 || a.Routes[0].Pos.File != "docs/shop.json" || a.Routes[0].Pos.Line != 7 {
		t.Errorf("the API is %+v", a)
	}
	if c := a.Routes[0].Integration; c.Function != "GetOrder" || c.Qualifier != "" {
		t.Errorf("a folder has no aliases: %+v", c)
	}
	if !slices.Contains(p.Inputs, "docs/shop.json") {
		t.Errorf("the document is not watched: %v", p.Inputs)
	}
	in := p.Input()
	if diff := cmp.Diff(map[string]string{"docs/shop.json": shop}, in.Bundle.Files); diff != "" || !in.Bundle.Unqualified {
		t.Error(diff, in.Bundle.Unqualified)
	}
	if len(p.Warnings) != 1 || p.Warnings[0].Pos.File != "docs/shop.json" {
		t.Errorf("the warnings are %v", p.Warnings)
	}
	onHost := load(t, dir, hostOptions(t))
	if c := onHost.Snapshot.APIs[0].Routes[0].Integration; c.Qualifier != "live" || onHost.Input().Bundle.Unqualified {
		t.Errorf("a host has aliases: %+v", c)
	}
	put(t, dir, "docs/shop.json", strings.Replace(shop, `"{}"`, `"{ }"`, 1))
	if again := load(t, dir, options(t)); again.Snapshot.Revision == p.Snapshot.Revision {
		t.Error("another document has the same revision")
	}
	if defined, err := project.Define(dir, project.Options{}); err != nil || len(defined.Snapshot.APIs[0].Routes) != 2 {
		t.Errorf("the definition alone: %v", err)
	}
}

// TestBadDocuments checks what is said of a document that cannot be used, and that it is waited for.
func TestBadDocuments(t *testing.T) {
	const definition = "apis:\n  shop: {openapi: ./shop.json}\n"
	tests := map[string]struct {
		files map[string]string
		make  func(t *testing.T, dir string)
		want  []string
	}{
		"missing":                    {files: map[string]string{"shop.yaml": shop}, want: []string{`postern.yaml:2:19: there is no ./shop.json (missing-file); did you mean "./shop.yaml"?`}},
		"a folder":                   {files: map[string]string{"shop.json/x": ""}, want: []string{"postern.yaml:2:19: ./shop.json cannot be read: it is not a file (unreadable-file)"}},
		"too large":                  {files: map[string]string{"shop.json": shop + strings.Repeat(" ", openapi.MaxBytes)}, want: []string{"shop.json:1:1: the file has more than 6291456 bytes (too-large)"}},
		"not text":                   {files: map[string]string{"shop.json": strings.Replace(shop, "Shop", "Sh\xf6p", 1)}, want: []string{"shop.json:3:28: this byte is not text (syntax); save the file as UTF-8"}},
		"cut off":                    {files: map[string]string{"shop.json": shop[:len(shop)/2]}, want: []string{"shop.json:11:18: the document ends too early (syntax)"}},
		"empty":                      {files: map[string]string{"shop.json": ""}, want: []string{"shop.json:1:1: the file is empty"}},
		"no document":                {files: map[string]string{"shop.json": `{"paths": {}}`}, want: []string{"shop.json:1:1: this is no OpenAPI document"}},
		"with a template that fails": {files: map[string]string{"shop.json": strings.Replace(shop, `"{}"`, `"#if"`, 1)}, want: []string{"shop.json:20:100: line 1, column 4 of the template: "}},
		"with what is not done here": {files: map[string]string{"shop.json": strings.Replace(shop, `"paths"`, `"x-amazon-apigateway-policy": {}, "paths"`, 1)},
			want: []string{"write in postern.yaml: apis: {shop: {openapi: ./shop.json, allowUnsupported: true}}"}},
		"outside": {make: func(t *testing.T, dir string) {
			other := write(t, map[string]string{"shop.json": shop})
			if err := os.Symlink(filepath.Join(other, "shop.json"), filepath.Join(dir, "shop.json")); err != nil {
				t.Skip(err)
			}
		}, want: []string{"postern.yaml:2:19: ./shop.json is a symbolic link that leads out of the project's folder (outside-project)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := write(t, test.files)
			put(t, dir, "postern.yaml", definition)
			if test.make != nil {
				test.make(t, dir)
			}
			p, err := project.Load(t.Context(), dir, options(t))
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
			errs, _ := problemsOf(t, err)
			if e := errs[0]; e.Source == "" && e.Rule != "too-large" && name != "empty" {
				t.Errorf("%v shows no line", e)
			}
			if !slices.Contains(p.Inputs, "shop.json") {
				t.Errorf("it is not waited for: %v", p.Inputs)
			}
		})
	}
}

// TestAsItIs checks what a document becomes that nobody wrote a definition for, here and when it was exported from a host.
func TestAsItIs(t *testing.T) {
	tests := map[string]struct {
		file, text string
		code       string
		files      map[string]string
		name       string
	}{
		"JSON":             {file: "shop.json", text: shop, code: "functions/GetOrder.js", name: "the-shop"},
		"TypeScript":       {file: "shop.json", text: shop, code: "functions/GetOrder.ts", name: "the-shop"},
		"a module":         {file: "shop.json", text: shop, code: "functions/GetOrder.mjs", name: "the-shop"},
		"a folder":         {file: "shop.json", text: shop, code: "functions/GetOrder/index.js", name: "the-shop"},
		"of several":       {file: "shop.json", text: shop, code: "functions/GetOrder.ts", files: map[string]string{"functions/GetOrder.js": "("}, name: "the-shop"},
		"YAML":             {file: "a shop!.yaml", text: "openapi: 3.0.1\ninfo: {version: '1'}\npaths:\n  /: {get: {x-amazon-apigateway-integration: {type: mock}}}\n", name: "a-shop"},
		"Swagger":          {file: "old", text: "swagger: '2.0'\ninfo: {title: Old, version: '1'}\npaths: {/: {get: {x-amazon-apigateway-integration: {type: mock}}}}\n", name: "old"},
		"beside a project": {file: "shop.json", text: shop, code: "functions/GetOrder.js", files: map[string]string{"postern.yaml": "no project"}, name: "the-shop"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := write(t, test.files)
			put(t, dir, test.file, test.text)
			if test.code != "" {
				put(t, dir, test.code, shopCode)
			}
			p := load(t, filepath.Join(dir, test.file), options(t))
			if a := p.Snapshot.APIs[0]; a.Name != test.name || p.Name() != test.name || len(a.Routes) == 0 || a.Pos.File != test.file || !a.Root {
				t.Errorf("the API is %+v, of the project %s", a, p.Name())
			}
			for _, input := range []string{test.file, test.code} {
				if input != "" && !slices.Contains(p.Inputs, input) && !slices.Contains(p.Inputs, filepath.Dir(input)) {
					t.Errorf("%s is not watched: %v", input, p.Inputs)
				}
			}
			if test.text == shop && (len(p.Snapshot.Functions) != 1 || p.Snapshot.Functions[0].Pos.Line != 11 || p.Snapshot.APIs[0].Stages[0].Name != "v1") {
				t.Errorf("it has %+v", p.Snapshot)
			}
			onHost := load(t, filepath.Join(dir, test.file), hostOptions(t))
			out := filepath.Join(t.TempDir(), "out")
			if _, err := project.Export(t.Context(), onHost.Input().Bundle, blobsOf(onHost), out); err != nil {
				t.Fatal(err)
			}
			if again := load(t, out, hostOptions(t)); again.Snapshot.Revision != onHost.Snapshot.Revision {
				t.Errorf("exported, it is something else: %s", again.Text)
			}
		})
	}
}

// TestBadAsItIs checks that what is wrong is told in the document, since there is no definition to look into.
func TestBadAsItIs(t *testing.T) {
	withVariable := strings.Replace(shop, `"type": "mock",`, `"type": "http_proxy", "httpMethod": "GET", "uri": "http://${stageVariables.backend}/",`, 1)
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"a function that is not there": {map[string]string{"shop.json": shop, "functions/getOrder.py": ""},
			`shop.json:11:18: there is no function "GetOrder" (unknown-reference); put its code at ./functions/GetOrder.js (or .ts, .mjs, .wasm), or into the folder ./functions/GetOrder`},
		"a function that does not compile": {map[string]string{"shop.json": shop, "functions/GetOrder.js": "export const handler = ("},
			`functions/GetOrder.js:1:25: `},
		"a folder with nothing to build": {map[string]string{"shop.json": shop, "functions/GetOrder/x": ""},
			`shop.json:11:18: ./functions/GetOrder has nothing to build (build-kind); it needs one of `},
		"a variable": {map[string]string{"shop.json": withVariable, "functions/GetOrder.js": shopCode},
			`shop.json:19:61: the stage v1 has no variable "backend" (unknown-reference); set it in postern.yaml: apis: {the-shop: {openapi: ./shop.json, stages: {v1: {variables: {backend: "..."}}}}}`},
		"a type that is none": {map[string]string{"shop.json": strings.Replace(shop, `"mock"`, `"mick"`, 1), "functions/GetOrder.js": shopCode},
			`shop.json:19:19: "mick" is no type of an integration`},
		"what is not done here": {map[string]string{"shop.json": strings.Replace(shop, `"paths"`, `"x-amazon-apigateway-policy": {}, "paths"`, 1), "functions/GetOrder.js": shopCode},
			`--allow-unsupported does without all that is unsupported`},
		"a document that breaks off": {map[string]string{"shop.json": shop[:len(shop)-9]}, `shop.json:`},
		"a version that nobody has":  {map[string]string{"shop.json": "{\"openapi\": \"9.9\",\n \"paths\": {}}"}, `shop.json:1:13: the version "9.9" of OpenAPI is not read`},
		"a number for a version":     {map[string]string{"shop.json": `{"openapi": 4, "paths": {}}`}, `shop.json:1:13: the version "4" of OpenAPI is not read`},
		"no document":                {map[string]string{"shop.json": `{"apis": {}}`}, `shop.json:1:1: the file has no apis and no functions`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := write(t, test.files)
			p, err := project.Load(t.Context(), filepath.Join(dir, "shop.json"), options(t))
			errs, _ := problemsOf(t, err)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			for _, e := range errs {
				if e.Pos.File == "postern.yaml" || e.Pos.Line > 0 && e.Source == "" {
					t.Errorf("%v has no line that its user knows: %q", e, e.Source)
				}
			}
			if !slices.Contains(p.Inputs, "shop.json") {
				t.Errorf("it is not waited for: %v", p.Inputs)
			}
		})
	}
	for _, name := range []string{"shop.json", "other.json"} {
		dir := write(t, map[string]string{"shop.json/x": ""})
		if _, err := project.Load(t.Context(), filepath.Join(dir, name), options(t)); !errors.Is(err, host.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAsItIsAlone checks that a function which only a host has is no error where it is for a host to say.
func TestAsItIsAlone(t *testing.T) {
	dir := write(t, map[string]string{"shop.json": shop})
	p := load(t, filepath.Join(dir, "shop.json"), hostOptions(t))
	if diff := cmp.Diff("apis:\n  the-shop:\n    openapi: ./shop.json\n    stages: {v1: {}}\n", string(p.Text)); diff != "" {
		t.Error(diff)
	}
}

// TestDocumentPage checks that the example of the page is a project, and that the page has every key.
func TestDocumentPage(t *testing.T) {
	text, err := os.ReadFile("../../spec/import.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Running a document as it is\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, rest, _ := strings.Cut(section, "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the section has no example")
	}
	dir := write(t, map[string]string{"postern.yaml": example, "shop.json": strings.ReplaceAll(shop, "GetOrder", "get-order"), "functions/get-order.ts": shopCode})
	if p := load(t, dir, options(t)); len(p.Snapshot.APIs[0].Routes) != 3 {
		t.Errorf("the API is %+v", p.Snapshot.APIs[0])
	}
	for _, key := range []string{"openapi", "protocol", "allowUnsupported", "basePath"} {
		if !strings.Contains(section, "| `"+key+"` |") {
			t.Errorf("the section does not have %s", key)
		}
	}
}

// BenchmarkAsItIs loads a document of 500 operations.
func BenchmarkAsItIs(b *testing.B) {
	var paths []string
	for i := range 500 {
		paths = append(paths, fmt.Sprintf(`"/a%d/{id}": {"get": {
  "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}, {"name": "x", "in": "query", "required": true, "schema": {"type": "string"}}],
  "responses": {"200": {"description": "OK", "headers": {"X": {"schema": {"type": "string"}}}}, "400": {"description": "no"}},
  "x-amazon-apigateway-integration": {"type": "http", "httpMethod": "GET", "uri": "https://example.com/{id}",
   "requestParameters": {"integration.request.path.id": "method.request.path.id"},
   "requestTemplates": {"application/json": "{\"id\": \"$input.params('id')\"}"},
   "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{\"a\": $input.json('$')}"}}, "4\\d\\d": {"statusCode": "400"}}}}}`, i))
	}
	dir := b.TempDir()
	file := filepath.Join(dir, "shop.json")
	doc := `{"openapi": "3.0.1", "info": {"title": "large", "version": "1"}, "paths": {` + strings.Join(paths, ",\n") + "}}"
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		p, err := project.Load(b.Context(), file, project.Options{})
		if err != nil || len(p.Snapshot.APIs[0].Routes) != 500 {
			b.Fatal(err)
		}
	}
}

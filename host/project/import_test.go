package project_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
	"github.com/postern/postern/host/project"
)

// shopDocument is a document with an operation of a function, and with the others given.
func shopDocument(others ...string) string {
	paths := append([]string{`"/orders": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST",
  "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:orders/invocations"}}}`}, others...)
	return `{"openapi": "3.0.1", "info": {"title": "Shop"}, "paths": {` + strings.Join(paths, ",\n") + "}}"
}

func importShop(t *testing.T, doc string, opts project.ImportOptions) *project.ImportedProject {
	t.Helper()
	im, err := project.Import("shop.json", []byte(doc), opts)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestImportIntoAProject(t *testing.T) {
	const before = `# ours
apis:
  # the old one
  shop:
    protocol: rest
    root: true
    stages: {prod: {variables: {a: b}}}
    routes:
      GET /orders: {integration: {http: "http://127.0.0.1:1"}} # goes
      GET /kept: {integration: {type: MOCK}, responses: [{status: 204}]}

  # another
  other:
    routes: {GET /: {integration: {mock: {}}}} # stays
# the functions
functions:
  mine: {plugin: ./mine.js}
`
	for mode, want := range map[string]string{
		project.ImportMerge: `# ours
apis:
  # the old one
  shop:
    protocol: rest
    root: true
    stages:
      prod: {variables: {a: b}}
    routes:
      GET /orders: {integration: {function: orders}}
      GET /kept:
        integration: {type: MOCK}
        responses:
          - {status: 204}

  # another
  other:
    routes: {GET /: {integration: {mock: {}}}} # stays
# the functions
functions:
  mine: {plugin: ./mine.js}
  orders: {plugin: ./functions/orders.js}
`,
		project.ImportOverwrite: `# ours
apis:
  # the old one
  shop:
    root: true
    stages:
      prod: {variables: {a: b}}
    protocol: rest
    routes:
      GET /orders: {integration: {function: orders}}

  # another
  other:
    routes: {GET /: {integration: {mock: {}}}} # stays
# the functions
functions:
  mine: {plugin: ./mine.js}
  orders: {plugin: ./functions/orders.js}
`,
	} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, project.FileName)
			if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
				t.Fatal(err)
			}
			im := importShop(t, shopDocument(), project.ImportOptions{Code: fstest.MapFS{"functions/orders.js": {}}})
			for range 2 { // a second time changes nothing more
				if _, err := im.Write(dir, mode); err != nil {
					t.Fatal(err)
				}
				if got, _ := os.ReadFile(file); string(got) != want {
					t.Fatalf("the definition is\n%s", got)
				}
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("the folder has %v", left)
			}
		})
	}
}

// What cannot be written without a change to something else is refused, and the file is as it was.
func TestImportThatIsNotWritten(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"on one line": {"apis: {other: {routes: {GET /: {integration: {mock: {}}}}}}\n", "write it as a block"},
		"broken":      {"apis:\n  other: [\n", "syntax"},
		"a document":  {"apis:\n  shop:\n    openapi: ./shop.json\n", "is made of the document"},
		"too large":   {"apis: {} # " + strings.Repeat("-", document.DefaultBytes) + "\n", "too-large"},
		"would break": {"apis:\n  shop:\n    protocol: rest\n    routes:\n      GET /{id}: {integration: {http: \"http://h\"}}\n      GET /{other}/x: {integration: {http: \"http://h\"}}\n", "one variable"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, project.FileName)
			if err := os.WriteFile(file, []byte(c.file), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := importShop(t, shopDocument(), project.ImportOptions{}).Write(dir, project.ImportMerge); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("said %v", err)
			}
			if got, _ := os.ReadFile(file); string(got) != c.file {
				t.Errorf("the file is\n%s", got)
			}
		})
	}
}

// Two imports at once lose nothing of each other.
func TestImportsAtOnce(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for i := range 8 {
		im := importShop(t, shopDocument(), project.ImportOptions{Name: fmt.Sprintf("shop-%d", i)})
		group.Go(func() {
			if _, err := im.Write(dir, project.ImportMerge); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	text, err := os.ReadFile(filepath.Join(dir, project.FileName))
	if got := strings.Count(string(text), "\n  shop-"); err != nil || got != 8 {
		t.Errorf("%d of 8 APIs are in\n%s%v", got, text, err)
	}
}

// A definition with the line ends of Windows keeps them.
func TestImportWithCarriageReturns(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, project.FileName)
	before := "# ours\r\napis:\r\n  other:\r\n    routes:\r\n      GET /: {integration: {mock: {}}}\r\n# the functions\r\nfunctions:\r\n  mine: {plugin: ./mine.js}\r\n"
	if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := importShop(t, shopDocument(), project.ImportOptions{}).Write(dir, project.ImportMerge); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(before, "# the functions", "  shop:\r\n    protocol: rest\r\n    routes:\r\n      GET /orders: {integration: {function: orders}}\r\n# the functions", 1)
	if text, _ := os.ReadFile(file); string(text) != want {
		t.Errorf("it holds %q", text)
	}
}

// A definition that is a symbolic link, as in a folder that is made of a checkout, goes on being one; and it keeps its mode.
func TestImportIntoALink(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "real.yaml")
	link := filepath.Join(dir, project.FileName)
	if err := errors.Join(os.WriteFile(target, []byte("# mine\n"), 0o600), os.Symlink(target, link)); err != nil {
		t.Skip(err)
	}
	if _, err := importShop(t, shopDocument(), project.ImportOptions{}).Write(dir, project.ImportMerge); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is now %v, %v", info.Mode(), err)
	}
	if text, _ := os.ReadFile(target); !strings.HasPrefix(string(text), "# mine\n") || !strings.Contains(string(text), "shop:") {
		t.Errorf("it holds\n%s", text)
	}
}

func TestImportedProjectRuns(t *testing.T) {
	dir := t.TempDir()
	im := importShop(t, shopDocument(`"/x": {"get": {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "${stageVariables.backend}/x"}}}`),
		project.ImportOptions{Name: "store", Stage: "prod", Variables: map[string]string{"backend": "http://127.0.0.1:1"}})
	file, err := im.Write(dir, project.ImportMerge)
	if err != nil {
		t.Fatal(err)
	}
	p, err := project.Define(dir, project.Options{})
	if err != nil {
		text, _ := os.ReadFile(file)
		t.Fatalf("%v in\n%s", err, text)
	}
	a := p.Snapshot.APIs[0]
	if a.Name != "store" || a.Stages[0].Name != "prod" || len(a.Routes) != 2 || fmt.Sprint(im.Missing) != "[orders]" {
		t.Errorf("got %+v, missing %v", a, im.Missing)
	}
}

// All that is wrong with an operation is said of it, and the others are imported.
func TestImportOfAnOperationWithManyFaults(t *testing.T) {
	im := importShop(t, shopDocument(`"/t": {"get": {"responses": {"200": {}}, "x-amazon-apigateway-integration": {"type": "mock", "responses": {"default": {"statusCode": "200",
"responseParameters": {"method.response.header.A": "'1'", "method.response.header.B": "'2'"}}}}}}`), project.ImportOptions{OpenAPI: openapi.Options{AllowUnsupported: true}})
	if o := im.Reports[0].Operations[1]; !o.LeftOut || len(o.Findings) != 2 {
		t.Errorf("the findings are %v", o.Findings)
	}
}

func TestImportFromAServer(t *testing.T) {
	const doc = `{"openapi": "3.0.1", "info": {"title": "pets"}, "servers": [{"url": "/v3"}], "paths": {"/pets/{id}": {"get": {"responses": {}}}}}`
	if _, err := project.Import("pets.json", []byte(doc), project.ImportOptions{}); !errors.Is(err, project.ErrUnsupported) {
		t.Error(err)
	}
	im := importShop(t, doc, project.ImportOptions{OpenAPI: openapi.Options{Server: "http://127.0.0.1:9000/api/v3"}})
	if got := im.Definition.Get("apis").Get("pets").Get("routes").Get("GET /pets/{id}").Get("integration").Get("http").Text; got != "http://127.0.0.1:9000/api/v3/pets/{id}" {
		t.Error(got)
	}
}

func TestImportSaysWhatIsWrong(t *testing.T) {
	const queue = `"/q": {"post": {"x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "POST", "uri": "arn:aws:apigateway:eu-west-1:sqs:action/SendMessage"}}}`
	for name, c := range map[string]struct {
		doc         string
		unsupported bool
		want        string
	}{
		"not JSON":        {`{"openapi": `, false, "shop.json:1:"},
		"no document":     {`{"a": 1}`, false, `neither "openapi" nor "swagger"`},
		"an intrinsic":    {shopDocument(`"/x": {"get": {"x-amazon-apigateway-integration": {"type": "mock", "uri": {"Fn::Sub": "x"}}}}`), false, "Fn::Sub belongs to a template"},
		"empty":           {``, false, "shop.json:1:1"},
		"a stage's value": {shopDocument(`"/x": {"get": {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://${stageVariables.h}/x"}}}`), false, "shop.json:3:102: the stage variable \"h\" has no value"},
		"template": {shopDocument(`"/t": {"get": {"x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "#if"}, "responses": {"default": {"statusCode": 200}}}}}`),
			true, "shop.json:3:109: unsupported: template: line 1"},
		"expression": {shopDocument(`"/t": {"get": {"x-amazon-apigateway-integration": {"type": "mock", "responses": {"(": {"statusCode": 200}}}}}`), true, "unsupported: invalid-value: "},
		"parameters": {shopDocument(`"/t": {"get": {"x-amazon-apigateway-integration": {"type": "http", "httpMethod": "GET", "uri": "http://h/", "requestParameters": {"nonsense": "x"}}}}`), true, "shop.json:3:"},
		"service":    {shopDocument(queue), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			im, err := project.Import("shop.json", []byte(c.doc), project.ImportOptions{})
			if errors.Is(err, project.ErrUnsupported) != c.unsupported {
				t.Fatal(err)
			}
			said := fmt.Sprint(err)
			if im != nil {
				var b strings.Builder
				_ = im.Reports[0].WriteText(&b)
				said = b.String()
			}
			if !strings.Contains(said, c.want) {
				t.Errorf("said %s", said)
			}
			var wrong definition.Errors
			if errors.As(err, &wrong) && host.KindOf(wrong) != host.Invalid {
				t.Error(err)
			}
			if !c.unsupported {
				return
			}
			im = importShop(t, c.doc, project.ImportOptions{OpenAPI: openapi.Options{AllowUnsupported: true}})
			if routes := im.Definition.Get("apis").Get("shop").Get("routes"); len(routes.Members) != 1 || !im.Reports[0].Operations[1].LeftOut {
				t.Errorf("routes %v, report %+v", routes.Plain(), im.Reports[0].Operations[1])
			}
		})
	}
}

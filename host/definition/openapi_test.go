package definition_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
)

// documents reads definitions of APIs, by reference, in the place of OpenAPI documents: what those mean is not this package's.
func documents(texts map[string]string, asked *[]definition.DocumentRef) definition.Options {
	return definition.Options{Document: func(ref definition.DocumentRef) (*definition.Document, error) {
		if asked != nil {
			*asked = append(*asked, ref)
		}
		text, ok := texts[ref.Ref]
		if !ok {
			return nil, &definition.Error{Rule: "missing-file", Message: "there is no " + ref.Ref, Hint: "write it"}
		}
		file := strings.TrimPrefix(ref.Ref, "./")
		if text == "fire" {
			return nil, errors.New("it is on fire")
		}
		root, err := document.Parse(file, []byte(text), document.Limits{})
		return &definition.Document{API: root, File: file, Text: []byte(text)}, err
	}}
}

// TestOpenAPI checks how a definition and a document become one.
func TestOpenAPI(t *testing.T) {
	const doc = `{"minimumCompressionSize": 5, "stages": {"v1": {}},
 "routes": {"GET /a": {"integration": {"mock": {"status": 201}}},
  "GET /b": {"integration": {"mock": {"satus": 201}}}}}`
	const text = `apis:
  shop: {openapi: ./shop.json, stages: {prod: {}}, allowUnsupported: true, basePath: split}
  web:
    openapi: ./web.json
    protocol: http
  own: {openapi: ../x.json}
  gone: {openapi: ./gone.json}
  cut: {openapi: ./cut.json}
  plain: {routes: {}, basePath: prepend, allowUnsupported: false}
`
	var asked []definition.DocumentRef
	opts := documents(map[string]string{"./shop.json": doc, "./web.json": "fire", "./cut.json": "{\"routes\":\n {"}, &asked)
	s, errs := parse(t, "postern.yaml", []byte(text), opts)
	want := strings.Join([]string{
		`cut.json:2:3: the document ends too early (syntax); a text, list or object is not closed`,
		`postern.yaml:4:14: the document "./web.json" cannot be read: it is on fire (invalid-value)`,
		`postern.yaml:6:18: the path "../x.json" leaves the project's folder (invalid-value); copy it into the project`,
		`postern.yaml:7:19: there is no ./gone.json (missing-file); write it`,
		`postern.yaml:9:33: "basePath" is for APIs that are made of an OpenAPI document (conflict); remove it, or add openapi: ./api.json`,
		`postern.yaml:9:60: "allowUnsupported" is for APIs that are made of an OpenAPI document (conflict); remove it, or add openapi: ./api.json`,
		`shop.json:3:39: "satus" is not a key of "mock" (unknown-key); did you mean "status"?`,
	}, "\n")
	if diff := cmp.Diff(want, errs.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := errs[len(errs)-1].Source; got != `  "GET /b": {"integration": {"mock": {"satus": 201}}}}}` {
		t.Errorf("the line of the last is %q", got)
	}
	if diff := cmp.Diff([]definition.DocumentRef{{"./shop.json", host.ProtocolREST, true, "split"}, {"./web.json", host.ProtocolHTTP, false, ""},
		{"./gone.json", host.ProtocolREST, false, ""}, {"./cut.json", host.ProtocolREST, false, ""}}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a := apiOf(t, s, "shop")
	if a.Protocol != host.ProtocolREST || len(a.Stages) != 1 || a.Stages[0].Name != "prod" || a.REST.MinimumCompression.Value != 5 {
		t.Errorf("the API is %+v", a)
	}
	if r := routeOf(t, s, "shop", "GET /a"); r.Pos.File != "shop.json" || r.Pos.Line != 2 || r.Integration.Mock.Status != 201 {
		t.Errorf("the route is %+v", r)
	}
	_, err := definition.Parse("postern.yaml", []byte(text), definition.Options{})
	if err == nil || !strings.Contains(err.Error(), "2:10: APIs from OpenAPI documents are not supported") {
		t.Errorf("without a reader: %v", err)
	}
}

func apiOf(t *testing.T, s *host.Snapshot, name string) *host.API {
	t.Helper()
	for _, a := range s.APIs {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("there is no API %s", name)
	return nil
}

// TestBesideOpenAPI checks that what stands beside a document replaces what it says by name, and nothing else of it.
func TestBesideOpenAPI(t *testing.T) {
	const doc = `routes:
  GET /a: {integration: {mock: {status: 200}}, request: {maxBody: 1KiB}}
  GET /b: {authorizer: caller, integration: {mock: {status: 200}}}
authorizers:
  caller: {plugin: ./doc.js, identitySources: [method.request.header.A]}
  other: {plugin: ./doc.js}
models: {A: {type: object}, B: {type: object}}
gatewayResponses: {DEFAULT_4XX: {statusCode: 400}, THROTTLED: {statusCode: 430}}
binaryMediaTypes: [image/png]
minimumCompressionSize: 1
`
	const text = `apis:
  shop:
    openapi: ./shop.yaml
    routes:
      GET /a: {integration: {mock: {status: 204}}}
      GET /c: {integration: {mock: {status: 200}}}
    authorizers: {caller: {plugin: ./own.js}}
    models: {B: {type: array}, C: {type: string}}
    gatewayResponses: {THROTTLED: {statusCode: 431}}
    binaryMediaTypes: [image/gif]
    filters: [./f.js]
`
	s, errs := parse(t, "postern.yaml", []byte(text), documents(map[string]string{"./shop.yaml": doc}, nil))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	a := s.APIs[0]
	var got []string
	for _, r := range a.Routes {
		got = append(got, r.Key+" "+r.Pos.File)
	}
	for _, x := range a.Authorizers {
		got = append(got, x.Name+" "+x.Plugin.Ref)
	}
	for _, m := range a.REST.Models {
		got = append(got, m.Name+" "+string(m.Schema))
	}
	for _, g := range a.REST.GatewayResponses {
		got = append(got, string(g.Type)+" "+g.Pos.File)
	}
	got = append(got, a.REST.BinaryMediaTypes...)
	want := []string{"GET /a postern.yaml", "GET /c postern.yaml", "GET /b shop.yaml", "caller ./own.js", "other ./doc.js",
		`A {"type":"object"}`, `B {"type":"array"}`, `C {"type":"string"}`, "DEFAULT_4XX shop.yaml", "THROTTLED postern.yaml", "image/gif"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r := routeOf(t, s, "shop", "GET /a"); r.Integration.Mock.Status != 204 || r.MaxBody.Value == 1024 {
		t.Errorf("the route is a mixture: %+v", r)
	}
	if a.REST.MinimumCompression.Value != 1 || len(a.Filters) != 1 || len(a.Stages) != 1 || a.Stages[0].Name != "dev" {
		t.Errorf("the API is %+v", a)
	}
}

// TestOpenAPIErrors checks what is wrong with a document and a definition together.
func TestOpenAPIErrors(t *testing.T) {
	tests := map[string]struct{ text, doc, want string }{
		"a variable that no stage has": {"apis: {shop: {openapi: ./d.yaml, protocol: http}}",
			"routes: {GET /a: {integration: {http: 'http://${stageVariables.backend}/'}}}",
			`d.yaml:1:39: the stage $default has no variable "backend" (unknown-reference); ` +
				`set it in postern.yaml: apis: {shop: {openapi: ./d.yaml, stages: {$default: {variables: {backend: "..."}}}}}`},
		"a function's name that no stage settles": {"apis: {shop: {openapi: ./d.yaml}}",
			"routes: {GET /a: {integration: {type: AWS_PROXY, method: POST, uri: 'arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.f}'}}}",
			`d.yaml:1:69: the function's name has ${stageVariables.f}, which is not set to one value on every stage (unsupported); ` +
				`set it in postern.yaml: apis: {shop: {openapi: ./d.yaml, stages: {dev: {variables: {f: "..."}}}}}`},
		"one route in two words": {"apis:\n  shop:\n    openapi: ./d.yaml\n    routes: {'GET /a/{x}': {integration: {mock: {}}}}",
			"routes:\n  GET /a/{y}: {integration: {mock: {}}}",
			`d.yaml:2:3: "GET /a/{y}" has {y} below /a, where "GET /a/{x}" has {x} (conflict); in a REST API, one variable may stand below a resource: give them the same name` + "\n" +
				`d.yaml:2:3: this route matches the same requests as "GET /a/{x}" in postern.yaml, line 4 (conflict); remove one of them`},
		"another protocol": {"apis: {shop: {openapi: ./d.yaml, protocol: soap}}", "routes: {}",
			`postern.yaml:1:44: "protocol" must be one of "http", "rest", not "soap" (invalid-value); write http or rest`},
		"keys that are no text": {"apis: {shop: {openapi: ./d.yaml, basePath: keep, allowUnsupported: 'yes'}}", "routes: {}",
			`postern.yaml:1:44: "basePath" must be one of "ignore", "prepend", "split", not "keep" (invalid-value); write ignore, prepend or split` + "\n" +
				`postern.yaml:1:68: "allowUnsupported" must be true or false, not "yes" (wrong-type); write true`},
		"too much of it": {"apis:\n  a: {openapi: ./d.yaml}\n  b: {openapi: ./d.yaml}\n  c: {openapi: ./d.yaml}\n", "routes: {} # " + strings.Repeat("x", 13<<20),
			`postern.yaml:3:16: with this one, the documents that APIs are made of have more than 25165824 bytes together (too-large); give some of them a definition of their own`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			opts := documents(map[string]string{"./d.yaml": test.doc}, nil)
			if read := opts.Document; len(test.doc) > document.DefaultBytes {
				opts.Document = func(ref definition.DocumentRef) (*definition.Document, error) {
					doc, _ := read(ref)
					return &definition.Document{API: document.NewObject(host.Position{}), File: doc.File, Text: doc.Text}, nil
				}
			}
			_, errs := parse(t, "postern.yaml", []byte(test.text), opts)
			if got := errs.Error(); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// TestBuild checks that a tree that nobody wrote is read as a definition, and that its errors have the places that it gives.
func TestBuild(t *testing.T) {
	const doc = "openapi: 3.0.1\nrouts: {}\n"
	at := host.Position{File: "shop.yaml", Line: 2, Column: 1}
	api := document.NewObject(at)
	api.Set("routs", at, document.NewObject(at))
	apis := document.NewObject(at)
	apis.Set("shop", at, api)
	root := document.NewObject(at)
	root.Set("apis", at, apis)
	_, err := definition.Build(root, []byte(doc), definition.Options{})
	var errs definition.Errors
	if !errors.As(err, &errs) || len(errs) == 0 || errs[0].Pos != at || errs[0].Source != "routs: {}" {
		t.Errorf("the errors are %v", err)
	}
}

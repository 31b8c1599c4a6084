package catalog

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/openapi"
)

// shopDocument is a REST API as it is exported, with a function, a mock with templates, and a proxy.
const shopDocument = `{
  "openapi": "3.0.1",
  "info": {"title": "shop", "version": "1"},
  "paths": {
    "/orders/{id}": {
      "get": {
        "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
        "x-amazon-apigateway-integration": {
          "type": "aws_proxy", "httpMethod": "POST", "passthroughBehavior": "when_no_match",
          "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:order/invocations"
        }
      }
    },
    "/about": {
      "get": {
        "responses": {"200": {"description": "200 response"}},
        "x-amazon-apigateway-integration": {
          "type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
          "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{\"from\": \"ABOUT\"}"}}}
        }
      }
    },
    "/items": {
      "get": {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "https://${stageVariables.items}/items"}}
    }
  }
}
`

const shopProject = `
functions: {order: {plugin: ./functions/order.js}}
apis:
  shop: {openapi: ./shop.json, stages: {prod: {variables: {items: example.com}}}}
`

// withDocument is an input with the files that the definition needs at least.
func withDocument(t *testing.T, c *Catalog, text string, files map[string]string) Input {
	t.Helper()
	in := Input{Bundle: Bundle{File: "postern.yaml", Text: text, Files: files, Code: map[string]Code{}}}
	in.Bundle.Code["functions/order.js"] = *save(t, c, script("order"))
	return in
}

// TestApplyDocument: a document goes with a bundle, is parsed with it, and what changes in it changes what it is made of.
func TestApplyDocument(t *testing.T) {
	s := openState(t)
	c := New(optionsOf(t, s))
	in := withDocument(t, c, shopProject, map[string]string{"shop.json": shopDocument})
	apply(t, c, "p", in)
	first := compose(t, c).Snapshot
	a := first.APIs[0]
	if a.Protocol != host.ProtocolREST || len(a.Routes) != 3 || a.Routes[0].Pos.File != "shop.json" || a.Routes[0].Pos.Line != 6 {
		t.Errorf("the API is %+v", a)
	}
	if plan := apply(t, c, "p", in); plan.Changed {
		t.Errorf("the same again changes %v", lines(plan))
	}
	in.Bundle.Files = map[string]string{"shop.json": strings.ReplaceAll(shopDocument, "ABOUT", "ELSEWHERE")}
	plan := apply(t, c, "p", in)
	if got := strings.Join(lines(plan), "\n"); !strings.Contains(got, "route GET /about") {
		t.Errorf("the plan does not tell of the document's route:\n%s", got)
	}
	if second := compose(t, c).Snapshot; second.Revision == first.Revision {
		t.Error("the revision does not go by the document")
	}
	// Another process knows nothing of what this one has parsed, and comes to the same.
	other := New(optionsOf(t, s))
	if got, want := compose(t, other).Snapshot.Revision, compose(t, c).Snapshot.Revision; got != want {
		t.Errorf("another catalog has the revision %s, and not %s", got, want)
	}
	_, kept, err := c.Project(t.Context(), "p")
	if err != nil || kept.Files["shop.json"] != in.Bundle.Files["shop.json"] {
		t.Errorf("the document is not kept: %v", err)
	}
}

// TestApplyDocumentRefuses checks what is said of documents that cannot be taken.
func TestApplyDocumentRefuses(t *testing.T) {
	c := newCatalog(t)
	broken := strings.Replace(shopDocument, `"aws_proxy"`, `"aws_prox"`, 1)
	tests := map[string]struct {
		text  string
		files map[string]string
		kind  host.Kind
		want  []string
	}{
		"not sent": {shopProject, nil, host.Invalid, []string{`postern.yaml:4:19: the document "./shop.json" was not sent (missing-file)`}},
		"with an error": {shopProject, map[string]string{"shop.json": broken}, host.Invalid,
			[]string{`shop.json:9:19: "aws_prox" is no type of an integration`}},
		"without a variable": {strings.Replace(shopProject, "{variables: {items: example.com}}", "{}", 1), map[string]string{"shop.json": shopDocument}, host.Invalid,
			[]string{`shop.json:24:101: the stage prod has no variable "items"`, `set it in postern.yaml: apis: {shop: {openapi: ./shop.json, stages: {prod: {variables: {items: "..."}}}}}`}},
		"with a function that is nowhere": {strings.Replace(shopProject, "functions: {order: {plugin: ./functions/order.js}}", "functions: {ordre: {plugin: ./functions/order.js}}", 1),
			map[string]string{"shop.json": shopDocument}, host.Invalid, []string{`shop.json:10:18: there is no function "order", neither in the definition nor on the host (unknown-reference); did you mean "ordre"?`}},
		"too large": {shopProject, map[string]string{"shop.json": shopDocument + strings.Repeat(" ", openapi.MaxBytes)}, host.TooLarge, []string{`the file "shop.json" has`}},
		"beside a large file that is none": {shopProject, map[string]string{"shop.json": shopDocument, "ca.pem": strings.Repeat("x", maxFile+1)}, host.TooLarge,
			[]string{`the file "ca.pem" has 1048577 bytes, and 1048576 are the most`}},
		"beside too much": {shopProject, map[string]string{"shop.json": shopDocument, "a": strings.Repeat("x", openapi.MaxBytes), "b": strings.Repeat("x", openapi.MaxBytes), "c": strings.Repeat("x", openapi.MaxBytes)},
			host.TooLarge, []string{"its files have", "16777216 are the most"}},
		"beside one that nothing refers to": {shopProject, map[string]string{"shop.json": shopDocument, "shop2.json": shopDocument}, host.Invalid,
			[]string{`files has "shop2.json", to which the definition does not refer`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.Apply(t.Context(), "p", withDocument(t, c, test.text, test.files), Change{})
			wantKind(t, err, test.kind, test.want...)
			var errs definition.Errors
			if !errors.As(err, &errs) {
				return
			}
			for _, e := range errs {
				text := test.files[e.Pos.File] + map[string]string{"postern.yaml": test.text}[e.Pos.File]
				if e.Pos.Line > 0 && e.Source != definition.SourceLine([]byte(text), e.Pos.Line) {
					t.Errorf("%v: its line is shown as %q", e, e.Source)
				}
			}
		})
	}
}

// TestApplyLargeDocument: what is as large as API Gateway takes it goes through, with the time that this takes kept in mind by its weight.
func TestApplyLargeDocument(t *testing.T) {
	c := newCatalog(t)
	var doc map[string]any
	if err := json.Unmarshal([]byte(shopDocument), &doc); err != nil {
		t.Fatal(err)
	}
	doc["info"].(map[string]any)["description"] = strings.Repeat("a long story ", 450_000)
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, "p", withDocument(t, c, shopProject, map[string]string{"shop.json": string(text)}))
	if n := len(compose(t, c).Snapshot.APIs[0].Routes); n != 3 {
		t.Errorf("the API has %d routes", n)
	}
	parsed := &parsedBundle{bundle: &Bundle{Files: map[string]string{"shop.json": string(text)}}, documents: map[string]bool{"shop.json": true}}
	if parsed.weight() < uint32(10*len(text)) {
		t.Errorf("it weighs %d", parsed.weight())
	}
}

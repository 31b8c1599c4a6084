package openapi_test

import (
	"testing"

	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// What is a definition is exported, and read again as one; what is none does no harm.
func FuzzExport(f *testing.F) {
	for _, api := range []string{
		`protocol: rest, models: {A: {type: object, definitions: {b: {type: string}}, properties: {c: {$ref: "#/definitions/b"}, d: {$ref: "https://apigateway.amazonaws.com/restapis/x/models/A"}}}}, routes: {"POST /a/{b}": {request: {models: {application/json: A}, validate: [body], parameters: {method.request.querystring.q: true}}, integration: {function: f}}}`,
		`protocol: rest, authorizers: {a: {function: f, identitySources: [$request.header.A], resultTTL: 1m}, p: {plugin: ./p.js}}, routes: {GET /: {authorizer: a, integration: {mock: {status: 204, headers: {a: b}}}}, ANY /x: {authorizer: p, filters: [./f.js], integration: {type: MOCK}, request: {mapping: {a/b: {template: "{}"}}}, responses: [{match: "2..", status: 201, parameters: {method.response.header.A: "'b'"}}, {}]}}`,
		`protocol: rest, gatewayResponses: {DEFAULT_4XX: {statusCode: 404}}, minimumCompressionSize: 1KiB, routes: {"PUT /{p+}": {timeout: 2s, methodResponses: {"200": {headers: [A]}}, integration: {type: HTTP, uri: "http://a/{p}", method: GET, timeout: 2s, parameters: {integration.request.path.p: method.request.path.p}}, responses: [{status: 200, mapping: {a/b: ./a.vtl}}]}}`,
		`cors: {allowOrigins: ["*"], maxAge: 1m}, authorizers: {a: {function: f@live}}, routes: {GET /a: {authorizer: a, integration: {function: f, payloadFormatVersion: "1.0"}, responses: [{match: "200", parameters: {"append:header.a": b}}]}, $default: {integration: {http: "https://a.example.com/{x}"}}}`,
		`routes: {GET /a: {integration: {type: HTTP_PROXY, uri: "http://a", parameters: {"overwrite:path": /a}}}, ANY /b: {streaming: true, integration: {upstream: u, path: /a}}, POST /c: {request: {maxBody: 1KiB, mapping: {a/b: ./a.js}}, integration: {http: "http://a"}, responses: [{match: "4..", status: 400}]}}`,
	} {
		f.Add([]byte("apis: {a: {" + api + "}}\nupstreams: {u: {targets: [\"http://a\"]}}"))
	}
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

package openapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// hostile are documents that nobody means well with.
var hostile = []string{
	`{}`, `[]`, `null`, `openapi: 3.0.1`, `openapi: {}`, `swagger: 2.0`, `openapi: 4.0.0`, `{"openapi": "3.0.1", "paths": []}`,
	`{"openapi": "3.0.1", "paths": {"/a": {"$ref": "#"}}}`,
	`{"openapi": "3.0.1", "paths": {"/a": {"$ref": "#/paths/~1a"}, "/b": {"$ref": "#/paths/~1c"}, "/c": {"$ref": "#/paths/~1b"}}}`,
	`{"openapi": "3.0.1", "paths": {"/a": {"$ref": "https://evil.example.com/a.json"}, "/b": {"$ref": "../../etc/passwd"}, "/c": {"$ref": 7}}}`,
	`{"openapi": "3.0.1", "paths": {"/a": {"get": {"$ref": "#/paths/~1a/get", "x-amazon-apigateway-integration": {"$ref": "#/paths/~1a/get"}}}}}`,
	`{"openapi": "3.0.1", "paths": {"/a": {"get": {"x-amazon-apigateway-integration": null, "security": [{}], "parameters": null, "servers": null}, "put": null}, "/b": null}}`,
	`{"openapi": "3.0.1", "servers": [{"$ref": "#/servers/0"}], "paths": {"/a": {"get": {}}}}`,
	`{"openapi": "3.0.1", "servers": [{"url": "{a}", "variables": {"a": {"default": "{a}{a}"}}}], "paths": {"/a": {"get": {}}}}`,
	`{"openapi": "3.0.1", "servers": [{"url": "https://x/${stageVariables.y}"}], "paths": {"/${stageVariables.y}": {"get": {}}, "/{": {"get": {}}, "/{}": {"get": {}}, "/{+}": {"get": {}}}}`,
	`{"openapi": "3.0.1", "servers": [{"url": "https://x"}], "paths": {"/../a": {"get": {}}, "//b": {"get": {}}, "/%zz": {"get": {}}, "/$default": {"get": {}}}}`,
	`{"swagger": "2.0", "host": "[::1", "basePath": "//", "schemes": [null, 1, {}], "paths": {"/a": {"get": {"schemes": {}}}}}`,
	"openapi: 3.1.0\npaths: {/a: {get: {x-postern: {integration: {mock: {status: 200}}, authorizer: nobody, unknown: 1}}}}\nx-postern: {routes: [], protocol: soap}",
	"openapi: 3.0.1\ncomponents: {securitySchemes: {a: {$ref: '#/components/securitySchemes/a'}}}\npaths: {/a: {get: {security: [{a: []}, {b: []}, 1]}}}",
}

// Whatever bytes come, reading them ends, without a panic; what is read without an error says of each operation what became of it, and whoever checks definitions can take it.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	for _, text := range hostile {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := openapi.Limits()
		limits.Bytes = 16 << 10 // much of the same is no other case
		root, err := document.Parse("doc.yaml", data, limits)
		if err != nil || root == nil {
			return
		}
		openapi.Is(root)
		for _, protocol := range []host.Protocol{"", host.ProtocolREST, host.ProtocolHTTP} {
			for _, mode := range []string{openapi.BasePathIgnore, openapi.BasePathPrepend, openapi.BasePathSplit} {
				readAny(t, root, openapi.Options{Protocol: protocol, BasePath: mode, AllowUnsupported: mode != openapi.BasePathIgnore, Unqualified: protocol == ""})
			}
		}
	})
}

func readAny(t *testing.T, root *document.Node, opts openapi.Options) {
	t.Helper()
	result, err := openapi.Read(root, opts)
	if result == nil || result.API == nil || result.Report == nil {
		t.Fatal("there is no result")
	}
	if err := result.Report.WriteText(io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(result.Report); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		if !errors.Is(err, host.Invalid) {
			t.Fatalf("the error is no user's: %v", err)
		}
		return
	}
	routes := result.API.Get("routes")
	if own := root.Get("x-postern").Get("routes"); own == nil {
		for _, o := range result.Report.Operations {
			if there := routes.Get(o.Key) != nil; there == o.LeftOut {
				t.Errorf("%s: left out is %v, and in the API is %v", o.Key, o.LeftOut, there)
			}
		}
	}
	if opts.BasePath != openapi.BasePathPrepend { // once for each protocol: it takes longer than all else
		return
	}
	if _, err := definition.Parse("postern.yaml", wholeDefinition(result, ""), definition.Options{Host: true}); err != nil && !errors.Is(err, host.Invalid) {
		t.Fatalf("the definition has an error that is no user's: %v", err)
	}
}

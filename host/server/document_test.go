package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/server/servertest"
)

// shopDocument is a REST API as it is exported, with a function, an authorizer, a mock with templates, and a proxy.
const shopDocument = `{
  "openapi": "3.0.1",
  "info": {"title": "Shop", "version": "1"},
  "paths": {
    "/orders/{id}": {
      "get": {
        "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
        "security": [{"caller": []}],
        "x-amazon-apigateway-integration": {
          "type": "aws_proxy", "httpMethod": "POST",
          "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:Get_Order:live/invocations"
        }
      }
    },
    "/about": {
      "get": {
        "responses": {"200": {"description": "200 response", "headers": {"X-Shop": {"schema": {"type": "string"}}}}},
        "x-amazon-apigateway-integration": {
          "type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
          "responses": {"default": {"statusCode": "200", "responseParameters": {"method.response.header.X-Shop": "'yes'"},
            "responseTemplates": {"application/json": "{\"path\": \"$context.resourcePath\"}"}}}
        }
      }
    },
    "/items/{proxy+}": {
      "x-amazon-apigateway-any-method": {
        "parameters": [{"name": "proxy", "in": "path", "required": true, "schema": {"type": "string"}}],
        "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "ANY", "uri": "BACK/stock/{proxy}",
          "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"}}
      }
    }
  },
  "components": {"securitySchemes": {"caller": {"type": "apiKey", "name": "X-Token", "in": "header", "x-amazon-apigateway-authtype": "custom",
    "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:caller/invocations", "authorizerResultTtlInSeconds": 0}}}}
}
`

// documentFiles are those of a document that runs as it is, before what is at back.
func documentFiles(back string) map[string]string {
	return map[string]string{
		"shop.json":              strings.ReplaceAll(shopDocument, "BACK", back),
		"functions/Get_Order.js": "export const handler = async (e) => ({statusCode: 200, body: `order ${e.pathParameters.id} for ${e.requestContext.authorizer.principalId}`})\n",
		"functions/caller/index.ts": "export const handler = async (e: any) => ({principalId: e.authorizationToken, policyDocument: {Version: '2012-10-17', " +
			"Statement: [{Action: 'execute-api:Invoke', Effect: e.authorizationToken === 'ada' ? 'Allow' : 'Deny', Resource: e.methodArn}]}})\n",
	}
}

// TestDocumentOnAHost brings a document to a host, exports what the host has, and brings that to another: it is the same, and it serves.
func TestDocumentOnAHost(t *testing.T) {
	back := servertest.StartHost(t)
	back.MustApply(t, map[string]string{"postern.yaml": "apis: {stock: {root: true, routes: {\"ANY /stock/{x+}\": {integration: {function: echo}}}}}\nfunctions: {echo: {plugin: ./echo.js}}\n",
		"echo.js": "export const handler = async (e) => ({statusCode: 200, body: e.requestContext.http.method + ' ' + e.rawPath})\n"})
	dir := t.TempDir()
	for name, text := range documentFiles(back.Address("http")) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	first := servertest.StartHost(t)
	bring(t, first, filepath.Join(dir, "shop.json"))
	serves(t, first)

	bundle, err := first.Admin.Bundle(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if _, err := project.Export(t.Context(), bundle, first.Admin.OpenBlob, out); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(filepath.Join(out, "shop.json")); err != nil || string(kept) != documentFiles(back.Address("http"))["shop.json"] {
		t.Errorf("the exported document is another: %v", err)
	}
	second := servertest.StartHost(t)
	bring(t, second, out)
	serves(t, second)
	if a, b := first.Status().Revision, second.Status().Revision; a != b {
		t.Errorf("the hosts serve %s and %s", a, b)
	}
	serves(t, first.Restart(t))
}

// bring applies a project under the name shop, and waits until it serves.
func bring(t *testing.T, h *servertest.Host, dir string) {
	t.Helper()
	loaded, err := project.Load(t.Context(), dir, project.Options{Host: true, CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for digest, content := range loaded.Blobs() {
		if _, err := h.Admin.SaveBlob(t.Context(), digest, strings.NewReader(string(content)), int64(len(content)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Admin.Apply(t.Context(), "shop", loaded.Input(), admin.Write{Wait: servertest.Patience}); err != nil {
		t.Fatal(err)
	}
}

// serves checks what the document's API answers.
func serves(t *testing.T, h *servertest.Host) {
	t.Helper()
	for _, test := range []struct {
		method, path, token string
		status              int
		body                string
	}{
		{"GET", "/orders/7", "ada", 200, "order 7 for ada"},
		{"GET", "/orders/7", "eve", 403, ""},
		{"GET", "/orders/7", "", 401, ""},
		{"GET", "/about", "", 200, `{"path": "/about"}`},
		{"DELETE", "/items/a/b", "", 200, "DELETE /stock/a/b"},
		{"GET", "/nothing", "", 403, ""},
	} {
		fields := []string{}
		if test.token != "" {
			fields = append(fields, "X-Token: "+test.token)
		}
		reply := h.Do(t, test.method, "/dev"+test.path, "", fields...)
		if reply.Status != test.status || test.body != "" && reply.Body != test.body {
			t.Errorf("%s %s as %q: %d %s", test.method, test.path, test.token, reply.Status, reply.Body)
		}
		if test.path == "/about" && reply.Header.Get("X-Shop") != "yes" {
			t.Errorf("the header fields are %v", reply.Header)
		}
	}
}

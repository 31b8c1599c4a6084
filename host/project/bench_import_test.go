package project_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host/openapi"
	"github.com/postern/postern/host/project"
)

// manyOperations is a document as a large API exports it: with templates both ways, models, validators and an authorizer on every operation.
func manyOperations(n int) string {
	var b strings.Builder
	b.WriteString(`{"swagger": "2.0", "info": {"title": "large"}, "basePath": "/prod", "paths": {`)
	for i := range n {
		fmt.Fprintf(&b, `%s"/things%d/{id}": {"post": {"consumes": ["application/json"], "security": [{"caller": []}],
"parameters": [{"name": "id", "in": "path", "required": true, "type": "string"}, {"in": "body", "name": "Thing%d", "required": true, "schema": {"$ref": "#/definitions/Thing%d"}}],
"responses": {"200": {"description": "200", "headers": {"X-Count": {"type": "string"}}}, "400": {"description": "400"}},
"x-amazon-apigateway-request-validator": "all",
"x-amazon-apigateway-integration": {"type": "http", "httpMethod": "POST", "uri": "https://things.example.com/%d/{id}", "passthroughBehavior": "never", "timeoutInMillis": 29000,
"requestParameters": {"integration.request.path.id": "method.request.path.id"},
"requestTemplates": {"application/json": %q},
"responses": {"2\\d{2}": {"statusCode": "200", "responseParameters": {"method.response.header.X-Count": "integration.response.header.X-Count"}, "responseTemplates": {"application/json": %q}}, "default": {"statusCode": "400"}}}}}`,
			map[bool]string{true: "", false: ","}[i == 0], i, i, i, i,
			"#set($body = $input.path('$'))\n{\n  \"id\": \"$input.params('id')\",\n  \"lines\": [\n#foreach($line in $body.lines)\n    {\"sku\": \"$line.sku\", \"count\": $line.count}#if($foreach.hasNext),#end\n#end\n  ]\n}\n",
			"#set($root = $input.path('$'))\n{\"items\": $input.json('$.items'), \"at\": \"$context.requestTimeEpoch\"}\n")
	}
	b.WriteString(`}, "definitions": {`)
	for i := range n {
		fmt.Fprintf(&b, `%s"Thing%d": {"type": "object", "required": ["lines"], "properties": {"lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}}}, "next": {"$ref": "#/definitions/Thing%d"}}}`,
			map[bool]string{true: "", false: ","}[i == 0], i, (i+1)%n)
	}
	b.WriteString(`}, "securityDefinitions": {"caller": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": {"type": "token",
"authorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:caller/invocations"}}},
"x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": true, "validateRequestParameters": true}}}`)
	return b.String()
}

// BenchmarkImport500 is what postern import does with a document of 500 operations, but for writing: read it, make a definition, and check that as serving would.
func BenchmarkImport500(b *testing.B) {
	doc := []byte(manyOperations(500))
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		im, err := project.Import("large.json", doc, project.ImportOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if n := im.Reports[0].Count(openapi.Supported); n != 500 {
			b.Fatalf("%d operations of 500 are supported", n)
		}
	}
}

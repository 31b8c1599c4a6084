package openapi_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// What HTTP APIs become, as TestREST has it.
func TestHTTP(t *testing.T) {
	files, err := filepath.Glob("testdata/http-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			golden(t, file, openapi.Options{Protocol: host.ProtocolHTTP, AllowUnsupported: true})
		})
	}
}

// imported reads a document that is written in a test.
func imported(t *testing.T, text string, opts openapi.Options) (*openapi.Result, error) {
	t.Helper()
	root, err := document.Parse("doc.yaml", []byte(text), openapi.Limits())
	if err != nil {
		t.Fatal(err)
	}
	return openapi.Read(root, opts)
}

// defined returns the API of a definition that has what was read, as a user would have it: written and parsed again.
func defined(t *testing.T, read *openapi.Result, stages string) (*host.API, error) {
	t.Helper()
	s, err := definition.Parse("postern.yaml", wholeDefinition(read, stages), definition.Options{Host: true})
	if s == nil || len(s.APIs) != 1 {
		t.Fatalf("there is no API: %v", err)
	}
	return s.APIs[0], err
}

func wholeDefinition(read *openapi.Result, stages string) []byte {
	api := strings.ReplaceAll(string(document.YAML(read.API)), "\n", "\n    ")
	text := "apis:\n  " + read.Name + ":\n    " + api + "\n"
	if stages != "" {
		text += "    stages: " + stages + "\n"
	}
	if read.Region != "" {
		text += "aws: {region: " + read.Region + ", accessKeyId: {env: A}, secretAccessKey: {env: B}}\n"
	}
	return []byte(text)
}

// An export runs once the variables of its stage are set.
func TestHTTPDefined(t *testing.T) {
	archive := archived(t, "testdata/http-export.txtar")
	result, err := imported(t, archive["document.yaml"], openapi.Options{AllowUnsupported: true})
	if err != nil {
		t.Fatal(err)
	}
	api, err := defined(t, result, "{$default: {variables: {backend: b.example.com, prices: prices, tenant: x}}}")
	if err != nil {
		t.Fatal(err)
	}
	if api.Protocol != host.ProtocolHTTP || api.CORS == nil || api.CORS.MaxAge.Minutes() != 10 || result.Region != "eu-west-1" {
		t.Errorf("the API is %+v, in %q", api, result.Region)
	}
	got := map[string]string{}
	for _, r := range api.Routes {
		c := &r.Integration
		got[r.Key] = strings.Join([]string{string(c.Type), c.Function, c.Qualifier, c.PayloadFormat, c.URI, c.Method}, " ")
		if c.Service != nil {
			got[r.Key] += c.Service.Subtype
		}
	}
	want := map[string]string{
		"$default":                  "function shop  2.0  ",
		"GET /orders":               "function shop  2.0  ",
		"POST /orders":              "service   1.0  SQS-SendMessage",
		"GET /orders/{id}":          "http    https://${stageVariables.backend}/v2/orders/{id} GET",
		"ANY /orders/{id}/{proxy+}": "http    http://legacy.example.com/{id}/{proxy} ",
		"PUT /prices":               "function prices live 1.0  ",
		"POST /stock":               "http    https://stock.internal/stock POST",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"caller", "prices", "shop"}, result.Functions); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
}

// Documents of which protocol are told from what they have.
func TestDetect(t *testing.T) {
	tests := map[string]struct {
		text string
		want host.Protocol
	}{
		"plain":              {"openapi: 3.0.1\npaths: {}", host.ProtocolREST},
		"cors":               {"x-amazon-apigateway-cors: {}", host.ProtocolHTTP},
		"format 2.0":         {"paths: {/a: {get: {x-amazon-apigateway-integration: {payloadFormatVersion: '2.0'}}}}", host.ProtocolHTTP},
		"format 1.0":         {"paths: {/a: {get: {x-amazon-apigateway-integration: {payloadFormatVersion: '1.0'}}}}", host.ProtocolREST},
		"a subtype":          {"paths: {/a: {get: {x-amazon-apigateway-integration: {integrationSubtype: SQS-SendMessage}}}}", host.ProtocolHTTP},
		"a JWT authorizer":   {"components: {securitySchemes: {a: {x-amazon-apigateway-authorizer: {type: jwt}}}}", host.ProtocolHTTP},
		"named integrations": {"components: {x-amazon-apigateway-integrations: {}}", host.ProtocolHTTP},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root, err := document.Parse("doc.yaml", []byte(tt.text), openapi.Limits())
			if err != nil {
				t.Fatal(err)
			}
			if got := openapi.Detect(root); got != tt.want {
				t.Errorf("it is %s, not %s", got, tt.want)
			}
		})
	}
}

// archived returns the files of an archive by name.
func archived(t *testing.T, file string) map[string]string {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	return files
}

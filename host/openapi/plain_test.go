package openapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
	"github.com/postern/postern/host/server/servertest"
)

// What documents without extensions become, as TestREST has it; what was read is a definition as it stands.
func TestPlain(t *testing.T) {
	files, err := filepath.Glob("testdata/plain-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			golden(t, file, openapi.Options{AllowUnsupported: true})
			archive := archived(t, file)
			text, json := archive["document.yaml"]
			if !json {
				text = archive["document.json"]
			}
			for _, protocol := range []host.Protocol{host.ProtocolREST, host.ProtocolHTTP} {
				result, err := imported(t, text, openapi.Options{Protocol: protocol, AllowUnsupported: true})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := defined(t, result, ""); err != nil {
					t.Errorf("%s: %v\n%s", protocol, err, document.YAML(result.API))
				}
			}
		})
	}
}

// Where requests go, by what a document says of its servers.
func TestServers(t *testing.T) {
	const above = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths:\n  /a/{b}:\n    get: {responses: {}}\n"
	const above2 = "swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths:\n  /a/{b}:\n    get: {responses: {}}\n"
	long := strings.Repeat("x", 3000)
	tests := map[string]struct{ text, uri, finding string }{
		"one":                      {above + "servers: [{url: 'https://x.example.com'}]", "https://x.example.com/a/{b}", ""},
		"a path and a slash":       {above + "servers: [{url: 'https://x.example.com/v1/'}]", "https://x.example.com/v1/a/{b}", ""},
		"an address":               {above + "servers: [{url: 'HTTP://[::1]:8080'}]", "http://[::1]:8080/a/{b}", ""},
		"a variable":               {above + "servers: [{url: 'https://{h}.example.com:{p}/{v}', variables: {h: {default: x}, p: {default: 8443}, v: {default: v1}}}]", "https://x.example.com:8443/v1/a/{b}", ""},
		"an empty base":            {above + "servers: [{url: 'https://x.example.com/{basePath}', variables: {basePath: {default: ''}}}]", "https://x.example.com/a/{b}", ""},
		"a base with a slash":      {above + "servers: [{url: 'https://x.example.com/{basePath}', variables: {basePath: {default: /prod}}}]", "https://x.example.com/prod/a/{b}", ""},
		"several":                  {above + "servers: [{url: 'https://x.example.com'}, {url: 'https://y.example.com'}]", "https://x.example.com/a/{b}", "6:43: different: servers: of several servers the first is used"},
		"the API itself":           {above + "servers: [{url: 'https://a1.execute-api.eu-west-1.amazonaws.com/prod'}]", "https://a1.execute-api.eu-west-1.amazonaws.com/prod/a/{b}", "6:17: different: servers: the server is the API itself"},
		"none":                     {above, "", "5:5: unsupported: servers: nothing says where requests go"},
		"an empty list":            {above + "servers: []", "", "5:5: unsupported: servers: nothing says where requests go"},
		"a path alone":             {above + "servers: [{url: /v1}]", "", `6:17: unsupported: servers: the server "/v1" is relative`},
		"a relative path":          {above + "servers: [{url: ./v1}]", "", "is relative"},
		"a host without a scheme":  {above + "servers: [{url: //x.example.com/v1}]", "", "is relative"},
		"a name without a scheme":  {above + "servers: [{url: 'localhost:8080/v1'}]", "", "must begin with http:// or https://"},
		"an address without one":   {above + "servers: [{url: '127.0.0.1:8080/v1'}]", "", "is none"},
		"another scheme":           {above + "servers: [{url: 'wss://x.example.com'}]", "", "must begin with http:// or https://"},
		"a file":                   {above + "servers: [{url: 'file:///etc/passwd'}]", "", "must begin with http:// or https://"},
		"no host":                  {above + "servers: [{url: 'https:///v1'}]", "", "has no host"},
		"a password":               {above + "servers: [{url: 'https://me:secret@x.example.com'}]", "", "has a user or password"},
		"a query":                  {above + "servers: [{url: 'https://x.example.com/?key=1'}]", "", "has a query or fragment"},
		"a fragment":               {above + "servers: [{url: 'https://x.example.com/#a'}]", "", "has a query or fragment"},
		"a path that climbs":       {above + "servers: [{url: 'https://x.example.com/a/../b'}]", "", "is none that requests can go to: the path has a segment . or .."},
		"spaces":                   {above + "servers: [{url: 'https://x.example.com/a b'}]", "", "must be percent-encoded"},
		"no port":                  {above + "servers: [{url: 'https://x.example.com:99999'}]", "", "no port between 1 and 65535"},
		"a variable without value": {above + "servers: [{url: 'https://{h}.example.com'}]", "", "the variable {h} in the URL of the server has no default"},
		"a variable that nests":    {above + "servers: [{url: 'https://x.example.com/{v}', variables: {v: {default: '{b}'}}}]", "", "has braces that are no variable"},
		"a stage variable":         {above + "servers: [{url: 'https://${stageVariables.h}'}]", "", "the variable {stageVariables.h}"},
		"too long":                 {above + "servers: [{url: 'https://x.example.com/" + long + "'}]", "", "more than 2048 bytes"},
		"a value too long":         {above + "servers: [{url: 'https://x.example.com/{v}', variables: {v: {default: " + long + "}}}]", "", "more than 2048 bytes"},
		"no URL":                   {above + "servers: [{description: x}]", "", "the server has no URL"},
		"none is a server":         {above + "servers: [~]", "", "the server is none"},
		"swagger":                  {above2 + "host: x.example.com\nbasePath: /v1/\nschemes: [http, https]", "https://x.example.com/v1/a/{b}", ""},
		"swagger over http":        {above2 + "host: x.example.com\nschemes: [http]", "http://x.example.com/a/{b}", ""},
		"swagger, no scheme":       {above2 + "host: x.example.com\nbasePath: v1", "https://x.example.com/v1/a/{b}", "6:7: different: servers: nothing says by which scheme"},
		"swagger, no host":         {above2 + "basePath: /v1", "", "5:5: unsupported: servers: nothing says where requests go: add host:"},
		"swagger, web sockets":     {above2 + "host: x.example.com\nschemes: [wss]", "", `the schemes are "wss"`},
		"swagger, a wild host":     {above2 + "host: 'x/../y?z'", "", "has a query or fragment"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, protocol := range []host.Protocol{host.ProtocolREST, host.ProtocolHTTP} {
				result, err := imported(t, tt.text, openapi.Options{Protocol: protocol, AllowUnsupported: true})
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				if uri := result.API.Get("routes").Get("GET /a/{b}").Get("integration").Get("http"); uri != nil {
					got = uri.Text
				}
				var report strings.Builder
				if err := result.Report.WriteText(&report); err != nil {
					t.Fatal(err)
				}
				if got != tt.uri || !strings.Contains(report.String(), tt.finding) || tt.finding == "" && result.Report.Verdict() != openapi.Supported {
					t.Errorf("requests go to %q, not to %q, and it should say %q:\n%s", got, tt.uri, tt.finding, report.String())
				}
				if _, err := defined(t, result, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The base path of plain documents is part of where requests go, and of routes only when it is asked for.
func TestPlainBasePath(t *testing.T) {
	tests := []struct{ server, mode, key string }{
		{"https://x.example.com/api/v1", openapi.BasePathIgnore, "GET /pets"},
		{"https://x.example.com/api/v1", openapi.BasePathPrepend, "GET /api/v1/pets"},
		{"https://x.example.com/api/v1", openapi.BasePathSplit, "GET /v1/pets"},
		{"https://x.example.com/{a}/{b}", openapi.BasePathPrepend, "GET /api/v1/pets"},
		{"https://x.example.com/{a}/{b}", openapi.BasePathIgnore, "GET /pets"},
	}
	for _, tt := range tests {
		t.Run(tt.server+" "+tt.mode, func(t *testing.T) {
			result, err := imported(t, "openapi: 3.0.3\npaths: {/pets/: {get: {}}}\nservers: [{url: '"+tt.server+"', variables: {a: {default: api}, b: {default: v1}}}]\n",
				openapi.Options{BasePath: tt.mode})
			if err != nil {
				t.Fatal(err)
			}
			routes := result.API.Get("routes")
			if len(routes.Members) != 1 || routes.Members[0].Key != tt.key {
				t.Fatalf("the routes are %s", document.YAML(routes))
			}
			if got := routes.Get(tt.key).Get("integration").Get("http").Text; got != "https://x.example.com/api/v1/pets/" {
				t.Errorf("requests go to %s", got)
			}
		})
	}
}

// Conflicts between routes that OpenAPI allows and API Gateway does not are told where they stand.
func TestPlainConflicts(t *testing.T) {
	const text = `openapi: 3.0.3
info: {title: t, version: '1'}
servers: [{url: 'https://x.example.com'}]
paths:
  /users/{id}: {get: {}}
  /users/{name}/photo: {get: {}}
`
	for protocol, want := range map[host.Protocol]string{
		host.ProtocolREST: `has {name} below /users, where "GET /users/{id}" has {id}`,
		host.ProtocolHTTP: "",
	} {
		result, err := imported(t, text, openapi.Options{Protocol: protocol})
		if err != nil {
			t.Fatal(err)
		}
		_, err = defined(t, result, "")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

// A plain document runs as it is, in both protocols: requests reach its server with their query, method and body.
func TestPlainServed(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, body)
	}))
	defer upstream.Close()
	doc := `openapi: 3.1.0
info: {title: pets, version: '1'}
servers: [{url: '` + upstream.URL + `/base'}]
paths:
  /pets: {get: {}, post: {}}
  /pets/{petId}: {put: {}}
  /pets/{petId}/größe: {get: {}}
`
	g := servertest.Start(t, map[string]string{"pets.yaml": doc, "postern.yaml": `apis:
  rest: {openapi: ./pets.yaml, root: true}
  http: {openapi: ./pets.yaml, protocol: http, basePath: prepend}
`})
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/dev/pets?a=1&a=2", "", "GET /base/pets?a=1&a=2 "},
		{"POST", "/dev/pets", "rex", "POST /base/pets rex"},
		{"PUT", "/dev/pets/a%20b?x", "rex", "PUT /base/pets/a%20b?x rex"},
		{"GET", "/dev/pets/1/gr%C3%B6%C3%9Fe", "", "GET /base/pets/1/gr%C3%B6%C3%9Fe "},
		{"PUT", "/_postern/http/$default/base/pets/7", "rex", "PUT /base/pets/7 rex"},
	} {
		reply := g.Do(t, tt.method, tt.path, tt.body)
		if reply.Status != http.StatusAccepted || string(reply.Body) != tt.want {
			t.Errorf("%s %s: %d %s, not %s", tt.method, tt.path, reply.Status, reply.Body, tt.want)
		}
	}
}

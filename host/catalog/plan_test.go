package catalog

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

const everything = `
apis:
  all:
    cors: {allowOrigins: ["https://a.example.com"], allowMethods: [GET], allowHeaders: [a], exposeHeaders: [b], maxAge: 5m, allowCredentials: true}
    authorizers:
      caller: {plugin: ./caller.wasm, abi: postern, identitySources: [$request.header.Authorization], resultTTL: 5m, env: {A: b}, secrets: {S: {store: s}},
        egress: ["https://b.example.com"], config: {a: 1}, memory: 1MiB, concurrency: 2, maxResult: 1KiB, timeout: 1s}
    filters: [{plugin: ./filter.js}]
    routes:
      POST /a/{id}:
        authorizer: caller
        filters: [{plugin: ./inner.js}]
        timeout: 1s
        request: {maxBody: 1KiB, mapping: {application/json: ./in.js}}
        integration: {http: "http://c.example.com/{id}", method: PUT, passthroughBehavior: NEVER, timeout: 1s}
        responses: [{match: "2\\d\\d", status: 201, mapping: {application/json: ./out.js}}]
      GET /f: {integration: {function: f@live}}
      GET /u: {integration: {upstream: up, path: /x}}
      GET /m: {integration: {mock: {status: 404, headers: {a: b}, body: no}}}
functions:
  f: {plugin: ./f.wasm, url: true, async: {retries: 1, maxAge: 1m, deadLetter: g}}
upstreams:
  up:
    targets: [{url: "http://10.0.0.1", weight: 2}]
    timeout: 1s
    connectTimeout: 1s
    idleTimeout: 1s
    balance: consistent_hash
    hashOn: $request.header.X
    maxConnections: 3
    maxRequests: 4
    dnsRefresh: 1s
    proxyProtocol: v2
    healthCheck: {path: /h, interval: 2s, timeout: 1s, status: "200", healthy: 2, unhealthy: 3}
    ejection: {failures: 2, for: 1s, max: 10}
    retries: {attempts: 2, on: [connect], backoff: 1ms, budget: 10}
    circuitBreaker: {failures: 3, for: 1s}
    tls: {ca: ./ca.pem, cert: ./cert.pem, key: ./key.pem, serverName: d.example.com}
`

// TestEveryChangeHasAName changes each field of a definition in turn: what makes another digest has a line in the plan.
func TestEveryChangeHasAName(t *testing.T) {
	s, err := definition.Parse("postern.yaml", []byte(everything), definition.Options{Host: true})
	if err != nil {
		t.Fatal(err)
	}
	for use := range definition.Uses(s) {
		use.Plugin.Source = &host.Source{Runtime: "wasm", Digest: strings.Repeat("a", 64), MapDigest: strings.Repeat("b", 64)}
		use.Plugin.Runtime = "wasm"
	}
	a, u, f := s.APIs[0], s.Upstreams[0], s.Functions[0]
	rest := restExample(t)
	u.TLS.CA, u.TLS.Cert = []byte("ca"), []byte("cert")
	changed := 0
	for _, part := range []struct {
		name   string
		value  reflect.Value
		digest func() string
		facets func() facets
	}{
		{"api", reflect.ValueOf(a).Elem(), func() string { return apiDigest(&parsedBundle{snapshot: &host.Snapshot{}}, a) }, func() facets { return apiFacets(a) }},
		{"rest", reflect.ValueOf(rest).Elem(), func() string { return apiDigest(&parsedBundle{snapshot: &host.Snapshot{}}, rest) }, func() facets { return apiFacets(rest) }},
		{"upstream", reflect.ValueOf(u).Elem(), func() string { return definition.Revision(&host.Snapshot{Upstreams: []*host.Upstream{u}}) }, func() facets { return upstreamFacets(u) }},
		{"function", reflect.ValueOf(f).Elem(), func() string { return definition.Revision(&host.Snapshot{Functions: []*host.Function{f}}) }, func() facets { return functionFacets(f) }},
	} {
		digest, before := part.digest(), part.facets()
		eachLeaf(part.name, part.value, func(path string) {
			if part.digest() == digest {
				return
			}
			changed++
			if len(differ(before, part.facets())) == 0 {
				t.Errorf("a change of %s is not told", path)
			}
		})
	}
	if changed < 100 {
		t.Errorf("%d fields were changed: the test looks at too little", changed)
	}
}

// restExample is an API of what only rest APIs have.
func restExample(t *testing.T) *host.API {
	t.Helper()
	s, err := definition.Parse("postern.yaml", []byte(everythingREST), definition.Options{Host: true})
	if err != nil {
		t.Fatal(err)
	}
	for f := range definition.TextFiles(s) {
		f.Set([]byte("{}"))
	}
	return s.APIs[0]
}

const everythingREST = `
apis:
  shop:
    protocol: rest
    binaryMediaTypes: [image/*]
    minimumCompressionSize: 1KiB
    models: {Order: ./order.json, Line: {type: object}}
    gatewayResponses:
      DEFAULT_4XX: {statusCode: 400, parameters: {gatewayresponse.header.X-A: "'a'"}, templates: {application/json: "{}"}}
    authorizers:
      caller: {function: f@live, type: token, identitySources: [method.request.header.X], identityValidationExpression: "^x", resultTTL: 1m}
    routes:
      GET /a/{id}:
        authorizer: caller
        request:
          parameters: {method.request.header.X-A: true}
          models: {application/json: Order}
          validate: [parameters, body]
          mapping: {application/json: ./a.vtl, text/plain: {template: "x"}}
        methodResponses: {"200": {headers: [X-B]}}
        integration:
          type: AWS
          uri: arn:aws:apigateway:us-east-1:sqs:action/SendMessage
          method: POST
          passthroughBehavior: NEVER
          contentHandling: CONVERT_TO_TEXT
          parameters: {integration.request.header.X: method.request.header.X}
        responses:
          - match: "2.."
            status: 200
            contentHandling: CONVERT_TO_BINARY
            parameters: {method.response.header.X-B: "'b'"}
            mapping: {application/json: ./b.vtl}
      GET /b: {integration: {type: HTTP_PROXY, uri: "https://example.com/b", method: GET, tlsConfig: {insecureSkipVerification: true}}}
aws: {endpoint: "http://127.0.0.1:4566", region: us-east-1, accessKeyId: {env: A}, secretAccessKey: {file: ./key}, sessionToken: {store: s}}
`

// identity are fields that name what changes, which a plan has elsewhere: routes and plugins are told by other fields beside.
var identity = map[string]bool{"Pos": true, "Stages": true, "Plugin.Name": true, "api.Name": true, "rest.Name": true, "Models.Ref": true, "AccessKeyID.Value": true, "SecretAccessKey.Value": true, "SessionToken.Value": true, "Template.Name": true, "Access.Name": true, "upstream.Name": true, "function.Name": true,
	"function.Version": true, "TLS.Key": true, "Routes.Method": true, "Routes.Pattern": true, "Source.Runtime": true, "Secrets.Value": true}

// choices are structs in which one form excludes the others: what one does not have, it never has.
var choices = map[string]bool{"Integration": true, "Secrets": true}

// eachLeaf changes each plain value below v, calls f, and puts it back.
func eachLeaf(path string, v reflect.Value, f func(path string)) {
	steps := strings.Split(path, ".")
	last := steps[len(steps)-1]
	if identity[last] || len(steps) > 1 && identity[steps[len(steps)-2]+"."+last] {
		return
	}
	change := func(to reflect.Value) {
		old := reflect.ValueOf(v.Interface())
		v.Set(to)
		f(path)
		v.Set(old)
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 && len(steps) > 1 && choices[steps[len(steps)-2]] {
			return
		}
		change(reflect.ValueOf("other" + v.String()[min(1, v.Len()):]).Convert(v.Type()))
	case reflect.Bool:
		change(reflect.ValueOf(!v.Bool()).Convert(v.Type()))
	case reflect.Int, reflect.Int64:
		change(reflect.ValueOf(v.Int() + int64(time.Second)).Convert(v.Type()))
	case reflect.Pointer:
		if !v.IsNil() {
			eachLeaf(path, v.Elem(), f)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.Len() > 0 {
				change(reflect.ValueOf([]byte("other")).Convert(v.Type()))
			}
			return
		}
		for i := range v.Len() {
			eachLeaf(path, v.Index(i), f)
		}
	case reflect.Map:
		if v.Len() > 0 {
			change(reflect.ValueOf(map[string]string{"other": "x"}))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "Plugin" && hasNoPlugin(v.Interface()) {
				continue
			}
			eachLeaf(path+"."+v.Type().Field(i).Name, v.Field(i), f)
		}
	}
}

// hasNoPlugin reports whether something else stands where a plugin could.
func hasNoPlugin(v any) bool {
	switch v := v.(type) {
	case host.Mapping:
		return v.Template != nil
	case host.Authorizer:
		return v.Function != ""
	}
	return false
}

// TestDocumented holds the page to the code.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../spec/deployments.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(text)), " ")
	for _, want := range []string{"at most 100 variables", "at most 64 letters", "a value 512 characters", "The last 50 deployments", arnGateway + "{api}", arnProject + "{name}",
		"Active stages pointing to this deployment must be moved or deleted"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in spec/deployments.md", want)
		}
	}
}

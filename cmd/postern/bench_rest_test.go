package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// benchOrder is an order of about 50 bytes a line, as JSON.
func benchOrder(lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, `%s{"sku": "part-%05d", "quantity": %d, "price": %d.5}`, map[bool]string{true: "", false: ", "}[i == 0], i, i+1, i)
	}
	return `{"customer": "ada", "lines": [` + b.String() + `]}`
}

// benchRESTProject has one route for each step from a proxy to everything that a REST API does with a request.
const benchRESTProject = `
apis:
  bare:
    root: true
    stages: {$default: {}}
    routes: {POST /bare: {integration: {http: "http://UPSTREAM"}}}
  steps:
    protocol: rest
    models:
      Order: {type: object, required: [customer, lines], properties: {customer: {type: string}, lines: {type: array, items: {type: object, required: [sku], properties: {sku: {type: string}, quantity: {type: integer, minimum: 1}}}}}}
    authorizers: {caller: {plugin: ./caller.js, identitySources: [method.request.header.Authorization]}}
    routes:
      POST /proxy: {integration: {http: "http://UPSTREAM"}}
      POST /authorized: {authorizer: caller, integration: {http: "http://UPSTREAM"}}
      POST /validated: {authorizer: caller, request: &valid {models: {application/json: Order}, validate: [body]}, integration: {http: "http://UPSTREAM"}}
      POST /all:
        authorizer: caller
        request: {<<: *valid, mapping: {application/json: ./request.vtl}}
        integration: {type: HTTP, method: POST, uri: "http://UPSTREAM"}
        responses: [{status: 200, mapping: {application/json: ./response.vtl}}]
`

var benchRESTFiles = map[string]string{
	"caller.js": `export const authorize = (e) => ({principalId: "ada", policyDocument: {Version: "2012-10-17", Statement: [{Action: "execute-api:Invoke", Effect: "Allow", Resource: "*"}]}});`,
	"request.vtl": `#set($order = $input.path('$'))
{"customer": "$util.escapeJavaScript($order.customer)", "stage": "$context.stage", "lines": [#foreach($line in $order.lines)
  {"sku": "$line.sku", "count": $line.quantity}#if($foreach.hasNext),#end
#end]}`,
	"response.vtl": `#set($order = $input.path('$'))
{"number": "$context.requestId", "customer": $input.json('$.customer'), "lines": [#foreach($line in $order.lines)
  {"sku": "$line.sku", "cost": $line.price}#if($foreach.hasNext),#end
#end]}`,
}

// benchREST prints what each step of a REST API adds to a proxied request with a body of 1 KB.
func benchREST(t *testing.T, binary string) {
	upstream := startPeer(t, []string{benchRole + "=orders"}, os.Args[0])
	dir := t.TempDir()
	files := map[string]string{"postern.yaml": strings.ReplaceAll(benchRESTProject, "UPSTREAM", upstream.addrs["http"])}
	for name, content := range benchRESTFiles {
		files[name] = content
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := servePeer(t, binary, dir)
	body := benchOrder(20)
	at := func(name, path string) subject { return subject{name, p, path, body} }
	costs := measure(t, at("bare", "/bare"), at("proxy", "/_postern/steps/dev/proxy"), at("authorizer", "/_postern/steps/dev/authorized"),
		at("validation", "/_postern/steps/dev/validated"), at("all", "/_postern/steps/dev/all"))
	ratio := func(d time.Duration) float64 { return float64(d) / float64(costs[0]) }
	t.Logf("a request of %d bytes: proxied by an http API %v of CPU; by a REST API %v (%.2f), with a cached authorizer %v (%.2f), validated by a model too %v (%.2f), with two templates too %v (%.2f)",
		len(body), costs[0], costs[1], ratio(costs[1]), costs[2], ratio(costs[2]), costs[3], ratio(costs[3]), costs[4], ratio(costs[4]))
}

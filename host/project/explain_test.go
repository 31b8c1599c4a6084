package project_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
)

var update = flag.Bool("update", false, "write the golden files")

const explained = `
apis:
  orders:
    root: true
    cors: {allowOrigins: ["https://shop.example.com"]}
    filters: [./filters/id.js]
    authorizers:
      caller: {plugin: ./authorizers/caller.ts, identitySources: [$request.header.Authorization], resultTTL: 1m}
    routes:
      GET /orders/{id}:
        authorizer: caller
        timeout: 5s
        integration: {function: get-order}
      ANY /orders/{proxy+}:
        integration: {upstream: legacy, path: "/{proxy}"}
      POST /orders:
        request:
          maxBody: 1500B
          mapping: {application/json: ./mappings/in.js}
        integration: {http: "https://backend.example.com/orders", timeout: 2s}
        responses:
          - {match: "2..", status: 201, mapping: {application/json: ./mappings/out.js}}
          - {match: "4..", status: 400}
      GET /events:
        filters:
          - ./filters/upper.js
          - {plugin: ./filters/lower.wasm, timeout: 1s, isolation: reset, onError: fail_open, kv: shared}
        streaming: true
        idleTimeout: 1m
        maxDuration: 0s
        integration: {upstream: pool}
    stages:
      $default: {}
      prod: {}
functions:
  get-order: {plugin: ./functions/get-order, memory: 16MiB, url: true, onError: {status: 503, body: later}, limits: {fetches: 5, fuel: 1000000}, egress: ["https://a.example.com"]}
upstreams:
  legacy: {targets: ["http://10.0.0.5:9000"], timeout: 7s}
  pool:
    targets: ["https://a.example.com", {url: "h2c://10.0.0.6:9000", weight: 3}]
    balance: consistent_hash
    maxConnections: 16
    proxyProtocol: v1
    healthCheck: {path: /health}
    ejection: {}
    retries: {attempts: 2}
    circuitBreaker: {failures: 3}
    tls: {ca: ./ca.pem, cert: ./client.pem, key: ./client.key, serverName: example.com}
`

func snapshot(t *testing.T, text string) *host.Snapshot {
	t.Helper()
	p, err := project.Define(write(t, map[string]string{"postern.yaml": text}), project.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p.Snapshot
}

func TestExplain(t *testing.T) {
	s := snapshot(t, explained)
	var out bytes.Buffer
	for _, request := range [][2]string{
		{"get", "/orders/7?x=1"}, {"DELETE", "/orders/a/b%2Fc"}, {"POST", "http://orders.execute-api.localhost:8080/prod/orders"},
		{"GET", "/events"}, {"OPTIONS", "/nothing"}, {"GET", "http://get-order.function.localhost:8080/x"}, {"GET", "http://unknown.execute-api.localhost/"},
	} {
		e, err := project.Explain(s, request[0], request[1], "")
		if err != nil {
			t.Fatal(err)
		}
		if err := e.WriteText(&out); err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n---\n")
	}
	golden(t, "testdata/explain.txt", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: run with -update when this is meant: %s", name, diff)
	}
}

func TestExplainStreamsAsJSON(t *testing.T) {
	e, err := project.Explain(snapshot(t, explained), "GET", "/events", "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(e, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/explain.json", append(b, '\n'))
}

func TestExplainJSON(t *testing.T) {
	e, err := project.Explain(snapshot(t, explained), "GET", "/orders/7", "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"found":true`, `"params":{"id":"7"}`, `"route":"GET /orders/{id}","wins":true`, `"phase":"authorize"`,
		`"of":"function get-order","name":"memory","value":"16MiB","origin":"postern.yaml:`, `"name":"concurrency","value":"64","origin":"default"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}

func TestExplainRefusesWhatIsNoURL(t *testing.T) {
	s := snapshot(t, explained)
	for _, target := range []string{"orders", "ftp://x/", "http://[::1", ""} {
		if _, err := project.Explain(s, "GET", target, ""); !errors.Is(err, host.Invalid) {
			t.Errorf("%q: got %v, want Kind Invalid", target, err)
		}
	}
}

func TestExplainWithoutARoot(t *testing.T) {
	s := snapshot(t, strings.Replace(explained, "root: true", "root: false", 1))
	e, err := project.Explain(s, "GET", "/orders/7", "gw.example.com")
	if err != nil || e.Found || !strings.Contains(e.Reason, "orders.execute-api.gw.example.com") {
		t.Errorf("got %+v, %v", e, err)
	}
}

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
    stages:
      $default: {}
      prod: {}
functions:
  get-order: {plugin: ./functions/get-order, memory: 16MiB, url: true}
upstreams:
  legacy: {targets: ["http://10.0.0.5:9000"], timeout: 7s}
`

func snapshot(t *testing.T, text string) *host.Snapshot {
	t.Helper()
	p, err := project.Define(write(t, map[string]string{"postern.yaml": text}))
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
		{"OPTIONS", "/nothing"}, {"GET", "http://get-order.function.localhost:8080/x"}, {"GET", "http://unknown.execute-api.localhost/"},
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
	const golden = "testdata/explain.txt"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("run with -update when this is meant: %s", diff)
	}
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

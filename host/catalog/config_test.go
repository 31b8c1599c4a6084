package catalog

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// What a definition says of a function's sandbox comes back out of the version that an apply makes of it.
func TestConfigKeepsTheSandbox(t *testing.T) {
	const text = `
functions:
  none: {plugin: ./f.js}
  words: {plugin: ./f.js, runtime: quickjs, isolation: fresh, onError: fail_closed, kv: shared, memory: 16MiB}
  numbers:
    plugin: ./f.wasm
    isolation: reset
    onError: {status: 503, body: "{}"}
    limits: {fuel: 1, hostCalls: 2, fetches: 3, fetchBytes: 4KiB, logLines: 5, logBytes: 6, headers: 7, headerBytes: 8KiB, kvBytes: 9MiB}
`
	s, err := definition.Parse("postern.yaml", []byte(text), definition.Options{Host: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Functions {
		config := configOf(f, "")
		if err := config.canonical(); err != nil {
			t.Fatal(err)
		}
		got, err := definition.ParseFunction(f.Name, config.text(), "")
		if err != nil {
			t.Fatal(f.Name, err)
		}
		runtime := host.RuntimeJS
		if f.Name == "numbers" {
			runtime = host.RuntimeWasm
		}
		got.Plugin.Source = &host.Source{Runtime: runtime}
		if errs := (definition.Use{Plugin: &got.Plugin, Function: true}).Settle(""); errs != nil {
			t.Fatal(f.Name, errs)
		}
		if diff := cmp.Diff(f.Plugin, got.Plugin, cmpopts.IgnoreTypes(host.Position{}, &host.Source{}), cmpopts.IgnoreFields(host.PluginConfig{}, "Ref"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-file +version):\n%s", f.Name, diff)
		}
		if f.Name == "none" && string(config.text()) != "{}" {
			t.Errorf("of defaults it keeps %s", config.text())
		}
	}
}

func TestConfigOfSandboxIsCanonical(t *testing.T) {
	a := FunctionConfig{OnError: json.RawMessage(` {"status":503, "body":"x"}`), Limits: &LimitsConfig{}}
	b := FunctionConfig{OnError: json.RawMessage(`{"body":"x","status":503}`)}
	for _, c := range []*FunctionConfig{&a, &b} {
		if err := c.canonical(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(a.text()), string(b.text())); diff != "" {
		t.Error(diff)
	}
}

package template

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/js/bundle"
	"github.com/postern/postern/host/mapping"
)

// block returns one of the documentation's blocks of a language.
func block(t testing.TB, language string, number int) string {
	t.Helper()
	page, err := os.ReadFile("../../../spec/mapping-templates.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) <= number {
		t.Fatalf("the page has %d blocks of %s", len(blocks), language)
	}
	return string(blocks[number][1])
}

// script is a mapping in JavaScript as a host.Mapper.
func script(t testing.TB, code string) func(in *host.MapInput) (*host.MapOutput, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/m.js", []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	built, err := bundle.Build(t.Context(), bundle.Options{Dir: dir, Entry: "m.js"})
	if err != nil {
		t.Fatal(err)
	}
	module, err := js.New(js.Options{}).Compile(t.Context(), *built.Source)
	if err != nil {
		t.Fatal(err)
	}
	cfg := host.PluginConfig{Name: "m", Isolation: host.IsolationPooled}
	cfg.Limits.Timeout.Value = 25 * time.Second
	plugin, err := module.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	effects := &host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: &cfg}
	return func(in *host.MapInput) (*host.MapOutput, error) {
		meta, err := mapping.EncodeInput(in, host.PhaseMapRequest)
		if err != nil {
			return nil, err
		}
		event, err := plugin.Call(t.Context(), host.PhaseMapRequest.String(), host.Event{Meta: meta, Body: io.NopCloser(bytes.NewReader(in.Body))}, effects)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(event.Body)
		if err != nil {
			return nil, err
		}
		return mapping.DecodeOutput(event.Meta, body)
	}
}

// The page shows one mapping in several languages: they must do the same.
func TestPageShowsOneMapping(t *testing.T) {
	vtl, js := compile(t, block(t, "vtl", 0), host.PhaseMapRequest, Options{}), script(t, block(t, "js", 0))
	x := exchange()
	x.Principal.Context["user"] = "ann"
	in := &host.MapInput{Exchange: x, Body: []byte(`{"customer":{"name":"Ann O'Neill \"x\""},"items":[{"sku":"a'b\"c","quantity":3},{"sku":"d"}]}`)}
	var bodies [2]any
	for i, run := range []func(*host.MapInput) (*host.MapOutput, error){func(in *host.MapInput) (*host.MapOutput, error) { return vtl.Map(t.Context(), in) }, js} {
		out, err := run(in)
		if err != nil {
			t.Fatal(i, err)
		}
		if err := json.Unmarshal(out.Body, &bodies[i]); err != nil {
			t.Fatalf("%s: %v", out.Body, err)
		}
		if diff := cmp.Diff(host.Header{{Name: "x-reserved-by", Value: "ann"}}, out.Request.Header); diff != "" {
			t.Error(i, diff)
		}
	}
	want := map[string]any{"reference": "req-1", "customer": `Ann O'Neill "x"`,
		"lines": []any{map[string]any{"sku": `a'b"c`, "quantity": 3.0}, map[string]any{"sku": "d", "quantity": 1.0}}}
	if diff := cmp.Diff([2]any{want, want}, bodies); diff != "" {
		t.Error(diff)
	}
}

// The other blocks of VTL on the page.
func TestPageShowsOverrides(t *testing.T) {
	x := exchange()
	x.Match.Stage.Variables["tenant"] = "t-1"
	out, err := compile(t, block(t, "vtl", 1), host.PhaseMapRequest, Options{}).Map(t.Context(), &host.MapInput{Exchange: x})
	if err != nil || strings.TrimSpace(string(out.Body)) != "" {
		t.Fatal(out, err)
	}
	want := &host.MapOutput{
		Request: host.Override{Header: host.Header{{Name: "x-tenant", Value: "t-1"}}, Query: host.Header{{Name: "page", Value: "2"}},
			Path: map[string]string{"id": "4%202"}},
		Response: host.Override{Status: 202, Header: host.Header{{Name: "Location", Value: "/orders/7"}}},
	}
	out.Body = nil
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}

package catalog

import (
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// limited finds the plugin of a function that a host runs.
func limited(t *testing.T, c *Catalog, name string) *host.PluginConfig {
	t.Helper()
	k, err := c.Compose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range k.Snapshot.Functions {
		if f.Name == name {
			return &f.Plugin
		}
	}
	t.Fatalf("no function %s: %+v", name, k.Parts)
	return nil
}

const limitedText = `functions:
  f:
    plugin: ./f.js
    timeout: 4s
    limits: {fetches: 3}
    onError: {status: 503}
    secrets: {B: {env: HOME}, A: {env: PATH}}
`

// The limits of a project's function have the places of its file, of the one that was applied last, and those of an upload none.
func TestLimitsHaveThePlacesOfTheFile(t *testing.T) {
	o := optionsOf(t, openState(t))
	o.Env = func(string) (string, bool) { return "x", true }
	c := New(o)
	applyText(t, c, "p", limitedText)
	p := limited(t, c, "f")
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	want("timeout", p.Limits.Timeout.Origin(), "postern.yaml:4:14")
	want("fetches", p.Limits.Fetches.Origin(), "postern.yaml:5:23")
	want("default", p.Limits.LogLines.Origin(), "default")
	want("onError", p.OnError.Pos.String(), "postern.yaml:6:14")
	want("plugin", p.Pos.String(), "postern.yaml:3:13")
	for _, s := range p.Secrets {
		if !strings.HasPrefix(s.Pos.String(), "postern.yaml:7:") || s.Name == "B" && s.Pos.Column > 25 || s.Name == "A" && s.Pos.Column < 30 {
			t.Errorf("%s is at %s", s.Name, s.Pos)
		}
	}

	applyText(t, c, "p", "# one more line\n"+limitedText) // no new version, and its limits have moved
	p = limited(t, c, "f")
	want("version", p.Ref, "f@1")
	want("moved", p.Limits.Timeout.Origin(), "postern.yaml:5:14")
	if f, err := c.ComposeVersion(t.Context(), "f", 1); err != nil || f.Plugin.Limits.Fetches.Origin() != "postern.yaml:6:23" {
		t.Errorf("%v, %v", f, err)
	}

	applyText(t, c, "p", strings.Replace(limitedText, "fetches: 3", "fetches: 4", 1))
	want("changed", limited(t, c, "f").Limits.Fetches.Origin(), "postern.yaml:5:23")
	old, err := c.ComposeVersion(t.Context(), "f", 1) // of which no file says anything any more
	if err != nil {
		t.Fatal(err)
	}
	want("old", old.Plugin.Limits.Fetches.Origin(), uploadedConfig)
	if old.Plugin.Limits.Fetches.Value != 3 {
		t.Errorf("%+v", old.Plugin.Limits.Fetches)
	}

	config := FunctionConfig{Timeout: "7s"}
	if _, err := c.UploadFunction(t.Context(), "f", Upload{Config: &config, Promote: true}, Change{Force: true}); err != nil {
		t.Fatal(err)
	}
	want("configured by hand", limited(t, c, "f").Limits.Timeout.Origin(), uploadedConfig)
	if _, err := c.UploadFunction(t.Context(), "alone", Upload{Code: save(t, c, script("x")), Config: &config, Promote: true}, Change{}); err != nil {
		t.Fatal(err)
	}
	p = limited(t, c, "alone")
	want("uploaded", p.Limits.Timeout.Origin(), uploadedConfig)
	want("uploaded default", p.Limits.Fetches.Origin(), "default")
}

// What an apply is refused for, when its code is tried, has the file's places too.
func TestLimitsHaveTheirPlacesWhenTheyAreTried(t *testing.T) {
	o := optionsOf(t, openState(t))
	o.Check = checkOrigins(t, "postern.yaml:4:14")
	c := New(o)
	applyText(t, c, "p", strings.Replace(limitedText, "secrets", "env: {}\n    # secrets", 1))
}

// The kv of one project is not that of another, and what belongs to none shares as it did.
func TestSharedMapsAreAProjectsOwn(t *testing.T) {
	c := newCatalog(t)
	const text = `
apis:
  NAME:
    filters: [{plugin: ./filter.js, kv: sessions}, {plugin: ./other.js}]
    authorizers: {who: {plugin: ./who.js, kv: sessions, limits: {kvBytes: 1MiB}}}
    routes: {GET /: {authorizer: who, integration: {function: NAME-f}}}
functions:
  NAME-f: {plugin: ./f.js, kv: sessions}
  NAME-own: {plugin: ./f.js}
`
	for _, name := range []string{"a", "b"} {
		applyText(t, c, name, strings.ReplaceAll(text, "NAME", name))
	}
	alone := FunctionConfig{KV: "sessions"}
	if _, err := c.UploadFunction(t.Context(), "alone", Upload{Code: save(t, c, script("x")), Config: &alone, Promote: true}, Change{}); err != nil {
		t.Fatal(err)
	}
	k, err := c.Compose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, p := range k.Snapshot.Plugins() {
		got[p.KV]++
		if size := p.Limits.KVBytes.Value; strings.HasPrefix(p.KV, "projects/") != (size == 1<<20) {
			t.Errorf("%s of %s has %d bytes", p.KV, p.Name, size)
		}
	}
	for _, want := range []string{"projects/a/maps/sessions", "projects/b/maps/sessions", definition.FunctionMap("a-own"), definition.FunctionMap("b-own"),
		"apis/a/plugins/other.js", "apis/b/plugins/other.js", "sessions"} {
		if got[want] == 0 {
			t.Errorf("nobody has %s: %v", want, got)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("and %v", got)
	}
}

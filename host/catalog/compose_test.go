package catalog

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func TestCompose(t *testing.T) {
	c := newCatalog(t)
	empty := compose(t, c)
	if empty.Revision != 0 || len(empty.Parts) != 0 {
		t.Errorf("%+v", empty)
	}
	applyText(t, c, "shop", shop)
	in := inputOf(t, c, strings.Replace(shop, "timeout: 10s", "timeout: 1s", 1), map[string]string{"get-order.js": "new"})
	in.Stage = "prod"
	apply(t, c, "shop", in)
	got := compose(t, c)
	s := got.Snapshot
	if len(s.APIs) != 2 || s.APIs[0].Stages[0].Name != "$default" || s.APIs[1].Stages[0].Name != "prod" || !s.APIs[0].Root || !s.APIs[1].Root ||
		s.APIs[0].Routes[1].Timeout.Value.String() != "10s" || s.APIs[1].Routes[1].Timeout.Value.String() != "1s" || s.APIs[1].Stages[0].Deployment != 2 {
		t.Errorf("APIs %+v", s.APIs)
	}
	if len(s.Functions) != 1 || s.Functions[0].Version != 2 || len(s.Aliases) != 1 || *s.Aliases[0] != (host.Alias{Function: "get-order", Name: "live", Version: 2}) {
		t.Errorf("functions %+v, aliases %+v", s.Functions, s.Aliases)
	}
	if len(s.Domains) != 1 || len(s.Domains[0].Mappings) != 1 {
		t.Errorf("domains %+v", s.Domains)
	}
	code, _, err := s.Functions[0].Plugin.Source.Load(t.Context())
	if err != nil || string(code) != script("new") {
		t.Errorf("code %q, %v", code, err)
	}
	// What a host does with one composition, another does not see.
	s.APIs[0].Stages[0].Variables["backend"] = "changed"
	s.APIs[0].Routes[1].Integration.URI = "changed"
	s.APIs[0].Authorizers[0].Plugin.Name = "changed"
	if s.APIs[0].Routes[0].Authorizer != s.APIs[0].Authorizers[0] {
		t.Error("a route's authorizer is not its API's")
	}
	again := compose(t, c)
	if again.Snapshot.Revision != s.Revision {
		t.Errorf("revisions %.6s and %.6s", s.Revision, again.Snapshot.Revision)
	}
	if a := again.Snapshot.APIs[0]; a.Stages[0].Variables["backend"] == "changed" || a.Routes[1].Integration.URI == "changed" || a.Authorizers[0].Plugin.Name == "changed" {
		t.Error("a composition shares what can be changed")
	}
	if fresh := compose(t, New(c.opts)); fresh.Snapshot.Revision != s.Revision {
		t.Errorf("another host has revision %.6s, want %.6s", fresh.Snapshot.Revision, s.Revision)
	}
}

func TestComposeParts(t *testing.T) {
	c := newCatalog(t)
	if _, err := c.PutSecret(t.Context(), "password", []byte("hunter2"), Change{}); err != nil {
		t.Fatal(err)
	}
	text := `
apis:
  good: {routes: {GET /: {integration: {mock: {}}}}}
  calls: {routes: {GET /: {integration: {function: bad}}}}
  bad:
    authorizers: {who: {plugin: ./who.js, secrets: {P: {store: password}}}}
    routes: {GET /: {authorizer: who, integration: {mock: {}}}}
functions:
  bad: {plugin: ./bad.js, secrets: {P: {store: password}}}
  fine: {plugin: ./fine.js}
domains:
  example.com: {/: good/$default, /bad: bad/$default}
`
	applyText(t, c, "p", text)
	wantKind(t, c.DeleteSecret(t.Context(), "password", Change{}), host.Conflict, "the stage $default of the API bad", `version 1 of the function "bad"`)
	entry, err := c.opts.Store.Get(t.Context(), secretKey("password"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.opts.Store.Delete(t.Context(), entry.Key, entry.Rev); err != nil { // as a restore without it would leave it
		t.Fatal(err)
	}
	got, err := c.Compose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	failed := map[string]bool{}
	for _, p := range got.Parts {
		if p.Err != nil {
			failed[p.Kind+" "+p.Name] = true
			if p.API != nil || p.Fn != nil || !strings.Contains(p.Err.Error(), "password") {
				t.Errorf("%+v", p)
			}
		}
	}
	if want := map[string]bool{"api bad": true, "function bad": true}; !reflect.DeepEqual(failed, want) {
		t.Errorf("failed: %v, want %v", failed, want)
	}
	if s := got.Snapshot; len(s.APIs) != 2 || len(s.Functions) != 1 || len(s.Domains) != 1 || len(s.Domains[0].Mappings) != 1 || len(s.Aliases) != 2 {
		t.Errorf("%+v", s)
	}
}

// TestComposeLost has documents that are gone, as a restore of half a backup leaves it: the rest serves.
func TestComposeLost(t *testing.T) {
	c := newCatalog(t)
	text := "apis: {%s: {routes: {GET /: {integration: {function: %s}}}}}\nfunctions: {%s: {plugin: ./f.js}}"
	for _, name := range []string{"a", "b", "c", "d"} {
		applyText(t, c, "p-"+name, fmt.Sprintf(text, name, "f-"+name, "f-"+name))
	}
	s, err := c.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := read[apiDoc](t.Context(), s, kindAPI, "b")
	if err != nil {
		t.Fatal(err)
	}
	for _, digest := range []string{s.digest(kindAPI, "a"), b.Head.Bundle, s.digest(kindFunction, "f-c")} {
		if err := c.opts.Blobs.Delete(t.Context(), digest, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	composed, err := New(c.opts).Compose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	failed := []string{}
	for _, p := range composed.Parts {
		if p.Err != nil {
			failed = append(failed, p.Kind+" "+p.Name)
		}
	}
	if want := []string{"api a", "function f-c", "api b", "api c"}; !reflect.DeepEqual(failed, want) || len(composed.Snapshot.APIs) != 1 {
		t.Errorf("failed: %q, want %q; %d serve", failed, want, len(composed.Snapshot.APIs))
	}
}

func TestUpstreamNames(t *testing.T) {
	c := newCatalog(t)
	text := `
apis:
  %s:
    routes:
      ANY /: {integration: {upstream: legacy}}
    stages: {prod: {}, dev: {}}
upstreams:
  legacy: {targets: ["http://10.0.0.%d:9000"]}
`
	names := func() string {
		t.Helper()
		composed := compose(t, c)
		byName := map[string]string{}
		for _, u := range composed.Snapshot.Upstreams {
			byName[u.Name] = u.Targets[0].URL
		}
		var list []string
		for _, a := range composed.Snapshot.APIs {
			name := a.Routes[0].Integration.Upstream
			list = append(list, fmt.Sprintf("%s %s=%s", a.Name, name, strings.TrimSuffix(strings.TrimPrefix(byName[name], "http://10.0.0."), ":9000")))
		}
		return strings.Join(list, ", ")
	}
	want := func(want string) {
		t.Helper()
		if got := names(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	applyText(t, c, "a", fmt.Sprintf(text, "one", 1))
	want("one legacy=1")
	applyText(t, c, "b", fmt.Sprintf(text, "two", 1))
	want("one legacy=1, two legacy=1")
	applyText(t, c, "b", fmt.Sprintf(text, "two", 2))
	want("one a/legacy=1, two b/legacy=2")
	in := inputOf(t, c, fmt.Sprintf(text, "two", 3), nil)
	in.Stage = "dev"
	apply(t, c, "b", in)
	want("one a/legacy=1, two b/legacy@two/2=2, two b/legacy=3")
	if _, err := c.RollbackStage(t.Context(), "two", "dev", 1, Change{}); err != nil {
		t.Fatal(err)
	}
	want("one a/legacy=1, two b/legacy@two/1=1, two b/legacy=2")
}

func TestComposeVersions(t *testing.T) {
	c := newCatalog(t)
	for n := range 4 {
		upload(t, c, "greet", fmt.Sprint(n))
	}
	applyText(t, c, "p", "apis: {a: {routes: {GET /: {integration: {function: greet@1}}, GET /b: {integration: {function: greet}}}}}")
	if _, err := c.SetAlias(t.Context(), "greet", "live", 4, 3, 0.25, Change{}); err != nil {
		t.Fatal(err)
	}
	s := compose(t, c).Snapshot
	var versions []int
	for _, f := range s.Functions {
		versions = append(versions, f.Version)
	}
	if !reflect.DeepEqual(versions, []int{1, 3, 4}) || *s.Aliases[0] != (host.Alias{Function: "greet", Name: "live", Version: 4, Second: 3, Weight: 0.25}) {
		t.Errorf("versions %v, aliases %+v", versions, s.Aliases[0])
	}
	wantKind(t, c.DeleteVersion(t.Context(), "greet", 1, Change{}), host.Conflict, "the API a")
	wantKind(t, c.DeleteFunction(t.Context(), "greet", Change{}), host.Conflict, "the stage $default of the API a")
}

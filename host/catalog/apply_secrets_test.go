package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern/postern/host"
)

func TestApplySecrets(t *testing.T) {
	c := newCatalog(t)
	text := `
functions:
  f: {plugin: ./f.js, secrets: {PASSWORD: {file: ./db.secret}}}
apis:
  a:
    authorizers: {who: {plugin: ./who.js, secrets: {KEY: {file: ./sub/key.secret}}}}
    routes: {GET /: {authorizer: who, integration: {function: f}}}
`
	in := inputOf(t, c, text, nil)
	in.Secrets = map[string]string{"db.secret": "hunter2", "sub/key.secret": "opensesame"}
	plan := apply(t, c, "p", in)
	first := compose(t, c).Snapshot
	if got := secretOf(first.Functions[0].Plugin); got != "hunter2" {
		t.Errorf("secret %q", got)
	}
	if got := secretOf(first.APIs[0].Authorizers[0].Plugin); got != "opensesame" {
		t.Errorf("secret %q", got)
	}
	wantLines(t, apply(t, c, "p", in))
	in.Secrets = nil // those that are kept stay
	wantLines(t, apply(t, c, "p", in))

	in.Secrets = map[string]string{"db.secret": "hunter3"}
	wantLines(t, apply(t, c, "p", in), "update secret db.secret", "  the value of the file; it is kept sealed")
	second := compose(t, c).Snapshot
	if got := secretOf(second.Functions[0].Plugin); got != "hunter3" || first.Revision == second.Revision {
		t.Errorf("secret %q, revisions %.6s and %.6s", got, first.Revision, second.Revision)
	}
	// An apply that fails changes no secret.
	in.Secrets = map[string]string{"db.secret": "hunter4"}
	c.opts.Check = func(context.Context, *host.Snapshot) error { return errors.New("it does not compile") }
	bad := in
	bad.Bundle.Text += "  # \n"
	bad.Bundle.Text = strings.Replace(bad.Bundle.Text, "GET /:", "GET /other:", 1)
	if _, err := c.Apply(t.Context(), "p", bad, Change{}); err == nil {
		t.Fatal("the check was not asked")
	}
	c.opts.Check = nil
	if got := secretOf(compose(t, c).Snapshot.Functions[0].Plugin); got != "hunter3" {
		t.Errorf("secret %q after a failed apply", got)
	}
	list, err := c.Secrets(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "project/p:db.secret" || list[0].Project != "p" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, shown := range []any{plan, list, second} {
		encoded, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(encoded) + fmt.Sprintf("%+v", shown); strings.Contains(text, "hunter") || strings.Contains(text, "opensesame") {
			t.Errorf("a value is shown: %s", text)
		}
	}
	// What nothing reads any more goes.
	c.opts.Keep = 1
	applyText(t, c, "p", "functions: {f: {plugin: ./f.js}}")
	if list, _ := c.Secrets(t.Context()); len(list) != 2 { // the API is an orphan, and version 1 of f is kept
		t.Errorf("left: %+v", list)
	}
	in = inputOf(t, c, "functions: {f: {plugin: ./f2.js}}", nil)
	in.Prune = true
	plan = apply(t, c, "p", in)
	if list, _ := c.Secrets(t.Context()); len(list) != 0 || !contains(lines(plan), "delete secret sub/key.secret") {
		t.Errorf("left: %+v after %q", list, lines(plan))
	}
}

func secretOf(p host.PluginConfig) string { return p.Secrets[0].Value.Reveal() }

// TestApplyBesideWhatIsBroken: a function that is not new and cannot start today does not keep the APIs that call it from changing.
func TestApplyBesideWhatIsBroken(t *testing.T) {
	c := newCatalog(t)
	var calls atomic.Int32
	c.opts.Check = compileJS(t, &calls)
	set := true
	c.opts.Env = func(string) (string, bool) { return "x", set }
	config := &FunctionConfig{Secrets: map[string]SecretRef{"KEY": {Env: "KEY"}}}
	if _, err := c.UploadFunction(t.Context(), "broken", Upload{Code: save(t, c, script("x")), Config: config, Promote: true}, Change{}); err != nil {
		t.Fatal(err)
	}
	set = false
	var seen *host.Snapshot
	compile := c.opts.Check
	c.opts.Check = func(ctx context.Context, s *host.Snapshot) error {
		seen = s
		return compile(ctx, s)
	}
	applyText(t, c, "shop", `
apis: {orders: {routes: {GET /old: {integration: {function: broken}}, GET /new: {integration: {function: fresh}}}}}
functions: {fresh: {plugin: ./fresh.js}}
`)
	if calls.Load() != 2 || len(seen.Functions) != 1 || seen.Functions[0].Name != "fresh" {
		t.Errorf("%d calls, the last with %+v", calls.Load(), seen)
	}
	var types []host.IntegrationType
	for _, r := range seen.APIs[0].Routes {
		types = append(types, r.Integration.Type)
	}
	slices.Sort(types)
	if !slices.Equal(types, []host.IntegrationType{host.IntegrationFunction, host.IntegrationMock}) {
		t.Error(types)
	}
}

func TestApplyCheck(t *testing.T) {
	c := newCatalog(t)
	var calls atomic.Int32
	var seen *host.Snapshot
	compile := compileJS(t, &calls)
	c.opts.Check = func(ctx context.Context, s *host.Snapshot) error {
		seen = s
		return compile(ctx, s)
	}
	text := shop + "  # end\n"
	applyText(t, c, "shop", text)
	if calls.Load() != 1 || len(seen.APIs) != 1 || len(seen.Functions) != 1 || len(seen.Upstreams) != 1 || len(seen.APIs[0].Stages) != 2 {
		t.Fatalf("%d calls, the last with %+v", calls.Load(), seen)
	}
	applyText(t, c, "shop", text)
	if calls.Load() != 1 {
		t.Error("what is not new was checked")
	}
	in := inputOf(t, c, text, nil)
	broken, err := c.opts.Blobs.Save(t.Context(), strings.NewReader("module.exports = {"))
	if err != nil {
		t.Fatal(err)
	}
	in.Bundle.Code["get-order.js"] = Code{Runtime: host.RuntimeJS, Digest: broken.Digest}
	_, err = c.Apply(t.Context(), "shop", in, Change{})
	wantKind(t, err, host.Invalid)
	if f, _ := c.Function(t.Context(), "get-order"); f.Version != 1 {
		t.Errorf("%+v", f)
	}
}

package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

func TestUploadIsChecked(t *testing.T) {
	opts := optionsOf(t, openState(t))
	var checks atomic.Int32
	opts.Check = compileJS(t, &checks)
	c := New(opts)
	ctx := t.Context()
	upload(t, c, "greet", "one")
	if checks.Load() != 1 {
		t.Errorf("%d checks", checks.Load())
	}
	before := revision(t, c)

	_, err := c.UploadFunction(ctx, "greet", Upload{Code: save(t, c, "this is no script"), Promote: true}, Change{})
	wantKind(t, err, host.Invalid)
	_, err = c.UploadFunction(ctx, "greet", Upload{Code: save(t, c, "(function(module,exports,require){throw new Error('at start')})"), Promote: true}, Change{})
	if err == nil {
		t.Error("a script that cannot start was taken")
	}
	wasm := save(t, c, script("one"))
	wasm.Runtime, wasm.Exports = host.RuntimeWasm, nil
	_, err = c.UploadFunction(ctx, "greet", Upload{Code: wasm}, Change{})
	wantKind(t, err, host.Invalid, "runs on js, and was sent as wasm")
	gone := &Code{Runtime: host.RuntimeJS, Digest: strings.Repeat("ab", 32)}
	_, err = c.UploadFunction(ctx, "greet", Upload{Code: gone}, Change{})
	wantKind(t, err, host.Invalid, "not saved")
	lost := save(t, c, script("two"))
	lost.SourceMap = strings.Repeat("cd", 32)
	_, err = c.UploadFunction(ctx, "greet", Upload{Code: lost}, Change{})
	wantKind(t, err, host.Invalid, "source map", "not saved")
	_, err = c.UploadFunction(ctx, "greet", Upload{Code: &Code{Runtime: "lisp", Digest: gone.Digest}}, Change{})
	wantKind(t, err, host.Invalid, "lisp")
	_, err = c.UploadFunction(ctx, "empty", Upload{}, Change{})
	wantKind(t, err, host.Invalid, "must have code")
	for _, name := range []string{"", "a b", "a/b", "a.b", "../x", strings.Repeat("x", 65), strings.Repeat("x", 10000), "ä", "a\x00"} {
		_, err = c.UploadFunction(ctx, name, Upload{Code: save(t, c, script("one"))}, Change{})
		wantKind(t, err, host.Invalid, "name")
		if len(err.Error()) > 500 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
	if r := revision(t, c); r != before {
		t.Errorf("bad uploads changed the state from %d to %d", before, r)
	}
}

func TestUploadConfig(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	upload(t, c, "greet", "one")
	v, err := c.UploadFunction(ctx, "greet", Upload{Config: &FunctionConfig{Timeout: "7s", Env: map[string]string{"A": "1"}, Config: json.RawMessage(` {"b":1, "a":2.50}`)}, Promote: true}, Change{Message: "slower"})
	if err != nil || v.Version != 2 || v.Message != "slower" || string(v.Config.Config) != `{"a":2.50,"b":1}` {
		t.Fatalf("%+v, %v", v, err)
	}
	same, err := c.UploadFunction(ctx, "greet", Upload{Config: &FunctionConfig{Timeout: "7s", Env: map[string]string{"A": "1"}, Config: json.RawMessage(`{"a":2.50,"b":1}`)}}, Change{Message: "again"})
	if err != nil || same.Version != 2 || same.Message != "slower" {
		t.Errorf("the same config made %+v, %v", same, err)
	}
	v, err = c.UploadFunction(ctx, "greet", Upload{Code: save(t, c, script("two"))}, Change{})
	if err != nil || v.Version != 3 || v.Config.Timeout != "7s" {
		t.Errorf("the configuration was not kept: %+v, %v", v, err)
	}
	s, err := c.state(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.functionAt(ctx, "greet", 3)
	if err != nil {
		t.Fatal(err)
	}
	if f.Version != 3 || f.Plugin.Env["A"] != "1" || f.Plugin.Limits.Timeout.Value.String() != "7s" || f.Plugin.Isolation != host.IsolationFresh || f.Plugin.Ref != "greet@3" {
		t.Errorf("got %+v", f)
	}
	code, _, err := f.Plugin.Source.Load(ctx)
	if err != nil || string(code) != script("two") {
		t.Errorf("loaded %q, %v", code, err)
	}
	for _, test := range []struct {
		name, path, rule string
		config           FunctionConfig
	}{
		{"greet", "timeout", definition.RuleInvalidValue, FunctionConfig{Timeout: "soon"}},
		{"greet", "isolation", definition.RuleInvalidValue, FunctionConfig{Isolation: "none"}},
		{"greet", "memory", definition.RuleUnsupported, FunctionConfig{Memory: "64MiB"}},
		{"Greet", "url", definition.RuleConflict, FunctionConfig{URL: true}},
		{"greet", "async.maxAge", definition.RuleInvalidValue, FunctionConfig{Async: &AsyncConfig{MaxAge: "1s"}}},
	} {
		_, err := c.UploadFunction(ctx, test.name, Upload{Code: save(t, c, script("three")), Config: &test.config}, Change{})
		wantKind(t, err, host.Invalid)
		if !hasRule(err, test.rule, test.path) {
			t.Errorf("%s: %#v", test.path, err)
		}
	}
	_, err = c.UploadFunction(ctx, "greet", Upload{Config: &FunctionConfig{Config: json.RawMessage(`{`)}}, Change{})
	wantKind(t, err, host.Invalid, "JSON")
	_, err = c.UploadFunction(ctx, "greet", Upload{Config: &FunctionConfig{Async: &AsyncConfig{DeadLetter: "gret"}}}, Change{})
	wantKind(t, err, host.Invalid, "async.deadLetter", `did you mean "greet"`)
	_, err = c.UploadFunction(ctx, "greet", Upload{Config: &FunctionConfig{Secrets: map[string]SecretRef{"K": {File: "k.secret"}}}}, Change{})
	wantKind(t, err, host.Invalid, "of a project")
	if v, err := c.Version(ctx, "greet", "3"); err != nil || v.Version != 3 {
		t.Error(err)
	}
	if all, err := c.Versions(ctx, "greet"); err != nil || len(all) != 3 {
		t.Errorf("%d versions, %v", len(all), err)
	}
}

func TestVersionsByQualifier(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	for i := range 3 {
		upload(t, c, "greet", fmt.Sprint(i))
	}
	if _, err := c.SetAlias(ctx, "greet", "canary", 2, 0, 0, Change{}); err != nil {
		t.Fatal(err)
	}
	for qualifier, want := range map[string]int{"": 3, "live": 3, "canary": 2, "1": 1} {
		v, err := c.Version(ctx, "greet", qualifier)
		if err != nil || v.Version != want || v.ARN != fmt.Sprintf("arn:postern:lambda:local:000000000000:function:greet:%d", want) {
			t.Errorf("%q: got %+v, %v", qualifier, v, err)
		}
	}
	_, err := c.Version(ctx, "greet", "9")
	wantKind(t, err, host.NotFound, "no version 9")
	_, err = c.Version(ctx, "greet", "canry")
	wantKind(t, err, host.NotFound, `did you mean "canary"`)
	_, err = c.Version(ctx, "gret", "")
	wantKind(t, err, host.NotFound, `did you mean "greet"`)
	_, err = c.Versions(ctx, "nothing")
	wantKind(t, err, host.NotFound)
}

func TestAliases(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	for i := range 4 {
		upload(t, c, "greet", fmt.Sprint(i))
	}
	before := revision(t, c)
	if _, err := c.SetAlias(ctx, "greet", "live", 4, 0, 0, Change{By: "else"}); err != nil || revision(t, c) != before {
		t.Errorf("pointing it where it points changed the state: %v", err)
	}
	a, err := c.SetAlias(ctx, "greet", "live", 0, 2, 0.25, Change{By: "key K"})
	if err != nil || a.Version != 4 || a.Second != 2 || a.Weight != 0.25 || a.By != "key K" || len(a.History) != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	for _, want := range []struct{ version, history int }{{4, 3}, {3, 2}, {2, 1}, {1, 0}} {
		a, err = c.RollbackAlias(ctx, "greet", "live", Change{})
		if err != nil || a.Version != want.version || a.Second != 0 || len(a.History) != want.history {
			t.Errorf("%+v, %v, want version %d", a, err, want.version)
		}
	}
	_, err = c.RollbackAlias(ctx, "greet", "live", Change{})
	wantKind(t, err, host.Conflict, "no other version before")
	_, err = c.RollbackAlias(ctx, "greet", "blue", Change{})
	wantKind(t, err, host.NotFound)
	for _, bad := range []struct {
		alias           string
		version, second int
		weight          float64
		kind            host.Kind
	}{
		{"12", 1, 0, 0, host.Invalid}, {"a.b", 1, 0, 0, host.Invalid}, {"", 1, 0, 0, host.Invalid}, {strings.Repeat("a", 129), 1, 0, 0, host.Invalid},
		{"blue", 0, 0, 0, host.Invalid}, {"blue", 1, 1, 0.5, host.Invalid}, {"blue", 1, 2, 0, host.Invalid}, {"blue", 1, 2, 1, host.Invalid},
		{"blue", 1, 0, 0.5, host.Invalid}, {"blue", 9, 0, 0, host.NotFound}, {"blue", 1, 9, 0.5, host.NotFound}, {"blue", -1, 0, 0, host.NotFound},
	} {
		_, err := c.SetAlias(ctx, "greet", bad.alias, bad.version, bad.second, bad.weight, Change{})
		wantKind(t, err, bad.kind)
	}
	if _, err := c.SetAlias(ctx, "greet", "blue", 2, 0, 0, Change{}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, c.DeleteAlias(ctx, "greet", "live", Change{}), host.Conflict, "delete the function")
	wantKind(t, c.DeleteAlias(ctx, "greet", "blu", Change{}), host.NotFound, `did you mean "blue"`)
	if err := c.DeleteAlias(ctx, "greet", "blue", Change{}); err != nil {
		t.Error(err)
	}
}

func TestAliasHistoryIsBounded(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	upload(t, c, "greet", "a")
	upload(t, c, "greet", "b")
	for i := range MaxHistory + 10 {
		if _, err := c.SetAlias(ctx, "greet", "live", 1+i%2, 0, 0, Change{}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := c.Function(ctx, "greet")
	if err != nil || len(f.Aliases[0].History) != MaxHistory {
		t.Errorf("%d moves, %v", len(f.Aliases[0].History), err)
	}
}

// pointAt makes another resource that points at something, as an API's stage does.
func pointAt(t *testing.T, c *Catalog, name string, uses ...use) {
	t.Helper()
	if _, err := c.change(t.Context(), Change{}, func(_ context.Context, tx *tx) error {
		return tx.put("test", name, &counter{meta: meta{Uses: uses}})
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDeletes(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	for i := range 4 {
		upload(t, c, "greet", fmt.Sprint(i))
	}
	if _, err := c.SetAlias(ctx, "greet", "blue", 1, 2, 0.5, Change{}); err != nil {
		t.Fatal(err)
	}
	pointAt(t, c, "prod", use{Kind: "function", Name: "greet", Qualifier: "3", From: "the stage prod of the API orders"},
		use{Kind: "function", Name: "greet", Qualifier: "blue", From: "the stage dev of the API orders"})
	upload(t, c, "caller", "x")
	if _, err := c.UploadFunction(ctx, "caller", Upload{Config: &FunctionConfig{Async: &AsyncConfig{DeadLetter: "greet"}}, Promote: true}, Change{}); err != nil {
		t.Fatal(err)
	}

	wantKind(t, c.DeleteVersion(ctx, "greet", 1, Change{}), host.Conflict, "its alias blue")
	wantKind(t, c.DeleteVersion(ctx, "greet", 2, Change{}), host.Conflict, "its alias blue")
	wantKind(t, c.DeleteVersion(ctx, "greet", 3, Change{}), host.Conflict, "the stage prod of the API orders")
	wantKind(t, c.DeleteVersion(ctx, "greet", 4, Change{}), host.Conflict, "its alias live")
	wantKind(t, c.DeleteVersion(ctx, "greet", 5, Change{}), host.NotFound)
	wantKind(t, c.DeleteAlias(ctx, "greet", "blue", Change{}), host.Conflict, "the stage dev of the API orders")
	wantKind(t, c.DeleteFunction(ctx, "greet", Change{}), host.Conflict, "the stage prod of the API orders", `version 2 of the function "caller"`)
	wantKind(t, c.DeleteFunction(ctx, "greet", Change{Force: true}), host.Conflict)

	pointAt(t, c, "prod")
	if err := c.DeleteVersion(ctx, "greet", 3, Change{DryRun: true}); err != nil {
		t.Error(err)
	}
	if _, err := c.Version(ctx, "greet", "3"); err != nil {
		t.Errorf("a dry run deleted it: %v", err)
	}
	if err := c.DeleteVersion(ctx, "greet", 3, Change{}); err != nil {
		t.Error(err)
	}
	if err := c.DeleteFunction(ctx, "caller", Change{}); err != nil {
		t.Error(err)
	}
	if _, err := c.SetAlias(ctx, "greet", "live", 1, 0, 0, Change{}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteVersion(ctx, "greet", 4, Change{}); err != nil {
		t.Error(err)
	}
	if v := upload(t, c, "greet", "new"); v.Version != 5 {
		t.Errorf("version %d after the fourth was deleted", v.Version)
	}
	if err := c.DeleteFunction(ctx, "greet", Change{}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Function(ctx, "greet")
	wantKind(t, err, host.NotFound)
	if v := upload(t, c, "greet", "0"); v.Version != 6 {
		t.Errorf("version %d after the function was deleted", v.Version)
	}
	wantKind(t, c.DeleteVersion(ctx, "greet", 6, Change{}), host.Conflict)
}

func TestOwned(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	code := save(t, c, script("one"))
	if _, err := c.change(ctx, Change{By: "dev"}, func(ctx context.Context, tx *tx) error {
		doc, err := tx.functionDoc(ctx, "greet")
		if err != nil {
			return err
		}
		doc.Project = "shop"
		_, err = tx.addVersion(ctx, "greet", doc, &versionDoc{Project: "shop", Code: *code}, true)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	two := Upload{Code: save(t, c, script("two")), Promote: true}
	_, err := c.UploadFunction(ctx, "greet", two, Change{})
	wantKind(t, err, host.Conflict, `project "shop"`, "apply", "force")
	wantKind(t, c.DeleteFunction(ctx, "greet", Change{}), host.Conflict, `project "shop"`)
	_, err = c.SetAlias(ctx, "greet", "live", 1, 0, 0, Change{})
	wantKind(t, err, host.Conflict, `project "shop"`)
	if _, err := c.SetAlias(ctx, "greet", "blue", 1, 0, 0, Change{}); err != nil {
		t.Errorf("an alias that no definition knows: %v", err)
	}
	if v, err := c.UploadFunction(ctx, "greet", two, Change{Force: true}); err != nil || v.Version != 2 {
		t.Errorf("forced: %+v, %v", v, err)
	}
	if f, err := c.Function(ctx, "greet"); err != nil || f.Project != "shop" || f.Live != 2 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestKeep(t *testing.T) {
	opts := optionsOf(t, openState(t))
	opts.Keep = 2
	c := New(opts)
	ctx := t.Context()
	upload(t, c, "greet", "0")
	upload(t, c, "greet", "1")
	if _, err := c.SetAlias(ctx, "greet", "blue", 1, 0, 0, Change{}); err != nil {
		t.Fatal(err)
	}
	pointAt(t, c, "prod", use{Kind: "function", Name: "greet", Qualifier: "2", From: "the stage prod"})
	for i := range 6 {
		upload(t, c, "greet", fmt.Sprint("more", i))
	}
	all, err := c.Versions(ctx, "greet")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, v := range all {
		numbers = append(numbers, v.Version)
	}
	if diff := cmp.Diff([]int{1, 2, 6, 7, 8}, numbers); diff != "" {
		t.Error(diff)
	}
	if a, err := c.RollbackAlias(ctx, "greet", "live", Change{}); err != nil || a.Version != 7 {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestUploadsAtOnce uploads to one function from two hosts.
func TestUploadsAtOnce(t *testing.T) {
	opts := optionsOf(t, openState(t))
	var checks atomic.Int32
	opts.Check = compileJS(t, &checks)
	catalogs := []*Catalog{New(opts), New(opts)}
	const writers, each = 4, 15
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				c := catalogs[w%2]
				code := save(t, c, script(fmt.Sprint(w, i)))
				if _, err := c.UploadFunction(t.Context(), "greet", Upload{Code: code, Promote: true}, Change{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := catalogs[1].Versions(t.Context(), "greet")
	if err != nil || len(all) != writers*each || all[len(all)-1].Version != writers*each {
		t.Errorf("%d versions, %v", len(all), err)
	}
	if n := checks.Load(); n != writers*each {
		t.Errorf("%d uploads were checked %d times", writers*each, n)
	}
}

package catalog

import (
	"testing"

	"github.com/postern/postern/host"
)

// TestRollbackWithoutItsSecret: a secret that only an old deployment reads may be deleted, and that deployment is then not served again.
func TestRollbackWithoutItsSecret(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	if _, err := c.PutSecret(ctx, "key", []byte("x"), Change{}); err != nil {
		t.Fatal(err)
	}
	const open = "apis: {orders: {routes: {GET /: {integration: {mock: {status: 200}}}}}}\n"
	const guarded = `
apis:
  orders:
    authorizers: {caller: {plugin: ./caller.js, identitySources: [$request.header.Authorization], secrets: {KEY: {store: key}}}}
    routes: {GET /: {authorizer: caller, integration: {mock: {status: 200}}}}
`
	applyText(t, c, "shop", guarded)
	wantKind(t, c.DeleteSecret(ctx, "key", Change{}), host.Conflict, "API orders")
	applyText(t, c, "shop", open)
	if err := c.DeleteSecret(ctx, "key", Change{}); err != nil {
		t.Fatal(err)
	}
	_, err := c.RollbackStage(ctx, "orders", host.DefaultStage, 0, Change{})
	wantKind(t, err, host.Invalid, `"key"`, "deployment 1", "put it there first")
	if _, err := c.PutSecret(ctx, "key", []byte("y"), Change{}); err != nil {
		t.Fatal(err)
	}
	if s, err := c.RollbackStage(ctx, "orders", host.DefaultStage, 0, Change{}); err != nil || s.Deployment != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestKeepWhatIsCalled: a version that routes of the same apply begin to call is not dropped for being too many.
func TestKeepWhatIsCalled(t *testing.T) {
	c := newCatalog(t)
	c.opts.Keep = 1
	text := func(target string) string {
		return "apis: {orders: {routes: {GET /: {integration: {function: " + target + "}}}}}\nfunctions: {greet: {plugin: ./greet.js}}\n"
	}
	for _, answer := range []string{"one", "two", "three"} {
		apply(t, c, "shop", inputOf(t, c, text("greet"), map[string]string{"greet.js": answer}))
	}
	apply(t, c, "shop", inputOf(t, c, text("greet@2"), map[string]string{"greet.js": "four"}))
	versions, err := c.Versions(t.Context(), "greet")
	if err != nil || len(versions) != 3 || versions[0].Version != 2 { // the one that is called, and one that nothing points at
		t.Errorf("%+v, %v", versions, err)
	}
}

// TestManyVersions: what all versions of a function use is told once, and not with each of them, however many there are.
func TestManyVersions(t *testing.T) {
	c := newCatalog(t)
	if _, err := c.PutSecret(t.Context(), "key", []byte("x"), Change{}); err != nil {
		t.Fatal(err)
	}
	code := save(t, c, script("x"))
	for _, n := range []string{"1", "2", "3"} {
		config := &FunctionConfig{Env: map[string]string{"N": n}, Secrets: map[string]SecretRef{"A": {Store: "key"}, "B": {Store: "key"}}}
		if _, err := c.UploadFunction(t.Context(), "greet", Upload{Code: code, Config: config, Promote: true}, Change{}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := c.Secrets(t.Context())
	if err != nil || len(all) != 1 || len(all[0].UsedBy) != 1 || all[0].UsedBy[0] != `3 versions of the function "greet", from 1 to 3` {
		t.Errorf("%+v, %v", all, err)
	}
}

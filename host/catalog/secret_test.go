package catalog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

const hidden = "correct horse battery staple"

func TestSecrets(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	if s, err := c.PutSecret(ctx, "db", []byte(hidden), Change{DryRun: true}); err != nil || s.Rev != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if all, err := c.Secrets(ctx); err != nil || len(all) != 0 {
		t.Errorf("a dry run left %+v, %v", all, err)
	}
	first, err := c.PutSecret(ctx, "db", []byte(hidden), Change{By: "token ci"})
	if err != nil || first.Rev == 0 || first.By != "token ci" {
		t.Fatalf("%+v, %v", first, err)
	}
	same, err := c.PutSecret(ctx, "db", []byte(hidden), Change{By: "other"})
	if err != nil || same.Rev != first.Rev || same.By != "token ci" {
		t.Errorf("the same value changed it: %+v, %v", same, err)
	}
	second, err := c.PutSecret(ctx, "db", []byte(hidden+"2"), Change{Revision: first.Rev, By: "token ci"})
	if err != nil || second.Rev <= first.Rev {
		t.Errorf("%+v, %v", second, err)
	}
	_, err = c.PutSecret(ctx, "db", []byte(hidden+"3"), Change{Revision: first.Rev})
	wantKind(t, err, host.Conflict, "token ci", "Leave out the revision")
	_, err = c.PutSecret(ctx, "new", []byte(hidden), Change{Revision: 7})
	wantKind(t, err, host.Conflict, "not there")
	for entry, err := range c.opts.Store.List(ctx, "") {
		if err != nil || strings.Contains(string(entry.Value), hidden) {
			t.Errorf("%s is not sealed: %v", entry.Key, err)
		}
	}

	for _, name := range []string{"", "a/b", "a b", "ä", strings.Repeat("x", 129), "project/p:db", ".", ".."} {
		_, err := c.PutSecret(ctx, name, []byte(hidden), Change{})
		wantKind(t, err, host.Invalid, "name")
	}
	_, err = c.PutSecret(ctx, "empty", nil, Change{})
	wantKind(t, err, host.Invalid, "empty")
	large := []byte(strings.Repeat(hidden, maxSecret/len(hidden)+1))
	_, err = c.PutSecret(ctx, "large", large, Change{})
	wantKind(t, err, host.TooLarge)
	if strings.Contains(err.Error(), hidden) {
		t.Error("the error has the value")
	}
	_, err = c.PutSecret(ctx, "full", large[:maxSecret], Change{})
	if err != nil {
		t.Error(err)
	}
	wantKind(t, c.DeleteSecret(ctx, "bd", Change{}), host.NotFound, `did you mean "db"`)
	wantKind(t, c.DeleteSecret(ctx, "a\x00/", Change{}), host.NotFound)
	wantKind(t, c.DeleteSecret(ctx, "project/shop:db.secret", Change{}), host.Conflict, "file of a project")
	wantKind(t, c.DeleteSecret(ctx, "db", Change{Revision: first.Rev}), host.Conflict)
	if err := c.DeleteSecret(ctx, "db", Change{}); err != nil {
		t.Error(err)
	}
}

func TestSecretsOfFunctions(t *testing.T) {
	c := newCatalog(t)
	c.opts.Env = func(name string) (string, bool) { return "from the environment", name == "SET" }
	ctx := t.Context()
	config := &FunctionConfig{Secrets: map[string]SecretRef{"DB": {Store: "db"}, "ENV": {Env: "SET"}}}
	up := Upload{Code: save(t, c, script("one")), Config: config, Promote: true}
	_, err := c.UploadFunction(ctx, "greet", up, Change{})
	wantKind(t, err, host.Invalid, "secret DB", `no secret "db"`, "first")
	if _, err := c.PutSecret(ctx, "db", []byte(hidden), Change{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadFunction(ctx, "greet", up, Change{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.UploadFunction(ctx, "greet", Upload{Config: &FunctionConfig{Secrets: map[string]SecretRef{"ENV": {Env: "UNSET"}}}}, Change{})
	wantKind(t, err, host.Invalid, "environment variable UNSET")

	value := func() string {
		t.Helper()
		s, err := c.state(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.functionAt(ctx, "greet", 1)
		if err != nil {
			t.Fatal(err)
		}
		if f.Plugin.Secrets[1].Value.Reveal() != "from the environment" {
			t.Errorf("got %q", f.Plugin.Secrets[1].Value.Reveal())
		}
		if strings.Contains(fmt.Sprintf("%+v %#v", f, f.Plugin), hidden) {
			t.Error("a function that is printed has the value")
		}
		return f.Plugin.Secrets[0].Value.Reveal()
	}
	if got := value(); got != hidden {
		t.Errorf("got %q", got)
	}
	before := revision(t, c)
	if _, err := c.PutSecret(ctx, "db", []byte("rotated"), Change{}); err != nil {
		t.Fatal(err)
	}
	if got := value(); got != "rotated" || revision(t, c) != before {
		t.Errorf("got %q at %d", got, revision(t, c))
	}
	all, err := c.Secrets(ctx)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if diff := cmp.Diff([]string{`version 1 of the function "greet"`}, all[0].UsedBy); diff != "" {
		t.Error(diff)
	}
	wantKind(t, c.DeleteSecret(ctx, "db", Change{}), host.Conflict, `version 1 of the function "greet"`)
	if err := c.DeleteFunction(ctx, "greet", Change{}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteSecret(ctx, "db", Change{}); err != nil {
		t.Error(err)
	}
}

func valueOf(t *testing.T, c *Catalog, ref SecretRef) (host.SecretValue, error) {
	t.Helper()
	s, err := c.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.secretValue(t.Context(), "", ref)
}

func TestSecretWithoutItsKey(t *testing.T) {
	s := openState(t)
	c := New(optionsOf(t, s))
	ctx := t.Context()
	if _, err := c.PutSecret(ctx, "db", []byte(hidden), Change{}); err != nil {
		t.Fatal(err)
	}
	_, err := valueOf(t, New(optionsOf(t, s)), SecretRef{Store: "db"})
	wantKind(t, err, host.Invalid, `secret "db"`, "another key")
	c.opts.Sealer = nil
	_, err = valueOf(t, c, SecretRef{Store: "db"})
	wantKind(t, err, host.Unavailable, "no key")
	_, err = c.PutSecret(ctx, "db", []byte(hidden), Change{})
	wantKind(t, err, host.Unavailable, "no key")

	c = New(optionsOf(t, s))
	e, err := s.Store().Get(ctx, "secrets/db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store().Put(ctx, "secrets/db", []byte("{"), e.Rev); err != nil {
		t.Fatal(err)
	}
	_, err = valueOf(t, c, SecretRef{Store: "db"})
	wantKind(t, err, host.Internal, `secret "db"`, "damaged")
	if _, err := c.PutSecret(ctx, "db", []byte(hidden), Change{}); err != nil {
		t.Errorf("a damaged one is written over: %v", err)
	}
	if v, err := valueOf(t, c, SecretRef{Store: "db"}); err != nil || v.Reveal() != hidden {
		t.Error(err)
	}
}

// TestSecretsAtOnce rotates one secret from many writers: each has written, or has been told that it has not.
func TestSecretsAtOnce(t *testing.T) {
	c := newCatalog(t)
	first, err := c.PutSecret(t.Context(), "db", []byte("0"), Change{})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	const writers = 8
	for i := range writers {
		go func() {
			_, err := c.PutSecret(context.Background(), "db", []byte(fmt.Sprint("value", i)), Change{Revision: first.Rev})
			results <- err
		}()
	}
	won := 0
	for range writers {
		if err := <-results; err == nil {
			won++
		} else {
			wantKind(t, err, host.Conflict)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d writers with one revision have won", won, writers)
	}
}

package catalog

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// Maps go with what they belong to, once they are old enough, and nobody else's do.
func TestCollectMaps(t *testing.T) {
	state, err := jetstream.Open(t.Context(), jetstream.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	o := optionsOf(t, state)
	o.Maps = state.Maps()
	c, ctx := New(o), t.Context()
	const text = `
apis:
  api: {filters: [{plugin: ./filter.js}], routes: {GET /: {integration: {function: owned}}}}
functions:
  owned: {plugin: ./f.js, kv: shared}
`
	applyText(t, c, "shop", text)
	for name, kv := range map[string]string{"alone": "", "loose": "between"} {
		if _, err := c.UploadFunction(ctx, name, Upload{Code: save(t, c, script("x")), Config: &FunctionConfig{KV: kv}, Promote: true}, Change{}); err != nil {
			t.Fatal(err)
		}
	}
	all := []string{"apis/api/plugins/filter.js", "between", "functions/alone", "functions/owned", "later/version", "projects/shop/maps/shared"}
	of := state.Maps() // the pipeline's own
	for _, namespace := range append([]string{"apis/gone/authorizers/x", "functions/gone", "nobody", "projects/gone/maps/shared"}, all...) {
		if _, err := of.Map(namespace, 0).KVPut(ctx, "k", []byte("v"), host.KVOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	collect := func(age time.Duration, deleted int, want ...string) {
		t.Helper()
		n, err := c.CollectMaps(ctx, age)
		if err != nil || n != deleted {
			t.Errorf("%d deleted, %v; want %d", n, err, deleted)
		}
		var got []string
		for m, err := range o.Maps.ListMaps(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Namespace)
		}
		if slices.Sort(got); want != nil && !slices.Equal(got, want) {
			t.Errorf("left are %q, want %q", got, want)
		}
	}
	collect(time.Hour, 0)
	collect(-time.Hour, 4, all...) // as an hour from now
	collect(-time.Hour, 0, all...)
	if err := errors.Join(c.DeleteFunction(ctx, "alone", Change{}), c.DeleteFunction(ctx, "loose", Change{})); err != nil {
		t.Fatal(err)
	}
	collect(time.Hour, 0, all...)
	collect(-time.Hour, 2, "apis/api/plugins/filter.js", "functions/owned", "later/version", "projects/shop/maps/shared")
	if err := c.DeleteProject(ctx, "shop", Change{}); err != nil {
		t.Fatal(err)
	}
	collect(-time.Hour, 3, "later/version")
	upload(t, c, "alone", "again")
	if _, err := of.Map("functions/alone", 0).KVGet(ctx, "k"); !errors.Is(err, host.NotFound) {
		t.Errorf("a function of the same name finds what another left: %v", err)
	}
	if _, err := of.Map("functions/alone", 0).KVPut(ctx, "k", nil, host.KVOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := New(optionsOf(t, state)).CollectMaps(ctx, 0); err != nil {
		t.Errorf("without maps: %v", err)
	}
}

package catalog

import (
	"context"
	"fmt"
	"testing"

	"github.com/postern/postern/host"
)

// A step changes something, differently for each n, and look tells what became of it.
type step struct {
	prepare func(t *testing.T, c *Catalog, n int32)
	change  func(ctx context.Context, c *Catalog, n int32) error
	look    func(t *testing.T, c *Catalog) string
}

// liveText is the code that live runs, and where else the function stands.
func liveText(t *testing.T, c *Catalog) string {
	f, err := c.Function(t.Context(), "greet")
	if err != nil {
		if host.KindOf(err) == host.NotFound {
			return "none"
		}
		t.Fatal(err)
	}
	all, err := c.Versions(t.Context(), "greet")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(f.Revision, f.Version, f.Live, len(f.Aliases[0].History))
	for _, v := range all {
		code, err := readAll(t, c, v.Digest)
		if err != nil {
			t.Fatalf("the code of version %d: %v", v.Version, err)
		}
		text += " " + code
	}
	return text
}

func readAll(t *testing.T, c *Catalog, digest string) (string, error) {
	text, err := c.load(t.Context(), digest, 1<<20)
	return string(text), err
}

func secretText(t *testing.T, c *Catalog) string {
	value, err := valueOf(t, c, SecretRef{Store: "db"})
	if err != nil {
		t.Fatal(err)
	}
	return value.Reveal()
}

func two(t *testing.T, c *Catalog, n int32) {
	if _, err := c.Version(t.Context(), "greet", "2"); err != nil {
		upload(t, c, "greet", "one")
		upload(t, c, "greet", "two")
	}
}

var steps = map[string]step{
	"upload": {
		prepare: func(t *testing.T, c *Catalog, n int32) { save(t, c, script(fmt.Sprint(n))) },
		change: func(ctx context.Context, c *Catalog, n int32) error {
			code := &Code{Runtime: host.RuntimeJS, Digest: digestOf([]byte(script(fmt.Sprint(n)))), Exports: []string{"handler"}}
			_, err := c.UploadFunction(ctx, "greet", Upload{Code: code, Promote: true}, Change{})
			return err
		},
		look: liveText,
	},
	"promote": {
		prepare: two,
		change: func(ctx context.Context, c *Catalog, n int32) error {
			_, err := c.SetAlias(ctx, "greet", "live", 0, 1, float64(n)/1000, Change{})
			return err
		},
		look: liveText,
	},
	"delete": {
		prepare: func(t *testing.T, c *Catalog, n int32) { upload(t, c, "greet", "one") },
		change: func(ctx context.Context, c *Catalog, n int32) error {
			return c.DeleteFunction(ctx, "greet", Change{})
		},
		look: liveText,
	},
	"secret": {
		prepare: func(t *testing.T, c *Catalog, n int32) {
			if _, err := c.PutSecret(t.Context(), "db", []byte("first"), Change{}); err != nil {
				t.Fatal(err)
			}
		},
		change: func(ctx context.Context, c *Catalog, n int32) error {
			_, err := c.PutSecret(ctx, "db", []byte(fmt.Sprint("value", n)), Change{})
			return err
		},
		look: secretText,
	},
}

// TestCut cuts changes off at each call of the store, as a kill would: what is there then is the old state or the new one. Carried out
// again, the change leads to the new one.
func TestCut(t *testing.T) {
	for name, step := range steps {
		for _, mode := range []string{"before", "after", "cancelled"} {
			t.Run(name+" "+mode, func(t *testing.T) { cutEverywhere(t, step, mode) })
		}
	}
}

func cutEverywhere(t *testing.T, step step, mode string) {
	whole := New(optionsOf(t, openState(t)))
	for n := int32(1); ; n++ {
		step.prepare(t, whole, n)
		was := step.look(t, whole)
		broken := &cut{at: n, after: mode == "after"}
		ctx, cancel := context.WithCancel(t.Context())
		if mode == "cancelled" {
			broken.cancel = cancel
		}
		err := step.change(ctx, New(broken.with(whole.opts)), n)
		cancel()
		half := step.look(t, New(whole.opts))
		if err == nil && half == was {
			t.Fatalf("cut at call %d, it was acknowledged and is not there", n)
		}
		if again := step.change(t.Context(), whole, n); again != nil && !(half == "none" && host.KindOf(again) == host.NotFound) {
			t.Fatalf("cut at call %d (%v), the second time: %v", n, err, again)
		}
		if is := step.look(t, whole); half != was && half != is {
			t.Fatalf("cut at call %d (%v): %q became %q, and %q in the end", n, err, was, half, is)
		}
		if err == nil {
			if n < 3 {
				t.Fatalf("only %d calls", n)
			}
			return // the change needs fewer calls
		}
	}
}

// busyStore is one where another writer is always first.
type busyStore struct{ host.Store }

func (busyStore) Put(context.Context, host.Key, []byte, uint64) (uint64, error) {
	return 0, refuse(host.Conflict, "store", "another writer was first")
}

func TestAlwaysSecond(t *testing.T) {
	t.Parallel()
	opts := optionsOf(t, openState(t))
	code := save(t, New(opts), script("one"))
	opts.Store = busyStore{opts.Store}
	c := New(opts)
	_, err := c.UploadFunction(t.Context(), "greet", Upload{Code: code}, Change{})
	wantKind(t, err, host.Conflict, "100 times", "try again")
	_, err = c.PutSecret(t.Context(), "db", []byte("value"), Change{})
	wantKind(t, err, host.Conflict, "10 times", "try again")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = c.UploadFunction(ctx, "greet", Upload{Code: code}, Change{}); err == nil {
		t.Error("a cancelled upload succeeded")
	}
}

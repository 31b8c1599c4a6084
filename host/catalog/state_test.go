package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// countBlobs counts what a catalog has saved.
func countBlobs(t *testing.T, c *Catalog) int {
	t.Helper()
	n := 0
	for _, err := range c.opts.Blobs.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func revision(t *testing.T, c *Catalog) uint64 {
	t.Helper()
	v, err := c.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v.Revision
}

func TestChange(t *testing.T) {
	c := newCatalog(t)
	if r := revision(t, c); r != 0 {
		t.Fatalf("an empty state has revision %d", r)
	}
	if v, err := c.UploadFunction(t.Context(), "greet", Upload{Code: save(t, c, script("one")), Promote: true}, Change{DryRun: true}); err != nil || v.Version != 1 {
		t.Fatalf("dry run: %+v, %v", v, err)
	}
	if r, n := revision(t, c), countBlobs(t, c); r != 0 || n != 1 { // the script itself
		t.Fatalf("a dry run left revision %d and %d blobs", r, n)
	}
	upload(t, c, "greet", "one")
	first, blobs := revision(t, c), countBlobs(t, c)
	if first == 0 {
		t.Fatal("nothing was written")
	}
	upload(t, c, "greet", "one")
	if r, n := revision(t, c), countBlobs(t, c); r != first || n != blobs {
		t.Errorf("an upload of the same made revision %d of %d, and %d blobs of %d", r, first, n, blobs)
	}
	if v := upload(t, c, "greet", "two"); v.Version != 2 || revision(t, c) <= first {
		t.Errorf("got version %d at revision %d", v.Version, revision(t, c))
	}
	f, err := c.Function(t.Context(), "greet")
	if err != nil || f.Revision != 2 || f.Version != 2 || f.Live != 2 || f.Updated.Before(f.Created) || f.ARN != "arn:postern:lambda:local:000000000000:function:greet" {
		t.Errorf("got %+v, %v", f, err)
	}
}

type counter struct {
	meta
	N int `json:"n"`
}

// TestWritersAtOnce has two catalogs over one store, as two hosts of a cluster do.
func TestWritersAtOnce(t *testing.T) {
	s := openState(t)
	const writers, each = 8, 25
	catalogs := []*Catalog{New(optionsOf(t, s)), New(optionsOf(t, s))}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				own := fmt.Sprintf("own-%d-%d", w, i)
				_, err := catalogs[w%2].change(t.Context(), Change{}, func(ctx context.Context, tx *tx) error {
					shared := &counter{}
					if tx.has(kindFunction, "shared") {
						var err error
						if shared, err = read[counter](ctx, &tx.state, kindFunction, "shared"); err != nil {
							return err
						}
					}
					shared.N++
					return errors.Join(tx.put(kindFunction, "shared", shared), tx.put(kindFunction, own, &counter{N: i}))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	state, err := catalogs[0].state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shared, err := read[counter](t.Context(), state, kindFunction, "shared")
	if err != nil || shared.N != writers*each || shared.Revision != writers*each {
		t.Errorf("got %+v, %v, want %d", shared, err, writers*each)
	}
	if n := len(state.names(kindFunction)); n != writers*each+1 {
		t.Errorf("got %d resources, want %d", n, writers*each+1)
	}
}

func TestStaleRevision(t *testing.T) {
	c := newCatalog(t)
	upload(t, c, "greet", "one")
	upload(t, c, "greet", "two")
	ctx := t.Context()
	code := save(t, c, script("three"))
	_, err := c.UploadFunction(ctx, "greet", Upload{Code: code}, Change{Revision: 1})
	wantKind(t, err, host.Conflict, "revision 2 and not 1", "token test", "leave out the revision")
	if _, err := c.UploadFunction(ctx, "greet", Upload{Code: code}, Change{Revision: 2}); err != nil {
		t.Error(err)
	}
	_, err = c.SetAlias(ctx, "greet", "live", 1, 0, 0, Change{Revision: 2})
	wantKind(t, err, host.Conflict, "revision 3")
	wantKind(t, c.DeleteFunction(ctx, "greet", Change{Revision: 9}), host.Conflict)
	_, err = c.UploadFunction(ctx, "new", Upload{Code: code}, Change{Revision: 4})
	wantKind(t, err, host.Conflict, "is not there")
}

// putRoot writes a root as another version would.
func putRoot(t *testing.T, c *Catalog, text string) {
	t.Helper()
	e, err := c.opts.Store.Get(t.Context(), stateKey)
	if err != nil && !errors.Is(err, host.NotFound) {
		t.Fatal(err)
	}
	if _, err := c.opts.Store.Put(t.Context(), stateKey, []byte(text), e.Rev); err != nil {
		t.Fatal(err)
	}
}

func TestRootThatCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		text  string
		kind  host.Kind
		parts string
	}{
		{`{"format":2,"documents":[]}`, host.Unsupported, "format 2, of a newer version"},
		{`{"format":1,"documents":{},"more":1}`, host.Internal, "damaged"},
		{`{"format":1,"docum`, host.Internal, "damaged"},
		{``, host.Internal, "damaged"},
	} {
		c := newCatalog(t)
		code := save(t, c, script("one"))
		putRoot(t, c, test.text)
		_, err := c.View(t.Context())
		wantKind(t, err, test.kind, test.parts)
		_, err = c.UploadFunction(t.Context(), "greet", Upload{Code: code}, Change{})
		wantKind(t, err, test.kind)
		_, err = c.Collect(t.Context(), 0)
		wantKind(t, err, test.kind)
		if e, err := c.opts.Store.Get(t.Context(), stateKey); err != nil || string(e.Value) != test.text {
			t.Errorf("the root became %q, %v", e.Value, err)
		}
	}
}

func TestDamagedDocument(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	upload(t, c, "greet", "one")
	upload(t, c, "other", "one")
	s, err := c.state(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.opts.Blobs.Delete(ctx, s.digest(kindFunction, "greet"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	c = New(c.opts) // nothing is cached
	_, err = c.Function(ctx, "greet")
	wantKind(t, err, host.Internal, `function "greet"`, "lost")
	if _, err := c.Function(ctx, "other"); err != nil {
		t.Errorf("the other function: %v", err)
	}
	if _, err := c.Collect(ctx, 0); err == nil {
		t.Error("blobs were collected though not all documents could be read")
	}

	blob, err := c.opts.Blobs.Save(ctx, strings.NewReader(`{"revision":1,"nonsense":true}`))
	if err != nil {
		t.Fatal(err)
	}
	s.root.Documents[kindFunction]["greet"] = blob.Digest
	text, err := json.Marshal(s.root)
	if err != nil {
		t.Fatal(err)
	}
	putRoot(t, c, string(text))
	_, err = c.Functions(ctx)
	wantKind(t, err, host.Internal, `function "greet"`, "damaged", "nonsense")
}

func TestStoreGone(t *testing.T) {
	s := openState(t)
	c := New(optionsOf(t, s))
	upload(t, c, "greet", "one")
	code := save(t, c, script("two"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := c.View(ctx)
	wantKind(t, err, host.Unavailable)
	_, err = c.UploadFunction(ctx, "greet", Upload{Code: code}, Change{})
	wantKind(t, err, host.Unavailable)
	_, err = c.PutSecret(ctx, "key", []byte("hidden value"), Change{})
	wantKind(t, err, host.Unavailable)
}

func TestWatch(t *testing.T) {
	c := newCatalog(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var seen []uint64
	step := 0
	for r, err := range c.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, r)
		switch step++; step {
		case 1:
			upload(t, c, "greet", "one")
		case 2:
			if _, err := c.opts.Store.Put(ctx, "tokens/x", []byte("no state"), 0); err != nil {
				t.Fatal(err)
			}
			if _, err := c.PutSecret(ctx, "key", []byte("hidden value"), Change{}); err != nil {
				t.Fatal(err)
			}
		case 3:
			if err := c.DeleteSecret(ctx, "key", Change{}); err != nil {
				t.Fatal(err)
			}
		case 4:
			upload(t, c, "greet", "two")
		}
		if step == 5 {
			break
		}
	}
	if len(seen) != 5 || seen[0] != 0 || seen[1] == 0 || seen[2] != seen[1] || seen[3] != seen[1] || seen[4] != revision(t, c) {
		t.Errorf("got %v, and the state has revision %d", seen, revision(t, c))
	}
}

func TestWatchOfAStoreThatEnds(t *testing.T) {
	s, err := jetstream.Open(t.Context(), jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := New(optionsOf(t, s))
	var ended error
	for _, err := range c.Watch(t.Context()) {
		if err != nil {
			ended = err
			break
		}
		go func() { _ = s.Close() }()
	}
	if ended == nil {
		t.Error("the watch ended without an error")
	}
}

func TestProgress(t *testing.T) {
	var general, own []string
	c := New(Options{Progress: func(line string) { general = append(general, line) }})
	c.progress(t.Context(), "step %d", 1)
	c.progress(WithProgress(t.Context(), func(line string) { own = append(own, line) }), "step %d", 2)
	if !slices.Equal(general, []string{"step 1"}) || !slices.Equal(own, []string{"step 2"}) {
		t.Errorf("got %q and %q", general, own)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	c := newCatalog(t)
	change := Change{Message: strings.Repeat("x", 1025)}
	_, err := c.UploadFunction(t.Context(), "greet", Upload{Code: save(t, c, script("x"))}, change)
	wantKind(t, err, host.TooLarge, "1024")
	_, err = c.Apply(t.Context(), "shop", inputOf(t, c, shop, nil), change)
	wantKind(t, err, host.TooLarge, "apply the project shop", "1024")
}

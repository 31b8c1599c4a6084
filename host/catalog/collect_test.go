package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func stat(t *testing.T, c *Catalog, digest string) bool {
	t.Helper()
	_, err := c.opts.Blobs.Stat(t.Context(), digest)
	if err != nil && !errors.Is(err, host.NotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestCollect(t *testing.T) {
	c := newCatalog(t)
	ctx := t.Context()
	mapped := save(t, c, script("zero"))
	sourceMap, err := c.opts.Blobs.Save(ctx, strings.NewReader(`{"version":3}`))
	if err != nil {
		t.Fatal(err)
	}
	mapped.SourceMap = sourceMap.Digest
	if _, err := c.UploadFunction(ctx, "greet", Upload{Code: mapped, Promote: true}, Change{}); err != nil {
		t.Fatal(err)
	}
	one := upload(t, c, "greet", "one")
	upload(t, c, "greet", "two")
	upload(t, c, "gone", "three")
	stray := save(t, c, "nobody names it")

	bundled := save(t, c, "of a bundle")
	if _, err := c.change(ctx, Change{}, func(_ context.Context, tx *tx) error {
		digest, err := tx.attach(&Bundle{Text: "apis: {}", Code: map[string]Code{"a.js": *bundled}})
		return errors.Join(err, tx.put(kindAPI, "api", &apiDoc{meta: meta{Bundles: []string{digest}}}))
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Collect(ctx, time.Hour); err != nil || n != 0 {
		t.Errorf("young blobs: %d, %v", n, err)
	}
	if err := errors.Join(c.DeleteVersion(ctx, "greet", 2, Change{}), c.DeleteFunction(ctx, "gone", Change{})); err != nil {
		t.Fatal(err)
	}
	n, err := c.Collect(ctx, 0)
	if err != nil || n < 5 {
		t.Errorf("%d collected, %v", n, err)
	}
	if stat(t, c, one.Digest) || stat(t, c, stray.Digest) {
		t.Error("what nothing names is there still")
	}
	if !stat(t, c, mapped.Digest) || !stat(t, c, mapped.SourceMap) || !stat(t, c, bundled.Digest) {
		t.Error("what is named was collected")
	}
	c = New(c.opts) // nothing is cached
	if all, err := c.Versions(ctx, "greet"); err != nil || len(all) != 2 {
		t.Errorf("%d versions, %v", len(all), err)
	}
	if n, err := c.Collect(ctx, 0); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	if v := upload(t, c, "gone", "three"); v.Version != 2 {
		t.Errorf("%+v", v)
	}
}

// TestCollectWhileUploading collects all the time while functions are uploaded: with an age that is longer than an upload takes, nothing
// that is named goes away.
func TestCollectWhileUploading(t *testing.T) {
	c := newCatalog(t)
	ctx, cancel := context.WithCancel(t.Context())
	var collector, writers sync.WaitGroup
	collector.Go(func() {
		for ctx.Err() == nil {
			if _, err := c.Collect(t.Context(), 20*time.Second); err != nil {
				t.Error(err)
			}
		}
	})
	for w := range 2 {
		writers.Go(func() {
			for i := range 20 {
				upload(t, c, fmt.Sprint("f", w), fmt.Sprint(i))
			}
		})
	}
	writers.Wait()
	cancel()
	collector.Wait()
	c = New(c.opts)
	for w := range 2 {
		all, err := c.Versions(t.Context(), fmt.Sprint("f", w))
		if err != nil || len(all) != 20 {
			t.Errorf("%d versions, %v", len(all), err)
		}
		for _, v := range all {
			if !stat(t, c, v.Digest) {
				t.Errorf("the code of version %d is gone", v.Version)
			}
		}
	}
}

// savedAgain has every content saved again at the moment in which it is to be deleted.
type savedAgain struct {
	host.Blobs
	content string
}

func (b savedAgain) Delete(ctx context.Context, digest string, before time.Time) error {
	_, err := b.Save(ctx, strings.NewReader(b.content))
	return errors.Join(err, b.Blobs.Delete(ctx, digest, before))
}

func TestCollectLeavesWhatIsSavedAgain(t *testing.T) {
	c := newCatalog(t)
	code := save(t, c, script("again"))
	c.opts.Blobs = savedAgain{c.opts.Blobs, script("again")}
	if _, err := c.Collect(t.Context(), 0); err != nil || !stat(t, c, code.Digest) {
		t.Errorf("what is in use again is gone: %v", err)
	}
}

// oldBlobs shows contents as they would be seen days later.
type oldBlobs struct {
	host.Blobs
}

func (b oldBlobs) Stat(ctx context.Context, digest string) (host.Blob, error) {
	blob, err := b.Blobs.Stat(ctx, digest)
	blob.Written = blob.Written.Add(-48 * time.Hour)
	return blob, err
}

// TestOldCodeIsMadeYoung uploads code that was saved long ago and that nothing names: it is saved again before it is named.
func TestOldCodeIsMadeYoung(t *testing.T) {
	opts := optionsOf(t, openState(t))
	c := New(opts)
	code := save(t, c, script("old"))
	before, err := opts.Blobs.Stat(t.Context(), code.Digest)
	if err != nil {
		t.Fatal(err)
	}
	c.opts.Blobs = oldBlobs{opts.Blobs}
	if _, err := c.UploadFunction(t.Context(), "greet", Upload{Code: code}, Change{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if b, err := opts.Blobs.Stat(t.Context(), code.Digest); err != nil || !b.Written.Equal(before.Written) {
		t.Errorf("a dry run wrote: %v, %v", b, err)
	}
	if _, err := c.UploadFunction(t.Context(), "greet", Upload{Code: code}, Change{}); err != nil {
		t.Fatal(err)
	}
	if b, err := opts.Blobs.Stat(t.Context(), code.Digest); err != nil || !b.Written.After(before.Written) {
		t.Errorf("it is as old as before: %v, %v", b, err)
	}
	named, err := opts.Blobs.Stat(t.Context(), code.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadFunction(t.Context(), "greet", Upload{Code: code, Config: &FunctionConfig{Timeout: "5s"}}, Change{}); err != nil {
		t.Fatal(err)
	}
	if b, err := opts.Blobs.Stat(t.Context(), code.Digest); err != nil || !b.Written.Equal(named.Written) {
		t.Errorf("what the state names already was saved again: %v, %v", b, err)
	}
}

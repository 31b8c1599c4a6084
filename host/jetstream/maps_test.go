package jetstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

const anyRevision = host.AnyRevision

func mustPut(t *testing.T, kv host.KV, key, value string, o host.KVOptions) int64 {
	t.Helper()
	revision, err := kv.KVPut(t.Context(), key, []byte(value), o)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func TestMaps(t *testing.T) {
	backends(t, func(t *testing.T, s *jetstream.State) {
		kv, other := s.Maps().Map("functions/a", 1<<20), s.Maps().Map("functions/b", 1<<20)
		ctx := t.Context()
		_, err := kv.KVGet(ctx, "k")
		wantKind(t, err, host.NotFound)
		if keys, err := kv.KVKeys(ctx, "", ""); err != nil || len(keys) > 0 {
			t.Errorf("a map that was never written has %v, %v", keys, err)
		}
		first := mustPut(t, kv, "k", "one", host.KVOptions{})
		_, err = kv.KVPut(ctx, "k", []byte("x"), host.KVOptions{})
		wantKind(t, err, host.Conflict)
		second := mustPut(t, kv, "k", "two", host.KVOptions{Revision: first})
		_, err = kv.KVPut(ctx, "k", []byte("x"), host.KVOptions{Revision: first})
		wantKind(t, err, host.Conflict)
		wantKind(t, kv.KVDelete(ctx, "k", first), host.Conflict)
		got, err := kv.KVGet(ctx, "k")
		if diff := cmp.Diff(host.KVEntry{Value: []byte("two"), Revision: second}, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
		_, err = other.KVGet(ctx, "k")
		wantKind(t, err, host.NotFound)
		if err := kv.KVDelete(ctx, "k", second); err != nil {
			t.Error(err)
		}
		wantKind(t, kv.KVDelete(ctx, "k", second), host.Conflict)
		if err := kv.KVDelete(ctx, "k", anyRevision); err != nil {
			t.Errorf("deleting nothing: %v", err)
		}
		if third := mustPut(t, kv, "k", "", host.KVOptions{}); third <= second {
			t.Errorf("revision %d comes after %d", third, second)
		}
	})
}

func TestMapKeys(t *testing.T) {
	kv := open(t, jetstream.Options{}).Maps().Map("m", 1<<20)
	keys := []string{"a", "a/b.c", "a>*", "b é", strings.Repeat("k", host.MaxKVKey)}
	for _, key := range keys {
		mustPut(t, kv, key, key, host.KVOptions{Revision: anyRevision})
	}
	for _, test := range []struct {
		prefix, after string
		want          []string
	}{{"", "", keys}, {"a", "", keys[:3]}, {"a", "a", keys[1:3]}, {"", "b", keys[3:]}, {"zz", "", nil}} {
		got, err := kv.KVKeys(t.Context(), test.prefix, test.after)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q after %q: %q, %v; want %q", test.prefix, test.after, got, err, test.want)
		}
	}
	for _, key := range []string{"", strings.Repeat("k", host.MaxKVKey+1), "\xff"} {
		_, err := kv.KVPut(t.Context(), key, nil, host.KVOptions{})
		wantKind(t, err, host.Invalid)
		_, err = kv.KVGet(t.Context(), key)
		wantKind(t, err, host.Invalid)
	}
	_, err := kv.KVPut(t.Context(), "large", make([]byte, host.MaxKVValue+1), host.KVOptions{Revision: anyRevision})
	wantKind(t, err, host.TooLarge)
}

// A full map refuses, goes on serving, and has room again once something is deleted.
func TestMapIsBounded(t *testing.T) {
	kv := open(t, jetstream.Options{Dir: t.TempDir()}).Maps().Map("m", 1<<20)
	value, n := bytes.Repeat([]byte("v"), host.MaxKVValue), 0
	var err error
	for ; n < 100 && err == nil; n++ {
		_, err = kv.KVPut(t.Context(), fmt.Sprint("k", n), value, host.KVOptions{Revision: anyRevision})
	}
	wantKind(t, err, host.TooLarge)
	if n < 15 || n > 18 {
		t.Errorf("a map of 1 MiB took %d values of 64 KiB", n)
	}
	if err := kv.KVDelete(t.Context(), "k0", anyRevision); err != nil {
		t.Fatal(err)
	}
	mustPut(t, kv, "k1000", string(value[:1000]), host.KVOptions{Revision: anyRevision})
}

func TestMapEntriesEnd(t *testing.T) {
	kv := open(t, jetstream.Options{Dir: t.TempDir()}).Maps().Map("m", 1<<20)
	mustPut(t, kv, "short", "x", host.KVOptions{TTL: 10 * time.Millisecond})
	mustPut(t, kv, "long", "x", host.KVOptions{TTL: time.Hour})
	mustPut(t, kv, "longest", "x", host.KVOptions{TTL: math.MaxInt64})
	deadline := time.Now().Add(patience)
	for {
		_, err := kv.KVGet(t.Context(), "short")
		if errors.Is(err, host.NotFound) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the entry is still there: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	mustPut(t, kv, "short", "again", host.KVOptions{})
	for _, key := range []string{"long", "longest"} {
		if _, err := kv.KVGet(t.Context(), key); err != nil {
			t.Error(key, err)
		}
	}
}

// Who deletes does not mind another who writes meanwhile, and opens the stream anew for a new limit.
func TestMapDeleteBesideWrites(t *testing.T) {
	s := open(t, jetstream.Options{}).Maps()
	mustPut(t, s.Map("m", 1<<20), "k", "v", host.KVOptions{})
	for limit := range int64(20) {
		kv := s.Map("m", 2<<20+limit)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := kv.KVDelete(t.Context(), "k", anyRevision); err != nil {
				t.Error(err)
			}
		})
		mustPut(t, kv, "k", "v", host.KVOptions{Revision: anyRevision})
		wg.Wait()
	}
}

// Of several who delete one revision, one succeeds, and the others hear that it is gone.
func TestMapDeleteIsCompareAndSwap(t *testing.T) {
	kv := open(t, jetstream.Options{}).Maps().Map("m", 1<<20)
	for range 10 {
		revision := mustPut(t, kv, "k", "v", host.KVOptions{Revision: anyRevision})
		var wg sync.WaitGroup
		var deleted atomic.Int64
		for range 4 {
			wg.Go(func() {
				switch err := kv.KVDelete(t.Context(), "k", revision); {
				case err == nil:
					deleted.Add(1)
				case !errors.Is(err, host.Conflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := deleted.Load(); n != 1 {
			t.Errorf("%d of 4 deleted it", n)
		}
	}
}

// Of many who write one entry by compare-and-swap, none's write is lost.
func TestMapCounts(t *testing.T) {
	s := open(t, jetstream.Options{})
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			kv := s.Maps().Map("m", 1<<20) // each its own
			for n := 0; n < each; {
				entry, err := kv.KVGet(t.Context(), "n")
				if err != nil && !errors.Is(err, host.NotFound) {
					t.Error(err)
					return
				}
				_, err = kv.KVPut(t.Context(), "n", append(entry.Value, 'x'), host.KVOptions{Revision: entry.Revision})
				if err == nil {
					n++
				} else if !errors.Is(err, host.Conflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	entry, err := s.Maps().Map("m", 1<<20).KVGet(t.Context(), "n")
	if err != nil || len(entry.Value) != writers*each {
		t.Errorf("%d of %d writes are there: %v", len(entry.Value), writers*each, err)
	}
}

// A map is there after a restart, and takes another limit.
func TestMapsOutliveTheHost(t *testing.T) {
	dir := t.TempDir()
	s := open(t, jetstream.Options{Dir: dir})
	revision := mustPut(t, s.Maps().Map("m", 1<<20), "k", "v", host.KVOptions{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kv := open(t, jetstream.Options{Dir: dir}).Maps().Map("m", 2<<20)
	got, err := kv.KVGet(t.Context(), "k")
	if err != nil || string(got.Value) != "v" || got.Revision != revision {
		t.Errorf("%q at %d, %v", got.Value, got.Revision, err)
	}
	mustPut(t, kv, "k", "w", host.KVOptions{Revision: revision})
}

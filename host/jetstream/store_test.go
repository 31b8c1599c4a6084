package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

func put(t *testing.T, s host.Store, key host.Key, value string, rev uint64) uint64 {
	t.Helper()
	next, err := s.Put(t.Context(), key, []byte(value), rev)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return next
}

func wantKind(t *testing.T, err error, kind host.Kind, texts ...string) {
	t.Helper()
	if err == nil || host.KindOf(err) != kind {
		t.Errorf("got %v (%v), want %v", err, host.KindOf(err), kind)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, s *jetstream.State) {
		t.Run("compare and swap", func(t *testing.T) { testSwap(t, s.Store()) })
		t.Run("keys", func(t *testing.T) { testKeys(t, s.Store()) })
		t.Run("list", func(t *testing.T) { testList(t, s.Store()) })
		t.Run("sizes", func(t *testing.T) { testSizes(t, s.Store()) })
		t.Run("writers", func(t *testing.T) { testWriters(t, s.Store()) })
		t.Run("watch", func(t *testing.T) { testWatch(t, s.Store()) })
		if err := s.Health(t.Context()); err != nil {
			t.Errorf("health: %v", err)
		}
	})
}

func testSwap(t *testing.T, s host.Store) {
	ctx := t.Context()
	for _, key := range []host.Key{"state", "swap/a"} { // with history and without
		_, err := s.Get(ctx, key)
		wantKind(t, err, host.NotFound, string(key))
		_, err = s.Put(ctx, key, []byte("x"), 7)
		wantKind(t, err, host.Conflict, "somebody else")
		wantKind(t, s.Delete(ctx, key, 0), host.Conflict, "not there")
		first := put(t, s, key, "1", 0)
		_, err = s.Put(ctx, key, []byte("x"), 0)
		wantKind(t, err, host.Conflict, "there already")
		second := put(t, s, key, "2", first)
		if second <= first {
			t.Errorf("revision %d after %d", second, first)
		}
		_, err = s.Put(ctx, key, []byte("x"), first)
		wantKind(t, err, host.Conflict)
		wantKind(t, s.Delete(ctx, key, first), host.Conflict)
		got, err := s.Get(ctx, key)
		if err != nil || string(got.Value) != "2" || got.Rev != second || got.Key != key || got.Written.IsZero() {
			t.Errorf("got %+v, %v", got, err)
		}
		if err := s.Delete(ctx, key, second); err != nil {
			t.Fatal(err)
		}
		_, err = s.Get(ctx, key)
		wantKind(t, err, host.NotFound)
		wantKind(t, s.Delete(ctx, key, second), host.Conflict)
		_, err = s.Put(ctx, key, []byte("x"), second)
		wantKind(t, err, host.Conflict)
		third := put(t, s, key, "3", 0)
		if third <= second {
			t.Errorf("revision %d after %d", third, second)
		}
		if err := s.Delete(ctx, key, third); err != nil {
			t.Fatal(err)
		}
	}
}

func testKeys(t *testing.T, s host.Store) {
	keys := []host.Key{"k/$default", "k/.", "k/..", "k/a.b", "k/a b", "k/a/b", "k/a=b", "k/a=2Eb", "k/*", "k/>", "k/ä€😀", "k/\xff\xfe", "k/A", "k/a",
		"k/a_b-c", "k/\n\t", host.Key("k/" + strings.Repeat("x", 900))}
	for _, key := range keys {
		put(t, s, key, string(key), 0)
	}
	seen := map[host.Key]string{}
	for e, err := range s.List(t.Context(), "k") {
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Key] = string(e.Value)
	}
	want := map[host.Key]string{}
	for _, key := range keys {
		want[key] = string(key)
		if e, err := s.Get(t.Context(), key); err != nil || string(e.Value) != string(key) {
			t.Errorf("%q: %q, %v", key, e.Value, err)
		}
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	for key, text := range map[host.Key]string{"": "empty", "/a": "segment", "a/": "segment", "a//b": "segment", "a\x00b": "NUL",
		host.Key(strings.Repeat("x", 10_000)): "at most 1024", host.Key(strings.Repeat("€", 200)): "at most 1024"} {
		_, err := s.Put(t.Context(), key, nil, 0)
		wantKind(t, err, host.Invalid, text)
		_, err = s.Get(t.Context(), key)
		wantKind(t, err, host.Invalid, text)
		if len(err.Error()) > 400 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func testList(t *testing.T, s host.Store) {
	for _, key := range []host.Key{"list/b", "list/a/x", "list/a", "lists/c", "list/c"} {
		put(t, s, key, "v", 0)
	}
	e, _ := s.Get(t.Context(), "list/c")
	if err := s.Delete(t.Context(), "list/c", e.Rev); err != nil {
		t.Fatal(err)
	}
	keys := func(prefix host.Key) (all []host.Key) {
		for e, err := range s.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Key)
		}
		return all
	}
	for prefix, want := range map[host.Key][]host.Key{"list": {"list/a", "list/a/x", "list/b"}, "list/a": {"list/a", "list/a/x"}, "lis": nil, "none": nil} {
		if diff := cmp.Diff(want, keys(prefix)); diff != "" {
			t.Errorf("%s: %s", prefix, diff)
		}
	}
	for range s.List(t.Context(), "list") {
		break // a consumer may stop
	}
	for i := range 100 {
		put(t, s, host.Key(fmt.Sprintf("many/%03d", i)), "v", 0)
	}
	if got := keys("many"); len(got) != 100 || got[99] != "many/099" {
		t.Errorf("%d keys", len(got))
	}
	for _, err := range s.List(t.Context(), "bad//") {
		wantKind(t, err, host.Invalid)
	}
}

func testSizes(t *testing.T, s host.Store) {
	large := bytes.Repeat([]byte{0, 0xff, '"', '\\'}, host.MaxDocument/4)
	rev, err := s.Put(t.Context(), "large", large, 0)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), "large"); err != nil || !bytes.Equal(e.Value, large) {
		t.Errorf("%d bytes, %v", len(e.Value), err)
	}
	_, err = s.Put(t.Context(), "large", append(large, 0), rev)
	wantKind(t, err, host.TooLarge, fmt.Sprint(host.MaxDocument))
	put(t, s, "empty", "", 0)
	if e, err := s.Get(t.Context(), "empty"); err != nil || len(e.Value) != 0 {
		t.Errorf("%q, %v", e.Value, err)
	}
}

// testWriters has eight writers count to a hundred together: none may be lost, none counted twice.
func testWriters(t *testing.T, s host.Store) {
	put(t, s, "count", "", 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				e, err := s.Get(t.Context(), "count")
				if err != nil {
					t.Error(err)
					return
				}
				if len(e.Value) == 100 {
					return
				}
				if _, err := s.Put(t.Context(), "count", append(e.Value, 'x'), e.Rev); err != nil && !errors.Is(err, host.Conflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if e, err := s.Get(t.Context(), "count"); err != nil || len(e.Value) != 100 {
		t.Errorf("%d, %v", len(e.Value), err)
	}
}

// watching collects what a watch tells, as "key=value", "-key" and "synced".
func watching(t *testing.T, s host.Store, prefix host.Key) <-chan string {
	t.Helper()
	told := make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(told)
		for c, err := range s.Watch(ctx, prefix) {
			switch {
			case err != nil:
				told <- "error " + err.Error()
			case c.Synced:
				told <- "synced"
			case c.Deleted:
				told <- "-" + string(c.Key)
			default:
				told <- string(c.Key) + "=" + string(c.Value)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return told
}

func expect(t *testing.T, told <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(t, told); got != w {
			t.Fatalf("the watch tells %q, want %q", got, w)
		}
	}
}

func testWatch(t *testing.T, s host.Store) {
	a := put(t, s, "w/a", "1", 0)
	put(t, s, "w/b", "1", 0)
	c := put(t, s, "w/c", "1", 0)
	if err := s.Delete(t.Context(), "w/c", c); err != nil {
		t.Fatal(err)
	}
	told := watching(t, s, "w")
	expect(t, told, "w/a=1", "w/b=1", "synced")
	a = put(t, s, "w/a", "2", a)
	put(t, s, "other", "1", 0)
	put(t, s, "w/c", "2", 0)
	expect(t, told, "w/a=2", "w/c=2")
	if err := s.Delete(t.Context(), "w/a", a); err != nil {
		t.Fatal(err)
	}
	expect(t, told, "-w/a") // a revision that is followed at once may be left out
	put(t, s, "w/a", "3", 0)
	expect(t, told, "w/a=3")
	expect(t, watching(t, s, "none"), "synced")
	for range s.Watch(t.Context(), "w") {
		break // a consumer may stop
	}
	for _, err := range s.Watch(t.Context(), "bad//") {
		wantKind(t, err, host.Invalid)
	}
}

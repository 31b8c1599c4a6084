package kv_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/kv"
)

// A clock stands until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func put(t *testing.T, m host.KV, key, value string, o host.KVOptions) int64 {
	t.Helper()
	revision, err := m.KVPut(t.Context(), key, []byte(value), o)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

var always = host.KVOptions{Revision: host.AnyRevision}

func TestRevisions(t *testing.T) {
	m := (&kv.Store{}).Map("a", 1000)
	if _, err := m.KVGet(t.Context(), "k"); !errors.Is(err, host.NotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := m.KVPut(t.Context(), "k", nil, host.KVOptions{Revision: 3}); !errors.Is(err, host.Conflict) {
		t.Errorf("a revision of nothing: %v", err)
	}
	first := put(t, m, "k", "one", host.KVOptions{Revision: 0})
	if _, err := m.KVPut(t.Context(), "k", nil, host.KVOptions{Revision: 0}); !errors.Is(err, host.Conflict) {
		t.Errorf("creating it twice: %v", err)
	}
	second := put(t, m, "k", "two", host.KVOptions{Revision: first})
	if e, err := m.KVGet(t.Context(), "k"); err != nil || string(e.Value) != "two" || e.Revision != second || second <= first || first <= 0 {
		t.Errorf("got %+v, %v after %d, %d", e, err, first, second)
	}
	if err := m.KVDelete(t.Context(), "k", first); !errors.Is(err, host.Conflict) {
		t.Errorf("deleting a stale revision: %v", err)
	}
	if err := errors.Join(m.KVDelete(t.Context(), "k", second), m.KVDelete(t.Context(), "k", host.AnyRevision), m.KVDelete(t.Context(), "k", 0)); err != nil {
		t.Error(err)
	}
	if third := put(t, m, "k", "three", host.KVOptions{}); third <= second {
		t.Errorf("revision %d comes again after %d", third, second)
	}
}

// An entry ends at its time by the clock that is given, to the second above, and for every operation.
func TestTimeToLive(t *testing.T) {
	at := &clock{time.Unix(1000, 0)}
	s := &kv.Store{Now: at.now}
	m := s.Map("a", 20)
	put(t, m, "short", "12345", host.KVOptions{TTL: 1500 * time.Millisecond, Revision: host.AnyRevision})
	put(t, m, "long", "1234", host.KVOptions{TTL: math.MaxInt64, Revision: host.AnyRevision})
	at.at = time.Unix(1001, 999999999)
	if _, err := m.KVGet(t.Context(), "short"); err != nil {
		t.Errorf("before its end: %v", err)
	}
	if _, err := m.KVPut(t.Context(), "x", []byte("123"), always); !errors.Is(err, host.TooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	at.at = time.Unix(1002, 0)
	if _, err := m.KVGet(t.Context(), "short"); !errors.Is(err, host.NotFound) {
		t.Errorf("at its end: %v", err)
	}
	put(t, m, "x", "123", always) // in the room that it left
	if keys, err := m.KVKeys(t.Context(), "", ""); err != nil || !slices.Equal(keys, []string{"long", "x"}) {
		t.Errorf("got %q, %v", keys, err)
	}
	put(t, m, "short", "1", host.KVOptions{}) // as one that is not there
	if _, err := m.KVPut(t.Context(), "k", nil, host.KVOptions{TTL: -1, Revision: host.AnyRevision}); !errors.Is(err, host.Invalid) {
		t.Errorf("a time below zero: %v", err)
	}
}

func TestLimits(t *testing.T) {
	m := (&kv.Store{}).Map("a", 100_000)
	for name, key := range map[string]string{"empty": "", "long": strings.Repeat("k", host.MaxKVKey+1), "not UTF-8": "\xff"} {
		if _, err := m.KVPut(t.Context(), key, nil, always); !errors.Is(err, host.Invalid) {
			t.Errorf("put: a key that is %s: %v", name, err)
		}
		if _, err := m.KVGet(t.Context(), key); !errors.Is(err, host.Invalid) {
			t.Errorf("get: a key that is %s: %v", name, err)
		}
		if err := m.KVDelete(t.Context(), key, host.AnyRevision); !errors.Is(err, host.Invalid) {
			t.Errorf("delete: a key that is %s: %v", name, err)
		}
	}
	if _, err := m.KVPut(t.Context(), "k", make([]byte, host.MaxKVValue+1), always); !errors.Is(err, host.TooLarge) {
		t.Errorf("a long value: %v", err)
	}
	put(t, m, strings.Repeat("k", host.MaxKVKey), strings.Repeat("v", host.MaxKVValue), always)
	put(t, m, strings.Repeat("k", host.MaxKVKey), strings.Repeat("w", host.MaxKVValue), always) // in its own place
	if _, err := m.KVPut(t.Context(), "other", make([]byte, host.MaxKVValue), always); !errors.Is(err, host.TooLarge) {
		t.Errorf("over the map's limit: %v", err)
	}
}

func TestKeys(t *testing.T) {
	s := &kv.Store{}
	m := s.Map("a", 1<<20)
	for i := range host.MaxKVKeys + 2 {
		put(t, m, fmt.Sprintf("n/%05d", i), "", always)
	}
	put(t, m, "m", "", always)
	keys, err := m.KVKeys(t.Context(), "n/", "")
	if err != nil || len(keys) != host.MaxKVKeys || keys[0] != "n/00000" || !slices.IsSorted(keys) {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	if rest, err := m.KVKeys(t.Context(), "n/", keys[len(keys)-1]); err != nil || !slices.Equal(rest, []string{"n/01000", "n/01001"}) {
		t.Errorf("got %q, %v", rest, err)
	}
	if keys, err := s.Map("b", 1).KVKeys(t.Context(), "", ""); err != nil || len(keys) > 0 {
		t.Errorf("another namespace has %q, %v", keys, err)
	}
	s.Drop("a")
	if keys, err := m.KVKeys(t.Context(), "", ""); err != nil || len(keys) > 0 {
		t.Errorf("a dropped namespace has %q, %v", keys, err)
	}
}

// What a caller does with a value changes nothing here, and an ended call does nothing.
func TestOwnership(t *testing.T) {
	m := (&kv.Store{}).Map("a", 100)
	value := []byte("one")
	if _, err := m.KVPut(t.Context(), "k", value, always); err != nil {
		t.Fatal(err)
	}
	value[0] = 'x'
	e, _ := m.KVGet(t.Context(), "k")
	e.Value[1] = 'x'
	if e, _ := m.KVGet(t.Context(), "k"); string(e.Value) != "one" {
		t.Errorf("got %q", e.Value)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.KVPut(ended, "k", nil, always); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Of many that count by comparing, none is lost.
func TestTogether(t *testing.T) {
	m := (&kv.Store{}).Map("a", 1000)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for done := 0; done < 50; {
				e, _ := m.KVGet(context.Background(), "n")
				if _, err := m.KVPut(context.Background(), "n", append(e.Value, 'x'), host.KVOptions{Revision: e.Revision}); err == nil {
					done++
				} else if !errors.Is(err, host.Conflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if e, _ := m.KVGet(t.Context(), "n"); len(e.Value) != 400 {
		t.Errorf("counted %d", len(e.Value))
	}
}

package jetstream_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// namespaces lists the maps that are kept.
func namespaces(t *testing.T, maps host.KVMaps) []string {
	t.Helper()
	var all []string
	for m, err := range maps.ListMaps(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(m.Written); age < -time.Minute || age > time.Hour {
			t.Errorf("%s was written at %v", m.Namespace, m.Written)
		}
		all = append(all, m.Namespace)
	}
	slices.Sort(all)
	return all
}

func deleteMap(t *testing.T, maps host.KVMaps, namespace string, before time.Time) {
	t.Helper()
	if err := maps.DeleteMap(t.Context(), namespace, before); err != nil {
		t.Fatal(err)
	}
}

// testMapLives writes a map, deletes it under those who have it open, and has it made anew.
func testMapLives(t *testing.T, s *jetstream.State) {
	ctx, maps, later := t.Context(), s.Maps(), time.Now().Add(time.Hour)
	kv := s.Maps().Map("functions/gone", 1<<20) // another's: a host's pipeline does not share what its catalog has
	mustPut(t, kv, "k", "v", host.KVOptions{})
	mustPut(t, maps.Map("functions/stays", 1<<20), "k", "v", host.KVOptions{})
	if got := namespaces(t, maps); !slices.Equal(got, []string{"functions/gone", "functions/stays"}) {
		t.Fatalf("%q", got)
	}
	deleteMap(t, maps, "functions/gone", time.Now().Add(-time.Hour))
	if got := namespaces(t, maps); len(got) != 2 {
		t.Fatalf("%q: what was written since was deleted", got)
	}
	gone := func() {
		t.Helper()
		deleteMap(t, maps, "functions/gone", later)
		if got := namespaces(t, maps); !slices.Equal(got, []string{"functions/stays"}) {
			t.Fatalf("%q", got)
		}
	}
	gone()
	gone() // which is no error
	_, err := kv.KVGet(ctx, "k")
	wantKind(t, err, host.NotFound)
	mustPut(t, kv, "k", "again", host.KVOptions{})
	gone()
	if keys, err := kv.KVKeys(ctx, "", ""); err != nil || len(keys) > 0 {
		t.Errorf("%q, %v", keys, err)
	}
	mustPut(t, kv, "k", "again", host.KVOptions{})
	gone()
	if err := kv.KVDelete(ctx, "k", anyRevision); err != nil {
		t.Error(err)
	}
	first := mustPut(t, kv, "k", "again", host.KVOptions{Revision: anyRevision})
	gone()
	mustPut(t, kv, "k", "at once", host.KVOptions{Revision: anyRevision}) // it does not know yet
	gone()
	_, err = kv.KVPut(ctx, "k", []byte("x"), host.KVOptions{Revision: first})
	wantKind(t, err, host.Conflict)
	if got, err := maps.Map("functions/stays", 1<<20).KVGet(ctx, "k"); err != nil || string(got.Value) != "v" {
		t.Errorf("%q, %v", got.Value, err)
	}
}

func TestMapsAreDeleted(t *testing.T) { backends(t, testMapLives) }

// Hosts of different prefixes on one NATS do not see each other's maps.
func TestMapsOfOnePrefix(t *testing.T) {
	srv := external(t, nil)
	a := open(t, jetstream.Options{URL: address(srv, "nats", ""), Prefix: "a"}).Maps()
	b := open(t, jetstream.Options{URL: address(srv, "nats", ""), Prefix: "b"}).Maps()
	mustPut(t, a.Map("functions/f", 1<<20), "k", "a", host.KVOptions{})
	mustPut(t, b.Map("functions/f", 1<<20), "k", "b", host.KVOptions{})
	deleteMap(t, b, "functions/f", time.Now().Add(time.Hour))
	if got := namespaces(t, a); !slices.Equal(got, []string{"functions/f"}) {
		t.Errorf("%q", got)
	}
	if got := namespaces(t, b); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// Who writes while somebody else waits for the server to make the map waits no longer than its own context, and readers not at all.
func TestMapWritersGiveUp(t *testing.T) {
	srv := external(t, nil)
	direct := open(t, jetstream.Options{URL: address(srv, "nats", "")}).Maps()
	url := "nats://" + forgetful(t, srv.Addr().String(), "STREAM.CREATE.postern_map_", "stream_create_response")
	kv := open(t, jetstream.Options{URL: url}).Maps().Map("m", 1<<20)
	slow, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan error, 1)
	go func() {
		_, err := kv.KVPut(slow, "k", nil, host.KVOptions{})
		first <- err
	}()
	eventually(t, func() bool { return len(namespaces(t, direct)) == 1 })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := kv.KVPut(ctx, "k", nil, host.KVOptions{})
			wantKind(t, err, host.Timeout)
			_, err = kv.KVGet(t.Context(), "k")
			wantKind(t, err, host.NotFound)
		})
	}
	wg.Wait()
	select {
	case err := <-first:
		t.Errorf("they have waited for the first: %v", err)
	default:
		cancel()
		<-first
	}
}

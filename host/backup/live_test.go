package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/sealed"
)

// A writer makes one state after the other.
type writer struct {
	place
	collect atomic.Bool // deletes at once what no state names any more, as a collection would after an hour
	mu      sync.Mutex
	states  map[string]bool // that were
	rev     uint64
	old     [][]string // contents and the secret of states that were
}

// next writes four contents and a secret, then a state that names them.
func (w *writer) next(t *testing.T, n int) {
	t.Helper()
	var names []string
	for range 4 {
		names = append(names, w.save(t, fmt.Sprintf("%d-%d %s", n, rand.Int(), strings.Repeat("x", rand.IntN(30_000)))))
	}
	secret := fmt.Sprintf("secrets/s%d", n)
	w.put(t, host.Key(secret), "sealed")
	value, err := json.Marshal(map[string]any{"blobs": names, "secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.states[string(value)] = true
	w.mu.Unlock()
	if w.rev, err = w.Put(t.Context(), "state", value, w.rev); err != nil {
		t.Fatal(err)
	}
	for ; w.collect.Load() && len(w.old) > 3; w.old = w.old[1:] {
		for _, digest := range w.old[0][:4] {
			if err := w.Blobs.Delete(t.Context(), digest, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		secret, err := w.Get(t.Context(), host.Key(w.old[0][4]))
		if err == nil {
			err = w.Store.Delete(t.Context(), secret.Key, secret.Rev)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.old = append(w.old, append(names, secret))
}

// TestUnderWrites backs up while states come and go: what is restored is one of them, with all that it names.
func TestUnderWrites(t *testing.T) {
	from := &writer{place: open(t, t.TempDir()), states: map[string]bool{}}
	from.next(t, 0)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var due atomic.Int32 // so many states: a slow round shall not make those after it slower
	go func() {
		defer close(done)
		for n := 1; ctx.Err() == nil; time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond) {
			if n <= int(due.Load()) {
				from.next(t, n)
				n++
			}
		}
	}()
	defer func() { stop(); <-done }()
	refused := 0
	for round := range 10 {
		from.collect.Store(round >= 5)
		due.Add(8)
		var out bytes.Buffer
		err := Write(t.Context(), &out, from.Store, from.Blobs, info)
		if round >= 5 && errors.Is(err, host.Unavailable) {
			refused++ // contents were deleted under it, and it says so
			continue
		}
		if err != nil {
			t.Fatalf("Write: %v", err)
		}
		to := open(t, "")
		if _, err := Restore(t.Context(), &out, to.Store, to.Blobs, options()); err != nil {
			t.Fatalf("Restore: %v", err)
		}
		from.mu.Lock()
		checkState(t, to, from.states)
		from.mu.Unlock()
	}
	stop()
	<-done
	t.Logf("%d states; %d of 5 backups were refused while everything old was deleted at once", len(from.states), refused)
}

func checkState(t *testing.T, p place, states map[string]bool) {
	t.Helper()
	root, err := p.Get(t.Context(), "state")
	if err != nil || !states[string(root.Value)] {
		t.Errorf("the state %.100s, %v is none that was", root.Value, err)
		return
	}
	var state struct {
		Blobs  []string
		Secret host.Key
	}
	if err := json.Unmarshal(root.Value, &state); err != nil {
		t.Fatal(err)
	}
	contents := p.contents(t)
	for _, digest := range state.Blobs {
		if _, ok := contents[digest]; !ok {
			t.Errorf("the state names the content %.12s, which was not restored", digest)
		}
	}
	if _, err := p.Get(t.Context(), state.Secret); err != nil {
		t.Errorf("the state names %s: %v", state.Secret, err)
	}
}

// TestCatalog: a catalog finds in the restored host what it had.
func TestCatalog(t *testing.T) {
	key, err := sealed.Memory()
	if err != nil {
		t.Fatal(err)
	}
	over := func(p place) *catalog.Catalog {
		return catalog.New(catalog.Options{Store: p.Store, Blobs: p.Blobs, Sealer: key})
	}
	from := open(t, t.TempDir())
	c := over(from)
	code := "(function(module,exports,require){module.exports = {handler: async () => 1}})"
	up := catalog.Upload{Code: &catalog.Code{Runtime: host.RuntimeJS, Digest: from.save(t, code), Size: int64(len(code)), Exports: []string{"handler"}}, Promote: true}
	if _, err := c.UploadFunction(t.Context(), "greet", up, catalog.Change{By: "dev"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutSecret(t.Context(), "db", []byte("hunter2"), catalog.Change{}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Write(t.Context(), &out, from.Store, from.Blobs, Info{Recipients: key.Recipients()}); err != nil {
		t.Fatal(err)
	}
	to := open(t, "")
	if _, err := Restore(t.Context(), &out, to.Store, to.Blobs, Options{Recipients: key.Recipients()}); err != nil {
		t.Fatal(err)
	}
	want, err := c.Functions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := over(to).Functions(t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" || len(got) != 1 {
		t.Errorf("functions: %v %s", err, diff)
	}
	parts, err := over(to).Compose(t.Context())
	if err != nil || len(parts.Parts) != 1 || parts.Parts[0].Err != nil {
		t.Errorf("the restored state is composed of %+v, %v", parts, err)
	}
	before, err := to.Get(t.Context(), "secrets/db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := over(to).PutSecret(t.Context(), "db", []byte("hunter2"), catalog.Change{}); err != nil {
		t.Fatal(err)
	}
	if after, err := to.Get(t.Context(), "secrets/db"); err != nil || after.Rev != before.Rev {
		t.Errorf("the secret's value is another one than before, or %v", err)
	}
}

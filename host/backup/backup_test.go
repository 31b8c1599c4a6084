package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

var info = Info{Version: "1.0", Recipients: []string{"age1new", "age1old"}}

// A place is a store with its contents.
type place struct {
	host.Store
	host.Blobs
}

func open(t *testing.T, dir string) place {
	t.Helper()
	state, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	return place{state.Store(), state.Blobs()}
}

func (p place) put(t *testing.T, key host.Key, value string) {
	t.Helper()
	var rev uint64
	if there, err := p.Get(t.Context(), key); err == nil {
		rev = there.Rev
	}
	if _, err := p.Put(t.Context(), key, []byte(value), rev); err != nil {
		t.Fatal(err)
	}
}

func (p place) save(t *testing.T, content string) string {
	t.Helper()
	blob, err := p.Save(t.Context(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return blob.Digest
}

func (p place) documents(t *testing.T) map[host.Key]string {
	t.Helper()
	all := map[host.Key]string{}
	for entry, err := range p.Store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all[entry.Key] = string(entry.Value)
	}
	return all
}

func (p place) contents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for blob, err := range p.Blobs.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Blobs.Open(t.Context(), blob.Digest)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		all[blob.Digest] = string(data)
	}
	return all
}

// filled has one of everything.
func filled(t *testing.T) place {
	t.Helper()
	p := open(t, "")
	small, large, none := p.save(t, "code"), p.save(t, strings.Repeat("0123456789abcdef", 40_000)), p.save(t, "")
	p.put(t, "state", fmt.Sprintf(`{"format":1,"documents":{"function":{"a":%q,"b":%q,"c":%q}}}`, small, large, none))
	p.put(t, "secrets/db-password", `{"sealed":"…"}`)
	p.put(t, "secrets/project/orders:./keys/ü %2F.pem", `{"sealed":"…"}`)
	p.put(t, "tokens/abc", `{"name":"ci"}`)
	p.put(t, "keys/PSTKAAAAAAAAAAAAAAAA", `{"secret":"…"}`)
	return p
}

func write(t *testing.T, p place) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(t.Context(), &out, p.Store, p.Blobs, info); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func options() Options { return Options{Recipients: []string{"age1old", "age1new", "age1newer"}} }

func TestRoundTrip(t *testing.T) {
	from := filled(t)
	data := write(t, from)
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		to := open(t, dir)
		to.put(t, "tokens/own", `{"name":"admin"}`)
		report, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, options())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if report.Documents != 5 || report.Blobs != 3 || report.LeftOut != nil || report.Manifest.Version != "1.0" || report.Manifest.Revision == 0 {
			t.Errorf("%s: %+v", name, report)
		}
		want := from.documents(t)
		want["tokens/own"] = `{"name":"admin"}`
		if diff := cmp.Diff(want, to.documents(t)); diff != "" {
			t.Errorf("%s: documents: %s", name, diff)
		}
		if diff := cmp.Diff(from.contents(t), to.contents(t)); diff != "" {
			t.Errorf("%s: contents: %.500s", name, diff)
		}
		before := to.documents(t)
		if _, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, options()); !errors.Is(err, host.Conflict) {
			t.Errorf("%s: restored again: %v; want Kind Conflict", name, err)
		}
		if diff := cmp.Diff(before, to.documents(t)); diff != "" {
			t.Errorf("%s: a refused restore has changed something: %s", name, diff)
		}
	}
}

func TestNothingDeployed(t *testing.T) {
	data := write(t, open(t, ""))
	to := open(t, "")
	report, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, Options{})
	if err != nil || report.Documents != 0 || report.Manifest.Revision != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestOtherKey(t *testing.T) {
	from := filled(t)
	data := write(t, from)
	for name, recipients := range map[string][]string{"none": nil, "another": {"age1other"}, "the newest alone": {"age1new"}} {
		to := open(t, "")
		_, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, Options{Recipients: recipients})
		if !errors.Is(err, host.Conflict) || !strings.Contains(err.Error(), "--without-secrets") || !strings.Contains(err.Error(), "age1old") {
			t.Errorf("%s: %v; want Kind Conflict and what to do", name, err)
		}
		if all := to.documents(t); len(all) != 0 {
			t.Errorf("%s: the host has %v", name, all)
		}
	}
	to := open(t, "")
	report, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, Options{WithoutSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []host.Key{"keys/PSTKAAAAAAAAAAAAAAAA", "secrets/db-password", "secrets/project/orders:./keys/ü %2F.pem"}
	if diff := cmp.Diff(want, report.LeftOut); diff != "" {
		t.Errorf("left out: %s", diff)
	}
	if all := to.documents(t); len(all) != 2 || all["tokens/abc"] == "" {
		t.Errorf("without secrets the host has %v", all)
	}
	if err := Write(t.Context(), io.Discard, from.Store, from.Blobs, Info{}); !errors.Is(err, host.Invalid) {
		t.Errorf("a backup of secrets that tells no key: %v; want Kind Invalid", err)
	}
}

// TestKilled: what a restore that was killed may leave is no obstacle for the same backup, and one for another.
func TestKilled(t *testing.T) {
	data := write(t, filled(t))
	to := open(t, "")
	to.put(t, "secrets/db-password", `{"sealed":"…"}`)
	if _, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, options()); err != nil {
		t.Errorf("after a part of it: %v", err)
	}
	to = open(t, "")
	to.put(t, "tokens/abc", `{"name":"own"}`)
	if _, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, options()); err != nil || to.documents(t)["tokens/abc"] != `{"name":"own"}` {
		t.Errorf("with a token of the backup: %v, %v; want it restored, and the token left as it was", err, to.documents(t))
	}
	to = open(t, "")
	to.put(t, "secrets/db-password", `{"sealed":"another"}`)
	if _, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, options()); !errors.Is(err, host.Conflict) {
		t.Errorf("over another secret: %v; want Kind Conflict", err)
	}
	if all := to.documents(t); len(all) != 1 {
		t.Errorf("the refused restore left %v", all)
	}
}

// A refusing store fails at the key.
type refusing struct {
	host.Store
	key host.Key
}

func (r refusing) Put(ctx context.Context, key host.Key, value []byte, rev uint64) (uint64, error) {
	if key == r.key {
		return 0, &host.Error{Op: "put", Kind: host.Unavailable}
	}
	return r.Store.Put(ctx, key, value, rev)
}

func TestTakesBack(t *testing.T) {
	data := write(t, filled(t))
	for _, key := range []host.Key{"state", "tokens/abc", "keys/PSTKAAAAAAAAAAAAAAAA"} {
		to := open(t, "")
		if _, err := Restore(t.Context(), bytes.NewReader(data), refusing{to.Store, key}, to.Blobs, options()); !errors.Is(err, host.Unavailable) {
			t.Errorf("%s: %v; want Kind Unavailable", key, err)
		}
		if all := to.documents(t); len(all) != 0 {
			t.Errorf("%s: the failed restore left %v", key, all)
		}
	}
}

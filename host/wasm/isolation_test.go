package wasm_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

var isolations = []host.Isolation{host.IsolationPooled, host.IsolationReset, host.IsolationFresh}

// cKeeper is testdata/keeper.c.
func cKeeper(t testing.TB) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "keeper.wasm")
	text, err := exec.Command("clang", "--target=wasm32-wasi", "-mexec-model=reactor", "-nodefaultlibs", "-O2", "-Wall", "-Werror",
		"-o", out, filepath.Join("testdata", "keeper.c"), "-lc").CombinedOutput()
	if err != nil {
		missing := "cannot build for wasm32-wasi: " + err.Error() + " " + string(text) + "; apt-get install clang lld wasi-libc"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// openIsolated opens a guest with one instance at most, so that the next call meets what the last one left.
func openIsolated(t testing.TB, code []byte, isolation host.Isolation) (*wasm.Runtime, host.Plugin) {
	t.Helper()
	rt := newRuntime(t, wasm.Options{CacheDir: compiled})
	cfg := goConfig()
	cfg.Name, cfg.Isolation, cfg.Limits.Concurrency = "keeper", isolation, host.Default(1)
	return rt, open(t, compile(t, rt, "keeper", code), cfg)
}

// A secret that one call leaves in memory, in a global or in a stream is the next one's to read where instances are pooled, and nowhere else.
func TestIsolation(t *testing.T) {
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			kept := map[host.Isolation]string{host.IsolationPooled: `"ssss"`}[isolation]
			if kept == "" {
				kept = `"----"`
			}
			rt, p := openIsolated(t, guestCode(t, "keeper"), isolation)
			fx, next := &effects{}, &effects{}
			for range 3 {
				if got, _, err := ask(p, host.EntryHandle, `"ks"`, nil, fx); err != nil || got != `"ssss"` {
					t.Errorf("while it is kept: %s, %v", got, err)
				}
				if got, _, err := ask(p, host.EntryHandle, `"r"`, nil, next); err != nil || got != kept {
					t.Errorf("afterwards: %s, %v; want %s", got, err, kept)
				}
			}
			if diff := cmp.Diff([]string{"INFO s", "INFO s", "INFO s"}, fx.logs); diff != "" || len(next.logs) > 0 {
				t.Errorf("what was written without an end of line is not the own call's: %s, %q", diff, next.logs)
			}
			if n := rt.Stats().Instances; (n == 0) != (isolation == host.IsolationFresh) {
				t.Errorf("%d instances are kept", n)
			}
		})
	}
}

// The stream of a C library is memory of the guest's.
func TestIsolationOfAStream(t *testing.T) {
	code := cKeeper(t)
	for _, isolation := range isolations {
		kept, said := `"--"`, []string(nil)
		if isolation == host.IsolationPooled {
			kept, said = `"ss"`, []string{"INFO s"}
		}
		_, p := openIsolated(t, code, isolation)
		if got, _, err := ask(p, host.EntryHandle, `"ks"`, nil, &effects{}); err != nil || got != `"ss"` {
			t.Errorf("%s: while it is kept: %s, %v", isolation, got, err)
		}
		next := &effects{}
		if got, _, err := ask(p, host.EntryHandle, `"f"`, nil, next); err != nil || got != kept || !cmp.Equal(said, next.logs) {
			t.Errorf("%s: afterwards: %s, %q, %v; want %s, %q", isolation, got, next.logs, err, kept, said)
		}
	}
}

// A Go guest, whose memory is large and whose runtime has a state of its own, is what it was after each of many calls.
func TestIsolationOfGo(t *testing.T) {
	code, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	for _, isolation := range isolations {
		_, p := openIsolated(t, code, isolation)
		before := ""
		for _, value := range []string{"one", "two", "three"} {
			meta, body, err := ask(p, host.EntryHandle, `{"rawPath":"/keep","queryStringParameters":{"value":"`+value+`"}}`, nil, &effects{})
			if err != nil || body != before {
				t.Errorf("%s: got %s %q, %v; want %q", isolation, meta, body, err, before)
			}
			if isolation == host.IsolationPooled {
				before = value
			}
		}
		for range 100 {
			if meta, _, err := ask(p, host.EntryHandle, get("/nowhere"), nil, &effects{}); err != nil || meta != `{"statusCode":404}` {
				t.Fatalf("%s: got %s, %v", isolation, meta, err)
			}
		}
	}
}

// What cannot be put back is thrown away: an instance that grew, and one that crashed.
func TestResetDiscards(t *testing.T) {
	rt, p := openIsolated(t, guestCode(t, "keeper"), host.IsolationReset)
	call := func(meta, want string, cold, fails bool) {
		t.Helper()
		out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(meta)}, &effects{})
		if (err != nil) != fails || string(out.Meta) != want || out.Stats.Cold != cold {
			t.Errorf("%s: got %s (cold: %v), %v; want %s", meta, out.Meta, out.Stats.Cold, err, want)
		}
	}
	call(`"r"`, `"----"`, false, false)
	call(`"ks"`, `"ssss"`, false, false)
	call(`"gs"`, `"----"`, false, false)
	if n := rt.Stats().Instances; n != 0 {
		t.Errorf("one that grew is kept")
	}
	call(`"r"`, `"----"`, true, false)
	call(`"ds"`, "", false, true)
	call(`"r"`, `"----"`, true, false)
	want := host.PoolStats{Idle: 1, Memory: 2<<16 + 2*4096} // with the two chunks of the snapshot that are not zero
	if got := p.(host.Inspector).Pool(); got != want {
		t.Errorf("got %+v; want %+v", got, want)
	}
}

func TestResetRefuses(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	m := compile(t, rt, "unresettable", guestCode(t, "unresettable"))
	at := host.Position{File: "postern.yaml", Line: 4, Column: 11}
	_, err := m.Open(context.Background(), host.PluginConfig{Name: "p", Limits: limits(), Isolation: host.IsolationReset, Pos: at})
	var failed *host.Error
	if !errors.As(err, &failed) || failed.Kind != host.Invalid || failed.Pos != at || !strings.Contains(err.Error(), "isolation: reset is not possible: its code changes a table") {
		t.Errorf("got %v", err)
	}
	open(t, m, host.PluginConfig{Name: "p", Limits: limits(), Isolation: host.IsolationFresh})
}

// recorder are effects that have those of a start too.
type recorder struct {
	effects
	start effects
}

func (r *recorder) Start() host.Effects { return &r.start }

// A call that records is served by an instance that is started for it, and by which nobody else is served.
func TestRecordedStart(t *testing.T) {
	code, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	rt := newRuntime(t, wasm.Options{CacheDir: compiled})
	m := compile(t, rt, "goguest", code)
	for _, isolation := range isolations {
		cfg := goConfig()
		cfg.Isolation, cfg.Limits.Concurrency = isolation, host.Default(2)
		p := open(t, m, cfg)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				fx := &recorder{}
				out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(get("/calls"))}, fx)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(out.Body)
				if err != nil || !strings.HasPrefix(string(body), "1") || !out.Stats.Cold {
					t.Errorf("%s: got %q (cold: %v), %v", isolation, body, out.Stats.Cold, err)
				}
			})
		}
		all.Wait()
		if got := p.(host.Inspector).Pool(); got.Busy != 0 || got.Waiting != 0 || got.Idle > 1 {
			t.Errorf("%s: %+v", isolation, got)
		}
	}
}

// An instance that was pinned before the effects were known is replaced by the first call's.
func TestRecordedPinned(t *testing.T) {
	_, p := openGuest(t, "keeper")
	if _, _, err := ask(p, host.EntryHandle, `"ks"`, nil, &effects{}); err != nil {
		t.Fatal(err)
	}
	pinned, err := p.(host.Pinner).Pin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := pinned.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`"r"`)}, &recorder{})
		if err != nil || string(out.Meta) != `"----"` {
			t.Errorf("got %s, %v", out.Meta, err)
		}
	}
	pinned.Release()
	if got := p.(host.Inspector).Pool(); got.Busy != 0 || got.Idle != 1 {
		t.Errorf("got %+v", got)
	}
}

// BenchmarkIsolation is what each isolation costs a call, over pooled.
func BenchmarkIsolation(b *testing.B) {
	code, err := goGuest()
	if err != nil {
		b.Fatal(err)
	}
	for _, guest := range []struct {
		name, entry, meta string
		code              []byte
	}{
		{"wat", host.EntryHandle, `"r"`, guestCode(b, "keeper")},
		{"c", host.EntryHandle, `"r"`, cKeeper(b)},
		{"go", host.EntryAuthorize, benchAuthorize, code},
	} {
		var pooled time.Duration
		for _, isolation := range isolations {
			b.Run(guest.name+"-"+string(isolation), func(b *testing.B) {
				_, p := openIsolated(b, guest.code, isolation)
				for b.Loop() {
					if _, _, err := ask(p, guest.entry, guest.meta, nil, &effects{}); err != nil {
						b.Fatal(err)
					}
				}
				each := b.Elapsed() / time.Duration(b.N)
				if isolation == host.IsolationPooled {
					pooled = each
				}
				b.ReportMetric(float64(each)/float64(pooled), "x-pooled")
				b.ReportMetric(float64(each-pooled)/1e3, "µs-more")
			})
		}
	}
}

package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
	"github.com/postern/postern/host/wasm/engine"
)

func TestFresh(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	p := open(t, compile(t, rt, "hostile", guestCode(t, "hostile")), host.PluginConfig{Name: "fresh", Limits: limits(), Isolation: host.IsolationFresh})
	for range 3 {
		// A memory that was grown to its limit can grow again: it is another one.
		if got, _, err := ask(p, host.EntryAuthorize, `"M"`, nil, &effects{}); err == nil || !strings.Contains(err.Error(), "out of memory") {
			t.Errorf("got %s, %v", got, err)
		}
		if n := rt.Stats().Instances; n != 0 {
			t.Errorf("%d instances are kept", n)
		}
	}
	out, err := p.Call(context.Background(), host.EntryAuthorize, host.Event{Meta: []byte(`"k"`)}, &effects{})
	if err != nil || !out.Stats.Cold || out.Stats.Memory != 2<<16 {
		t.Errorf("got %+v, %v", out.Stats, err)
	}
}

func TestIdleInstancesAreClosed(t *testing.T) {
	rt := newRuntime(t, wasm.Options{IdleTimeout: 50 * time.Millisecond})
	p := open(t, compile(t, rt, "echo", guestCode(t, "echo")), host.PluginConfig{Name: "echo", Limits: limits()})
	waitFor(t, func() bool { return rt.Stats().Instances == 0 })
	if _, got, err := ask(p, host.EntryHandle, `{}`, []byte("again"), &effects{}); err != nil || got != "again" {
		t.Errorf("after eviction: %q, %v", got, err)
	}
}

// Close waits for the guest that runs, and ends it when it may not wait longer.
func TestCloseWhileRunning(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	cfg := host.PluginConfig{Name: "hostile", Limits: limits()}
	cfg.Limits.Timeout = host.Default(time.Minute)
	p := open(t, compile(t, rt, "hostile", guestCode(t, "hostile")), cfg)
	failed := make(chan error)
	go func() {
		_, err := p.Call(context.Background(), host.EntryAuthorize, host.Event{Meta: []byte(`"l"`)}, &effects{})
		failed <- err
	}()
	waitFor(t, func() bool { return rt.Stats().Leased == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, host.Unavailable) {
		t.Errorf("the call: %v", err)
	}
	if _, err := p.Call(context.Background(), host.EntryAuthorize, host.Event{Meta: []byte(`"k"`)}, &effects{}); !errors.Is(err, host.Unavailable) {
		t.Errorf("after Close: %v", err)
	}
}

// Nothing is left of a thousand loads and hostile calls.
func TestReloadsLeaveNothing(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	ctx, code := context.Background(), guestCode(t, "hostile")
	cycle := func() {
		m, err := rt.Compile(ctx, host.Source{Name: "hostile", Code: code})
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Open(ctx, host.PluginConfig{Name: "hostile", Limits: limits()})
		if err != nil {
			t.Fatal(err)
		}
		for _, act := range []string{"k", "t", "x", "k"} {
			_, _, _ = ask(p, host.EntryHandle, `"`+act+`"`, nil, &effects{})
		}
		if err := errors.Join(p.Close(ctx), m.Close(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		cycle()
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	for range 300 {
		cycle()
	}
	if after := heap(); after > before+4<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	waitFor(t, func() bool { return runtime.NumGoroutine() <= goroutines })
	if got := rt.Stats(); got != (engine.Stats{}) {
		t.Errorf("left behind: %+v", got)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	log := &bytes.Buffer{}
	opts := wasm.Options{CacheDir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))}
	load := func() {
		t.Helper()
		rt, err := wasm.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		m, err := rt.Compile(context.Background(), host.Source{Name: "echo", Code: guestCode(t, "echo")})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Close(context.Background()), rt.Close(context.Background())); err != nil {
			t.Fatal(err)
		}
	}
	load()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing is cached: %v", err)
	}
	for _, f := range files {
		if err := os.Truncate(f, 40); err != nil {
			t.Fatal(err)
		}
	}
	load()
	if !strings.Contains(log.String(), "damaged") {
		t.Errorf("a damaged cache goes unnoticed: %s", log)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.New(opts); !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "0755") {
		t.Errorf("a directory open to others: %v", err)
	}
}

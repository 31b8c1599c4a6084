package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// Nothing is left of 10,000 reloads of 80 plugins: no memory, no goroutine, no mapping.
func TestReloadsOfManyPlugins(t *testing.T) {
	reloads := 10_000
	if underRace || testing.Short() {
		reloads = 1_000
	}
	rt := newRuntime(t, wasm.Options{})
	modules := make([]host.Module, 80)
	for i := range modules {
		// A custom section (core specification 2.0, section 5.5.3) makes each another module.
		code := append(guestCode(t, "keeper"), 0, 3, 2, 'n', byte(i))
		modules[i] = compile(t, rt, fmt.Sprint("keeper", i), code)
	}
	ctx := context.Background()
	reload := func(n int) {
		cfg := host.PluginConfig{Name: "keeper", Limits: limits(), Isolation: isolations[n%len(isolations)]}
		cfg.Limits.Timeout = host.Default(20 * time.Second)
		p, err := modules[n%len(modules)].Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		act := []string{`"ks"`, `"gs"`, `"ds"`}[n%3]
		if _, _, err := ask(p, host.EntryHandle, act, nil, &effects{}); (err != nil) != (act == `"ds"`) {
			t.Fatalf("%s: %v", act, err)
		}
		if err := p.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for n := range reloads / 5 {
		reload(n)
	}
	goroutines, mapped, before := runtime.NumGoroutine(), mappings(t), heap()
	for n := range reloads {
		reload(n)
	}
	if after := heap(); after > before+2<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	waitFor(t, func() bool { return runtime.NumGoroutine() <= goroutines })
	if after := mappings(t); after > mapped+20 { // Go's own heap comes and goes
		t.Errorf("the mappings grew from %d to %d", mapped, after)
	}
	if got := rt.Stats(); got != (engine.Stats{Codes: len(modules)}) {
		t.Errorf("left behind: %+v", got)
	}
}

// mappings counts those of the process, where the system tells.
func mappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return bytes.Count(maps, []byte("\n"))
}

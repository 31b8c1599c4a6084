package wasm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

// A fate is what becomes of a call of a hostile guest.
type fate struct {
	kind  host.Kind
	guest string // the type of the GuestError; "" for none
	limit string // that it passed; "" for none
	says  string // in the error's text
	stack string // a function that is in the guest's stack

	answers    string // the meta, of a guest that is not stopped by the sandbox
	writes     string // its body
	discarded  bool   // its instance is
	impatient  bool   // its time is short
	refusedYet bool   // it is refused when it is opened
}

// The guests of testdata/hostile, and what each gets. Those that answer are stopped by the pipeline, or do no harm.
var fates = map[string]fate{
	"endless_loop":        {kind: host.Timeout, guest: host.GuestTimeout, limit: "timeout", says: "500ms", stack: "spin", discarded: true, impatient: true},
	"call_tree":           {kind: host.Timeout, guest: host.GuestTimeout, limit: "timeout", says: "500ms", stack: "tree", discarded: true, impatient: true},
	"memory_fill":         {kind: host.Timeout, guest: host.GuestTimeout, limit: "timeout", says: "500ms", stack: "flood", discarded: true, impatient: true},
	"stderr_flood":        {kind: host.Timeout, guest: host.GuestTimeout, limit: "timeout", says: "500ms", stack: "flood", discarded: true, impatient: true},
	"late_answer":         {kind: host.Timeout, guest: host.GuestTimeout, limit: "timeout", says: "500ms", stack: "handle", discarded: true, impatient: true},
	"deep_recursion":      {kind: host.Internal, guest: host.GuestStack, says: "stack overflow", discarded: true},
	"memory_slow":         {kind: host.Internal, guest: host.GuestMemory, limit: "memory", says: "8 MiB (default)", stack: "hoard", discarded: true},
	"memory_sudden":       {kind: host.Internal, guest: host.GuestMemory, limit: "memory", says: "4294967296 bytes asked for; the limit is 8 MiB (default)", stack: "grab", discarded: true},
	"table_bomb":          {kind: host.Internal, guest: host.GuestTrap, says: "unreachable", stack: "hoard", discarded: true},
	"static_data":         {kind: host.Invalid, guest: host.GuestMemory, limit: "memory", says: "8 MiB (default)", refusedYet: true},
	"pointer_outside":     {kind: host.Internal, guest: host.GuestTrap, says: "meta_write: 7 bytes at 65530 are outside", stack: "handle", discarded: true},
	"pointer_wraps":       {kind: host.Internal, guest: host.GuestTrap, says: "meta_read: 1024 bytes at 4294967280 are outside", stack: "handle", discarded: true},
	"pointer_overlapping": {answers: `{"statusCode":200}`},
	"length_negative":     {kind: host.Internal, guest: host.GuestTrap, says: "meta_write: negative length -1", stack: "handle", discarded: true},
	"length_huge":         {kind: host.Internal, guest: host.GuestTrap, says: "body_write: 2147483647 bytes at 0 are outside", stack: "handle", discarded: true},
	"name_huge":           {kind: host.Internal, guest: host.GuestTrap, says: "secret_read: a name of 1048576 bytes", stack: "handle", discarded: true},
	"reentrant":           {answers: `{"statusCode":200}`, writes: strings.Repeat(`"statusCode"`, 3)},
	"log_flood":           {kind: host.Internal, guest: host.GuestLimit, limit: "limits.hostCalls", stack: "flood", discarded: true},
	"fetch_flood":         {kind: host.Internal, guest: host.GuestLimit, limit: "limits.hostCalls", stack: "flood", discarded: true},
	"header_injection":    {answers: `{"statusCode":200,"headers":{"x-a":"b\r\nset-cookie: evil=1","x-b\r\nx-c":"d","x-e":"f\u0000g","x-h":"i\n\nHTTP/1.1 200 OK"}}`},
	"exit":                {kind: host.Internal, guest: host.GuestExit, says: "code 0", discarded: true},
	"malformed":           {kind: host.Internal, guest: host.GuestResult, says: "not JSON", discarded: true},
	"trap":                {kind: host.Internal, guest: host.GuestTrap, says: "unreachable", stack: "die", discarded: true},
	"many_instances":      {answers: "null"}, // alone
}

// Each gets what it should, twice, and a good plugin beside it answers all the while.
func TestHostileGuests(t *testing.T) {
	files, err := filepath.Glob("testdata/hostile/*.wat")
	if err != nil || len(files) != len(fates) {
		t.Fatalf("%d guests, and %d fates: %v", len(files), len(fates), err)
	}
	for name, want := range fates {
		t.Run(name, func(t *testing.T) {
			rt := newRuntime(t, wasm.Options{})
			cfg := host.PluginConfig{Name: name, Limits: limits(), Env: map[string]string{"TABLE": "orders"}}
			cfg.Limits.Memory = host.Default[int64](8 << 20)
			if name == "many_instances" {
				cfg.Limits.Memory = host.Default[int64](16 << 20)
			}
			if !want.impatient {
				cfg.Limits.Timeout = host.Default(20 * time.Second)
			}
			m := compile(t, rt, name, guestCode(t, "hostile/"+name))
			if want.refusedYet {
				_, err := m.Open(context.Background(), cfg)
				want.check(t, "", "", err)
				return
			}
			p := open(t, m, cfg)
			stop := besides(t, rt)
			for range 2 {
				meta, body, err := ask(p, host.EntryHandle, `{"rawPath":"/"}`, nil, &effects{})
				want.check(t, meta, body, err)
				waitFor(t, func() bool { return p.(host.Inspector).Pool().Busy == 0 })
				if idle := p.(host.Inspector).Pool().Idle; (idle == 0) != want.discarded {
					t.Errorf("%d instances are kept", idle)
				}
			}
			stop()
		})
	}
}

func (f fate) check(t *testing.T, meta, body string, err error) {
	t.Helper()
	if f.answers != "" {
		if err != nil || meta != f.answers || body != f.writes {
			t.Errorf("got %s %q, %v; want %s %q", meta, body, err, f.answers, f.writes)
		}
		return
	}
	var guest *host.GuestError
	if !errors.As(err, &guest) || !errors.Is(err, f.kind) || guest.Type != f.guest || !strings.Contains(guest.Error(), f.says) || !strings.Contains(guest.Stack, f.stack) {
		t.Fatalf("got %v, %+v; want %+v", err, guest, f)
	}
	if !host.Crashed(err) {
		t.Errorf("%v is no crash", err)
	}
	var limit *host.LimitError
	switch {
	case !errors.As(err, &limit):
		if f.limit != "" {
			t.Errorf("no limit is named: %v", err)
		}
	case limit.Limit != f.limit || limit.Value == "" || limit.Origin == "":
		t.Errorf("got %+v; want the limit %s", limit, f.limit)
	}
}

// What a guest may work is limited apart from its time.
func TestFuelOfAHostileGuest(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	cfg := host.PluginConfig{Name: "spinner", Limits: limits()}
	cfg.Limits.Timeout = host.Default(time.Minute)
	cfg.Limits.Fuel = host.Setting[int64]{Value: 10_000_000, Pos: host.Position{File: "postern.yaml", Line: 9, Column: 13}}
	for _, name := range []string{"endless_loop", "call_tree", "memory_fill"} {
		p := open(t, compile(t, rt, name, guestCode(t, "hostile/"+name)), cfg)
		_, _, err := ask(p, host.EntryHandle, "{}", nil, &effects{})
		fate{kind: host.Timeout, guest: host.GuestFuel, limit: "limits.fuel", says: "10000000 units (postern.yaml:9:13)"}.check(t, "", "", err)
		if p.(host.Inspector).Pool().Idle != 0 {
			t.Errorf("%s: its instance is kept", name)
		}
	}
}

// besides calls a good plugin until the function that it returns is called, or the test ends.
func besides(t *testing.T, rt *wasm.Runtime) (stop func()) {
	cfg := host.PluginConfig{Name: "echo", Limits: limits()}
	cfg.Limits.Timeout = host.Default(20 * time.Second)
	p := open(t, compile(t, rt, "echo", guestCode(t, "echo")), cfg)
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			if _, got, err := ask(p, host.EntryHandle, `{}`, []byte("hello"), &effects{}); err != nil || got != "hello" {
				t.Errorf("a good plugin beside it: %q, %v", got, err)
			}
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	stop = sync.OnceFunc(func() { close(done); all.Wait() })
	t.Cleanup(stop)
	return stop
}

// A thousand instances at once have as much memory as the host gives one plugin, and not more; who gets none waits for one, where that makes sense, or
// hears of that.
func TestThousandInstances(t *testing.T) {
	const budget, each, callers = 200 << 20, 16 << 20, 1000
	rt := newRuntime(t, wasm.Options{Memory: budget})
	besides(t, rt)
	cfg := host.PluginConfig{Name: "many", Limits: limits()}
	cfg.Limits.Memory, cfg.Limits.Concurrency, cfg.Limits.Timeout = host.Default[int64](each), host.Default(callers), host.Default(time.Minute)
	p := open(t, compile(t, rt, "many", guestCode(t, "hostile/many_instances")), cfg)
	r, w := io.Pipe()
	results := make(chan error, callers)
	for range callers {
		go func() {
			_, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte("{}"), Body: r}, &effects{})
			results <- err
		}()
	}
	const holders = budget / each / 2
	refused := func(err error) {
		var limit *host.LimitError
		if !errors.Is(err, host.Unavailable) || !errors.As(err, &limit) || limit.Limit != "plugin-memory" || limit.Value != "200 MiB" {
			t.Errorf("got %v", err)
		}
	}
	for range callers - 17*(holders+runtime.GOMAXPROCS(0)) { // 16 may wait for each, and for each that others try to make
		refused(<-results)
	}
	if got := rt.Stats().Memory; got > budget || got < holders*each {
		t.Errorf("%d bytes are counted", got)
	}
	_ = w.Close()
	served := 0
	for range 17 * (holders + runtime.GOMAXPROCS(0)) {
		if err := <-results; err != nil {
			refused(err)
		} else {
			served++
		}
	}
	if served < 2*holders {
		t.Errorf("%d were served", served)
	}
}

// A guest that dies since the host has no memory left is not at fault for that, and says so.
func TestHostMemory(t *testing.T) {
	rt := newRuntime(t, wasm.Options{Memory: 1 << 20})
	cfg := host.PluginConfig{Name: "slow", Limits: limits()}
	cfg.Limits.Timeout = host.Default(20 * time.Second)
	p := open(t, compile(t, rt, "slow", guestCode(t, "hostile/memory_slow")), cfg)
	for range 2 {
		_, _, err := ask(p, host.EntryHandle, "{}", nil, &effects{})
		fate{kind: host.Unavailable, guest: host.GuestMemory, limit: "plugin-memory", says: "the limit is 1 MiB (the host's setting)", stack: "hoard"}.check(t, "", "", err)
	}
	static := compile(t, rt, "many", guestCode(t, "hostile/many_instances"))
	cfg.Limits.Memory = host.Default[int64](16 << 20)
	_, err := static.Open(context.Background(), cfg)
	var limit *host.LimitError
	if !errors.Is(err, host.Unavailable) || !errors.As(err, &limit) || limit.Limit != "plugin-memory" || host.Crashed(err) {
		t.Errorf("an instance that cannot start: %v", err)
	}
}

// giant is a module of n functions of 10 KiB each, of which the last is called.
func giant(n int) []byte {
	section := func(out []byte, id byte, body []byte) []byte {
		return append(binary.AppendUvarint(append(out, id), uint64(len(body))), body...)
	}
	exports := []byte{3}
	for i, name := range []string{"memory", "postern_abi_1", "handle"} {
		exports = append(append(append(exports, byte(len(name))), name...), []byte{2, 0, 0}[i])
		exports = binary.AppendUvarint(exports, uint64([]int{0, 0, n - 1}[i]))
	}
	count := binary.AppendUvarint(nil, uint64(n))
	types := append(append(bytes.Clone(count), 0), bytes.Repeat([]byte{1}, n-1)...)
	// local.get 0, i32.const 1, i32.add, local.set 0, again and again
	long := append([]byte{1, 1, 0x7f}, bytes.Repeat([]byte{0x20, 0, 0x41, 1, 0x6a, 0x21, 0}, 1450)...)
	long = append(long, 0x41, 0, 0x0b)
	code := append(bytes.Clone(count), 2, 0, 0x0b)
	for range n - 1 {
		code = append(binary.AppendUvarint(code, uint64(len(long))), long...)
	}
	out := section([]byte("\x00asm\x01\x00\x00\x00"), 1, []byte{2, 0x60, 0, 0, 0x60, 0, 1, 0x7f})
	out = section(out, 3, types)
	out = section(out, 5, []byte{1, 0, 1})
	out = section(out, 7, exports)
	return section(out, 10, code)
}

// Ten MiB of functions compile and run like others.
func TestGiantModule(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for some seconds")
	}
	code := giant(1040)
	if len(code) < 10<<20 {
		t.Fatalf("%d bytes", len(code))
	}
	rt := newRuntime(t, wasm.Options{})
	besides(t, rt)
	cfg := host.PluginConfig{Name: "giant", Limits: limits()}
	cfg.Limits.Timeout = host.Default(20 * time.Second)
	p := open(t, compile(t, rt, "giant", code), cfg)
	if got, _, err := ask(p, host.EntryHandle, "{}", nil, &effects{}); err != nil || got != "null" {
		t.Errorf("got %s, %v", got, err)
	}
}

package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func newEngine(t testing.TB, opts Options) *Engine {
	t.Helper()
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if got := e.Stats(); got != (Stats{}) {
			t.Errorf("left behind: %+v", got)
		}
	})
	return e
}

func TestMemoryStopsAtItsLimit(t *testing.T) {
	e := newEngine(t, Options{Memory: 8 * pageSize})
	p := &Pool{code: &Code{engine: e}, memory: 5 * pageSize}
	guest := &Instance{pool: p, first: true} // which has no share to keep to
	m, other := &linearMemory{pool: p, guest: guest}, &linearMemory{pool: p, guest: guest}
	m.Reallocate(pageSize)[0] = 7
	for pages := uint64(2); pages <= 5; pages++ {
		buf := m.Reallocate(pages * pageSize)
		if uint64(len(buf)) != pages*pageSize || cap(buf) != len(buf) || buf[0] != 7 || buf[len(buf)-1] != 0 {
			t.Fatalf("%d pages: %d bytes, room for %d", pages, len(buf), cap(buf))
		}
	}
	if m.Reallocate(6*pageSize) != nil || m.refused != 6*pageSize || m.byHost {
		t.Error("it grew beyond its limit")
	}
	if other.Reallocate(3*pageSize) == nil || other.Reallocate(4*pageSize) != nil || other.refused != 4*pageSize || !other.byHost {
		t.Error("both together grew beyond the host's limit")
	}
	if got := e.Stats().Memory; got != 8*pageSize || p.bytes.Load() != got {
		t.Errorf("%d bytes are counted, and %d of the pool", got, p.bytes.Load())
	}
	m.release()
	m.release()
	other.release()
	if e.Stats().Memory != 0 || p.bytes.Load() != 0 {
		t.Error("released memory is still counted")
	}
}

func TestMachineMemory(t *testing.T) {
	if n := machineMemory(); n < 64<<20 || n > 1<<50 {
		t.Errorf("the machine has %d bytes", n)
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{64 << 20: "64 MiB", 1 << 30: "1 GiB", 1000: "1000 bytes", 1536 << 10: "1536 KiB", 0: "0 bytes"} {
		if got := SizeText(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// An instance is replaced after so many calls, and a call is not lost by that.
func TestRecycling(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, Options{RecycleCalls: 200})
	c := compileText(t, e, `(module (memory (export "memory") 1)
		(global $n (mut i32) (i32.const 0))
		(func (export "count") (param i32) (result i32)
			(drop (memory.grow (local.get 0)))
			(global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))`)
	for grow, want := range map[uint64]uint64{0: 200, 1: RecycleAfter} {
		p, err := c.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "p", Limits: host.Limits{Memory: host.Default[int64](101 * pageSize)}}})
		if err != nil {
			t.Fatal(err)
		}
		var most uint64
		for range 500 {
			inst, err := p.Acquire(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			stack := []uint64{grow}
			if err := inst.Call(ctx, "count", stack, nil, &host.StartEffects{}); err != nil {
				t.Fatal(err)
			}
			inst.Release()
			most = max(most, stack[0])
		}
		if most != want {
			t.Errorf("growing by %d pages a call: an instance served %d calls; want %d", grow, most, want)
		}
		_ = p.Close(ctx)
	}
}

// A place in the queue is lost after the plugin's timeout, and a queue that is full takes nobody; both name the limit.
func TestQueueShedsLoad(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, Options{})
	c := compileText(t, e, `(module (memory (export "memory") 1))`)
	cfg := host.PluginConfig{Name: "p", Limits: host.Limits{Timeout: host.Default(300 * time.Millisecond),
		Concurrency: host.Setting[int]{Value: 1, Pos: host.Position{File: "postern.yaml", Line: 3, Column: 5}}}}
	p, err := c.Open(ctx, PoolConfig{Plugin: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(ctx) }()
	inst, err := p.Acquire(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Release()
	failed := make(chan error, waitersPerInstance+1)
	for range waitersPerInstance + 1 {
		go func() {
			_, err := p.Acquire(ctx, nil)
			failed <- err
		}()
	}
	for range waitersPerInstance + 1 {
		err := <-failed
		var limit *host.LimitError
		if !errors.Is(err, host.Unavailable) || !errors.As(err, &limit) || limit.Limit != "concurrency" || limit.Value != "1" || limit.Origin != "postern.yaml:3:5" {
			t.Errorf("got %v", err)
		}
	}
	if got := p.Stats(); got.Busy != 1 || got.Waiting != 0 {
		t.Errorf("got %+v", got)
	}
}

// Tables count with what they may grow to, where code can grow them; what any instance may have beside its memory is not counted.
func TestTablesAreCounted(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, Options{})
	for text, want := range map[string]int64{
		`(module (memory (export "memory") 1) (table 1000 funcref))`: 8*1000 - bytesFree,
		`(module (memory (export "memory") 1) (table 100 funcref) (table 10 1000 externref)
			(func (drop (table.grow 1 (ref.null extern) (i32.const 1)))))`: 8*(maxTableGrowth+1000) - bytesFree,
	} {
		p, err := compileText(t, e, text).Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "p"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Stats().Memory; got != pageSize+want {
			t.Errorf("%d bytes are counted; want %d", got, pageSize+want)
		}
		_ = p.Close(ctx)
	}
}

// A memory that nobody sees is limited too.
func TestHiddenMemory(t *testing.T) {
	e := newEngine(t, Options{Memory: 20 * pageSize})
	c := compileText(t, e, `(module (memory 10) (func (export "handle") (result i32) (i32.const 0)))`)
	for name, test := range map[string]struct {
		pages int64
		held  int64
		kind  host.Kind
		limit string
	}{
		"over the plugin's limit": {9, 0, host.Invalid, "memory"},
		"over the host's":         {64, 11 * pageSize, host.Unavailable, "plugin-memory"},
	} {
		e.memory.used.Add(test.held)
		_, err := c.Open(context.Background(), PoolConfig{Plugin: host.PluginConfig{Name: "p", Limits: host.Limits{Memory: host.Default(test.pages * pageSize)}}})
		var limit *host.LimitError
		if !errors.Is(err, test.kind) || !errors.As(err, &limit) || limit.Limit != test.limit || host.Crashed(err) {
			t.Errorf("%s: %v", name, err)
		}
		e.memory.used.Add(-test.held)
	}
}

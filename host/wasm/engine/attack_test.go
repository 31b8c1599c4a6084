package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

const tooLong = 500 * time.Millisecond // after its time is over, that a guest goes on

// TestRefusedGrowth has a guest ask again and again for memory that the host does not have, which is looked for in all plugins each time.
func TestRefusedGrowth(t *testing.T) {
	e, err := New(Options{Memory: 100 << 20})
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{engine: e}
	for i := range 1000 {
		o.open(t, fmt.Sprint("idle ", i), runnable(1, nil, nil), time.Second, 0)
	}
	const pages = 2000
	loop := join([]byte{0x03, 0x40, 0x41}, appendSigned(nil, pages), []byte{0x40, 0, 0x1a, 0x0c, 0, 0x0b})
	code, err := e.Compile(t.Context(), "grows", runnable(1, loop, nil))
	if err != nil {
		t.Fatal(err)
	}
	const timeout = 300 * time.Millisecond
	cfg := host.PluginConfig{Name: "grows", Limits: host.Limits{Timeout: host.Default(timeout), Memory: host.Default[int64](2 * pages * pageSize)}}
	p, err := code.Open(t.Context(), PoolConfig{Plugin: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = p.Close(t.Context()), code.Close(t.Context()) }()
	inTime(t, "grows", func() error {
		if _, took, err := runOnce(t.Context(), p); !errors.Is(err, host.Timeout) || took > timeout+tooLong {
			return fmt.Errorf("it ended after %v: %w", took, err)
		}
		return nil
	})
}

// TestLongWrites has a guest write all of its memory, which is short lines, to its log at once.
func TestLongWrites(t *testing.T) {
	const pages, timeout = 1024, 100 * time.Millisecond
	// memory.fill with newlines; a list of 64 times the whole memory; fd_write(1, list, 64, 1024)
	run := join([]byte{0, 0x41, 0, 0x41, 10, 0x41}, appendSigned(nil, pages*pageSize), []byte{0xfc, 0x0b, 0})
	for i := range 64 {
		run = join(run, []byte{0x41}, appendSigned(nil, int64(8*i)), []byte{0x41, 0, 0x36, 2, 0, 0x41}, appendSigned(nil, int64(8*i+4)),
			[]byte{0x41}, appendSigned(nil, pages*pageSize), []byte{0x36, 2, 0})
	}
	run = join(run, []byte{0x41, 1, 0x41, 0, 0x41}, appendSigned(nil, 64), []byte{0x41}, appendSigned(nil, 1024), []byte{0x10, 0, 0x1a, 0x0b})
	code := join(wasmHeader, section(sectionType, []byte{2, typeFunction, 0, 0, typeFunction, 4}, repeat(4, typeI32), []byte{1, typeI32}),
		section(sectionImport, []byte{1}, appendName(nil, "wasi_snapshot_preview1"), appendName(nil, "fd_write"), []byte{kindFunc, 1}),
		section(sectionFunction, []byte{1, 0}), section(sectionMemory, []byte{1, 0}, number(pages)),
		section(sectionExport, []byte{1, 3, 'r', 'u', 'n', kindFunc, 1}), section(sectionCode, []byte{1}, number(len(run)), run))
	p := newOpened(t).open(t, "writes", code, timeout, 0)
	inTime(t, "writes", func() error {
		fx := &host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: p.Plugin()}
		inst, err := p.Acquire(t.Context(), fx)
		if err != nil {
			t.Fatal(err)
		}
		defer inst.Release()
		begun := time.Now()
		err = inst.Call(t.Context(), "run", nil, nil, fx)
		if took := time.Since(begun); !errors.Is(err, host.Timeout) || took > timeout+tooLong {
			return fmt.Errorf("it ended after %v: %w", took, err)
		}
		return nil
	})
}

// TestRefusedStarts has instances that the carrier cannot make ready: nothing of them stays counted.
func TestRefusedStarts(t *testing.T) {
	o := newOpened(t)
	code, err := o.engine.Compile(t.Context(), "refused", join(wasmHeader, section(sectionTable, []byte{1, typeFuncref, 0}, number(1000)), section(sectionMemory, []byte{1, 0, 1})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = code.Close(t.Context()) }()
	refuse := func(context.Context, *Instance, Runner) error { return errors.New("it is no good") }
	if _, err := code.Open(t.Context(), PoolConfig{Prepare: refuse}); err == nil {
		t.Error("it was opened")
	}
	if s := o.engine.Stats(); s.Memory != 0 || s.Pools != 0 || s.Leased != 0 {
		t.Errorf("it left %+v", s)
	}
}

// TestShortWaits has guests that wait in host functions for no time, just before each refill, while somebody wants to begin.
func TestShortWaits(t *testing.T) {
	o := newOpened(t)
	o.engine.slots = newSlots(2) // one slot
	p := o.open(t, "waits", runnable(1, nil, nil), time.Minute, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	for range 3 {
		inst, err := p.Acquire(t.Context(), &host.StartEffects{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() {
				_ = recover() // what ends a guest
				inst.leaveSlot()
				inst.Release()
				ended <- struct{}{}
			}()
			for err := inst.enterSlot(ctx); err == nil; {
				for begun := time.Now(); time.Since(begun) < time.Millisecond/2; { // as a guest computes
				}
				inst.Wait(ctx, func() {})
			}
		}()
	}
	for o.engine.slots.waiting.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	waits, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	if err := o.engine.slots.take(waits, &p.queue, begins); err != nil {
		t.Error("who wants to begin is never let in:", err)
	} else {
		o.engine.slots.give(&p.queue, 0)
	}
	cancel()
	for range 3 {
		<-ended
	}
}

// TestClosedStreams has a guest close its standard output in one call, and write to it in the next.
func TestClosedStreams(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(t.Context()) }()
	code := compileText(t, e, `(module
		(import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
		(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
		(memory (export "memory") 1)
		(data (i32.const 0) "\10\00\00\00\02\00\00\00")
		(data (i32.const 16) "x\n")
		(func (export "close") (result i32) (call $close (i32.const 1)))
		(func (export "other") (result i32) (call $close (i32.const 3)))
		(func (export "write") (result i32) (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))`)
	p, err := code.Open(t.Context(), PoolConfig{Plugin: host.PluginConfig{Isolation: host.IsolationReset}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(t.Context()) }()
	for _, call := range []struct {
		export string
		errno  uint64
	}{{"close", 0}, {"other", errnoBadf}, {"write", 0}} {
		fx := &host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: p.Plugin()}
		inst, err := p.Acquire(t.Context(), fx)
		if err != nil {
			t.Fatal(err)
		}
		stack := make([]uint64, 1)
		if err := inst.Call(t.Context(), call.export, stack, nil, fx); err != nil || stack[0] != call.errno {
			t.Errorf("%s: errno %d, %v; want %d", call.export, stack[0], err, call.errno)
		}
		inst.Release()
	}
}

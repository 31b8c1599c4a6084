package engine

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func TestSlotsAreGivenInOrder(t *testing.T) {
	s := newSlots(2)
	if err := s.take(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	wait := func(name string, comesBack bool, ctx context.Context) {
		before := s.waiting.Load()
		go func() {
			if s.take(ctx, comesBack) == nil {
				got <- name
			}
		}()
		for s.waiting.Load() == before {
			runtime.Gosched()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	wait("first", false, t.Context())
	wait("leaves", false, ctx)
	wait("second", false, t.Context())
	wait("back", true, t.Context())
	wait("back too", true, t.Context())
	cancel()
	for s.waiting.Load() > 4 {
		runtime.Gosched()
	}
	for _, want := range []string{"back", "back too", "first", "second"} {
		s.give()
		if name := <-got; name != want {
			t.Errorf("%s has it; want %s", name, want)
		}
	}
	s.give()
	if s.free != 1 || s.wanted() || s.back != 0 {
		t.Errorf("%d are free, %d wait", s.free, s.waiting.Load())
	}
}

// calling is a module whose export "run" calls test.NAME for ever, and whose "once" does so once.
func calling(name string) []byte {
	loop, once := []byte{0, 0x03, 0x40, 0x10, 0, 0x0c, 0, 0x0b, 0x0b}, []byte{0, 0x10, 0, 0x0b}
	return join(wasmHeader, section(sectionType, []byte{1, typeFunction, 0, 0}),
		section(sectionImport, []byte{1}, appendName(nil, "test"), appendName(nil, name), []byte{kindFunc, 0}),
		section(sectionFunction, []byte{2, 0, 0}), section(sectionMemory, []byte{1, 0, 1}),
		section(sectionExport, []byte{2}, appendName(nil, "run"), []byte{kindFunc, 1}, appendName(nil, "once"), []byte{kindFunc, 2}),
		section(sectionCode, []byte{2}, number(len(loop)), loop, number(len(once)), once))
}

// TestWaitingGuestsHaveNoSlot has more guests wait in a host function than there are slots, while another one executes.
func TestWaitingGuestsHaveNoSlot(t *testing.T) {
	o := newOpened(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	err := o.engine.Offer(t.Context(), "test", []Func{{Name: "wait", Call: func(context.Context, *Instance, []uint64) {
		entered <- struct{}{}
		<-leave
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p := o.open(t, "waits", calling("wait"), 20*time.Second, 0)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) + 2 {
		all.Go(func() {
			fx := &host.StartEffects{}
			inst, err := p.Acquire(t.Context(), fx)
			if err != nil {
				t.Error(err)
				return
			}
			defer inst.Release()
			if err := inst.Call(t.Context(), "once", nil, nil, fx); err != nil {
				t.Error(err)
			}
		})
		<-entered
	}
	other := o.open(t, "other", runnable(1, []byte{0x41, 3, 0x10, 1}, []byte{0x20, 0, 0x1a}), 20*time.Second, 0)
	if _, _, err := runOnce(t.Context(), other); err != nil {
		t.Error(err)
	}
	close(leave)
	all.Wait()
	if s := o.engine.slots; s.free != max(1, runtime.GOMAXPROCS(0)-1) {
		t.Errorf("%d slots are free", s.free)
	}
}

// TestDeadlinesOfHostFunctions ends guests that are in host functions when their time is over, and those that call brief ones without end.
func TestDeadlinesOfHostFunctions(t *testing.T) {
	const timeout, late = 200 * time.Millisecond, 500 * time.Millisecond
	o := newOpened(t)
	err := o.engine.Offer(t.Context(), "test", []Func{
		{Name: "wait", Call: func(ctx context.Context, _ *Instance, _ []uint64) { <-ctx.Done() }},
		{Name: "brief", Brief: true, Call: func(context.Context, *Instance, []uint64) { time.Sleep(time.Millisecond) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wait", "brief"} {
		p := o.open(t, name, calling(name), timeout, 0)
		_, took, err := runOnce(t.Context(), p)
		if !errors.Is(err, host.Timeout) || took > timeout+late {
			t.Errorf("%s: ended after %v: %v", name, took, err)
		}
	}
}

// TestTurns has more guests that never end than there are slots: each of them gets on.
func TestTurns(t *testing.T) {
	o := newOpened(t)
	p := o.open(t, "spin", busy()["spin"], 500*time.Millisecond, 1<<60)
	used := make(chan int64)
	n := 2 * runtime.GOMAXPROCS(0)
	for range n {
		go func() {
			fuel, _, _ := runOnce(t.Context(), p)
			used <- fuel
		}()
	}
	for range n {
		if fuel := <-used; fuel < 4*slice {
			t.Errorf("one of them did %d units of work", fuel)
		}
	}
}

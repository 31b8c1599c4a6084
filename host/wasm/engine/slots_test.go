package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// A line is calls that wait for the one slot of s, each of which says its name when it gets it.
type line struct {
	*slots
	t   *testing.T
	got chan string
}

func newLine(t *testing.T) line {
	l := line{newSlots(2), t, make(chan string)}
	if err := l.take(t.Context(), &queue{}, begins); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l line) wait(ctx context.Context, q *queue, as standing, name string) {
	before := l.waiting.Load()
	go func() {
		if l.take(ctx, q, as) == nil {
			l.got <- name
		}
	}()
	for l.waiting.Load() == before {
		runtime.Gosched()
	}
}

// want gives the slot on behalf of q, and checks who has it then.
func (l line) want(q *queue, had time.Duration, name string) {
	l.t.Helper()
	l.give(q, had)
	if got := <-l.got; got != name {
		l.t.Errorf("%s has it; want %s", got, name)
	}
}

func TestSlotsAreGivenInOrder(t *testing.T) {
	l, q := newLine(t), &queue{}
	ctx, cancel := context.WithCancel(t.Context())
	l.wait(t.Context(), q, spent, "spent")
	l.wait(t.Context(), q, begins, "first")
	l.wait(ctx, q, begins, "leaves")
	l.wait(t.Context(), q, begins, "second")
	l.wait(t.Context(), q, comesBack, "back")
	l.wait(t.Context(), q, comesBack, "back too")
	cancel()
	for l.waiting.Load() > 5 {
		runtime.Gosched()
	}
	for _, name := range []string{"back", "back too", "first", "second", "spent"} {
		l.want(q, 0, name)
	}
	l.give(q, 0)
	if l.free != 1 || l.waiting.Load() != 0 || len(l.queues)+q.back+q.spent != 0 {
		t.Errorf("%d are free, %d wait", l.free, l.waiting.Load())
	}
}

// TestSpentCallsHaveTurns has one call that has used up a quota, and others of its plugin that begin without end.
func TestSpentCallsHaveTurns(t *testing.T) {
	l, q := newLine(t), &queue{}
	l.wait(t.Context(), q, spent, "spent")
	l.wait(t.Context(), q, begins, "begins")
	for range spentTurn - 1 {
		l.wait(t.Context(), q, begins, "begins")
		l.want(q, 0, "begins")
	}
	l.want(q, 0, "spent")
	l.want(q, 0, "begins")
}

// TestSlotsAreSharedAmongPlugins has a plugin with many calls beside one with a single call, and one that has used much some time ago.
func TestSlotsAreSharedAmongPlugins(t *testing.T) {
	l := newLine(t)
	greedy, modest, past := &queue{}, &queue{}, &queue{}
	past.used, past.begun = l.with(past, time.Second), true
	l.since = l.since.Add(-20 * halfLife) // so long ago
	for range 3 {
		l.wait(t.Context(), greedy, begins, "greedy")
	}
	l.wait(t.Context(), past, begins, "past")
	l.want(greedy, 50*time.Millisecond, "past")
	l.wait(t.Context(), modest, begins, "modest")
	if !l.over(past, begins, grain, grain) || l.over(past, begins, grain/2, grain/2) {
		t.Error("a slot is not over after its grain")
	}
	l.want(past, 100*time.Millisecond, "modest")
	l.wait(t.Context(), modest, begins, "modest")
	l.want(modest, time.Millisecond, "modest")
	l.want(modest, time.Millisecond, "greedy")
	if l.over(greedy, begins, quota-1, quota-1) || !l.over(greedy, spent, quota, quota) {
		t.Error("a call of the same plugin does not get its turn")
	}
	l.want(greedy, time.Second, "greedy")
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
		inTime(t, name, func() error {
			if _, took, err := runOnce(t.Context(), p); !errors.Is(err, host.Timeout) || took > timeout+late {
				return fmt.Errorf("ended after %v: %w", took, err)
			}
			return nil
		})
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

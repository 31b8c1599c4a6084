package engine

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// TestResultsHaveAPlace calls a guest with room for a result that the caller does not want: the room must be there until the guest writes to it.
func TestResultsHaveAPlace(t *testing.T) {
	o := newOpened(t)
	var freed, early atomic.Bool
	err := o.engine.Offer(t.Context(), "test", []Func{{Name: "collect", Call: func(context.Context, *Instance, []uint64) {
		for range 3 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond) // what is freed is told on another goroutine
		}
		early.Store(freed.Load())
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p := o.open(t, "collects", calling("collect"), time.Minute, 0)
	fx := &host.StartEffects{}
	inst, err := p.Acquire(t.Context(), fx)
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Release()
	call := func() error {
		stack := make([]uint64, 64)
		runtime.AddCleanup(&stack[0], func(freed *atomic.Bool) { freed.Store(true) }, &freed)
		return inst.Call(t.Context(), "once", stack, nil, fx)
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	if early.Load() {
		t.Error("the collector freed what the guest is going to write to")
	}
}

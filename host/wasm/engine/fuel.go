package engine

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/postern/postern/host"
)

const (
	slice     = 250_000                // units that a guest gets at once: some 100 µs
	turn      = time.Millisecond       // after which Go's scheduler gets in
	grain     = 500 * time.Microsecond // after which a guest gives its slot to another plugin that has used less
	quota     = 5 * time.Millisecond   // after which a call gives it to another one of its own plugin, and queues behind those from then on
	spentTurn = 8                      // of how many turns of a plugin such calls have one
	halfLife  = 100 * time.Millisecond // after which what a plugin has used counts half
)

// An interrupt is what a refill, or the return of a host function, panics with to end a guest: its call's context has ended, or its fuel
// is used up.
type interrupt struct{ fuel bool }

// Error says why the guest was ended.
func (i interrupt) Error() string {
	if i.fuel {
		return "the guest used up its fuel"
	}
	return "the guest was stopped"
}

// A gauge counts the fuel of a call. What the guest has not used of what it was given is in its global.
type gauge struct {
	global  api.MutableGlobal // nil until the instance has started
	budget  int64
	granted int64 // in this call
	used    int64 // at the last refill
}

// fill starts a call.
func (g *gauge) fill(budget int64) {
	g.budget, g.granted, g.used = budget, min(slice, budget), 0
	g.global.Set(uint64(g.granted))
}

// Fuel returns how many units the running call, or the last one, has used. Of a call that was ended it may lack what it used since its
// last refill.
func (i *Instance) Fuel() int64 {
	g := &i.gauge
	if g.global == nil {
		return g.used
	}
	return max(g.used, g.granted-int64(g.global.Get()))
}

// budget returns how much fuel a call may use.
func (i *Instance) budget() int64 {
	if budget := i.pool.plugin.Limits.Fuel.Value; budget > 0 {
		return budget
	}
	return host.DefaultFuel
}

// refill is the host function that a guest calls whose fuel is at its end: it returns what the guest may use next.
func refill(ctx context.Context, _ api.Module, stack []uint64) {
	call := fromContext(ctx)
	stack[0] = uint64(call.guest.refill(call, int64(stack[0])))
}

func (i *Instance) refill(ctx context.Context, left int64) int64 {
	g := &i.gauge
	g.used = g.granted - left
	if ctx.Err() != nil {
		panic(interrupt{})
	}
	if g.used > g.budget {
		panic(interrupt{fuel: true})
	}
	i.checkStack()
	i.yield(ctx)
	next := min(slice, g.budget-g.used)
	g.granted = g.used + next
	return next
}

// yield lets others run: other guests where there are more than slots, and whatever else Go has to run.
func (i *Instance) yield(ctx context.Context) {
	now := time.Now()
	s := &i.slot
	switch {
	case i.pool.code.engine.slots.over(s.queue, s.as, now.Sub(s.since), s.ran+now.Sub(s.since)):
		i.leaveSlot()
		if i.enterSlot(ctx) != nil {
			panic(interrupt{})
		}
	case now.Sub(s.yielded) >= turn:
		runtime.Gosched()
		s.yielded = now
	}
}

// offerRefill gives guests the import that the metering adds to them.
func (e *Engine) offerRefill(ctx context.Context) error {
	_, err := e.runtime.NewHostModuleBuilder(meterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refill), []api.ValueType{I64}, []api.ValueType{I64}).Export(meterRefill).Instantiate(ctx)
	if err != nil {
		return fmt.Errorf("offer the refill of fuel: %w", err)
	}
	return nil
}

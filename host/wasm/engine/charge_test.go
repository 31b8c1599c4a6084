package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/postern/postern/host"
)

// What the host holds for a guest counts until its call ends, and a guest ends for which there is no room.
func TestCharge(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, Options{Memory: 8 << 20})
	var counted []int64
	if err := e.Offer(ctx, "test", []Func{{Name: "hold", Params: []Type{I32}, Brief: true, Call: func(_ context.Context, inst *Instance, s []uint64) {
		inst.Charge(int64(int32(s[0])), "a result")
		counted = append(counted, e.Stats().Memory-pageSize)
	}}}); err != nil {
		t.Fatal(err)
	}
	c := compileText(t, e, `(module (import "test" "hold" (func $hold (param i32))) (memory (export "memory") 1)
		(func (export "some") (call $hold (i32.const 65536)) (call $hold (i32.const 1000000)) (call $hold (i32.const -1000001)) (call $hold (i32.const 2)))
		(func (export "much") (loop $again (call $hold (i32.const 1000000)) (br $again))))`)
	p, err := c.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "holds"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(ctx) }()
	call := func(export string) error {
		inst, err := p.Acquire(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer inst.Release()
		err = inst.Call(ctx, export, nil, nil, &host.StartEffects{})
		if got := e.Stats().Memory; got != pageSize {
			t.Errorf("%s: afterwards %d bytes are counted", export, got)
		}
		return err
	}
	if err := call("some"); err != nil || len(counted) != 4 || counted[0] != 0 || counted[1] != 1_000_000 || counted[2] != 0 || counted[3] != 1 {
		t.Errorf("%v were counted: %v", counted, err)
	}
	var guest *host.GuestError
	err = call("much")
	if !errors.Is(err, host.Unavailable) || !errors.As(err, &guest) || guest.Type != host.GuestMemory || guest.Limit == nil || guest.Limit.Limit != pluginMemory {
		t.Errorf("got %v", err)
	}
	if most := counted[len(counted)-1]; most < 3<<20 || most > 4<<20 {
		t.Errorf("%d bytes were counted: it is not half of the budget", most)
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// A guest that recurses and waits holds its call stack, which counts as its memory does.
func TestCallStack(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, Options{Memory: 48 << 20})
	type wait struct {
		memory int64
		idle   func()
	}
	if err := e.Offer(ctx, "test", []Func{{Name: "wait", Call: func(_ context.Context, inst *Instance, _ []uint64) {
		inst.State().(*wait).memory = e.Stats().Memory
		if idle := inst.State().(*wait).idle; idle != nil {
			idle()
		}
	}}}); err != nil {
		t.Fatal(err)
	}
	c := compileText(t, e, `(module (import "test" "wait" (func $wait)) (memory (export "memory") 1)
		(func $deeper (param i64) (result i64)
			(if (i64.eqz (local.get 0)) (then (call $wait) (return (i64.const 0))))
			(i64.add (call $deeper (i64.sub (local.get 0) (i64.const 1))) (local.get 0)))
		(func (export "go") (param i64) (result i64) (call $deeper (local.get 0))))`)
	p, err := c.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "deep", Limits: host.Limits{Timeout: host.Default(20 * time.Second)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(ctx) }()
	call := func(depth uint64, w *wait) error {
		inst, err := p.Acquire(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer inst.Release()
		return inst.Call(ctx, "go", []uint64{depth}, w, &host.StartEffects{})
	}
	var shallow, deep wait
	if err := call(10, &shallow); err != nil || shallow.memory != pageSize {
		t.Errorf("shallow: %d bytes are counted, %v", shallow.memory, err)
	}
	if err := call(100_000, &deep); err != nil || deep.memory < 2<<20 {
		t.Errorf("deep: %d bytes are counted, %v", deep.memory, err)
	}
	if got := e.Stats().Memory; got != pageSize {
		t.Errorf("afterwards: %d bytes are counted", got)
	}
	var guest *host.GuestError
	if err := call(1_000_000_000, &wait{}); !errors.As(err, &guest) || guest.Type != host.GuestStack {
		t.Errorf("too deep: %v", err)
	}
	// Two hold a stack while a third wants one.
	third := func() { err = call(150_000, &wait{}) }
	if first := call(150_000, &wait{idle: func() {
		if second := call(150_000, &wait{idle: third}); second != nil {
			t.Error("the second", second)
		}
	}}); first != nil {
		t.Error("the first", first)
	}
	var limit *host.LimitError
	if !errors.Is(err, host.Unavailable) || !errors.As(err, &limit) || limit.Limit != "plugin-memory" || !host.Crashed(err) {
		t.Errorf("the third: %v", err)
	}
}

// What runs before the first call has no other stack than calls have.
func TestCallStackOfAStart(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t, Options{})
	var counted int64
	if err := e.Offer(ctx, "test", []Func{{Name: "wait", Call: func(context.Context, *Instance, []uint64) { counted = e.Stats().Memory }}}); err != nil {
		t.Fatal(err)
	}
	const text = `(module (import "test" "wait" (func $wait)) (memory (export "memory") 1)
		(func $deeper (param i64) (result i64)
			(if (i64.eqz (local.get 0)) (then (call $wait) (return (i64.const 0))))
			(i64.add (call $deeper (i64.sub (local.get 0) (i64.const 1))) (local.get 0)))
		(func $first (drop (call $deeper (i64.const %s)))) %s)`
	for _, how := range []string{`(start $first)`, `(export "_initialize" (func $first))`} {
		c := compileText(t, e, fmt.Sprintf(text, "100000", how))
		if got := c.Exports(); len(got) != strings.Count(how, "export") {
			t.Errorf("%s: it exports %v", how, got)
		}
		counted = 0
		p, err := c.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "deep"}})
		if err != nil {
			t.Fatal(how, err)
		}
		if counted < 2<<20 {
			t.Errorf("%s: %d bytes are counted", how, counted)
		}
		if got := e.Stats().Memory; got != pageSize {
			t.Errorf("%s: afterwards %d bytes are counted", how, got)
		}
		_ = p.Close(ctx)
		_, err = compileText(t, e, fmt.Sprintf(text, "1000000000", how)).Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "too deep"}})
		var guest *host.GuestError
		if !errors.As(err, &guest) || guest.Type != host.GuestStack || !strings.Contains(guest.Stack, "deeper") {
			t.Errorf("%s: too deep: %v", how, err)
		}
	}
	for _, kind := range []byte{1, 9} {
		code := join(wasmHeader, section(sectionType, []byte{2, typeFunction, 0, 0, typeFunction, 1, typeI32, 0}), section(sectionFunction, []byte{2, 0, 1}),
			section(sectionStart, []byte{kind}), section(sectionCode, []byte{2, 2, 0, byte(opEnd), 2, 0, byte(opEnd)}))
		if _, err := e.Compile(ctx, "start", code); !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "start function") {
			t.Errorf("function %d: %v", kind, err)
		}
	}
}

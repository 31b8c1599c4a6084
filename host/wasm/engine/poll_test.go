package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// polling calls poll_oneoff(8, 65536, n, 0) once, or for ever. The subscriptions are of clocks that are due.
const polling = `(module
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 1100)
	(func (export "once") (param i32) (result i32)
		(call $poll (i32.const 8) (i32.const 65536) (local.get 0) (i32.const 0)))
	(func (export "spin") (param i32) (result i32)
		(loop (drop (call $poll (i32.const 8) (i32.const 65536) (local.get 0) (i32.const 0))) (br 0)) (unreachable)))`

func openPolling(t *testing.T, timeout time.Duration) (*Instance, host.Effects) {
	t.Helper()
	code := compileText(t, newEngine(t, Options{}), polling)
	p, err := code.Open(t.Context(), PoolConfig{Plugin: host.PluginConfig{Name: "polls", Limits: host.Limits{Timeout: host.Default(timeout), Memory: host.Default[int64](128 << 20)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(t.Context()) })
	fx := &host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: p.Plugin()}
	inst, err := p.Acquire(t.Context(), fx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inst.Release)
	return inst, fx
}

// TestPollIsBounded asks for as many events as one may, and for one more.
func TestPollIsBounded(t *testing.T) {
	inst, fx := openPolling(t, time.Minute)
	for n, errno := range map[uint64]uint64{maxSubscriptions: 0, maxSubscriptions + 1: errnoInval, 1 << 31: errnoInval} {
		stack := []uint64{n}
		if err := inst.Call(t.Context(), "once", stack, nil, fx); err != nil || stack[0] != errno {
			t.Errorf("%d events: errno %d, %v; want %d", n, stack[0], err, errno)
		}
	}
}

// TestPollEndsInTime has guests ask for a million events, and again and again for as many as they may.
func TestPollEndsInTime(t *testing.T) {
	const timeout = 200 * time.Millisecond
	for _, n := range []uint64{1_000_000, maxSubscriptions} {
		inTime(t, fmt.Sprint(n), func() error {
			inst, fx := openPolling(t, timeout)
			before, begun := heap(), time.Now()
			err := inst.Call(t.Context(), "spin", []uint64{n}, nil, fx)
			if took := time.Since(begun); !errors.Is(err, host.Timeout) || took > timeout+tooLong {
				return fmt.Errorf("it ended after %v: %w", took, err)
			}
			if more := heap() - before; more > 8<<20 {
				return fmt.Errorf("it left %d bytes", more)
			}
			return nil
		})
	}
}

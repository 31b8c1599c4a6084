package engine

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/postern/postern/host"
)

// BenchmarkCall is a call of an empty entry through a pool, over the same call of wazero with a deadline, which is
// what its interruption needs at least.
func BenchmarkCall(b *testing.B) {
	code, err := os.ReadFile("../testdata/no_memory.wasm")
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	var base float64
	b.Run("wazero", func(b *testing.B) {
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(true))
		defer func() { _ = r.Close(ctx) }()
		m, err := r.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions())
		if err != nil {
			b.Fatal(err)
		}
		fn, stack := m.ExportedFunction("handle"), make([]uint64, 1)
		b.ReportAllocs()
		for b.Loop() {
			run, cancel := context.WithTimeout(ctx, time.Minute)
			if err := fn.CallWithStack(run, stack); err != nil {
				b.Fatal(err)
			}
			cancel()
		}
		base = float64(b.Elapsed()) / float64(b.N)
	})
	b.Run("pool", func(b *testing.B) {
		e, err := New(Options{})
		if err != nil {
			b.Fatal(err)
		}
		c, err := e.Compile(ctx, "bench", code)
		if err != nil {
			b.Fatal(err)
		}
		p, err := c.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "bench"}})
		if err != nil {
			b.Fatal(err)
		}
		fx, stack := &host.StartEffects{}, make([]uint64, 1)
		b.ReportAllocs()
		for b.Loop() {
			inst, err := p.Acquire(ctx, fx)
			if err != nil {
				b.Fatal(err)
			}
			if err := inst.Call(ctx, "handle", stack, nil, fx); err != nil {
				b.Fatal(err)
			}
			inst.Release()
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/base, "x-wazero")
		b.StopTimer()
		_, _, _ = p.Close(ctx), c.Close(ctx), e.Close(ctx)
	})
}

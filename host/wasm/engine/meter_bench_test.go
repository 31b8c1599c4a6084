package engine

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// A computing is an export that takes how often it works, and a number that takes about a millisecond.
type computing struct {
	name   string
	code   []byte
	export string
	rounds uint64
}

// tightLoop counts its parameter down: four instructions.
func tightLoop() []byte {
	body := join([]byte{0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x41, 0, 0x0b})
	return join(wasmHeader, section(sectionType, []byte{1, typeFunction, 1, typeI32, 1, typeI32}), section(sectionFunction, []byte{1, 0}),
		section(sectionExport, []byte{1, 3, 'r', 'u', 'n', 0, 0}), section(sectionCode, []byte{1}, number(len(body)), body))
}

// leafLoop calls a function that does next to nothing.
func leafLoop() []byte {
	body := join([]byte{0, 0x03, 0x40, 0x20, 0, 0x10, 1, 0x22, 0, 0x0d, 0, 0x0b, 0x41, 0, 0x0b})
	leaf := []byte{0, 0x20, 0, 0x41, 1, 0x6b, 0x0b}
	return join(wasmHeader, section(sectionType, []byte{1, typeFunction, 1, typeI32, 1, typeI32}), section(sectionFunction, []byte{2, 0, 0}),
		section(sectionExport, []byte{1, 3, 'r', 'u', 'n', 0, 0}), section(sectionCode, []byte{2}, number(len(body)), body, number(len(leaf)), leaf))
}

func build(b *testing.B, out string, env []string, name string, args ...string) []byte {
	b.Helper()
	if _, err := exec.LookPath(name); err != nil {
		b.Logf("%s is not there", name)
		return nil
	}
	out = filepath.Join(b.TempDir(), out)
	cmd := exec.Command(name, append(args[:len(args)-1:len(args)-1], "-o", out, args[len(args)-1])...)
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return code
}

func computings(b *testing.B) []computing {
	all := []computing{{"wat-loop", tightLoop(), "run", 500_000}, {"wat-leaf", leafLoop(), "run", 300_000}}
	if c := build(b, "c.wasm", nil, "clang", "--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib", "-Wl,--no-entry", "-Wl,--export-all", "testdata/compute.c"); c != nil {
		all = append(all, computing{"c-sha256", c, "sha256", 2}, computing{"c-sieve", c, "sieve", 2}, computing{"c-calls", c, "calls", 20},
			computing{"c-scan", c, "scan", 500})
	}
	if g := build(b, "g.wasm", []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off"}, "go", "build", "-buildmode=c-shared", "testdata/json.go"); g != nil {
		all = append(all, computing{"go-json", g, "authorize", 10})
	}
	return all
}

// start makes an instance, with the metering or without.
func (c *computing) start(b *testing.B, metered, interrupted bool) (api.Function, context.Context) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // wazero checks only what can end
	b.Cleanup(cancel)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(interrupted))
	b.Cleanup(func() { _ = r.Close(context.Background()) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	_, err := r.NewHostModuleBuilder(meterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = slice }),
			[]api.ValueType{I64}, []api.ValueType{I64}).Export(meterRefill).Instantiate(ctx)
	if err != nil {
		b.Fatal(err)
	}
	code := c.code
	if metered {
		bounded, m, err := prepare(code)
		if err != nil {
			b.Fatal(err)
		}
		with, err := meter(bounded, m)
		if err != nil {
			b.Fatal(err)
		}
		code = with.code
	}
	module, err := r.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions(exportStart, "_initialize"))
	if err != nil {
		b.Fatal(err)
	}
	return module.ExportedFunction(c.export), ctx
}

// BenchmarkMeter is work with the metering, and with wazero's interruption in its place, over the same work with neither.
func BenchmarkMeter(b *testing.B) {
	for _, c := range computings(b) {
		b.Run(c.name, func(b *testing.B) {
			modes := []struct{ metered, interrupted bool }{{}, {true, false}, {false, true}}
			best := make([]float64, len(modes))
			var fns []api.Function
			var ctxs []context.Context
			for i, mode := range modes {
				fn, ctx := c.start(b, mode.metered, mode.interrupted)
				fns, ctxs, best[i] = append(fns, fn), append(ctxs, ctx), math.Inf(1)
			}
			for b.Loop() { // the modes by turns, and the best of each: others use the machine too
				for i := range modes {
					begun := time.Now()
					if _, err := fns[i].Call(ctxs[i], c.rounds); err != nil {
						b.Fatal(err)
					}
					best[i] = min(best[i], float64(time.Since(begun)))
				}
			}
			b.ReportMetric(best[0]/1e6, "ms-plain")
			b.ReportMetric(best[1]/best[0], "x-metered")
			b.ReportMetric(best[2]/best[0], "x-wazero")
			b.ReportMetric(0, "ns/op")
		})
	}
}

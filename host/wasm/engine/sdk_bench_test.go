package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// An asked is an authorizer in a bare wazero runtime, with just enough of the ABI that it decides: how it is bounded is all that differs.
type asked struct {
	ctx   context.Context
	fn    api.Function
	event []byte
	said  []byte
}

// meta_read and meta_write are the ABI's; what else a guest imports answers as if there were nothing.
func (a *asked) answer(name string) api.GoModuleFunction {
	switch name {
	case "meta_read":
		return api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			n := min(uint32(stack[1]), uint32(len(a.event)))
			if !m.Memory().Write(uint32(stack[0]), a.event[:n]) {
				panic("meta_read: outside of memory")
			}
			stack[0] = uint64(len(a.event))
		})
	case "meta_write":
		return api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			text, ok := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
			if !ok {
				panic("meta_write: outside of memory")
			}
			a.said = append(a.said, text...)
			stack[0] = 0
		})
	}
	return api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
		if len(stack) > 0 {
			stack[0] = api.EncodeI32(-1)
		}
	})
}

// newAsked starts a guest, bounded by the metering, by wazero's interruption, or by neither.
func newAsked(b *testing.B, code []byte, event string, metered, interrupted bool) *asked {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // wazero checks only what can end
	b.Cleanup(cancel)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(interrupted))
	b.Cleanup(func() { _ = r.Close(context.Background()) })
	a := &asked{ctx: ctx, event: []byte(event)}
	a.link(b, r, code)
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
	guest, err := r.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions(exportStart, "_initialize"))
	if err != nil {
		b.Fatal(err)
	}
	a.fn = guest.ExportedFunction("authorize")
	return a
}

// link gives the runtime what the guest imports.
func (a *asked) link(b *testing.B, r wazero.Runtime, code []byte) {
	b.Helper()
	wasi_snapshot_preview1.MustInstantiate(a.ctx, r)
	compiled, err := r.CompileModule(a.ctx, code)
	if err != nil {
		b.Fatal(err)
	}
	abi := r.NewHostModuleBuilder("postern")
	for _, f := range compiled.ImportedFunctions() {
		if module, name, _ := f.Import(); module == "postern" {
			abi.NewFunctionBuilder().WithGoModuleFunction(a.answer(name), f.ParamTypes(), f.ResultTypes()).Export(name)
		}
	}
	if _, err := abi.Instantiate(a.ctx); err != nil {
		b.Fatal(err)
	}
	_, err = r.NewHostModuleBuilder(meterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = slice }),
			[]api.ValueType{I64}, []api.ValueType{I64}).Export(meterRefill).Instantiate(a.ctx)
	if err != nil {
		b.Fatal(err)
	}
}

// decide asks n times, and returns what one took.
func (a *asked) decide(b *testing.B, n int) time.Duration {
	b.Helper()
	begun := time.Now()
	for range n {
		a.said = a.said[:0]
		if _, err := a.fn.Call(a.ctx); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(begun) / time.Duration(n)
	if !strings.Contains(strings.ReplaceAll(string(a.said), " ", ""), `"isAuthorized":true`) {
		b.Fatalf("the authorizer says %q", a.said)
	}
	return took
}

// A kilobyte of an authorizer's event, as a browser's request makes it.
var kilobyte = fmt.Sprintf(`{"version":"2.0","type":"REQUEST","routeArn":"arn:aws:execute-api:us-east-1:000000000000:orders/$default/GET/orders/7","identitySource":["Bearer demo"],"routeKey":"GET /orders/{id}","rawPath":"/orders/7","rawQueryString":"","headers":{"accept":"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8","accept-encoding":"gzip, deflate, br, zstd","accept-language":"en-US,en;q=0.5","authorization":"Bearer demo","cookie":"%s","host":"localhost:8080","user-agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},"requestContext":{"accountId":"","apiId":"orders","domainName":"localhost","http":{"method":"GET","path":"/orders/7","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":"curl/8"},"requestId":"x","routeKey":"GET /orders/{id}","stage":"$default","timeEpoch":1}}`,
	strings.Repeat("k", 218))

// BenchmarkAuthorizer is a warm authorizer of each SDK's conformance guest that is in the repository's bin/, where "make -C sdk/LANG build" writes it: with
// neither bound, with the metering, and with wazero's interruption in its place.
func BenchmarkAuthorizer(b *testing.B) {
	if len(kilobyte) != 1024 {
		b.Fatalf("the event has %d bytes", len(kilobyte))
	}
	files, err := filepath.Glob("../../../bin/conformance-*.wasm")
	if err != nil || len(files) == 0 {
		b.Skip("no guest is built: make -C ../../../sdk/c build, and so on")
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		lang := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "conformance-"), ".wasm")
		b.Run(lang, func(b *testing.B) {
			modes := []*asked{newAsked(b, code, kilobyte, false, false), newAsked(b, code, kilobyte, true, false), newAsked(b, code, kilobyte, false, true)}
			rounds := make([][]time.Duration, len(modes))
			for b.Loop() { // the modes by turns, and the median of each: others use the machine too
				for i, a := range modes {
					rounds[i] = append(rounds[i], a.decide(b, 50))
				}
			}
			var median [3]float64
			for i, took := range rounds {
				slices.Sort(took)
				median[i] = float64(took[len(took)/2])
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median[0]/1e3, "µs-plain")
			b.ReportMetric(median[1]/1e3, "µs-metered")
			b.ReportMetric(median[2]/1e3, "µs-wazero")
			b.ReportMetric(median[1]/median[0], "x-metered")
			b.ReportMetric(median[2]/median[0], "x-wazero")
		})
	}
}

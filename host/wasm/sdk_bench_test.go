package wasm_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

// BenchmarkSDK is the authorizer of each conformance guest: the module's size, how long it takes to compile, to start, and to decide when it is warm. The
// names of functions, which the host reads and keeps, are in the size.
func BenchmarkSDK(b *testing.B) {
	needLanguages(b)
	for name, build := range map[string]func(b *testing.B) []byte{"go": benchGo, "rust": benchRust, "assemblyscript": benchAssemblyScript} {
		b.Run(name, func(b *testing.B) {
			code := build(b)
			rt := newRuntime(b, wasm.Options{})
			begun := time.Now()
			m := compile(b, rt, name, code)
			compiling := time.Since(begun)
			cfg := conformanceConfig()
			cfg.Isolation = host.IsolationFresh
			cold := measure(b, open(b, m, cfg), 200)
			cfg.Isolation = host.IsolationPooled
			p := open(b, m, cfg)
			measure(b, p, 200)
			for b.Loop() {
				decideOnce(b, p)
			}
			b.ReportMetric(float64(len(code))/1024, "KiB")
			b.ReportMetric(float64(compiling)/1e6, "ms-compile")
			b.ReportMetric(float64(cold)/1e3, "µs-cold")
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/1e3, "µs-warm")
		})
	}
}

func decideOnce(b *testing.B, p host.Plugin) {
	if _, err := p.Call(context.Background(), host.EntryAuthorize, host.Event{Meta: []byte(benchAuthorize)}, &effects{}); err != nil {
		b.Fatal(err)
	}
}

func measure(b *testing.B, p host.Plugin, calls int) time.Duration {
	begun := time.Now()
	for range calls {
		decideOnce(b, p)
	}
	return time.Since(begun) / time.Duration(calls)
}

func benchGo(b *testing.B) []byte {
	code, err := goGuest()
	if err != nil {
		b.Fatal(err)
	}
	return code
}

func benchRust(b *testing.B) []byte {
	tools := rustToolchains(b)
	needToolchain(b, len(tools) > 0 && len(tools[0].targets) > 0, "Rust", rustInstall)
	code, err := tools[0].build(filepath.Join("..", "..", "sdk", "rust", "conformance"), b.TempDir(), tools[0].targets[0])
	if err != nil {
		b.Fatal(err)
	}
	return code
}

func benchAssemblyScript(b *testing.B) []byte {
	code, err := buildAssemblyScript(filepath.Join(needAssemblyScript(b), "conformance"), filepath.Join(b.TempDir(), "guest.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	return code
}

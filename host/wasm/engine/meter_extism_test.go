package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// extismCorpus returns the modules that Extism's SDK is tested with: C, Go, Rust, AssemblyScript, Haskell and others.
func extismCorpus(t *testing.T) []string {
	const module = "github.com/extism/go-sdk@v1.7.1"
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // not part of this module
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if failed := json.Unmarshal(out, &found); err != nil || failed != nil || found.Dir == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("download %s: %v %s", module, err, found.Error)
		}
		t.Skipf("download %s: %v %s", module, err, found.Error)
	}
	files, err := filepath.Glob(filepath.Join(found.Dir, "wasm", "*.wasm"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d modules: %v", len(files), err)
	}
	return files
}

// A stubWorld has one guest, whose imports answer by what they are asked alone.
type stubWorld struct {
	guest api.Module
	units int64 // what refills have given
}

const stubUnits = 20_000_000 // after which an export is ended

func newStubWorld(ctx context.Context, t *testing.T, code []byte, imports []Import, compiledBefore bool) *stubWorld {
	w := &stubWorld{}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	compiled, err := r.CompileModule(ctx, code)
	if err != nil {
		t.Fatalf("it does not compile (metered: %v): %v", compiledBefore, err)
	}
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	modules := map[string]wazero.HostModuleBuilder{}
	for _, def := range compiled.ImportedFunctions() {
		module, name, _ := def.Import()
		if module == wasi_snapshot_preview1.ModuleName {
			continue
		}
		if modules[module] == nil {
			modules[module] = r.NewHostModuleBuilder(module)
		}
		modules[module].NewFunctionBuilder().WithGoModuleFunction(w.stub(module, name, len(def.ParamTypes()), len(def.ResultTypes())),
			def.ParamTypes(), def.ResultTypes()).Export(name)
	}
	for module, b := range modules {
		if _, err := b.Instantiate(ctx); err != nil {
			t.Fatal(module, err)
		}
	}
	for _, im := range imports {
		if im.Kind != "function" {
			return nil // it compiles; it cannot be run here
		}
	}
	w.guest, err = r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions(exportStart))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// stub answers with a small number.
func (w *stubWorld) stub(module, name string, params, results int) api.GoModuleFunc {
	return func(_ context.Context, _ api.Module, stack []uint64) {
		if module == meterModule {
			if w.units += slice; w.units > stubUnits {
				panic(interrupt{fuel: true})
			}
			stack[0] = slice
			return
		}
		answer := uint64(len(name))
		for _, p := range stack[:params] {
			answer += p
		}
		for i := range stack[:results] {
			stack[i] = answer & 0x3f
		}
	}
}

// call tells what came of an export, and what memory is like then.
func (w *stubWorld) call(ctx context.Context, name string) string {
	fn := w.guest.ExportedFunction(name)
	args := make([]uint64, len(fn.Definition().ParamTypes()))
	for i := range args {
		args[i] = uint64(i + 1)
	}
	results, err := fn.Call(ctx, args...)
	answer := fmt.Sprint(results)
	if err != nil {
		answer, _, _ = strings.Cut(err.Error(), "\n")
	}
	if m := w.guest.Memory(); m != nil {
		all, _ := m.Read(0, m.Size())
		answer += fmt.Sprintf(" and memory %x", sha256.Sum256(all))
	}
	return answer
}

// TestMeterKeepsExtismGuests calls every export of real guests with and without the metering.
func TestMeterKeepsExtismGuests(t *testing.T) {
	calls := 0
	for _, file := range extismCorpus(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			bounded, m, err := prepare(code)
			var over *limitError
			if errors.As(err, &over) && filepath.Base(file) == "nested.c.instr.wasm" {
				t.Skip("not optimized, and instrumented: ", err) // one function with hundreds of locals and branches
			}
			if err != nil {
				t.Fatal(err)
			}
			with, err := meter(bounded, m)
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			metered, plain := newStubWorld(ctx, t, with.code, m.imports, true), newStubWorld(ctx, t, code, m.imports, false)
			if plain == nil {
				return
			}
			var names []string
			for name := range plain.guest.ExportedFunctionDefinitions() {
				names = append(names, name)
			}
			slices.SortFunc(names, func(a, b string) int { // what has to come first does so
				first := map[string]int{"_initialize": -2, "_start": -1, "hs_init": -1}
				return (first[a]-first[b])*2 + strings.Compare(a, b)
			})
			for _, name := range names {
				metered.units = 0
				got := metered.call(ctx, name)
				if metered.units > stubUnits {
					return // it may not end without the metering
				}
				calls++
				if want := plain.call(ctx, name); got != want {
					t.Errorf("%s: %s, and without the metering %s", name, got, want)
				}
			}
		})
	}
	if calls < 100 {
		t.Errorf("only %d calls", calls)
	}
	t.Logf("%d calls", calls)
}

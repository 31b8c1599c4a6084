package engine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// FuzzPrepare feeds the checks anything: they must not panic, leave alone what they let pass once, and what they let
// pass the compiler takes or refuses within the memory that its steps allow.
func FuzzPrepare(f *testing.F) {
	files, err := filepath.Glob("../testdata/*.wasm")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(code)
	}
	for _, code := range hostileModules() {
		if len(code) < 1000 { // large seeds make the fuzzer slow
			f.Add(code)
		}
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2).WithCloseOnContextDone(true))
	f.Cleanup(func() { _ = r.Close(ctx) })
	f.Fuzz(func(t *testing.T, code []byte) {
		prepared, m, err := prepare(code)
		if err != nil {
			return
		}
		again, _, err := prepare(prepared)
		if err != nil || !bytes.Equal(prepared, again) {
			t.Fatalf("%x became %x, and that %x: %v", code, prepared, again, err)
		}
		if m.steps > 100_000 {
			return // too slow for a fuzz test
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		compiled, err := r.CompileModule(ctx, prepared)
		runtime.ReadMemStats(&after)
		if taken, most := after.TotalAlloc-before.TotalAlloc, 64<<20+m.steps*1000; taken > most {
			t.Fatalf("%d bytes allocated for %d steps: %x", taken, m.steps, code)
		}
		if err != nil {
			return
		}
		functions := 0
		for _, im := range m.imports {
			if im.Kind == "function" {
				functions++
			}
		}
		if n := len(compiled.ImportedFunctions()); n != functions {
			t.Errorf("%d imported functions found, of %d", functions, n)
		}
		_ = compiled.Close(ctx)
	})
}

func TestBoundTables(t *testing.T) {
	bound := func(in []byte) ([]byte, error) { return new(module).section(sectionTable, in) }
	for name, test := range map[string]struct{ in, want []byte }{
		"no maximum":           {[]byte{1, 0x70, 0, 5}, []byte{1, 0x70, 1, 5, 0x80, 0x80, 0x08}},
		"a small maximum":      {[]byte{1, 0x70, 1, 5, 9}, []byte{1, 0x70, 1, 5, 9}},
		"a large maximum":      {[]byte{1, 0x6f, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f}, []byte{1, 0x6f, 1, 5, 0x80, 0x80, 0x08}},
		"more than the growth": {[]byte{1, 0x70, 0, 0x80, 0x80, 0x10}, []byte{1, 0x70, 1, 0x80, 0x80, 0x10, 0x80, 0x80, 0x10}},
		"two":                  {[]byte{2, 0x70, 1, 1, 1, 0x70, 1, 2, 2}, []byte{2, 0x70, 1, 1, 1, 0x70, 1, 2, 2}},
	} {
		if got, err := bound(test.in); err != nil || !bytes.Equal(got, test.want) {
			t.Errorf("%s: got % x, %v; want % x", name, got, err, test.want)
		}
	}
	for name, in := range map[string][]byte{
		"too many tables":  {17},
		"too many entries": {1, 0x70, 0, 0x81, 0x80, 0xc0, 0x00},
		"shared":           {1, 0x70, 3, 1, 1},
		"left over":        {1, 0x70, 0, 1, 0},
	} {
		if got, err := bound(in); err == nil {
			t.Errorf("%s: got % x", name, got)
		}
	}
	if _, err := bound([]byte{1, 0x70}); !errors.Is(err, errTruncated) {
		t.Errorf("truncated: %v", err)
	}
}

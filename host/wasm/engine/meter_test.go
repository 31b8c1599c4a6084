package engine

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// seeds are modules of the specification's suite and of our own guests, which are not long.
func seeds(f *testing.F) {
	dirs := []string{filepath.Join("..", "testdata")}
	if dir := specDir(); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "v1"), filepath.Join(dir, "v2"))
	}
	n := 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".wasm" {
				return err
			}
			code, err := os.ReadFile(path)
			if n++; err == nil && len(code) < 3000 && (n%8 == 0 || dir == dirs[0]) {
				f.Add(code)
			}
			return err
		})
		if err != nil {
			f.Fatal(err)
		}
	}
}

// FuzzMeter feeds the metering what the checks let pass: what is valid without it is valid with it, and nothing else is.
func FuzzMeter(f *testing.F) {
	seeds(f)
	ctx := context.Background()
	plain := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	compiler := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2))
	f.Cleanup(func() { _, _ = plain.Close(ctx), compiler.Close(ctx) })
	f.Fuzz(func(t *testing.T, code []byte) {
		bounded, m, err := prepare(code)
		if err != nil || m.steps > 100_000 {
			return
		}
		with, refused := meter(bounded, m)
		before, invalid := plain.CompileModule(ctx, bounded)
		if invalid == nil {
			_ = before.Close(ctx)
		}
		if refused != nil {
			if invalid == nil && !strings.Contains(refused.Error(), meterModule) {
				t.Fatalf("%x is valid, but refused: %v", code, refused)
			}
			return
		}
		after, err := compiler.CompileModule(ctx, with.code)
		if (err == nil) != (invalid == nil) {
			t.Fatalf("%x became %x: without the metering %v, with it %v", code, with.code, invalid, err)
		}
		if err != nil {
			return
		}
		if fuel := after.ExportedFunctions()[exportFuel]; fuel != nil {
			t.Errorf("%x: the fuel is a function", code)
		}
		_ = after.Close(ctx)
	})
}

// TestMeterNames refuses modules that have names of the metering's own.
func TestMeterNames(t *testing.T) {
	for name, code := range map[string][]byte{
		"imports the refill": join(wasmHeader, section(sectionType, []byte{1, typeFunction, 0, 0}),
			section(sectionImport, []byte{1}, appendName(nil, meterModule), appendName(nil, "x"), []byte{kindFunc, 0})),
		"exports a name of ours": join(wasmHeader, section(sectionGlobal, []byte{1, typeI32, 1, 0x41, 0, 0x0b}),
			section(sectionExport, []byte{1}, appendName(nil, exportFuel), []byte{kindGlobal, 0})),
	} {
		_, m, err := prepare(code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := meter(code, m); err == nil || !strings.Contains(err.Error(), meterModule) {
			t.Errorf("a module that %s: %v", name, err)
		}
	}
}

// TestMeterNamesGrowOnce has a module with as many lists of functions' names as fit, to each of which names could be added.
func TestMeterNamesGrowOnce(t *testing.T) {
	wasi := join(appendName(nil, "wasi_snapshot_preview1"), appendName(nil, strings.Repeat("x", 100)), []byte{kindFunc, 0})
	code := join(wasmHeader, section(sectionType, []byte{1, typeFunction, 0, 0}), section(sectionImport, number(100), bytes.Repeat(wasi, 100)),
		section(sectionCustom, appendName(nil, "name"), repeat(20_000, 1, 1, 0)))
	bounded, m, err := prepare(code)
	if err != nil {
		t.Fatal(err)
	}
	with, err := meter(bounded, m)
	if err != nil || len(with.code) > 2*len(code) {
		t.Errorf("%d bytes became %d: %v", len(code), len(with.code), err)
	}
}

// TestResettable says of what resets cannot put back.
func TestResettable(t *testing.T) {
	table := section(sectionTable, []byte{1, typeFuncref, 0, 4})
	for want, code := range map[string][]byte{
		"":                         guest(1, 1, []byte{0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0b, 0}),
		"its code changes a table": bytes.Replace(guest(1, 1, []byte{0x41, 0, 0xd0, typeFuncref, 0x26, 0}), section(sectionMemory, []byte{1, 0, 1}), table, 1),
		"its code changes which of its segments are left":           guest(1, 1, []byte{0xfc, 0x0d, 0}),
		"global 0, which may change, holds a vector or a reference": join(wasmHeader, section(sectionGlobal, []byte{1, typeFuncref, 1, 0xd0, typeFuncref, 0x0b})),
	} {
		_, m, err := prepare(code)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if m.changes != nil {
			got = m.changes.Error()
		}
		if got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

// TestCharges counts what small functions use.
func TestCharges(t *testing.T) {
	for name, test := range map[string]struct {
		code []byte
		want uint32
	}{
		"a leaf":              {[]byte{0x41, 1, 0x1a}, 2},
		"a leaf of blocks":    {[]byte{0x02, 0x40, 0x0b}, 1},
		"a loop":              {[]byte{0x03, 0x40, 0x0b}, 0},
		"a long one":          {repeat(maxLeaf+1, 0x3f, 0, 0x1a), 0},
		"one that calls":      {[]byte{0x10, 0}, 0},
		"one that grows":      {[]byte{0x41, 1, 0x40, 0, 0x1a}, 0},
		"one that fills":      {[]byte{0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0b, 0}, 0},
		"one that reads size": {[]byte{0x3f, 0, 0x1a}, 2},
	} {
		_, m, err := prepare(guest(1, 1, test.code))
		if err != nil {
			t.Fatal(err)
		}
		if m.leaves[0] != test.want {
			t.Errorf("%s: callers are charged %d; want %d", name, m.leaves[0], test.want)
		}
	}
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// A script is a test of the specification's suite, as wabt's wast2json writes it.
type script struct{ Commands []command }

type command struct {
	Line     int
	Type     string
	Name     string
	Filename string
	As       string
	Action   struct {
		Type, Module, Field string
		Args                []value
	}
}

type value struct {
	Type     string
	LaneType string `json:"lane_type"`
	Value    any
}

// A world is a runtime with the modules of one script.
type world struct {
	runtime wazero.Runtime
	meter   bool
	refills int
	modules map[string]api.Module // by the names that modules are imported by
	named   map[string]api.Module // by those that commands use; "" is the last one
}

func newWorld(t *testing.T, dir string, metered bool) *world {
	ctx := t.Context()
	w := &world{meter: metered, modules: map[string]api.Module{}, named: map[string]api.Module{},
		runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2))}
	t.Cleanup(func() { _ = w.runtime.Close(context.Background()) })
	if err := w.offerRefill(ctx); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if w.modules["spectest"], err = w.instantiate(ctx, code); err != nil {
		t.Fatal(err)
	}
	return w
}

// offerRefill gives little at once, so that every check comes to its refill now and then.
func (w *world) offerRefill(ctx context.Context) error {
	_, err := w.runtime.NewHostModuleBuilder(meterModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
			w.refills++
			if int64(stack[0]) >= 0 {
				panic("a refill of fuel that is not used up")
			}
			stack[0] = uint64(w.refills % 50)
		}), []api.ValueType{I64}, []api.ValueType{I64}).Export(meterRefill).Instantiate(ctx)
	return err
}

func (w *world) instantiate(ctx context.Context, code []byte) (api.Module, error) {
	code, m, err := prepare(code) // which TestPrepareKeepsTheSpecification holds against what wazero compiles
	if err != nil {
		return nil, err
	}
	if w.meter {
		with, err := meter(code, m)
		if err != nil {
			return nil, err
		}
		code = with.code
	}
	compiled, err := w.runtime.CompileModule(ctx, code)
	if err != nil {
		return nil, err
	}
	ctx = experimental.WithImportResolver(ctx, func(name string) api.Module { return w.modules[name] })
	return w.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions(exportStart))
}

// run does what a command says, and tells what came of it.
func (w *world) run(ctx context.Context, dir string, c command) string {
	switch c.Type {
	case "module", "assert_uninstantiable", "assert_unlinkable", "assert_invalid", "assert_malformed":
		if filepath.Ext(c.Filename) != ".wasm" {
			return ""
		}
		code, err := os.ReadFile(filepath.Join(dir, c.Filename))
		if err != nil {
			return "no module"
		}
		module, err := w.instantiate(ctx, code)
		if c.Type != "module" || err != nil {
			return fmt.Sprint(err != nil)
		}
		w.named[""] = module
		if c.Name != "" {
			w.named[c.Name] = module
		}
		return "made"
	case "register":
		w.modules[c.As] = w.named[c.Name]
	case "action", "assert_return", "assert_trap", "assert_exhaustion":
		return w.act(ctx, c)
	}
	return ""
}

func (w *world) act(ctx context.Context, c command) string {
	module := w.named[c.Action.Module]
	if module == nil {
		return "no module"
	}
	if c.Action.Type == "get" {
		if g := module.ExportedGlobal(c.Action.Field); g != nil && g.Type() < api.ValueTypeExternref {
			return "no global"
		} else if g != nil {
			return fmt.Sprint(g.Get())
		}
		return "no global"
	}
	fn := module.ExportedFunction(c.Action.Field)
	if fn == nil {
		return "no function"
	}
	var args []uint64
	for _, arg := range c.Action.Args {
		args = append(args, arg.bits()...)
	}
	results, err := fn.Call(ctx, args...)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return text
	}
	at := 0
	for _, t := range fn.Definition().ResultTypes() {
		if t == 0x70 && results[at] != 0 { // an address
			results[at] = 1
		}
		at++
		if t == 0x7b {
			at++
		}
	}
	return fmt.Sprint(results)
}

var laneBits = map[string]int{"i8": 8, "i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64}

func (v value) bits() []uint64 {
	if lanes, ok := v.Value.([]any); ok {
		var halves [2]uint64
		width := laneBits[v.LaneType]
		for i, lane := range lanes {
			halves[i*width/64] |= number64(fmt.Sprint(lane), width) << (i * width % 64)
		}
		return halves[:]
	}
	if v.Value == nil || v.Value == "null" {
		return []uint64{0}
	}
	bits := number64(fmt.Sprint(v.Value), map[bool]int{true: 32, false: 64}[strings.HasSuffix(v.Type, "32")])
	if v.Type == "externref" {
		bits++
	}
	return []uint64{bits}
}

func number64(text string, width int) uint64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return uint64(n) & (1<<width - 1)
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// TestMeterKeepsTheSpecification runs the specification's test suite with and without the metering.
func TestMeterKeepsTheSpecification(t *testing.T) {
	dir := specCorpus(t)
	files, err := filepath.Glob(filepath.Join(dir, "*", "testdata", "*.json"))
	proposals, failed := filepath.Glob(filepath.Join(dir, "*", "testdata", "*", "*.json"))
	if files = append(files, proposals...); err != nil || failed != nil || len(files) < 100 {
		t.Fatalf("%d scripts: %v", len(files), errors.Join(err, failed))
	}
	actions, modules, refills := 0, 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s script
		if err := json.Unmarshal(text, &s); err != nil {
			continue // of another form
		}
		t.Run(strings.TrimPrefix(file, dir), func(t *testing.T) {
			plain, metered := newWorld(t, dir, false), newWorld(t, dir, true)
			for _, c := range s.Commands {
				want, got := plain.run(t.Context(), filepath.Dir(file), c), metered.run(t.Context(), filepath.Dir(file), c)
				if got != want {
					t.Errorf("line %d: %s %s %s: %s, and without the metering %s", c.Line, c.Type, c.Filename, c.Action.Field, got, want)
				}
				switch {
				case want == "made":
					modules++
				case c.Action.Field != "":
					actions++
				}
			}
			refills += metered.refills
		})
	}
	if modules < 1000 || actions < 20_000 || refills < 1000 {
		t.Errorf("only %d modules, %d actions, %d refills", modules, actions, refills)
	}
	t.Logf("%d modules, %d actions, %d refills", modules, actions, refills)
}

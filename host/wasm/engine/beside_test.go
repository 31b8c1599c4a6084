package engine

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// declaring is a module whose instances have as many entries in a passive segment of functions, mutable globals, globals with a function, and empty
// data segments.
func declaring(elements, globals, references, segments int) []byte {
	return join(wasmHeader, section(sectionType, []byte{1, typeFunction, 0, 0}), section(sectionFunction, []byte{1, 0}),
		section(sectionMemory, []byte{1, 0, 1}), section(sectionGlobal, number(globals+references), repeat(globals, typeI32, 1, byte(opI32Const), 0, byte(opEnd)),
			repeat(references, typeFuncref, 0, byte(opRefFunc), 0, byte(opEnd))),
		section(sectionExport, []byte{1, 3, 'r', 'u', 'n', kindFunc, 0}), section(sectionElement, []byte{1, 1, 0}, number(elements), repeat(elements, 0)),
		section(sectionCode, []byte{1, 2, 0, byte(opEnd)}), section(sectionData, number(segments), repeat(segments, 1, 0)))
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what has a finalizer goes at the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestBesideMemory holds what is counted for instances beside their memory to what the heap grows by.
func TestBesideMemory(t *testing.T) {
	const instances = 16
	for name, code := range map[string][]byte{
		"elements": declaring(maxElements/2, 0, 0, 0), "globals": declaring(0, maxGlobals, 0, 0), "references": declaring(0, 0, maxGlobals, 0),
		"segments": declaring(0, 0, 0, maxSegments),
	} {
		for _, isolation := range []host.Isolation{host.IsolationPooled, host.IsolationReset} {
			e := newEngine(t, Options{})
			c, err := e.Compile(t.Context(), name, code)
			if err != nil {
				t.Fatal(name, err)
			}
			p, err := c.Open(t.Context(), PoolConfig{Plugin: host.PluginConfig{Name: name, Isolation: isolation}})
			if err != nil {
				t.Fatal(name, err)
			}
			before, counted := heap(), e.Stats().Memory
			var leased []*Instance
			for range instances + 1 { // the first one is there
				inst, err := p.Acquire(t.Context(), &host.StartEffects{})
				if err != nil {
					t.Fatal(name, err)
				}
				leased = append(leased, inst)
			}
			took := heap() - before
			counted = e.Stats().Memory - counted - instances*pageSize
			if counted < took*8/10 || counted > took*2 {
				t.Errorf("%s, %s: %d bytes are counted for an instance, which takes %d", name, isolation, counted/instances, took/instances)
			}
			for _, inst := range leased {
				inst.Release()
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			_ = c.Close(t.Context())
			if left := e.Stats().Memory; left != 0 {
				t.Errorf("%s: %d bytes are left", name, left)
			}
		}
	}
}

// TestBesideMemoryIsRefused opens what does not fit for what it declares alone.
func TestBesideMemoryIsRefused(t *testing.T) {
	c, err := newEngine(t, Options{Memory: 2 << 20}).Compile(t.Context(), "declares", declaring(maxElements/2, maxGlobals, 0, maxSegments))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	_, err = c.Open(t.Context(), PoolConfig{Plugin: host.PluginConfig{Name: "declares"}})
	var limit *host.LimitError
	if !errors.As(err, &limit) || limit.Limit != pluginMemory {
		t.Errorf("got %v", err)
	}
}

// TestReferencesTakeNoMemory refers to a function a million times, for each of which wazero would keep a new reference as long as the instance is there.
func TestReferencesTakeNoMemory(t *testing.T) {
	const times = 1_000_000
	// n times: drop (ref.func 0)
	count := []byte{0x03, 0x40, byte(opRefFunc), 0, 0x1a, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b}
	p := newOpened(t).open(t, "refers", runnable(1, join([]byte{0x41}, appendSigned(nil, times), []byte{0x10, 1}), count), time.Minute, 0)
	fx := &host.StartEffects{}
	inst, err := p.Acquire(t.Context(), fx)
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Release()
	before := heap()
	if err := inst.Call(t.Context(), "run", nil, nil, fx); err != nil {
		t.Fatal(err)
	}
	if took := heap() - before; took > times {
		t.Errorf("it took %d bytes", took)
	}
	if used := inst.Fuel(); used < times {
		t.Errorf("it used %d units", used)
	}
}

// TestUndeclaredReference is refused here as it is by the specification (section 3.4.10), since the metering would make it valid.
func TestUndeclaredReference(t *testing.T) {
	code := join(wasmHeader, section(sectionType, []byte{1, typeFunction, 0, 0}), section(sectionFunction, []byte{1, 0}),
		section(sectionCode, []byte{1, 5, 0, byte(opRefFunc), 0, 0x1a, byte(opEnd)}))
	if _, err := newEngine(t, Options{}).Compile(t.Context(), "undeclared", code); !errors.Is(err, host.Invalid) {
		t.Errorf("got %v", err)
	}
}

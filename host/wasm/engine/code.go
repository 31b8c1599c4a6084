package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/postern/postern/host"
)

// A Code is a compiled module. It is safe for concurrent use.
type Code struct {
	engine   *Engine
	name     string
	compiled wazero.CompiledModule
	imports  []Import
	globals  []string // the names by which the mutable numbers among its globals are exported: all that reset has to put back
	changes  error    // see resettable
	beside   int64    // bytes that an instance takes beside its memory and its call stack

	mu     sync.Mutex
	pools  int // that still have instances
	closed bool
}

// Compile checks and compiles a module. It waits while enough others are being compiled, until ctx ends; compiling
// itself cannot be interrupted. Its errors have Kind Invalid but for that wait, which is Unavailable.
func (e *Engine) Compile(ctx context.Context, name string, code []byte) (*Code, error) {
	op := "compile " + name
	if len(code) > MaxCode {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("the module has %d bytes; the limit is %d", len(code), MaxCode)}
	}
	bounded, m, err := prepare(code)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	metered, err := meter(bounded, m)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	free, err := e.compileSlot(ctx, m.steps)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Unavailable, Err: err}
	}
	defer free()
	compiled, err := e.compile(ctx, metered.code)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	e.codes.Add(1)
	return &Code{engine: e, name: name, beside: m.besideMemory(), compiled: compiled, imports: m.imports, globals: metered.globals, changes: m.changes}, nil
}

// Bytes that wazero 1.12 takes on Go's heap for each instance, by what its module declares (internal/wasm/store.go and internal/engine/wazevo).
// TestBesideMemory holds them to what the heap grows by.
const (
	bytesReference = 8  // an entry of a table, or of a passive element segment
	bytesFunction  = 40 // one that refers to a function: a functionInstance, and its place in a list that grows by doubling
	bytesGlobal    = 96 // a GlobalInstance, its place in the list and in the context of the code; and for resets
	bytesSegment   = 24 // a segment's place in the list
	bytesImport    = 64
	bytesFree      = 4 << 10 // that any instance may have
)

// besideMemory returns what an instance takes beside its memory and its call stack: of its tables, what they may grow to where they can grow.
func (m *module) besideMemory() int64 {
	entries := m.entries
	if m.growsTables {
		entries = m.entriesMost
	}
	n := bytesReference*(entries+m.elements) + bytesFunction*(m.elements+m.functionGlobals+uint64(len(m.refers))) + bytesGlobal*uint64(len(m.globals)+len(m.refers)) +
		bytesSegment*m.segments + bytesImport*uint64(len(m.imports))
	return max(0, int64(n)-bytesFree)
}

// resettable returns nil where memory and globals are all that calls of an instance can change, and otherwise what else is.
func (c *Code) resettable() error { return c.changes }

// compileSlot waits for the right to compile. A small module has a slot that large ones never take, so that it does
// not wait for theirs.
func (e *Engine) compileSlot(ctx context.Context, steps uint64) (free func(), _ error) {
	var small chan struct{} // nil, which is never ready
	if steps <= smallSteps {
		small = e.compilingSmall
	}
	select {
	case e.compiling <- struct{}{}:
		return func() { <-e.compiling }, nil
	case small <- struct{}{}:
		return func() { <-small }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for other modules to compile: %w", ctx.Err())
	}
}

// compile survives a cache on disk that is damaged or cannot be written: it is only a cache.
func (e *Engine) compile(ctx context.Context, code []byte) (wazero.CompiledModule, error) {
	compiled, err := e.tryCompile(ctx, code)
	switch {
	case err == nil || e.cacheDir == "":
	case isCacheDamage(err):
		e.log.WarnContext(ctx, "compilation cache is damaged and was cleared", "dir", e.cacheDir, "error", err)
		if failed := clearCache(e.cacheDir); failed != nil {
			return nil, errors.Join(err, failed)
		}
		return e.tryCompile(ctx, code)
	case isStorageFailure(err):
		// wazero keeps the code in memory before it stores it, so the second try does not come to the disk.
		e.log.WarnContext(ctx, "compilation cache cannot be written", "dir", e.cacheDir, "error", err)
		return e.tryCompile(ctx, code)
	}
	return compiled, err
}

// tryCompile turns a panic of the compiler, which code from outside might reach, into an error.
func (e *Engine) tryCompile(ctx context.Context, code []byte) (_ wazero.CompiledModule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the compiler failed: %v", r)
		}
	}()
	return e.runtime.CompileModule(ctx, code)
}

// A Signature is the type of a function: ()->i32.
type Signature struct{ Params, Results []Type }

// String returns the signature in the notation of the specification.
func (s Signature) String() string { return "(" + typeNames(s.Params) + ")->" + resultNames(s.Results) }

// Equal reports whether both are the same type.
func (s Signature) Equal(t Signature) bool {
	return slices.Equal(s.Params, t.Params) && slices.Equal(s.Results, t.Results)
}

func typeNames(types []Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = api.ValueTypeName(t)
	}
	return strings.Join(names, ",")
}

func resultNames(types []Type) string {
	if len(types) == 1 {
		return typeNames(types)
	}
	return "(" + typeNames(types) + ")"
}

// Exports returns the functions that the module exports.
func (c *Code) Exports() map[string]Signature {
	exports := map[string]Signature{}
	for name, def := range c.compiled.ExportedFunctions() {
		if name != exportStart {
			exports[name] = Signature{def.ParamTypes(), def.ResultTypes()}
		}
	}
	return exports
}

// Imports returns what the module wants, in the order of its import section.
func (c *Code) Imports() []Import { return slices.Clone(c.imports) }

// Memory returns how many bytes of memory an instance starts with, and whether it is exported as "memory".
func (c *Code) Memory() (bytes int64, exported bool) {
	m, ok := c.compiled.ExportedMemories()["memory"]
	if !ok {
		return 0, false
	}
	return int64(m.Min()) * pageSize, true
}

// Missing returns one line for each import that is not offered, or offered with another signature.
func (c *Code) Missing() []string {
	var missing []string
	for _, im := range c.imports {
		if im.Kind != "function" {
			missing = append(missing, fmt.Sprintf("%s (a %s; only functions are offered)", im, im.Kind))
		}
	}
	for _, def := range c.compiled.ImportedFunctions() {
		module, name, _ := def.Import()
		if module == meterModule {
			continue
		}
		want := Signature{def.ParamTypes(), def.ResultTypes()}
		offered, ok := c.engine.offered[module][name]
		if !ok {
			missing = append(missing, fmt.Sprintf("%s.%s %s", module, name, want))
			continue
		}
		if got := (Signature{offered.ParamTypes(), offered.ResultTypes()}); !got.Equal(want) {
			missing = append(missing, fmt.Sprintf("%s.%s %s (it is offered as %s)", module, name, want, got))
		}
	}
	return missing
}

// Offers returns the names of the modules that guests may import, sorted.
func (e *Engine) Offers() []string { return slices.Sorted(maps.Keys(e.offered)) }

// Close frees the native code, once the last instance of every pool is gone.
func (c *Code) Close(ctx context.Context) error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	free := first && c.pools == 0
	c.mu.Unlock()
	if first {
		c.engine.codes.Add(-1)
	}
	if free {
		return c.compiled.Close(ctx)
	}
	return nil
}

func (c *Code) retain() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return &host.Error{Op: "open " + c.name, Kind: host.Unavailable, Err: errors.New("the module is closed")}
	}
	c.pools++
	return nil
}

func (c *Code) release() {
	c.mu.Lock()
	c.pools--
	free := c.closed && c.pools == 0
	c.mu.Unlock()
	if free {
		if err := c.compiled.Close(context.Background()); err != nil {
			c.engine.log.Error("cannot free a module", "module", c.name, "error", err)
		}
	}
}

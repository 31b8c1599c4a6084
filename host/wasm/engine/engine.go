package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/postern/postern/host"
)

// Limits that hold for every plugin.
const (
	MaxCode      = 16 << 20         // bytes of a module
	StartTimeout = 10 * time.Second // of a start section and _initialize together, Lambda's limit for its init phase
	MaxRandom    = 64 << 10         // bytes that one host call may ask of a random source
	IdleTimeout  = 5 * time.Minute  // after which an unused instance is closed
)

// Options configure an Engine. The zero value works: no disk cache, no log.
type Options struct {
	// CacheDir keeps native code between runs. It is created with mode 0700, and refused when it belongs to somebody
	// else or others may enter it, since what lies there is executed. Empty keeps nothing on disk.
	CacheDir string
	// Compiles is how many modules may be compiled at once; 0 is half the processors. One more small one may be.
	Compiles int
	// Logger gets what guests write while they start, and defects of host functions. nil discards.
	Logger *slog.Logger
	// IdleTimeout overrides the constant of that name; 0 keeps it.
	IdleTimeout time.Duration
	// Memory is how many bytes all instances may have together; 0 is half of what the machine, or this process's control group, has.
	Memory int64
	// RecycleCalls overrides the constant of that name; 0 keeps it.
	RecycleCalls int
}

// An Engine owns the process's wazero runtime. It is safe for concurrent use.
type Engine struct {
	runtime   wazero.Runtime
	cache     wazero.CompilationCache // nil without a directory
	cacheDir  string
	compiling chan struct{}
	// compilingSmall is a slot beside the others for modules of few steps.
	compilingSmall chan struct{}
	slots          *slots

	log     *slog.Logger
	idle    time.Duration
	recycle int
	memory  budget
	offered map[string]map[string]api.FunctionDefinition // by module and name; written before the first Compile

	codes, pools, instances, leased atomic.Int64
}

// Stats counts what is alive.
type Stats struct {
	Codes     int // compiled modules
	Pools     int // open plugins
	Instances int // running copies, idle or leased
	Leased    int // in a call

	Memory int64 // bytes of all instances and their snapshots
}

// New makes an engine whose guests may import WASI preview 1.
func New(opts Options) (*Engine, error) {
	const op = "start the wasm engine"
	e := &Engine{log: opts.Logger, idle: opts.IdleTimeout, offered: map[string]map[string]api.FunctionDefinition{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.idle <= 0 {
		e.idle = IdleTimeout
	}
	e.recycle = opts.RecycleCalls
	if e.recycle <= 0 {
		e.recycle = RecycleCalls
	}
	e.memory.init(opts.Memory)
	compiles := opts.Compiles
	if compiles <= 0 {
		compiles = max(1, runtime.GOMAXPROCS(0)/2)
	}
	e.compiling = make(chan struct{}, compiles)
	e.compilingSmall = make(chan struct{}, 1)
	e.slots = newSlots(runtime.GOMAXPROCS(0))
	config := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2).
		WithDebugInfoEnabled(false) // its sections are left out
	if opts.CacheDir != "" {
		if err := prepareCacheDir(opts.CacheDir); err != nil {
			return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
		}
		cache, err := wazero.NewCompilationCacheWithDir(opts.CacheDir)
		if err != nil {
			return nil, &host.Error{Op: op, Kind: host.Internal, Err: err}
		}
		e.cache, e.cacheDir = cache, opts.CacheDir
		config = config.WithCompilationCache(cache)
	}
	ctx := context.Background()
	e.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	system := e.runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(system)
	exportEnviron(system)
	exportClose(system)
	_, err := system.Instantiate(ctx)
	if err == nil {
		err = e.offerRefill(ctx)
	}
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Internal, Err: errors.Join(err, e.Close(ctx))}
	}
	const wasi = wasi_snapshot_preview1.ModuleName
	e.offered[wasi] = e.runtime.Module(wasi).ExportedFunctionDefinitions()
	return e, nil
}

// A Type is the type of a host function's parameter or result.
type Type = api.ValueType

// The types.
const (
	I32 = api.ValueTypeI32
	I64 = api.ValueTypeI64
	F64 = api.ValueTypeF64
)

// A Func is a host function that guests may import.
type Func struct {
	Name            string
	Params, Results []Type
	// Call finds its parameters in stack and leaves its result there. ctx ends with the guest's call. A panic ends
	// the guest; Fault is the one that is the guest's doing.
	Call func(ctx context.Context, guest *Instance, stack []uint64)
	// Brief says that Call never waits for anybody. Others may execute while one does that is not.
	Brief bool
}

// Offer adds an import module. It must be called before the first Compile.
func (e *Engine) Offer(ctx context.Context, module string, funcs []Func) error {
	b := e.runtime.NewHostModuleBuilder(module)
	for _, f := range funcs {
		b.NewFunctionBuilder().WithGoModuleFunction(f.run(), f.Params, f.Results).Export(f.Name)
	}
	m, err := b.Instantiate(ctx)
	if err != nil {
		return &host.Error{Op: "offer " + module, Kind: host.Internal, Err: err}
	}
	e.offered[module] = m.ExportedFunctionDefinitions()
	return nil
}

// briefCalls is how many calls of brief functions may be between two looks at a guest's turn: one that copies much takes a millisecond, and
// a guest calls thousands on the fuel of a slice.
const briefCalls = 16

// run ends a guest whose call has ended meanwhile: it may call brief functions without end on little fuel.
func (f Func) run() api.GoModuleFunc {
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		call := fromContext(ctx)
		if !f.Brief {
			call.guest.Wait(call, func() { f.Call(ctx, call.guest, stack) })
			return
		}
		f.Call(ctx, call.guest, stack)
		if call.Err() != nil {
			panic(interrupt{})
		}
		slot := &call.guest.slot
		if slot.brief++; slot.brief%briefCalls == 0 {
			call.guest.yield(call)
		}
	}
}

// Stats returns what is alive now.
func (e *Engine) Stats() Stats {
	return Stats{Codes: int(e.codes.Load()), Pools: int(e.pools.Load()), Instances: int(e.instances.Load()), Leased: int(e.leased.Load()),
		Memory: e.memory.used.Load()}
}

// Close frees the runtime. Modules must be closed before; while a guest still runs, it frees nothing and fails,
// since the guest's code must stay mapped.
func (e *Engine) Close(ctx context.Context) error {
	if n := e.leased.Load(); n > 0 {
		return &host.Error{Op: "close the wasm engine", Kind: host.Unavailable, Err: fmt.Errorf("%d guests are still running", n)}
	}
	closers := []interface{ Close(context.Context) error }{e.runtime}
	if e.cache != nil {
		closers = append(closers, e.cache)
	}
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close(ctx))
	}
	return errors.Join(errs...)
}

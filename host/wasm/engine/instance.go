package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/postern/postern/host"
)

// An Instance is one running copy of a module, leased to one caller. It takes one call at a time, and its methods
// are for that caller and for host functions during its call.
type Instance struct {
	pool    *Pool
	module  api.Module
	memory  api.Memory
	linear  linearMemory
	kept    any       // the carrier's, for as long as the instance has what it belongs to
	origin  *snapshot // to which it is put back after each call; nil for none
	system  system
	funcs   map[string]function // made on first use: each carries a call stack
	state   any
	used    time.Time // when it became idle; guarded by the pool
	leases  int       // guarded by the pool
	started uint64    // bytes of memory that it started with
	cold    bool      // its first caller had to wait for it to start
	broken  bool      // it must not be used again
	once    bool      // it was made for one caller, whose effects it was started on
	first   bool      // it starts, and is the only one of its pool
	gauge   gauge     // of the call that runs, or the last one
	slot    place     // of the call that runs
	stack   callStack
	charged charge
	watch   *watch // of the call that runs; nil where its whole length is limited

	mu     sync.Mutex
	cancel context.CancelFunc // of the call that runs
	killed bool
}

// A watch ends a guest that runs for too long without getting on, however long all of it takes.
type watch struct {
	timer *time.Timer
	limit time.Duration
	left  time.Duration // of limit, at since
	since time.Time     // when its clock was started
}

// callContext is the context of host functions: the deadline of the call, and its instance.
type callContext struct {
	context.Context
	guest *Instance
}

type callKey struct{}

// Value finds the callContext itself, below whatever wazero laid around it.
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func fromContext(ctx context.Context) *callContext {
	if c, ok := ctx.(*callContext); ok {
		return c
	}
	return ctx.Value(callKey{}).(*callContext)
}

// start makes an instance and runs what it has to run before its first call, on effects of its own. once says that it is for one caller.
func (p *Pool) start(ctx context.Context, fx host.Effects, once bool) (*Instance, error) {
	inst := &Instance{pool: p, funcs: map[string]function{}, state: p.state, once: once, first: p.only()}
	defer func() { inst.first = false }()
	inst.linear.pool, inst.linear.guest = p, inst
	inst.system.init(inst)
	if once { // what the guest sees of time is a matter of its effects alone
		inst.system.base = fx.Now()
	}
	parent := ctx
	run, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	call := &callContext{run, inst}
	inst.system.begin(call, fx)
	defer inst.system.end()
	inst.gauge.budget = host.DefaultFuel
	inst.slot.queue = &p.starts
	if err := inst.enterSlot(call); err != nil {
		return nil, p.unavailable(fmt.Errorf("start: %w: %w", errNoSlot, err))
	}
	defer inst.leaveSlot()
	if !inst.take(p.code.beside) {
		return nil, p.unavailable(p.code.engine.memory.error("the tables, segments and globals of a new instance"))
	}
	module, err := inst.instantiate(call)
	inst.first = false // what it grows by from here on keeps to the plugin's share
	if err != nil {
		inst.release()
		return nil, inst.failure("start "+p.name, parent, run, StartTimeout, "fixed", err)
	}
	inst.module, inst.memory = module, module.Memory()
	inst.gauge.global = module.ExportedGlobal(exportFuel).(api.MutableGlobal)
	if err := inst.initialize(call); err != nil {
		err = inst.failure("start "+p.name, parent, run, StartTimeout, "fixed", err)
		_ = module.Close(ctx) // the reason is err
		inst.release()
		return nil, err
	}
	if err := inst.prepare(ctx, call); err != nil {
		_ = module.Close(ctx)
		inst.release()
		return nil, err
	}
	inst.started = inst.size()
	if !inst.remember() {
		_ = module.Close(ctx)
		inst.release()
		return nil, p.unavailable(p.code.engine.memory.error("a snapshot of a new instance"))
	}
	return inst, nil
}

// initialize runs the start function, and _initialize of what is no command.
func (i *Instance) initialize(ctx context.Context) error {
	for _, export := range []string{exportStart, "_initialize"} {
		fn := i.module.ExportedFunction(export)
		if fn == nil || export != exportStart && i.pool.args != nil {
			continue
		}
		if _, err := i.runOn(ctx, function{fn, stackOf(fn)}, nil); err != nil {
			return err
		}
	}
	return nil
}

// prepare has the carrier make the instance ready. run is the context of the start, inside ctx.
func (i *Instance) prepare(ctx context.Context, run *callContext) error {
	p := i.pool
	if p.ready == nil {
		return nil
	}
	defer func() { i.state = p.state }()
	return p.ready(run, i, func(export string, stack []uint64, state any) error {
		fn := i.module.ExportedFunction(export)
		if fn == nil {
			return &host.Error{Op: "start " + p.name, Kind: host.NotFound, Err: errors.New("the module does not export " + export)}
		}
		i.state = state
		if _, err := i.runOn(run, function{fn, stackOf(fn)}, stack); err != nil {
			return i.failure("start "+p.name, ctx, run.Context, StartTimeout, "fixed", err)
		}
		return nil
	})
}

// instantiate makes the module's instance.
func (i *Instance) instantiate(ctx context.Context) (_ api.Module, err error) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case noMemory:
			err = errNoMemory
		default:
			panic(r)
		}
	}()
	return i.pool.code.engine.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, &i.linear), i.pool.code.compiled, i.config())
}

var errNoMemory = errors.New("the instance did not get the memory that it starts with")

func (i *Instance) config() wazero.ModuleConfig {
	s := &i.system
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithStdin(stdin{s}).WithStdout(stdout{s}).WithStderr(&s.stderr).WithRandSource(randomReader{s}).
		WithWalltime(s.walltime, 1).WithNanotime(s.nanotime, 1).WithNanosleep(s.nanosleep)
	return config.WithArgs(i.pool.args...)
}

// Call runs an export with the plugin's deadline laid inside ctx's. Parameters and result are in stack. Host
// functions find state and fx at the instance.
func (i *Instance) Call(ctx context.Context, export string, stack []uint64, state any, fx host.Effects) error {
	// Not context.WithTimeout: where ctx has an earlier deadline, that sets no timer, and a route's deadline is lifted when its
	// response begins to stream.
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(i.pool.plugin.Limits.Timeout.Value, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	return i.call(ctx, run, func() { cancel(context.Canceled) }, export, stack, state, fx)
}

// CallWatched is Call, but for the deadline, which Hold stops and Resume may set anew: the plugin's timeout is then how long the
// guest may run in between.
func (i *Instance) CallWatched(ctx context.Context, export string, stack []uint64, state any, fx host.Effects) error {
	limit := i.pool.plugin.Limits.Timeout.Value
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	i.watch = &watch{time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) }), limit, limit, time.Now()}
	defer func() {
		i.watch.timer.Stop()
		i.watch = nil
	}()
	return i.call(ctx, run, func() { cancel(context.Canceled) }, export, stack, state, fx)
}

// Hold stops the clock of a watched call, as while a host function waits for somebody else.
func (i *Instance) Hold() {
	if w := i.watch; w != nil {
		w.timer.Stop()
		w.left -= time.Since(w.since)
	}
}

// Resume starts the clock of a watched call again: anew where the guest got on, and otherwise where Hold stopped it.
func (i *Instance) Resume(anew bool) {
	if w := i.watch; w != nil {
		if anew {
			w.left = w.limit
		}
		w.since = time.Now()
		w.timer.Reset(w.left)
	}
}

// A Process is what a command is given beside its effects.
type Process struct {
	Env    []string // NAME=value; in the place of the plugin's environment
	Stdin  io.Reader
	Stdout io.Writer
}

// Run runs a command from its start to its end. An exit with code 0 is no error; another one has a *host.GuestError of type "exit" with
// the end of standard error as its stack. The instance cannot be used again.
func (i *Instance) Run(ctx context.Context, p Process, fx host.Effects) error {
	i.system.process = &p
	i.broken = true
	return i.Call(ctx, "_start", nil, nil, fx)
}

func (i *Instance) call(ctx, run context.Context, cancel context.CancelFunc, export string, stack []uint64, state any, fx host.Effects) error {
	fn, ok := i.funcs[export]
	if !ok {
		if fn.Function = i.module.ExportedFunction(export); fn.Function == nil {
			return &host.Error{Op: i.op(export), Kind: host.NotFound, Err: errors.New("the module does not export " + export)}
		}
		fn.stack = stackOf(fn.Function)
		i.funcs[export] = fn
	}
	if err := ctx.Err(); err != nil {
		return &host.Error{Op: i.op(export), Kind: endKind(err), Err: err}
	}
	limit := i.pool.plugin.Limits.Timeout
	i.running(cancel)
	call := &callContext{run, i}
	i.slot.queue, i.slot.as, i.slot.ran = &i.pool.queue, begins, 0
	if err := i.enterSlot(call); err != nil {
		i.running(nil)
		if ctx.Err() != nil {
			return &host.Error{Op: i.op(export), Kind: endKind(ctx.Err()), Err: fmt.Errorf("%w: %w", errNoSlot, ctx.Err())}
		}
		return &host.Error{Op: i.op(export), Kind: host.Unavailable, Err: fmt.Errorf("%w within %v (%s)", errNoSlot, limit.Value, limit.Origin())}
	}
	i.gauge.fill(i.budget())
	i.state, i.linear.refused = state, 0
	i.system.begin(call, fx)
	kept, err := i.runOn(call, fn, stack)
	if !kept {
		delete(i.funcs, export)
	}
	i.charged.end(i)
	i.leaveSlot()
	i.system.end()
	i.state = nil
	i.running(nil)
	if err != nil || run.Err() != nil { // in the latter case it answers too late
		i.broken = true
		return i.failure(i.op(export), ctx, run, limit.Value, limit.Origin(), err)
	}
	return nil
}

// callOn calls fn with its parameters, and then its result, in stack. While the guest runs, wazero knows of stack by native code's copy of its
// address alone, which the garbage collector does not see: where the caller has no use for the result, what lies there by its end would be
// somebody else's, and be overwritten with it.
func callOn(ctx context.Context, fn api.Function, stack []uint64) error {
	err := fn.CallWithStack(ctx, stack)
	runtime.KeepAlive(stack)
	return err
}

func (i *Instance) op(export string) string { return "call " + i.pool.name + " " + export }

// running notes how the call can be cancelled, nil after it; a killed instance's call ends at once.
func (i *Instance) running(cancel context.CancelFunc) {
	i.mu.Lock()
	i.cancel = cancel
	killed := i.killed
	i.mu.Unlock()
	if killed && cancel != nil {
		cancel()
	}
}

func (i *Instance) kill() {
	i.mu.Lock()
	i.killed = true
	cancel := i.cancel
	i.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// Release gives the instance back. It is closed if its last call broke it, or if the plugin wants each call fresh.
func (i *Instance) Release() {
	i.pool.giveBack(i, i.fits())
}

// Broken reports whether the instance cannot be used again, as its last call broke it.
func (i *Instance) Broken() bool { return i.broken }

// Break keeps the instance from being used again, because what it answered makes no sense.
func (i *Instance) Break() { i.broken = true }

// Slept returns how long the running call, or the last one, has slept in WASI.
func (i *Instance) Slept() time.Duration { return i.system.slept }

// Cold reports whether the instance was made by the Acquire that leased it.
func (i *Instance) Cold() bool { return i.cold }

// State returns what the carrier gave to Call, or PoolConfig.State while the instance starts.
func (i *Instance) State() any { return i.state }

// Keep has the instance keep something of the carrier's, and Kept returns it, nil for nothing. When an instance is put back to what it was
// before its first call, so is that: what was kept then must not be changed.
func (i *Instance) Keep(v any) { i.kept = v }

// Kept returns what Keep was given.
func (i *Instance) Kept() any { return i.kept }

// Refused returns the limit by which the guest was refused memory last in its call, with the kind of an error that comes of that; nil when
// it had all that it asked for.
func (i *Instance) Refused() (host.Kind, *host.LimitError) {
	if i.linear.refused == 0 {
		return host.Internal, nil
	}
	return i.outOfMemory()
}

// Effects returns the effects of the running call.
func (i *Instance) Effects() host.Effects { return i.system.fx }

// Plugin returns the configuration of the instance's plugin.
func (i *Instance) Plugin() *host.PluginConfig { return &i.pool.plugin }

// MemorySize returns the bytes of memory that the instance has now.
func (i *Instance) MemorySize() int64 {
	if i.memory == nil {
		return 0
	}
	return int64(i.memory.Size())
}

func (i *Instance) close() {
	// Its only error is of file descriptors, and the instance has none.
	_ = i.module.Close(context.Background())
	i.release()
	i.unremember()
	i.pool.code.engine.instances.Add(-1)
}

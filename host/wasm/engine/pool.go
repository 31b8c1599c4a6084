package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
)

// waitersPerInstance bounds the queue in front of a pool: callers wait for at most this many times its instances.
const waitersPerInstance = 16

// A PoolConfig says what the instances of a pool are and may do.
type PoolConfig struct {
	Plugin host.PluginConfig
	State  any // what host functions find while an instance starts; shared by all of them

	// Args, when not empty, makes it a pool of commands: of programs that have arguments, the first of which is their name, and are
	// run once, by Instance.Run.
	Args []string

	// Prepare, where it is set, makes a new instance ready for calls once _initialize has run, and before it is remembered as what it is put
	// back to. It calls exports by run alone, within the limits of a start. An error of it refuses the instance.
	Prepare func(ctx context.Context, i *Instance, run Runner) error
}

// A Runner calls an export of an instance that starts. Parameters and result are in stack; host functions find state at the instance.
type Runner func(export string, stack []uint64, state any) error

// A Pool holds the instances of one plugin. It is safe for concurrent use.
type Pool struct {
	code   *Code
	name   string
	plugin host.PluginConfig
	state  any
	args   []string
	ready  func(context.Context, *Instance, Runner) error // PoolConfig.Prepare
	size   int                                            // instances at most
	memory uint64
	bytes  atomic.Int64 // of all instances, and of the snapshot

	idleBytes atomic.Int64 // of them, of idle instances
	oldest    atomic.Int64 // when the first of p.idle became that, in nanoseconds since 1970; 0 while there is none
	queue     queue        // of its calls for a slot
	starts    queue        // and of its instances that start, which may take longer than all calls together

	mu      sync.Mutex
	idle    []*Instance // the last one used is at the end, and is the next one taken
	leased  map[*Instance]struct{}
	total   int // idle, leased, and being made
	making  int // of them
	waiting []chan *Instance
	short   error // why the last instance could not be made, where the host had no memory for it
	closed  bool
	drained chan struct{} // closed once closed and total == 0
	timer   *time.Timer   // runs while instances are idle
	origin  *snapshot     // of an instance before its first call; nil while none has it
	born    time.Time     // the beginning of its instances' monotonic clocks
}

// Open makes a pool and its first instance, so that code which cannot start is refused here.
func (c *Code) Open(ctx context.Context, cfg PoolConfig) (*Pool, error) {
	name := cfg.Plugin.Name
	if name == "" {
		name = c.name
	}
	p := &Pool{
		code: c, name: name, plugin: cfg.Plugin, state: cfg.State, args: cfg.Args, ready: cfg.Prepare,
		size: cfg.Plugin.Limits.Concurrency.Value, memory: uint64(cfg.Plugin.Limits.Memory.Value),
		leased: map[*Instance]struct{}{}, drained: make(chan struct{}), born: time.Now(),
	}
	if p.size <= 0 {
		p.size = host.DefaultConcurrency
	}
	if p.memory == 0 {
		p.memory = host.DefaultMemory
	}
	p.defaults()
	if p.plugin.Isolation == host.IsolationReset {
		if err := c.resettable(); err != nil {
			return nil, &host.Error{Op: "open " + name, Kind: host.Invalid, Pos: cfg.Plugin.Pos, Err: fmt.Errorf("isolation: reset is not possible: %w", err)}
		}
	}
	if need, _ := c.Memory(); uint64(need) > p.memory {
		limit := p.memoryLimit(need)
		return nil, &host.Error{Op: "open " + name, Kind: host.Invalid, Pos: cfg.Plugin.Limits.Memory.Pos, Err: &host.GuestError{Type: host.GuestMemory,
			Message: fmt.Sprintf("the module starts with %d bytes of memory; the limit is %s (%s)", need, limit.Value, limit.Origin), Limit: limit}}
	}
	if err := c.retain(); err != nil {
		return nil, err
	}
	c.engine.pools.Add(1)
	c.engine.memory.add(p)
	first, err := p.Acquire(ctx, nil)
	if err != nil {
		_ = p.Close(ctx) // nothing is leased: it cannot fail
		return nil, err
	}
	p.giveBack(first, true) // unused: even a fresh pool may give it out
	return p, nil
}

// defaults fills in the limits that are not set.
func (p *Pool) defaults() {
	l := &p.plugin.Limits
	if l.Timeout.Value <= 0 {
		l.Timeout = host.Default(host.DefaultPluginTimeout)
	}
	if l.LogLines.Value <= 0 {
		l.LogLines = host.Default[int64](host.DefaultLogLines)
	}
	if l.LogBytes.Value <= 0 {
		l.LogBytes = host.Default[int64](host.DefaultLogBytes)
	}
}

// Plugin returns the pool's configuration, with defaults filled in. It must not be changed.
func (p *Pool) Plugin() *host.PluginConfig { return &p.plugin }

// Acquire leases an instance for a call with the effects fx: the one used last, or a new one while the limit allows, or the first that
// comes free before ctx ends or the plugin's timeout passes. The latter has Kind Unavailable. Where fx is a host.Starter, it is a new one
// that was started on fx.Start(), and is not used again. It must be given back by Release.
func (p *Pool) Acquire(ctx context.Context, fx host.Effects) (*Instance, error) {
	starter, _ := fx.(host.Starter)
	want := wish{starter, time.Now()}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, p.unavailable(errors.New("the plugin is closed"))
	}
	if n := len(p.idle); n > 0 && starter == nil {
		inst := p.unqueue(n - 1)
		p.lease(inst)
		p.mu.Unlock()
		return inst, nil
	}
	if p.mayMake() {
		p.total++
		p.making++
		p.mu.Unlock()
		return p.make(ctx, want)
	}
	if len(p.idle) > 0 { // it makes room
		old := p.unqueue(0)
		p.making++
		p.mu.Unlock()
		old.close()
		return p.make(ctx, want)
	}
	if p.crowded(p.size) {
		p.mu.Unlock()
		return nil, p.unavailable(p.busy(fmt.Sprintf("%d callers are waiting", p.size*waitersPerInstance)))
	}
	turn := p.join()
	p.mu.Unlock()
	return p.await(ctx, turn, want)
}

// busy is the limit that keeps a caller from an instance.
func (p *Pool) busy(detail string) *host.LimitError {
	limit := p.plugin.Limits.Concurrency
	return &host.LimitError{Limit: "concurrency", Value: strconv.Itoa(p.size), Origin: limit.Origin(), Detail: detail}
}

func (p *Pool) unavailable(err error) error {
	return &host.Error{Op: "call " + p.name, Kind: host.Unavailable, Err: err}
}

// lease is called with the lock held.
func (p *Pool) lease(inst *Instance) {
	inst.leases++
	p.leased[inst] = struct{}{}
	p.code.engine.leased.Add(1)
}

// giveBack ends a lease. What cannot be used again is closed.
func (p *Pool) giveBack(inst *Instance, reuse bool) {
	p.mu.Lock()
	inst.cold = false
	if reuse && !p.closed {
		delete(p.leased, inst)
		p.code.engine.leased.Add(-1)
		if turn := p.next(); turn != nil {
			p.lease(inst)
			turn <- inst
		} else {
			inst.used = time.Now()
			p.idle = append(p.idle, inst)
			p.rests(inst, 1)
			p.arm()
		}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.vacate(inst)
	p.forget()
}

// vacate closes a leased instance and keeps its place.
func (p *Pool) vacate(inst *Instance) {
	p.mu.Lock()
	delete(p.leased, inst)
	p.mu.Unlock()
	inst.close()
	p.code.engine.leased.Add(-1)
}

// next takes the first waiter off the queue; nil for none. It is called with the lock held.
func (p *Pool) next() chan *Instance {
	if len(p.waiting) == 0 {
		return nil
	}
	turn := p.waiting[0]
	p.waiting = p.waiting[1:]
	return turn
}

// forget gives up a counted place: to a waiter, who then makes an instance of its own, or for good.
func (p *Pool) forget() {
	p.mu.Lock()
	p.total--
	p.admit()
	last := p.closed && p.total == 0
	p.mu.Unlock()
	if last {
		p.code.engine.memory.remove(p)
		p.code.engine.pools.Add(-1)
		close(p.drained) // the last: whoever waits for it finds nothing left behind
		p.code.release()
	}
}

// arm starts the timer of idle eviction. It is called with the lock held.
func (p *Pool) arm() {
	if p.timer == nil {
		p.timer = time.AfterFunc(p.code.engine.idle, p.evict)
	}
}

// evict closes the instances that nobody has used for long; they are at the front.
func (p *Pool) evict() {
	p.mu.Lock()
	p.timer = nil
	if p.closed {
		p.mu.Unlock()
		return
	}
	limit := time.Now().Add(-p.code.engine.idle)
	var old []*Instance
	for len(p.idle) > 0 && !p.idle[0].used.After(limit) {
		old = append(old, p.unqueue(0))
	}
	if len(p.idle) > 0 {
		p.timer = time.AfterFunc(time.Until(p.idle[0].used.Add(p.code.engine.idle)), p.evict)
	}
	p.mu.Unlock()
	for _, inst := range old {
		inst.close()
		p.forget()
	}
}

// Close refuses further calls, waits for the running ones until ctx ends, then cancels those and waits for them no
// longer than closeGrace. Guests that even then run are reported; their code stays mapped until they end.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	var idle []*Instance
	for len(p.idle) > 0 {
		idle = append(idle, p.unqueue(len(p.idle)-1))
	}
	for _, turn := range p.waiting {
		close(turn)
	}
	p.waiting = nil
	if p.timer != nil {
		p.timer.Stop()
	}
	p.total++ // a place of our own, so that giving it up finds out whether all are gone
	p.mu.Unlock()
	for _, inst := range idle {
		inst.close()
		p.forget()
	}
	p.forget()
	return p.drain(ctx)
}

const closeGrace = 2 * time.Second

func (p *Pool) drain(ctx context.Context) error {
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	for inst := range p.leased {
		inst.kill()
	}
	p.mu.Unlock()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-p.drained:
		return nil
	case <-grace.C:
		p.mu.Lock()
		defer p.mu.Unlock()
		return &host.Error{Op: "close " + p.name, Kind: host.Timeout, Err: fmt.Errorf("%d of its instances are still running", p.total)}
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

const growing = `(module (memory (export "memory") %d) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`

// A growers is plugins whose guests grow as they are told.
type growers struct {
	t      *testing.T
	engine *Engine
	code   *Code
}

func newGrowers(t *testing.T, host, pages int) *growers {
	e := newEngine(t, Options{Memory: int64(host) * pageSize})
	return &growers{t, e, compileText(t, e, fmt.Sprintf(growing, pages))}
}

func (g *growers) open(concurrency int) *Pool {
	g.t.Helper()
	p, err := g.code.Open(context.Background(), PoolConfig{Plugin: host.PluginConfig{Name: "p",
		Limits: host.Limits{Concurrency: host.Default(concurrency), Timeout: host.Default(time.Minute)}}})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

func (g *growers) acquire(p *Pool) *Instance {
	g.t.Helper()
	inst, err := p.Acquire(context.Background(), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return inst
}

// grow tells what memory.grow gives the guest.
func (g *growers) grow(inst *Instance, pages int) int {
	g.t.Helper()
	stack := []uint64{uint64(pages)}
	if err := inst.Call(context.Background(), "grow", stack, nil, &host.StartEffects{}); err != nil {
		g.t.Error(err)
	}
	return int(int32(stack[0]))
}

// short fails unless err is of the host's memory.
func (g *growers) short(err error) {
	g.t.Helper()
	var limit *host.LimitError
	if want := SizeText(g.engine.memory.limit); !errors.Is(err, host.Unavailable) || !errors.As(err, &limit) || limit.Limit != pluginMemory || limit.Value != want {
		g.t.Errorf("got %v", err)
	}
}

// Idle instances of any pool make room, the one idle for longest first, and where that cannot be enough none is closed.
func TestIdleInstancesMakeRoom(t *testing.T) {
	g := newGrowers(t, 16, 3)
	pools := []*Pool{g.open(1), g.open(1), g.open(1)}
	inst := g.acquire(pools[2])
	defer inst.Release()
	for _, step := range []struct{ pages, want, instances int }{{5, 3, 3}, {3, -1, 3}, {0, 8, 3}} {
		if got := g.grow(inst, step.pages); got != step.want {
			t.Errorf("growing by %d: %d; want %d", step.pages, got, step.want)
		}
		if got := g.engine.Stats().Instances; got != step.instances {
			t.Errorf("growing by %d: %d instances are left; want %d", step.pages, got, step.instances)
		}
	}
	if got := pools[2].Stats(); got != (host.PoolStats{Busy: 1, Memory: 8 * pageSize}) {
		t.Errorf("got %+v", got)
	}
	fourth := g.open(1) // 2 pages are left
	if pools[0].Stats().Idle != 0 || pools[1].Stats().Idle != 1 {
		t.Error("it was not the oldest that was closed")
	}
	for _, p := range []*Pool{pools[0], fourth} {
		defer g.acquire(p).Release()
	}
	_, err := pools[1].Acquire(context.Background(), nil)
	g.short(err)
}

// What is idle of a plugin that has more than its share goes before what others have had idle for longer.
func TestThoseOverTheirShareMakeRoom(t *testing.T) {
	g := newGrowers(t, 20, 1)
	modest := g.open(1)
	greedy := g.open(4)
	var leased []*Instance
	for range 4 {
		leased = append(leased, g.acquire(greedy))
	}
	for _, inst := range leased[:2] {
		if got := g.grow(inst, 3); got != 1 {
			t.Errorf("growing: %d", got)
		}
	}
	for _, inst := range leased {
		inst.Release() // ten pages of it are idle, and one of the modest one for longer
	}
	third, fourth := g.acquire(g.open(1)), g.acquire(g.open(1))
	defer third.Release()
	defer fourth.Release()
	g.grow(third, 4)
	g.grow(fourth, 3)
	if got := g.engine.Stats(); got.Memory != 20*pageSize || got.Instances != 7 {
		t.Errorf("before: %+v", got)
	}
	if got := g.grow(fourth, 2); got != 4 {
		t.Errorf("growing: %d", got)
	}
	if modest.Stats().Idle != 1 || greedy.Stats().Idle == 4 {
		t.Errorf("the modest one has %+v, the greedy one %+v", modest.Stats(), greedy.Stats())
	}
}

// A plugin alone gets half, the next one half of what it leaves, and one that comes finds something.
func TestShares(t *testing.T) {
	g := newGrowers(t, 64, 1)
	var most []int
	for range 4 {
		inst := g.acquire(g.open(1))
		defer inst.Release()
		for g.grow(inst, 1) > 0 {
		}
		most = append(most, int(inst.MemorySize()/pageSize))
	}
	if got := fmt.Sprint(most); got != "[32 16 8 4]" {
		t.Errorf("each has %s pages", got)
	}
	g = newGrowers(t, 60, 1)
	two := []*Instance{g.acquire(g.open(1)), g.acquire(g.open(1))}
	for range 60 {
		for _, inst := range two {
			g.grow(inst, 1)
		}
	}
	for _, inst := range two {
		if got := inst.MemorySize() / pageSize; got != 20 {
			t.Errorf("of two that grow beside each other one has %d pages", got)
		}
		inst.Release()
	}
}

// The first instance of a plugin may start on what is left, and others are refused; who could have another one later waits for one that is there.
func TestFirstInstanceMayTakeWhatIsLeft(t *testing.T) {
	ctx := context.Background()
	g := newGrowers(t, 10, 4)
	first, second := g.open(2), g.open(2)
	a, b := g.acquire(first), g.acquire(second) // 2 pages are left, and before it came 6
	type got struct {
		inst *Instance
		err  error
	}
	asked := make(chan got, 1)
	go func() {
		inst, err := second.Acquire(ctx, nil)
		asked <- got{inst, err}
	}()
	for end := time.Now().Add(time.Minute); second.Stats().Waiting == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody waits")
		}
	}
	b.Release()
	switch g := <-asked; {
	case g.err != nil:
		t.Error(g.err)
	case g.inst != b:
		t.Error("it is another instance")
	default:
		g.inst.Release()
	}
	b = g.acquire(second)
	ended, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err := second.Acquire(ended, nil)
	g.short(err)
	_, err = g.code.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "third"}})
	g.short(err)
	a.Release()
	b.Release()
	_ = g.open(1)
	if got := &g.engine.memory; got.used.Load() != 8*pageSize || got.idle.Load() != 8*pageSize {
		t.Errorf("%d bytes are counted, of which %d idle", got.used.Load(), got.idle.Load())
	}
}

// BenchmarkReclaim has one plugin of a thousand make room for another by turns.
func BenchmarkReclaim(b *testing.B) {
	const pools = 1000
	ctx := context.Background()
	e := newEngine(b, Options{Memory: pools * pageSize})
	c := compileText(b, e, fmt.Sprintf(growing, 1))
	var opened []*Pool
	for range pools + 1 {
		p, err := c.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "p"}})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = p.Close(ctx) }()
		opened = append(opened, p)
	}
	for n := 0; b.Loop(); n++ { // each has lost its instance to the one before
		inst, err := opened[n%len(opened)].Acquire(ctx, nil)
		if err != nil {
			b.Fatal(err)
		}
		inst.Release()
	}
}

// TestStartsKeepToTheShare has a first instance grow by its start function to more than a plugin may have.
func TestStartsKeepToTheShare(t *testing.T) {
	e := newEngine(t, Options{Memory: 64 * pageSize})
	c := compileText(t, e, `(module (memory (export "memory") 1) (func $start (drop (memory.grow (i32.const 61)))) (start $start))`)
	p, err := c.Open(t.Context(), PoolConfig{Plugin: host.PluginConfig{Name: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(context.Background()) }()
	if got := e.Stats().Memory; got != pageSize {
		t.Errorf("it has %d bytes; want %d", got, pageSize)
	}
}

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// runnable is a module that exports a function "run" of that code, number 0, of type ()->(), and one of type (i32)->(), number 1; its memory
// may have pages to start with.
func runnable(pages int, code, second []byte) []byte {
	body := func(code []byte) []byte {
		code = join([]byte{0}, code, []byte{byte(opEnd)})
		return join(number(len(code)), code)
	}
	return join(wasmHeader, section(sectionType, []byte{2, typeFunction, 0, 0, typeFunction, 1, typeI32, 0}), section(sectionFunction, []byte{2, 0, 1}),
		section(sectionMemory, []byte{1, 0}, number(pages)), section(sectionExport, []byte{1, 3, 'r', 'u', 'n', kindFunc, 0}),
		section(sectionCode, []byte{2}, body(code), body(second)))
}

// busy are guests that would run for ever, or as good as.
func busy() map[string][]byte {
	// if n != 0 { f(n-1); f(n-1) }
	tree := []byte{0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x0b}
	fill := join([]byte{0x41, 0, 0x41, 1, 0x41}, appendSigned(nil, 64<<20), []byte{0xfc, 0x0b, 0})
	turn := join([]byte{0x41, 1, 0x41, 0, 0x41}, appendSigned(nil, 64<<20-1), []byte{0xfc, 0x0a, 0, 0})
	return map[string][]byte{
		"spin":      runnable(1, []byte{0x03, 0x40, 0x0c, 0, 0x0b}, nil),
		"call tree": runnable(1, []byte{0x41, 60, 0x10, 1}, tree),
		"fill":      runnable(1024, join([]byte{0x03, 0x40}, fill, []byte{0x0c, 0, 0x0b}), nil),
		"copy":      runnable(1024, join([]byte{0x03, 0x40}, turn, []byte{0x0c, 0, 0x0b}), nil),
		"fill once": runnable(1024, bytes.Repeat(fill, 7_000), nil),
	}
}

// An opened is an engine with plugins that a test has opened.
type opened struct{ engine *Engine }

func (o *opened) open(tb testing.TB, name string, code []byte, timeout time.Duration, fuel int64) *Pool {
	tb.Helper()
	c, err := o.engine.Compile(tb.Context(), name, code)
	if err != nil {
		tb.Fatal(name, err)
	}
	cfg := host.PluginConfig{Name: name}
	cfg.Limits.Timeout, cfg.Limits.Memory, cfg.Limits.Fuel = host.Default(timeout), host.Default[int64](65<<20), host.Setting[int64]{Value: fuel}
	p, err := c.Open(tb.Context(), PoolConfig{Plugin: cfg})
	if err != nil {
		tb.Fatal(name, err)
	}
	tb.Cleanup(func() { _, _ = p.Close(context.Background()), c.Close(context.Background()) })
	return p
}

func newOpened(tb testing.TB) *opened {
	e, err := New(Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close(context.Background()) })
	return &opened{engine: e}
}

// runOnce calls an instance of p, and returns the fuel and the time that this took.
func runOnce(ctx context.Context, p *Pool) (fuel int64, _ time.Duration, _ error) {
	fx := &host.StartEffects{}
	inst, err := p.Acquire(ctx, fx)
	if err != nil {
		return 0, 0, err
	}
	defer inst.Release()
	begun := time.Now()
	err = inst.Call(ctx, "run", nil, nil, fx)
	return inst.Fuel(), time.Since(begun), err
}

// beside runs f, and tells how long the garbage collector, and a call of another guest, took at most meanwhile.
func beside(tb testing.TB, other *Pool, f func()) (collect, call time.Duration) {
	done := make(chan struct{})
	var all sync.WaitGroup
	often := func(longest *time.Duration, work func()) {
		all.Go(func() {
			for {
				begun := time.Now()
				work()
				*longest = max(*longest, time.Since(begun))
				select {
				case <-done:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
	}
	often(&collect, runtime.GC)
	often(&call, func() {
		if _, _, err := runOnce(tb.Context(), other); err != nil {
			tb.Errorf("another guest: %v", err)
		}
	})
	f()
	close(done)
	all.Wait()
	return collect, call
}

// inTime tries what has to be done in time: again where it was not, as others may have had the processors.
func inTime(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for range 5 {
		if err = try(); err == nil {
			return
		}
	}
	t.Errorf("%s: %v", what, err)
}

// TestDeadlines ends guests that never end by themselves, more of them than there are slots, and nothing else waits for them.
func TestDeadlines(t *testing.T) {
	const timeout, late = 200 * time.Millisecond, 500 * time.Millisecond
	o := newOpened(t)
	other := o.open(t, "other", runnable(1, []byte{0x41, 3, 0x10, 1}, []byte{0x20, 0, 0x1a}), 10*time.Second, 0)
	for name, code := range busy() {
		p := o.open(t, name, code, timeout, 1<<60)
		inTime(t, name, func() error {
			ended := make(chan error, 4)
			collect, call := beside(t, other, func() {
				var all sync.WaitGroup
				for range cap(ended) {
					all.Go(func() {
						_, took, err := runOnce(t.Context(), p)
						if !errors.Is(err, host.Timeout) && !errors.Is(err, host.Unavailable) {
							t.Errorf("%s: %v", name, err)
						}
						if err = nil; took > timeout+late {
							err = fmt.Errorf("ended after %v", took)
						}
						ended <- err
					})
				}
				all.Wait()
			})
			if collect > late || call > late {
				return fmt.Errorf("the garbage collector took %v, another guest %v", collect, call)
			}
			return errors.Join(<-ended, <-ended, <-ended, <-ended)
		})
	}
}

// TestCancellation ends a guest whose caller has gone.
func TestCancellation(t *testing.T) {
	o := newOpened(t)
	for name, code := range busy() {
		p := o.open(t, name, code, time.Minute, 1<<60)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, _, err := runOnce(ctx, p); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFuel ends guests by their budget, which counts what they do.
func TestFuel(t *testing.T) {
	o := newOpened(t)
	for name, code := range busy() {
		const budget = 3_000_000
		used, _, err := runOnce(t.Context(), o.open(t, name, code, time.Minute, budget))
		var guest *host.GuestError
		if !errors.As(err, &guest) || guest.Type != host.GuestFuel || used < budget || used > 2*budget {
			t.Errorf("%s: %d units, %v", name, used, err)
		}
	}
	loop := func(n int) []byte { // sets local 0 of run, which has none: the second function counts down
		return runnable(1, join([]byte{0x41}, appendSigned(nil, int64(n)), []byte{0x10, 1}),
			[]byte{0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b})
	}
	for n, want := range map[int]int64{1: 7, 1000: 5002, 1_000_000: 5_000_002} {
		p := o.open(t, fmt.Sprint(n), loop(n), time.Minute, 0)
		for range 2 {
			if used, _, err := runOnce(t.Context(), p); err != nil || used < want || used > want+2 {
				t.Errorf("a loop of %d: %d units, %v; want %d", n, used, err, want)
			}
		}
	}
}

// BenchmarkDeadlines tells how late guests end that never end by themselves, and how long others had to wait for them at most.
func BenchmarkDeadlines(b *testing.B) {
	for name, code := range busy() {
		b.Run(name, func(b *testing.B) {
			o := newOpened(b)
			other := o.open(b, "other", runnable(1, []byte{0x41, 3, 0x10, 1}, []byte{0x20, 0, 0x1a}), 10*time.Second, 0)
			const timeout = 100 * time.Millisecond
			p := o.open(b, name, code, timeout, 1<<60)
			var late []float64
			var collect, call time.Duration
			for b.Loop() {
				gc, guest := beside(b, other, func() {
					_, took, err := runOnce(b.Context(), p)
					if !errors.Is(err, host.Timeout) {
						b.Fatal(err)
					}
					late = append(late, (took-timeout).Seconds()*1e3)
				})
				collect, call = max(collect, gc), max(call, guest)
			}
			slices.Sort(late)
			b.ReportMetric(late[len(late)/2], "ms-late")
			b.ReportMetric(late[len(late)-1], "ms-latest")
			b.ReportMetric(collect.Seconds()*1e3, "ms-gc")
			b.ReportMetric(call.Seconds()*1e3, "ms-other")
			b.ReportMetric(0, "ns/op")
		})
	}
}

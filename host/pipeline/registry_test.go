package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// A lamp is open or closed, and counts how many of its key are open.
type lamp struct {
	open *atomic.Int64
	lit  atomic.Bool
}

func (l *lamp) Close(context.Context) error {
	if !l.lit.CompareAndSwap(true, false) {
		return errors.New("closed twice")
	}
	l.open.Add(-1)
	return nil
}

func TestRegistrySharesAndCloses(t *testing.T) {
	var r registry[*lamp]
	var open [4]atomic.Int64
	var wait sync.WaitGroup
	for worker := range 16 {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 2000 {
				i := random.IntN(len(open))
				l, release, err := r.acquire(fmt.Sprint(i), func() (*lamp, error) {
					l := &lamp{open: &open[i]}
					l.lit.Store(true)
					open[i].Add(1)
					return l, nil
				})
				if err != nil || !l.lit.Load() {
					t.Error("a holder got what is closed", err)
					return
				}
				if err := release(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for i := range open {
		if n := open[i].Load(); n != 0 {
			t.Errorf("%d of key %d are still open", n, i)
		}
	}
	if r.size() != 0 {
		t.Errorf("%d entries are left", r.size())
	}
}

func TestRegistryOpensOnceForAll(t *testing.T) {
	var r registry[*lamp]
	var open atomic.Int64
	begun, finish := make(chan struct{}), make(chan struct{})
	opener := func() (*lamp, error) {
		close(begun) // a second opening would panic
		<-finish
		l := &lamp{open: &open}
		l.lit.Store(true)
		open.Add(1)
		return l, nil
	}
	var wait sync.WaitGroup
	var releases [8]func(context.Context) error
	take := func(i int) {
		_, release, err := r.acquire("key", opener)
		if err != nil {
			t.Error(err)
		}
		releases[i] = release
	}
	wait.Go(func() { take(0) })
	<-begun
	for i := range releases[1:] {
		wait.Go(func() { take(i + 1) })
	}
	close(finish)
	wait.Wait()
	for i, release := range releases {
		if open.Load() != 1 {
			t.Fatalf("closed before the last of %d holders let go", len(releases)-i)
		}
		if err := release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if open.Load() != 0 || r.size() != 0 {
		t.Error("not closed with the last release")
	}
}

func TestRegistryKeepsNoFailedOpening(t *testing.T) {
	var r registry[*lamp]
	broken := errors.New("broken")
	for range 3 {
		if _, release, err := r.acquire("key", func() (*lamp, error) { return nil, broken }); !errors.Is(err, broken) || release != nil {
			t.Fatalf("%v", err)
		}
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, _, err := r.acquire("key", func() (*lamp, error) { return nil, broken }); !errors.Is(err, broken) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	var open atomic.Int64
	l, release, err := r.acquire("key", func() (*lamp, error) {
		l := &lamp{open: &open}
		l.lit.Store(true)
		return l, nil
	})
	if err != nil || l == nil {
		t.Fatalf("a failure was kept: %v", err)
	}
	if err := release(t.Context()); err != nil || r.size() != 0 {
		t.Error(err, r.size())
	}
}

// Who shared an opening that failed may try again at once, whoever else still waits for it.
func TestRegistryTriesAgain(t *testing.T) {
	for range 200 {
		var r registry[*lamp]
		var open atomic.Int64
		var wait sync.WaitGroup
		gate := make(chan struct{})
		for range 8 {
			wait.Go(func() {
				if _, _, err := r.acquire("key", func() (*lamp, error) { <-gate; return nil, errors.New("broken") }); err == nil {
					t.Error("a broken opening gave something")
				}
				l, release, err := r.acquire("key", func() (*lamp, error) {
					l := &lamp{open: &open}
					l.lit.Store(true)
					open.Add(1)
					return l, nil
				})
				if err != nil {
					t.Errorf("the second attempt is the first one's failure: %v", err)
				} else if !l.lit.Load() || release(t.Context()) != nil {
					t.Error("it is closed")
				}
			})
		}
		for waiting := 0; waiting < 8; runtime.Gosched() {
			r.mu.Lock()
			if e := r.entries["key"]; e != nil {
				waiting = e.holders
			}
			r.mu.Unlock()
		}
		close(gate)
		wait.Wait()
	}
}

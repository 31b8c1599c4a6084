package js

import (
	"runtime"
	"sync/atomic"
)

// workers are goroutines that wait for work. goja needs a deep stack, and a goroutine that has grown one saves more time than
// the call's way there costs.
type workers struct {
	jobs chan func()
	done chan struct{} // ends those that wait
	idle atomic.Int32
}

func newWorkers() workers { return workers{jobs: make(chan func()), done: make(chan struct{})} }

// run has work done by a worker that waits, or by a new one.
func (w *workers) run(work func()) {
	select {
	case w.jobs <- work:
	default:
		go w.work(work)
	}
}

// work does one job after the other. No more workers wait than can run at once.
func (w *workers) work(job func()) {
	for {
		job()
		if int(w.idle.Add(1)) > runtime.GOMAXPROCS(0) {
			w.idle.Add(-1)
			return
		}
		select {
		case job = <-w.jobs:
			w.idle.Add(-1)
		case <-w.done:
			return
		}
	}
}

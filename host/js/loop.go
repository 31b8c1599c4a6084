package js

import (
	"container/heap"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

// A timer is one setTimeout or setInterval.
type timer struct {
	id    int64
	at    time.Time
	every time.Duration // 0 runs it once
	fn    goja.Callable
	args  []goja.Value
	index int // in the heap; -1 when it is not there
}

// timers is a heap, soonest first; of those at the same time, the one that was set first.
type timers []*timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return t[i].at.Before(t[j].at) || t[i].at.Equal(t[j].at) && t[i].id < t[j].id
}
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}
func (t *timers) Push(x any) {
	tm := x.(*timer)
	tm.index = len(*t)
	*t = append(*t, tm)
}
func (t *timers) Pop() any {
	old := *t
	tm := old[len(old)-1]
	tm.index = -1
	*t = old[:len(old)-1]
	return tm
}

// A loop is the event loop of one call: timers, work that goroutines do for the script, and what others tell it. All but end and
// what is posted runs on the script's goroutine.
type loop struct {
	heap    timers
	byID    map[int64]*timer
	lastID  int64
	pending int // tasks that are sure to be posted

	order host.Conductor // chooses what the script hears of next; nil leaves that to chance

	workers sync.WaitGroup
	mu      sync.Mutex
	ended   bool // no worker begins any more
	posted  []task
	wake    chan struct{} // holds one token when something was posted; made before anybody can post
}

// A task runs on the script's goroutine.
type task struct {
	run     func() error
	counted bool // in pending
	number  int  // by which the conductor knows it; 0 for none
}

// listen makes ready for tasks from other goroutines.
func (l *loop) listen() {
	if l.wake == nil {
		l.mu.Lock()
		l.wake = make(chan struct{}, 1)
		l.mu.Unlock()
	}
}

// expect announces a task, which the function that it returns brings, from any goroutine and once.
func (l *loop) expect() (bring func(func() error)) {
	_, bring = l.expectIn(context.Background())
	return bring
}

// expectIn is expect for what has effects, which it must have with the context that it gets.
func (l *loop) expectIn(ctx context.Context) (inner context.Context, bring func(func() error)) {
	l.listen()
	l.pending++
	number := 0
	if l.order != nil {
		ctx, number = l.order.Task(ctx)
	}
	return ctx, func(run func() error) { l.add(task{run, true, number}) }
}

// post brings a task that nobody waits for. A loop that never listened takes none.
func (l *loop) post(run func() error) { l.add(task{run: run}) }

func (l *loop) add(t task) {
	l.mu.Lock()
	wake := l.wake
	if wake != nil {
		l.posted = append(l.posted, t)
	}
	l.mu.Unlock()
	select {
	case wake <- struct{}{}:
	default:
	}
}

// begin starts work beside the script. The function that work returns runs on the script's goroutine.
func (l *loop) begin(work func() func() error) {
	l.beginIn(context.Background(), func(context.Context) func() error { return work() })
}

// beginIn is begin for work that has effects.
func (l *loop) beginIn(ctx context.Context, work func(context.Context) func() error) {
	ctx, bring := l.expectIn(ctx)
	l.beside(func() { bring(work(ctx)) })
}

// beside runs work on a goroutine that the call waits for.
func (l *loop) beside(work func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		panic(errAbandoned)
	}
	l.workers.Go(work)
}

// end waits for the workers, which the end of the call's context ends.
func (l *loop) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.workers.Wait()
}

func (l *loop) addTimer(tm *timer) int64 {
	l.lastID++
	tm.id = l.lastID
	if l.byID == nil {
		l.byID = map[int64]*timer{}
	}
	l.byID[tm.id] = tm
	heap.Push(&l.heap, tm)
	return tm.id
}

func (l *loop) clearTimer(id int64) {
	if tm := l.byID[id]; tm != nil {
		delete(l.byID, id)
		if tm.index >= 0 {
			heap.Remove(&l.heap, tm.index)
		}
	}
}

// run turns the loop until done, the end of the call, or an error that nobody caught. errStuck says that nothing is left to
// wait for; the loop of a pinned instance waits for its next call then.
func (c *call) run(done func() bool) error {
	l := &c.loop
	for !done() {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		ran, err := c.runPosted()
		if err != nil {
			return err
		}
		if ran && (len(l.heap) == 0 || l.heap[0].at.After(c.world().Now())) { // a body that comes fast keeps no timer waiting
			continue
		}
		if len(l.heap) == 0 {
			if l.pending == 0 && (c.pinned == nil || c.pinned.giveUp()) {
				if c.pinned == nil {
					return errStuck
				}
				continue
			}
			if _, err := c.wait(-1); err != nil {
				return err
			}
			continue
		}
		next := l.heap[0]
		if delay := next.at.Sub(c.world().Now()); delay > 0 {
			if woken, err := c.wait(delay); err != nil {
				return err
			} else if woken { // perhaps for a task that has run since: the timer is not due
				continue
			}
		}
		if err := c.fire(next); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) fire(tm *timer) error {
	heap.Remove(&c.loop.heap, tm.index)
	if tm.every > 0 {
		tm.at = c.world().Now().Add(tm.every)
		heap.Push(&c.loop.heap, tm)
	} else {
		delete(c.loop.byID, tm.id)
	}
	_, err := tm.fn(goja.Undefined(), tm.args...)
	return err
}

// wait lets time pass, d or, when it is negative, as much as it takes. It ends early, woken, when something is posted, or was
// and has run.
func (c *call) wait(d time.Duration) (woken bool, err error) {
	start := time.Now()
	defer func() { c.hostTime += time.Since(start) }()
	if c.pinned != nil {
		defer c.pinned.idle()()
	}
	fx := c.world() // taken here: the second half of a filter brings other ones
	if order := c.loop.order; order != nil {
		return order.Pause(c.ctx, d, c.loop.wake)
	}
	if c.loop.wake == nil {
		return false, fx.Sleep(c.ctx, d)
	}
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	var slept chan error
	if d >= 0 {
		slept = make(chan error, 1)
		c.loop.beside(func() { slept <- fx.Sleep(ctx, d) })
	}
	select {
	case <-c.loop.wake:
		return true, nil
	case err := <-slept:
		return false, err
	case <-c.ctx.Done():
		return false, c.ctx.Err()
	}
}

// runPosted runs one task, and reports whether there was one.
func (c *call) runPosted() (bool, error) {
	l := &c.loop
	if l.wake == nil {
		return false, nil
	}
	for {
		t, chosen := l.choose()
		switch chosen {
		case host.TaskNone:
			return false, nil
		case host.TaskLater:
			select {
			case <-l.wake:
			case <-c.ctx.Done():
				return false, c.ctx.Err()
			}
			continue
		}
		if t.counted {
			l.pending--
		}
		return true, t.run()
	}
}

// choose takes a task off those that were posted: the first, or the one that the conductor says.
func (l *loop) choose() (t task, chosen int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := 0
	if l.order != nil {
		done := make([]int, len(l.posted))
		for i := range l.posted {
			done[i] = l.posted[i].number
		}
		if chosen = l.order.Next(done); chosen < 0 {
			return t, chosen
		}
		at = slices.Index(done, chosen)
	} else if len(l.posted) == 0 {
		return t, host.TaskNone
	}
	t = l.posted[at]
	if at > 0 {
		l.posted = slices.Delete(l.posted, at, at+1)
	} else if l.posted[0] = (task{}); len(l.posted) == 1 {
		l.posted = l.posted[:0]
	} else {
		l.posted = l.posted[1:]
	}
	return t, t.number
}

// conduct has the effects' conductor, if they have one, choose what the script hears of. It is called before the loop turns.
func (l *loop) conduct(fx host.Effects) {
	if order, ok := fx.(host.Conductor); ok {
		l.order = order
		l.listen()
	}
}

// fact is yes or no, as it is, or as it was when the call was recorded.
func (l *loop) fact(name string, yes bool) bool {
	if l.order == nil {
		return yes
	}
	return string(l.order.Fact(name, strconv.AppendBool(nil, yes))) == "true"
}

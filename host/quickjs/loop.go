package quickjs

import (
	"container/heap"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// A timer is one setTimeout or setInterval. Its function is the guest's, which knows it by its number.
type timer struct {
	id    int
	at    time.Time
	every time.Duration // 0 runs it once
	index int           // in the heap; -1 when it is not there
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

// A loop is what the guest waits for in one call: timers, work that goroutines do for the script, and what others tell it. All but end and
// what is posted runs on the guest's goroutine.
type loop struct {
	heap    timers
	byID    map[int]*timer
	lastID  int
	pending int  // tasks that are sure to be posted
	posting bool // the last event was of a task: a timer that is due comes before the next

	order host.Conductor // chooses what the guest hears of next; nil leaves that to chance

	workers sync.WaitGroup
	mu      sync.Mutex
	ended   bool // no worker begins any more
	posted  []task
	wake    chan struct{} // holds one token when something was posted; made before anybody can post
}

// A task runs on the guest's goroutine, and may give an event for the guest.
type task struct {
	run     func() []any
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

// conduct has the effects' conductor, if they have one, choose what the guest hears of. It is called before the loop turns.
func (l *loop) conduct(fx host.Effects) {
	if order, ok := fx.(host.Conductor); ok {
		l.order = order
	}
	l.listen()
}

// fact is yes or no, as it is, or as it was when the call was recorded.
func (l *loop) fact(name string, yes bool) bool {
	if l.order == nil {
		return yes
	}
	return string(l.order.Fact(name, strconv.AppendBool(nil, yes))) == "true"
}

// expect announces a task, which the function that it returns brings, from any goroutine and once. What has effects has them with inner.
func (l *loop) expect(ctx context.Context) (inner context.Context, bring func(func() []any)) {
	l.listen()
	l.pending++
	number := 0
	if l.order != nil {
		ctx, number = l.order.Task(ctx)
	}
	return ctx, func(run func() []any) { l.add(task{run, true, number}) }
}

// post brings a task that nobody waits for.
func (l *loop) post(run func() []any) { l.add(task{run: run}) }

func (l *loop) add(t task) {
	l.mu.Lock()
	l.posted = append(l.posted, t)
	wake := l.wake
	l.mu.Unlock()
	select {
	case wake <- struct{}{}:
	default:
	}
}

// beside runs work on a goroutine that the call waits for. The call's end may have come before.
func (l *loop) beside(work func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.workers.Go(work)
	}
}

// end waits for the workers, which the end of the call's context ends.
func (l *loop) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.workers.Wait()
}

func (l *loop) addTimer(tm *timer) int {
	l.lastID++
	tm.id = l.lastID
	if l.byID == nil {
		l.byID = map[int]*timer{}
	}
	l.byID[tm.id] = tm
	heap.Push(&l.heap, tm)
	return tm.id
}

func (l *loop) clearTimer(id int) {
	if tm := l.byID[id]; tm != nil {
		delete(l.byID, id)
		if tm.index >= 0 {
			heap.Remove(&l.heap, tm.index)
		}
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
	l.posted = slices.Delete(l.posted, at, at+1)
	return t, t.number
}

// report asks the guest for the rejections that nobody handled.
func report() []any { return []any{"report"} }

// wait returns the next event for the guest, nil when the call is over. It may wait long, and ends the guest when the call's time is over.
func (c *call) wait(ctx context.Context) []any {
	for {
		switch {
		case c.failure != nil:
			return nil
		case c.state == answered:
			c.state = told
			return report()
		case c.state == told && c.pinned == nil && !c.lingers():
			return nil // who called this gives the answer
		case c.state == told:
			c.handOver()
		}
		over := c.state == given && !c.lingers()
		if c.pinned != nil {
			over = c.pinned.done
		}
		if over {
			if c.reported {
				return nil
			}
			c.reported = true
			return report()
		}
		if len(c.queue) > 0 {
			event := c.queue[0]
			c.queue = c.queue[1:]
			return event
		}
		if event := c.turn(ctx); event != nil {
			return event
		}
	}
}

// turn runs one task, or waits for one or for a timer. It returns an event for the guest, if one came of that.
func (c *call) turn(ctx context.Context) []any {
	l := &c.loop
	due := len(l.heap) > 0 && !l.heap[0].at.After(c.fx.Now())
	if !due || !l.posting { // a body that comes fast keeps no timer waiting
		if event, ran := c.runPosted(ctx); ran {
			l.posting = true
			return event
		}
	}
	l.posting = false
	switch {
	case due:
		return c.fire(l.heap[0])
	case len(l.heap) > 0:
		if next := l.heap[0]; !c.pause(ctx, next.at.Sub(c.fx.Now())) {
			return c.fire(next)
		}
	case l.pending > 0:
		c.pause(ctx, -1)
	case c.pinned != nil && !c.pinned.giveUp():
		c.pause(ctx, -1)
	case c.pinned == nil:
		c.failure = c.failed(errStuck)
	}
	return nil
}

func (c *call) fire(tm *timer) []any {
	heap.Remove(&c.loop.heap, tm.index)
	if tm.every > 0 {
		tm.at = c.fx.Now().Add(tm.every)
		heap.Push(&c.loop.heap, tm)
	} else {
		delete(c.loop.byID, tm.id)
	}
	return []any{"timer", tm.id}
}

// runPosted runs one task, and reports whether there was one.
func (c *call) runPosted(ctx context.Context) (event []any, ran bool) {
	for {
		t, chosen := c.loop.choose()
		switch chosen {
		case host.TaskNone:
			return nil, false
		case host.TaskLater:
			c.inst.Wait(ctx, func() {
				select {
				case <-c.loop.wake:
				case <-ctx.Done():
				}
			})
			continue
		}
		if t.counted {
			c.loop.pending--
		}
		return t.run(), true
	}
}

// pause lets time pass, d or, when it is negative, as much as it takes. It ends early, woken, when something is posted, or was and has run.
func (c *call) pause(ctx context.Context, d time.Duration) (woken bool) {
	begun := time.Now()
	goOn := c.idle()
	c.inst.Wait(ctx, func() { woken = c.sleep(ctx, d) })
	goOn()
	c.hostTime += time.Since(begun)
	return woken
}

// sleep is as long as pause. When ctx ends, so does the guest, whatever is to come.
func (c *call) sleep(ctx context.Context, d time.Duration) (woken bool) {
	fx := c.fx.Effects // taken here: the second half of a filter brings other ones
	if order := c.loop.order; order != nil {
		woken, _ = order.Pause(ctx, d, c.loop.wake)
		return woken
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var slept chan struct{}
	if d >= 0 {
		slept = make(chan struct{})
		c.loop.beside(func() {
			_ = fx.Sleep(ctx, d)
			close(slept)
		})
	}
	select {
	case <-c.loop.wake:
		return true
	case <-slept:
	case <-ctx.Done():
	}
	return false
}

package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A slots is the right to execute, of which there is one for each processor but one: guests that never end must not keep every processor.
// It is shared out among plugins, and not among calls: of those that wait the one that has used least of late is next, so that a plugin which
// asks for little does not queue behind those which take all that they get.
type slots struct {
	size    int
	mu      sync.Mutex
	free    int
	queues  []*queue // of the plugins that wait
	waiting atomic.Int32
	since   time.Time
}

// A queue is the calls of one plugin, or its starts, that wait for a slot: first those that come back from a host function, then those that begin, and last those
// that have used up a quota, each in the order in which they came. One turn in every few is of the last, who would else wait for as long as others begin.
type queue struct {
	calls  []chan struct{}
	back   int // those at the front who come back
	spent  int // those at the end who have used up a quota
	passed int // turns that went to others while such waited

	// used is how many seconds of slots the plugin has used, each of which counts half as much after a halfLife: the binary logarithm of that, plus
	// the half-lives since the slots were made. Thus it changes when the plugin runs alone, and its order among others never with time.
	used  float64
	begun bool // it has used any
}

// A standing is where a call's place is in its plugin's queue.
type standing int

const (
	begins    standing = iota
	comesBack          // from a host function
	spent              // it has used up a quota
)

func (q *queue) add(ready chan struct{}, as standing) {
	switch as {
	case comesBack:
		q.calls = slices.Insert(q.calls, q.back, ready)
		q.back++
	case begins:
		q.calls = slices.Insert(q.calls, len(q.calls)-q.spent, ready)
	case spent:
		q.calls = append(q.calls, ready)
		q.spent++
	}
}

// first is the call whose turn it is.
func (q *queue) first() int {
	others := len(q.calls) - q.spent
	if others > 0 && q.spent > 0 {
		q.passed++
	}
	if q.spent == 0 || others > 0 && q.passed < spentTurn {
		return 0
	}
	q.passed = 0
	return others
}

func newSlots(processors int) *slots {
	size := max(1, processors-1)
	return &slots{size: size, free: size, since: time.Now()}
}

// take waits for a slot until ctx ends.
func (s *slots) take(ctx context.Context, q *queue, as standing) error {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	ready := make(chan struct{}, 1)
	if len(q.calls) == 0 {
		s.queues = append(s.queues, q)
	}
	q.add(ready, as)
	s.waiting.Add(1)
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := slices.Index(q.calls, ready); at >= 0 {
		s.remove(q, at)
	} else { // it was given to us in between
		s.pass()
	}
	return ctx.Err()
}

// give returns a slot that q has had for so long, to the next who waits.
func (s *slots) give(q *queue, had time.Duration) {
	s.mu.Lock()
	q.used, q.begun = s.with(q, had), true
	s.pass()
	s.mu.Unlock()
}

// over reports whether a slot that a call of q has had for so long, and one that has run for so long in all, is somebody else's now: another
// plugin's that has used less, or another call's of its own.
func (s *slots) over(q *queue, as standing, had, ran time.Duration) bool {
	if s.waiting.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.next()
	switch {
	case next == nil:
		return false
	case next == q:
		return ran >= quota || as == spent && had >= grain && len(q.calls) > q.spent
	}
	return had >= grain && (!next.begun || next.used < s.with(q, had))
}

// The others are called with the lock held.

// with is what q has used if it has had a slot for so long now.
func (s *slots) with(q *queue, had time.Duration) float64 {
	age := float64(time.Since(s.since)) / float64(halfLife)
	before := 0.0
	if q.begun {
		before = math.Exp2(q.used - age)
	}
	return math.Log2(before+max(had, 1).Seconds()) + age
}

// next is the queue that gets the next slot; nil while none waits.
func (s *slots) next() *queue {
	var least *queue
	for _, q := range s.queues {
		if least == nil || !q.begun && least.begun || q.begun && least.begun && q.used < least.used {
			least = q
		}
	}
	return least
}

func (s *slots) pass() {
	q := s.next()
	if q == nil {
		s.free++
		return
	}
	at := q.first()
	q.calls[at] <- struct{}{}
	s.remove(q, at)
}

func (s *slots) remove(q *queue, at int) {
	switch {
	case at < q.back:
		q.back--
	case at >= len(q.calls)-q.spent:
		q.spent--
	}
	q.calls = slices.Delete(q.calls, at, at+1)
	if len(q.calls) == 0 {
		s.queues = slices.DeleteFunc(s.queues, func(other *queue) bool { return other == q })
	}
	s.waiting.Add(-1)
}

// A place is an instance's slot, and what it has used of it.
type place struct {
	queue   *queue // where it waits: its pool's of starts or of calls
	held    bool
	as      standing
	ran     time.Duration // of its quota, before it waited
	since   time.Time     // when it got the slot
	yielded time.Time     // to Go's scheduler
	brief   int           // calls of brief host functions so far
}

var errNoSlot = errors.New("no processor came free")

func (i *Instance) enterSlot(ctx context.Context) error {
	err := i.pool.code.engine.slots.take(ctx, i.slot.queue, i.slot.as)
	i.slot.held = err == nil
	i.slot.since = time.Now() // and not at its next refill, or a guest that waits shortly behind each would seem to use nothing
	i.slot.yielded = i.slot.since
	return err
}

func (i *Instance) leaveSlot() {
	s := &i.slot
	if !s.held {
		return
	}
	had := time.Since(s.since)
	s.held = false
	s.ran += had
	switch {
	case s.ran >= quota:
		s.as, s.ran = spent, 0
	case s.as == begins:
		s.as = comesBack
	}
	i.pool.code.engine.slots.give(s.queue, had)
}

// Wait runs f, which may wait for somebody else, and has others execute meanwhile. It ends the guest if its call has ended by then.
// Host functions are run like this, unless they are Brief.
func (i *Instance) Wait(ctx context.Context, f func()) {
	i.checkStack()
	i.leaveSlot()
	f()
	if ctx.Err() != nil || i.enterSlot(ctx) != nil {
		panic(interrupt{})
	}
}

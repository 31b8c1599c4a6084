package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A slots is the right to execute, of which there is one for each processor but one: guests that never end must not keep every processor.
// Those who wait get theirs in the order in which they came, but that one which comes back from a host function, and has
// not used up its quota, goes before those who begin.
type slots struct {
	mu      sync.Mutex
	free    int
	queue   []chan struct{}
	back    int          // of the queue, those at its front who come back
	waiting atomic.Int32 // the length of the queue
}

func newSlots(processors int) *slots { return &slots{free: max(1, processors-1)} }

// wanted reports whether somebody waits.
func (s *slots) wanted() bool { return s.waiting.Load() > 0 }

// take waits for a slot until ctx ends.
func (s *slots) take(ctx context.Context, comesBack bool) error {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	ready := make(chan struct{}, 1)
	if comesBack {
		s.queue = slices.Insert(s.queue, s.back, ready)
		s.back++
	} else {
		s.queue = append(s.queue, ready)
	}
	s.waiting.Add(1)
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := slices.Index(s.queue, ready); at >= 0 {
		s.remove(at)
	} else { // it was given to us in between
		s.pass()
	}
	return ctx.Err()
}

// give returns a slot: to the first who waits.
func (s *slots) give() {
	s.mu.Lock()
	s.pass()
	s.mu.Unlock()
}

// pass and remove are called with the lock held.
func (s *slots) pass() {
	if len(s.queue) == 0 {
		s.free++
		return
	}
	s.queue[0] <- struct{}{}
	s.remove(0)
}

func (s *slots) remove(at int) {
	if at < s.back {
		s.back--
	}
	s.queue = slices.Delete(s.queue, at, at+1)
	s.waiting.Add(-1)
}

// A place is an instance's slot, and what it has used of it.
type place struct {
	held    bool
	ran     time.Duration // before it waited in a host function
	since   time.Time     // when it got the slot
	yielded time.Time     // to Go's scheduler
	brief   int           // calls of brief host functions so far
}

var errNoSlot = errors.New("no processor came free")

func (i *Instance) enterSlot(ctx context.Context) error {
	err := i.pool.code.engine.slots.take(ctx, i.slot.ran > 0)
	i.slot.held = err == nil
	i.slot.since = time.Now() // and not at its next refill, or a guest that waits shortly behind each would seem to use nothing
	i.slot.yielded = i.slot.since
	return err
}

func (i *Instance) leaveSlot() {
	if i.slot.held {
		i.slot.held = false
		i.pool.code.engine.slots.give()
	}
}

// Wait runs f, which may wait for somebody else, and has others execute meanwhile. It ends the guest if its call has ended by then.
// Host functions are run like this, unless they are Brief.
func (i *Instance) Wait(ctx context.Context, f func()) {
	s := &i.slot
	s.ran = max(s.ran+time.Since(s.since), 1) // it comes back
	if s.ran >= quota {
		s.ran = 0
	}
	i.checkStack()
	i.leaveSlot()
	f()
	if ctx.Err() != nil || i.enterSlot(ctx) != nil {
		panic(interrupt{})
	}
}

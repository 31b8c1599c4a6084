package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postern/postern/host"
)

// A wish is what somebody asked of a pool, and when. starter is nil where any instance will do.
type wish struct {
	starter host.Starter
	since   time.Time
}

// mayMake reports whether an instance may be added. No more are made at once than may execute: where callers come faster than that, the instances
// that are given back in the meantime serve them, and starting ever more would only keep those from it. It is called with the lock held.
func (p *Pool) mayMake() bool { return p.total < p.size && p.making < p.code.engine.slots.size }

// admit gives those who wait the right to make an instance, in a place that is counted. It is called with the lock held.
func (p *Pool) admit() {
	for len(p.waiting) > 0 && p.mayMake() {
		p.total++
		p.making++
		p.next() <- nil
	}
}

// made ends the making of an instance.
func (p *Pool) made() {
	p.mu.Lock()
	p.making--
	p.admit()
	p.mu.Unlock()
}

// only reports whether there is one place alone that is counted, as for the instance that is made.
func (p *Pool) only() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total == 1
}

// make starts an instance in a place that is already counted, and leases it. Where the host has no memory for it, it waits for one of those that the
// plugin has.
func (p *Pool) make(ctx context.Context, want wish) (*Instance, error) {
	var fx host.Effects = &host.StartEffects{Logger: p.code.engine.log, Plugin: &p.plugin}
	if want.starter != nil {
		fx = want.starter.Start()
	}
	inst, err := p.start(ctx, fx, want.starter != nil)
	if err != nil {
		return p.unmade(ctx, want, err)
	}
	p.made()
	p.code.engine.instances.Add(1)
	inst.cold = true
	p.mu.Lock()
	p.lease(inst)
	p.short = nil
	p.mu.Unlock()
	return inst, nil
}

// unmade gives up the place of an instance that could not be made. Where memory was short, nobody else is given the right to try in its place: that
// would be tried by each who waits again and again.
func (p *Pool) unmade(ctx context.Context, want wish, err error) (*Instance, error) {
	var limit *host.LimitError
	if !errors.As(err, &limit) || limit.Limit != pluginMemory {
		p.made()
		p.forget()
		return nil, err
	}
	p.mu.Lock()
	p.making--
	n := len(p.idle)
	switch {
	case n > 0 && want.starter == nil: // which came back meanwhile
		p.total--
		inst := p.unqueue(n - 1)
		p.lease(inst)
		p.mu.Unlock()
		return inst, nil
	case n > 0 || p.closed || p.crowded(p.total-1):
		p.mu.Unlock()
		p.forget() // to one who waits, and is refused as well while they are too many
		return nil, err
	}
	p.total--
	p.short = err
	turn := p.join()
	p.mu.Unlock()
	return p.await(ctx, turn, want)
}

// crowded reports whether nobody else may wait for so many instances. It and join are called with the lock held.
func (p *Pool) crowded(instances int) bool { return len(p.waiting) >= instances*waitersPerInstance }

func (p *Pool) join() (turn chan *Instance) {
	turn = make(chan *Instance, 1)
	p.waiting = append(p.waiting, turn)
	return turn
}

// await waits for an instance, or for the right to make one, and makes it.
func (p *Pool) await(ctx context.Context, turn chan *Instance, want wish) (*Instance, error) {
	inst, err := p.wait(ctx, turn, want.since)
	if err != nil || inst != nil && want.starter == nil {
		return inst, err
	}
	if inst != nil { // its place is what was waited for
		p.vacate(inst)
		p.mu.Lock()
		p.making++
		p.mu.Unlock()
	}
	return p.make(ctx, want)
}

// wait gets an instance, or nil for the right to make one.
func (p *Pool) wait(ctx context.Context, turn chan *Instance, since time.Time) (*Instance, error) {
	timeout := time.NewTimer(p.plugin.Limits.Timeout.Value - time.Since(since))
	defer timeout.Stop()
	var reason error
	select {
	case inst, ok := <-turn: // it is closed when the pool is
		if !ok {
			return nil, p.unavailable(errors.New("the plugin is closed"))
		}
		return inst, nil
	case <-ctx.Done():
		reason = ctx.Err()
	case <-timeout.C:
		reason = fmt.Errorf("waited %v (%s)", p.plugin.Limits.Timeout.Value, p.plugin.Limits.Timeout.Origin())
	}
	p.mu.Lock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	starts, short := p.total < p.size, p.short
	p.mu.Unlock()
	select { // somebody may have handed over in between
	case inst, ok := <-turn:
		switch {
		case ok && inst != nil:
			p.giveBack(inst, true)
		case ok:
			p.made()
			p.forget()
		}
	default:
	}
	if short != nil {
		return nil, p.unavailable(fmt.Errorf("%w: %w", reason, short))
	}
	if starts {
		return nil, p.unavailable(fmt.Errorf("its instances are starting: %w", reason))
	}
	return nil, p.unavailable(fmt.Errorf("%w: %w", p.busy("all instances are busy"), reason))
}

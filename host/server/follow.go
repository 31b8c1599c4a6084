package server

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/pipeline"
)

// Pauses of what runs behind the serving.
const (
	firstRetry   = 200 * time.Millisecond // after the state could not be read; doubled each time
	lastRetry    = 15 * time.Second
	collectEvery = time.Hour
	collectAge   = 24 * time.Hour // longer than any upload or backup takes

	// While developing, each edit leaves code behind, in memory.
	collectOpenEvery = time.Minute
	collectOpenAge   = 2 * time.Minute
)

// served is what a control has last done with the state. Its zero value has tried nothing.
type served struct {
	mu       sync.Mutex
	revision uint64        // of the state that was tried last
	tried    chan struct{} // closed at each try, and made anew
	parts    []admin.Part
	problem  error // why the state as a whole is not what serves; nil when it is
}

// Follow serves the state of the catalog as it is now, and from then on as it changes, until Close. It returns when the first state has
// been tried: what does not work of it is in the log and in Parts, and an error means that the state cannot be read. Without a
// catalog it does nothing.
func (s *Server) Follow(ctx context.Context) error {
	c := s.control
	if c == nil {
		return nil
	}
	if _, err := c.sync(ctx); err != nil && !errors.As(err, new(*refusedState)) {
		return err
	}
	c.group.Go(c.watch)
	c.group.Go(c.collect)
	c.group.Go(c.consume)
	return nil
}

// watch tries each new state. One that cannot be read is tried again; meanwhile what serves goes on serving.
func (c *control) watch() {
	for wait := firstRetry; c.ctx.Err() == nil; wait = min(2*wait, lastRetry) {
		for _, err := range c.catalog.Watch(c.ctx) {
			if err == nil {
				_, err = c.sync(c.ctx)
			}
			if err != nil && !errors.As(err, new(*refusedState)) {
				c.log.Warn("the state cannot be read; what serves goes on, and it is tried again", "error", err, "wait", wait.String())
				break
			}
			wait = firstRetry
		}
		c.pause(wait)
	}
}

// pause waits, or less when the gateway is closed.
func (c *control) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
	}
}

// A refusedState is an error of a state that could be read, and cannot serve.
type refusedState struct{ error }

func (r *refusedState) Unwrap() error { return r.error }

// sync makes the gateway serve the state as it is now, and reports whether that made a difference.
func (c *control) sync(ctx context.Context) (swapped bool, err error) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	composed, err := c.catalog.Compose(ctx)
	if err != nil {
		c.serving.fail(err)
		s.Refuse(err)
		return false, err
	}
	swapped, parts, err := c.serve(ctx, composed)
	c.checked.release()
	c.pinned.release()
	if err != nil {
		s.Refuse(err)
		err = &refusedState{err}
	} else {
		s.refused.Store(nil)
	}
	c.serving.record(composed.Revision, parts, err)
	if swapped {
		debug.FreeOSMemory() // compilers leave much behind, and an idle process would not collect it for minutes
	}
	return swapped, err
}

// serve swaps in a pipeline of the state. Parts that do not work are served as they were before.
func (c *control) serve(ctx context.Context, composed *catalog.Composition) (swapped bool, parts []admin.Part, err error) {
	s := c.server
	old := s.current.Load()
	var before *host.Snapshot
	if old != nil {
		before = old.Snapshot()
	}
	resolveListeners(composed.Snapshot, s.Address)
	p := newPatch(composed, before)
	for i := range composed.Parts {
		if part := &composed.Parts[i]; part.Err != nil {
			p.replace(part, part.Err)
		}
	}
	if old != nil && len(p.reasons) == 0 && before.Revision == composed.Snapshot.Revision {
		return false, p.parts(), nil
	}
	next, err := c.build(ctx, p.snapshot)
	if err != nil {
		release := c.blame(ctx, p)
		next, err = c.build(ctx, p.snapshot)
		release()
	}
	if err != nil { // all parts work alone: they are not alone
		return false, p.refused(before, err), err
	}
	for _, reason := range p.reasons {
		c.log.Error("a part of the state does not serve; what served before goes on", reason.attrs()...)
	}
	if old != nil && old.Snapshot().Revision == next.Snapshot().Revision {
		next.Release()
		return false, p.parts(), nil
	}
	s.current.Store(next)
	if old != nil {
		old.Release()
	}
	return true, p.parts(), nil
}

func (c *control) build(ctx context.Context, snapshot *host.Snapshot) (*pipeline.Pipeline, error) {
	cfg := c.server.pipelineConfig()
	cfg.Background = true
	return pipeline.Build(ctx, snapshot, cfg)
}

// blame builds each API alone and replaces those that fail. What was opened stays open until release, so that the build of all does not
// open it again.
func (c *control) blame(ctx context.Context, p *patch) (release func()) {
	var built []*pipeline.Pipeline
	cfg := c.server.pipelineConfig()
	cfg.Background, cfg.Idle = true, true
	for i := range p.composed.Parts {
		part := &p.composed.Parts[i]
		if part.API == nil || part.Err != nil {
			continue
		}
		alone := *p.composed.Snapshot
		alone.APIs, alone.Domains = []*host.API{bare(part.API)}, nil
		one, err := pipeline.Build(ctx, &alone, cfg)
		if err != nil {
			p.replace(part, err)
			continue
		}
		built = append(built, one)
	}
	return func() {
		for _, one := range built {
			one.Release()
		}
	}
}

// bare is an API without the canaries of its stages, which are parts of their own.
func bare(a *host.API) *host.API {
	out := *a
	out.Stages = nil
	for _, stage := range a.Stages {
		plain := *stage
		plain.Canary = nil
		out.Stages = append(out.Stages, &plain)
	}
	return &out
}

// record keeps what came of a state, and wakes who waits for it.
func (v *served) record(revision uint64, parts []admin.Part, problem error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revision, v.parts, v.problem = max(v.revision, revision), parts, problem
	close(v.tried)
	v.tried = make(chan struct{})
}

// fail keeps why the state could not be read.
func (v *served) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.problem = err
}

// wait waits until a state of that revision or a later one was tried.
func (v *served) wait(ctx context.Context, revision uint64) error {
	for {
		v.mu.Lock()
		done, tried := v.revision >= revision, v.tried
		v.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-tried:
		case <-ctx.Done():
			return &host.Error{Op: "wait for the host", Kind: host.Timeout, Err: context.Cause(ctx)}
		}
	}
}

// collect deletes what nothing names any more, now and then.
func (c *control) collect() {
	every, age := collectEvery, collectAge
	if c.Open {
		every, age = collectOpenEvery, collectOpenAge
	}
	for c.pause(every); c.ctx.Err() == nil; c.pause(every) {
		n, err := c.catalog.Collect(c.ctx, age)
		if err != nil && c.ctx.Err() == nil {
			c.log.Warn("what nothing names any more could not be deleted", "error", err)
		}
		if n > 0 {
			c.log.Debug("deleted what nothing names any more", "blobs", n)
		}
	}
}

package server

import (
	"context"
	"errors"
	"fmt"
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
	passingRetry = 2 * time.Second // after a part could not be read
	quietAfter   = 2 * time.Second // after the last change, memory is given back
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
	c.group.Go(c.follow)
	c.group.Go(c.collect)
	c.group.Go(c.consume)
	return nil
}

// watch hears of changes of the state, also of those that came while the store was away.
func (c *control) watch() {
	for wait := firstRetry; c.ctx.Err() == nil; wait = min(2*wait, lastRetry) {
		for _, err := range c.catalog.Watch(c.ctx) {
			if err != nil {
				c.log.Warn("the state cannot be watched; what serves goes on, and it is tried again", "error", err, "wait", wait.String())
				break
			}
			wait = firstRetry
			c.signal()
		}
		c.pause(wait)
	}
}

// signal has the state tried, soon. Signals that come during a try are one.
func (c *control) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// follow tries each new state. One that cannot be read is tried again; meanwhile what serves goes on serving.
func (c *control) follow() {
	var again, quiet <-chan time.Time
	wait := firstRetry
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-quiet:
			quiet = nil
			debug.FreeOSMemory() // compilers leave much behind, and an idle process would not collect it for minutes
			continue
		case <-c.changed:
		case <-again:
		}
		swapped, err := c.sync(c.ctx)
		if swapped {
			quiet = time.After(quietAfter)
		}
		if err == nil || errors.As(err, new(*refusedState)) {
			again, wait = nil, firstRetry
			continue
		}
		if c.ctx.Err() == nil {
			c.log.Warn("the state cannot be read; what serves goes on, and it is tried again", "error", err, "wait", wait.String())
		}
		again, wait = time.After(wait), min(2*wait, lastRetry)
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
	defer c.checked.take()() // what is checked from now on may not be in the state yet
	composed, err := c.catalog.Compose(ctx)
	if err != nil {
		s.Refuse(err)
		return false, err
	}
	swapped, parts, err := c.serve(ctx, composed)
	c.pinned.release()
	if err != nil {
		s.Refuse(err)
		err = &refusedState{err}
	} else if s.current.Load() != nil { // else it is the project that has not loaded, and why is told already
		s.refused.Store(nil)
	}
	c.serving.record(composed.Revision, parts)
	return swapped, err
}

// serve swaps in a pipeline of the state. Parts that do not work are served as they were before.
func (c *control) serve(ctx context.Context, composed *catalog.Composition) (swapped bool, parts []admin.Part, err error) {
	s := c.server
	old := s.current.Load()
	var before *host.Snapshot
	var failed map[*host.Function]error
	if old != nil {
		before, failed = old.Snapshot(), old.Failures()
	}
	if old == nil && c.Open && len(composed.Parts) == 0 { // the project that is developed has never loaded
		return false, nil, nil
	}
	resolveListeners(composed.Snapshot, s.Address)
	p := newPatch(composed, before, failed)
	if old != nil && len(p.reasons) == 0 && before.Revision == composed.Snapshot.Revision {
		c.tell(p)
		return false, p.parts(), nil
	}
	next, err := c.build(ctx, p.snapshot, old)
	if err != nil {
		release := c.blame(ctx, p, old)
		next, err = c.build(ctx, p.snapshot, old)
		release()
	}
	c.tell(p)
	if err != nil { // all parts work alone: they are not alone
		return false, p.refused(err), err
	}
	if old != nil && before.Revision == next.Snapshot().Revision {
		next.Release()
		return false, p.parts(), nil
	}
	s.current.Store(next)
	if old != nil {
		old.Release()
	}
	return true, p.parts(), nil
}

// tell logs why parts do not serve, once for each reason, and has those tried again that may work soon.
func (c *control) tell(p *patch) {
	if p.passing() {
		time.AfterFunc(passingRetry, c.signal)
	}
	told := map[string]bool{}
	for _, r := range p.reasons {
		key := fmt.Sprint(r.part.Kind, " ", r.part.Name, " ", r.part.Number, " ", r.part.Stages, " ", r.err)
		told[key] = true
		if !c.told[key] {
			c.log.Error("a part of the state does not serve; what served before goes on", r.attrs()...)
		}
	}
	c.told = told
}

// config is what a pipeline has that takes over from old. A first one opens functions behind the start. Later ones open what is new
// before they take over, so that no call waits for it, and what cannot be opened is known.
func (c *control) config(old *pipeline.Pipeline) pipeline.Config {
	cfg := c.server.pipelineConfig()
	cfg.Background = true
	if old != nil {
		awaiting := old.Awaiting()
		cfg.Foreground = func(f *host.Function) bool { return f.Plugin.Ref != brokenRef && !awaiting(f) }
	}
	return cfg
}

func (c *control) build(ctx context.Context, snapshot *host.Snapshot, old *pipeline.Pipeline) (*pipeline.Pipeline, error) {
	return pipeline.Build(ctx, snapshot, c.config(old))
}

// blame builds each part alone and replaces those that fail. What was opened stays open until release, so that the build of all does not
// open it again.
func (c *control) blame(ctx context.Context, p *patch, old *pipeline.Pipeline) (release func()) {
	var built []*pipeline.Pipeline
	cfg := c.config(old)
	cfg.Idle = true
	try := func(part *catalog.Part, alone *host.Snapshot) {
		one, err := pipeline.Build(ctx, alone, cfg)
		if err != nil {
			p.replace(part, err)
			return
		}
		built = append(built, one)
	}
	for i := range p.composed.Parts {
		if part := &p.composed.Parts[i]; part.Fn != nil && part.Err == nil {
			try(part, &host.Snapshot{Functions: []*host.Function{part.Fn}})
		}
	}
	for i := range p.composed.Parts {
		if part := &p.composed.Parts[i]; part.API != nil && part.Err == nil {
			alone := *p.snapshot // whose functions work
			alone.APIs, alone.Domains = []*host.API{bare(part.API)}, nil
			try(part, &alone)
		}
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
func (v *served) record(revision uint64, parts []admin.Part) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revision, v.parts = max(v.revision, revision), parts
	close(v.tried)
	v.tried = make(chan struct{})
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
		blobs, err := c.catalog.Collect(c.ctx, age)
		maps, failed := c.catalog.CollectMaps(c.ctx, age)
		if err = errors.Join(err, failed); err != nil && c.ctx.Err() == nil {
			c.log.Warn("what nothing names any more could not be deleted", "error", err)
		}
		if blobs+maps > 0 {
			c.log.Debug("deleted what nothing names any more", "blobs", blobs, "maps", maps)
		}
	}
}

package server

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
)

// checkedFor is how long what a check has compiled stays open for the state that is about to come, of which it is a part.
const checkedFor = 30 * time.Second

// check compiles and starts everything of a snapshot, for a change of the catalog. What it has opened stays open for a moment, so
// that serving the change does not do it again.
func (c *control) check(ctx context.Context, snapshot *host.Snapshot) error {
	resolveListeners(snapshot, c.server.Address)
	cfg := c.server.pipelineConfig()
	cfg.Idle = true
	built, err := pipeline.Build(ctx, snapshot, cfg)
	if err != nil {
		return err
	}
	c.checked.hold(built)
	return nil
}

// maxChecked is how many checked pipelines stay open at most: each change has one, a dry run too.
const maxChecked = 8

// heldPipelines are held for a moment, the newest at the end. Its zero value is ready.
type heldPipelines struct {
	mu     sync.Mutex
	held   []*heldPipeline
	closed bool
}

type heldPipeline struct {
	pipeline *pipeline.Pipeline
	timer    *time.Timer
}

func (h *heldPipelines) hold(p *pipeline.Pipeline) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		p.Release()
		return
	}
	one := &heldPipeline{pipeline: p}
	one.timer = time.AfterFunc(checkedFor, func() { h.drop(one) })
	h.held = append(h.held, one)
	if len(h.held) > maxChecked {
		h.held[0].timer.Stop()
		h.held[0].pipeline.Release()
		h.held = slices.Delete(h.held, 0, 1)
	}
}

func (h *heldPipelines) drop(one *heldPipeline) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.held, one); i >= 0 {
		h.held = slices.Delete(h.held, i, i+1)
		one.pipeline.Release()
	}
}

// take hands over all that are held now, for release to let go of.
func (h *heldPipelines) take() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.held
	h.held = nil
	return func() {
		for _, one := range all {
			one.timer.Stop()
			one.pipeline.Release()
		}
	}
}

// close lets go of all, and of what comes later.
func (h *heldPipelines) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.take()()
}

// maxPinned is how many versions that nothing points at are kept open for calls by their number.
const maxPinned = 16

// pinnedVersions are pipelines of one version of a function each, the last that was called in front.
type pinnedVersions struct {
	mu     sync.Mutex
	order  list.List // of *pinnedVersion
	closed bool
}

type pinnedVersion struct {
	name     string
	version  int
	pipeline *pipeline.Pipeline
}

// acquire returns a pipeline that the caller releases.
func (v *pinnedVersions) acquire(ctx context.Context, c *control, name string, version int) (*pipeline.Pipeline, error) {
	if p := v.find(name, version); p != nil {
		return p, nil
	}
	f, err := c.catalog.ComposeVersion(ctx, name, version)
	if err != nil {
		return nil, err
	}
	f.URL = false
	snapshot := &host.Snapshot{Revision: fmt.Sprintf("%s@%d", name, version), Functions: []*host.Function{f}}
	cfg := c.server.pipelineConfig()
	cfg.Idle = true
	p, err := pipeline.Build(ctx, snapshot, cfg)
	if err != nil { // not %w: that a blob is lost is no function that is not there
		return nil, &host.Error{Op: "open " + snapshot.Revision, Kind: host.Unavailable, Err: errors.New(err.Error())}
	}
	return v.keep(name, version, p), nil
}

// keep keeps a pipeline, unless another call has opened one meanwhile, and returns the one to use with a hold for the caller.
func (v *pinnedVersions) keep(name string, version int, p *pipeline.Pipeline) *pipeline.Pipeline {
	if first := v.find(name, version); first != nil {
		p.Release()
		return first
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return p
	}
	p.Acquire() // for the caller; the builder's own is the list's
	v.order.PushFront(&pinnedVersion{name, version, p})
	for v.order.Len() > maxPinned {
		v.order.Remove(v.order.Back()).(*pinnedVersion).pipeline.Release()
	}
	return p
}

func (v *pinnedVersions) find(name string, version int) *pipeline.Pipeline {
	v.mu.Lock()
	defer v.mu.Unlock()
	for e := v.order.Front(); e != nil; e = e.Next() {
		if one := e.Value.(*pinnedVersion); one.name == name && one.version == version && one.pipeline.Acquire() {
			v.order.MoveToFront(e)
			return one.pipeline
		}
	}
	return nil
}

// release lets go of all: a secret of theirs may have changed.
func (v *pinnedVersions) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.order.Len() > 0 {
		v.order.Remove(v.order.Front()).(*pinnedVersion).pipeline.Release()
	}
}

// close lets go of all, and keeps none from now on.
func (v *pinnedVersions) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.release()
}

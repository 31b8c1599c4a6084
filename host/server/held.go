package server

import (
	"container/list"
	"context"
	"fmt"
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

// heldPipelines are held for a moment.
type heldPipelines struct {
	mu   sync.Mutex
	held map[*pipeline.Pipeline]*time.Timer
}

func (h *heldPipelines) hold(p *pipeline.Pipeline) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held = map[*pipeline.Pipeline]*time.Timer{}
	}
	h.held[p] = time.AfterFunc(checkedFor, func() { h.drop(p) })
}

func (h *heldPipelines) drop(p *pipeline.Pipeline) {
	h.mu.Lock()
	_, held := h.held[p]
	delete(h.held, p)
	h.mu.Unlock()
	if held {
		p.Release()
	}
}

// release lets go of all.
func (h *heldPipelines) release() {
	h.mu.Lock()
	all := h.held
	h.held = nil
	h.mu.Unlock()
	for p, timer := range all {
		timer.Stop()
		p.Release()
	}
}

// maxPinned is how many versions that nothing points at are kept open for calls by their number.
const maxPinned = 16

// pinnedVersions are pipelines of one version of a function each, the last that was called in front.
type pinnedVersions struct {
	mu    sync.Mutex
	order list.List // of *pinnedVersion
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
	if err != nil {
		return nil, err
	}
	p.Acquire() // for the caller; the builder's own is the list's
	v.mu.Lock()
	defer v.mu.Unlock()
	v.order.PushFront(&pinnedVersion{name, version, p})
	for v.order.Len() > maxPinned {
		v.order.Remove(v.order.Back()).(*pinnedVersion).pipeline.Release()
	}
	return p, nil
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

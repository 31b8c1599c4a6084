package pipeline

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/postern/postern/host"
)

// How many bytes of bodies the host reads as JSON at once, for templates, models and parameter mappings. Values take some fifty times as much
// memory as the two bytes that each may have in a body, and plugins, whose memory has bounds of its own, do not wait here.
const (
	lightBody   = 64 << 10 // up to this size a body does not wait, so that nobody waits behind those that do
	heavyBodies = 16 << 20
)

// A heavy lets bodies wait until there is room to read them. Reading keeps a processor busy, so that they would wait in any case: the host's memory
// is not to grow with how many do. It is safe for concurrent use.
type heavy struct{ room *semaphore.Weighted }

func newHeavy() *heavy { return &heavy{semaphore.NewWeighted(heavyBodies)} }

// enter waits for room for a body of that size, and returns what gives it back. It must not be called again before that: two who hold a part
// would wait for each other. The error has Kind Timeout: ctx ended first.
func (h *heavy) enter(ctx context.Context, size int) (leave func(), err error) {
	if size <= lightBody {
		return func() {}, nil
	}
	n := min(int64(size), heavyBodies)
	if err := h.room.Acquire(ctx, n); err != nil {
		return func() {}, &host.Error{Op: "wait to read the body", Kind: host.Timeout, Err: context.Cause(ctx)}
	}
	return func() { h.room.Release(n) }, nil
}

// A heavyMapper is a template that waits for room.
type heavyMapper struct {
	template host.Mapper
	heavy    *heavy
}

// Map implements host.Mapper.
func (m *heavyMapper) Map(ctx context.Context, in *host.MapInput) (*host.MapOutput, error) {
	leave, err := m.heavy.enter(ctx, len(in.Body))
	if err != nil {
		return nil, err
	}
	defer leave()
	return m.template.Map(ctx, in)
}

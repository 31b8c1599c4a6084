package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postern/postern/host"
)

// What the API has at once. Beyond it a request is refused as Unavailable, with Retry-After.
const (
	maxConnections = 1024
	maxTurns       = 16        // applies and uploads that are read, compiled and checked; others wait for their turn
	maxLingering   = 256       // changes that wait until they serve, and readers that follow the log
	maxUploads     = 512 << 20 // bytes of the bodies of definitions and uploads
	maxBodies      = 256 << 20 // bytes of all other bodies: payloads of invocations, most of all
)

// bounds keeps count of what the API has at once.
type bounds struct {
	turns, lingering, uploads, bodies *semaphore.Weighted
}

func newBounds() bounds {
	return bounds{semaphore.NewWeighted(maxTurns), semaphore.NewWeighted(maxLingering), semaphore.NewWeighted(maxUploads), semaphore.NewWeighted(maxBodies)}
}

// busy is the error of what was too much at once.
func busy(format string, args ...any) *fault {
	f := faultf(host.Unavailable, 0, format+"; try again in a few seconds", args...)
	f.retryAfter = 5
	return f
}

// turn waits until a long operation may begin. The caller calls done at its end.
func (c *call) turn() (done func(), err error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), c.delays.turn)
	defer cancel()
	if err := c.turns.Acquire(ctx, 1); err != nil {
		return nil, busy("%d applies and uploads go on at once, and none ended within %s", maxTurns, c.delays.turn)
	}
	return func() { c.turns.Release(1) }, nil
}

// linger takes a place of those that wait. The caller calls done at its end.
func (c *call) linger() (done func(), err error) {
	if !c.lingering.TryAcquire(1) {
		return nil, busy("%d clients of this host wait for changes or follow its log", maxLingering)
	}
	return func() { c.lingering.Release(1) }, nil
}

// A heldBody takes from a budget what an operation holds of its body: all that was announced before the first byte is read, or else what
// comes.
type heldBody struct {
	io.ReadCloser
	budget *semaphore.Weighted
	length int64 // -1 when it was not announced
	taken  int64
}

func (b *heldBody) Read(p []byte) (int, error) {
	if b.length > b.taken {
		if err := b.take(b.length - b.taken); err != nil {
			return 0, err
		}
	}
	n, err := b.ReadCloser.Read(p)
	if b.length < 0 {
		if err := b.take(int64(n)); err != nil {
			return 0, err
		}
	}
	return n, err
}

func (b *heldBody) take(n int64) error {
	if !b.budget.TryAcquire(n) {
		return busy("the host holds as many uploads as it may")
	}
	b.taken += n
	return nil
}

// release gives back what was taken. Nothing is read afterwards.
func (b *heldBody) release() {
	b.budget.Release(b.taken)
	b.taken, b.length = 0, 0
}

// connections bounds those of a server: one too many is closed at once.
type connections struct {
	open atomic.Int64
	most int64
}

// changed is an http.Server's ConnState.
func (n *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if n.open.Add(1) > n.most {
			_ = conn.Close() // its end is told as StateClosed
		}
	case http.StateClosed, http.StateHijacked:
		n.open.Add(-1)
	}
}

// delays is how long the API waits for others.
type delays struct {
	write     time.Duration // for a client to take a piece of a response
	heartbeat time.Duration // between the empty lines of a stream
	turn      time.Duration // for a long operation to begin
}

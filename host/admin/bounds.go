package admin

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postern/postern/host"
)

// What the API has at once, of which one caller may have half. Beyond it a request is refused as Unavailable, with Retry-After.
const (
	maxTurns     = 16        // applies and uploads that are compiled and checked; others wait for their turn
	maxLingering = 256       // changes that wait until they serve, and readers that follow the log; of one caller all
	maxUploads   = 512 << 20 // bytes of the bodies of definitions and uploads
	maxBodies    = 256 << 20 // bytes of all other bodies: payloads of invocations, most of all
	maxUnproven  = 64 << 20  // bytes of bodies that are read to find out who sent them, of which one address may have half
)

// bounds keeps count of what the API has at once.
type bounds struct {
	lingering                        *semaphore.Weighted
	turns, uploads, bodies, unproven *pool
}

func newBounds() bounds {
	return bounds{semaphore.NewWeighted(maxLingering), newPool(maxTurns), newPool(maxUploads), newPool(maxBodies), newPool(maxUnproven)}
}

// busy is the error of what was too much at once.
func busy(format string, args ...any) *fault {
	f := faultf(host.Unavailable, 0, format+"; try again in a few seconds", args...)
	f.retryAfter = 5
	return f
}

// A turnBody waits for the turn of a long operation when all of its body is there: those who send theirs slowly hold up nobody.
type turnBody struct {
	io.ReadCloser
	call *call
	turn *claim // nil before
}

func (b *turnBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && b.turn == nil {
		if err := b.wait(); err != nil {
			return 0, err
		}
	}
	return n, err
}

func (b *turnBody) wait() error {
	ctx, cancel := context.WithTimeout(b.call.r.Context(), b.call.delays.turn)
	defer cancel()
	turn := b.call.turns.claim(b.call.who.By)
	if err := turn.wait(ctx, 1); err != nil {
		turn.end()
		return busy("%d applies and uploads go on at once, %d of one caller, and none ended within %s", maxTurns, maxTurns/2, b.call.delays.turn)
	}
	b.turn = turn
	return nil
}

// end is called at the operation's end.
func (b *turnBody) end() {
	if b.turn != nil {
		b.turn.end()
	}
}

// linger takes a place of those that wait. The caller calls done at its end.
func (c *call) linger() (done func(), err error) {
	if !c.lingering.TryAcquire(1) {
		return nil, busy("%d clients of this host wait for changes or follow its log", maxLingering)
	}
	return func() { c.lingering.Release(1) }, nil
}

// A heldBody takes from a pool what an operation holds of its body, as it comes.
type heldBody struct {
	io.ReadCloser
	*claim
	streams bool // what comes is not held
	whole   bool // it was read before the operation began
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if !b.streams && n > 0 && !b.try(int64(n)) {
		return 0, busy("the host holds as many bodies of requests as it may, of all callers or of this one")
	}
	return n, err
}

// pass says that what came goes on, and what comes is not held.
func (b *heldBody) pass() {
	if b.whole {
		return
	}
	b.streams = true
	b.free()
}

// move makes what was taken count as another pool's and caller's.
func (b *heldBody) move(p *pool, who string) error {
	n := b.taken
	b.whole = n > 0
	b.end()
	b.claim = p.claim(who)
	if !b.try(n) {
		return busy("the host holds as many bodies of requests as it may, of all callers or of this one")
	}
	return nil
}

// delays is how long the API waits for others.
type delays struct {
	write     time.Duration // for a client to take a piece of a response
	heartbeat time.Duration // between the empty lines of a stream
	turn      time.Duration // for a long operation to begin
}

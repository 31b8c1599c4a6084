package admin

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// A pool is what all callers have together, of which one caller gets at most a share.
type pool struct {
	total *semaphore.Weighted
	each  int64

	mu     sync.Mutex
	shares map[string]*share // of callers that have a claim
}

type share struct {
	*semaphore.Weighted
	claims int
}

// newPool returns a pool of which one caller may have half.
func newPool(total int64) *pool {
	return &pool{total: semaphore.NewWeighted(total), each: total / 2, shares: map[string]*share{}}
}

// A claim is what one request has of a pool. It is for one goroutine at a time.
type claim struct {
	pool  *pool
	who   string
	share *share
	taken int64
}

// claim begins a claim of a caller's. It must be ended.
func (p *pool) claim(who string) *claim {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[who]
	if s == nil {
		s = &share{Weighted: semaphore.NewWeighted(p.each)}
		p.shares[who] = s
	}
	s.claims++
	return &claim{pool: p, who: who, share: s}
}

// try takes n more if they are free.
func (c *claim) try(n int64) bool {
	if !c.share.TryAcquire(n) {
		return false
	}
	if !c.pool.total.TryAcquire(n) {
		c.share.Release(n)
		return false
	}
	c.taken += n
	return true
}

// wait takes n more when they are free, or returns ctx's error.
func (c *claim) wait(ctx context.Context, n int64) error {
	if err := c.share.Acquire(ctx, n); err != nil {
		return err
	}
	if err := c.pool.total.Acquire(ctx, n); err != nil {
		c.share.Release(n)
		return err
	}
	c.taken += n
	return nil
}

// free gives back what was taken, and keeps the claim.
func (c *claim) free() {
	c.pool.total.Release(c.taken)
	c.share.Release(c.taken)
	c.taken = 0
}

// end gives back what was taken. The claim is not used afterwards.
func (c *claim) end() {
	c.free()
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.share.claims--; c.share.claims == 0 {
		delete(c.pool.shares, c.who)
	}
}

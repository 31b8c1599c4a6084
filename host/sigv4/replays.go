package sigv4

import (
	"sync"
	"time"
)

// maxReplays bounds each half of the memory, in signatures: some 10 MB.
const maxReplays = 1 << 18

// Replays remembers the signatures that were accepted for as long as they could be accepted again. It is bounded: beyond some 260,000
// in ten minutes the oldest are forgotten first. It is one process's memory, so another host of a cluster accepts a signature
// once more. The zero value is ready; it is safe for concurrent use.
type Replays struct {
	mu       sync.Mutex
	now, old map[[16]byte]struct{} // halves of signatures, which are as unique as random numbers
	began    time.Time             // of now
}

// first records a signature, and reports whether it was not there. A signature is valid for window: from the clocks' greatest difference
// before its date until as long after it.
func (p *Replays) first(sum []byte, at time.Time, window time.Duration) bool {
	key := [16]byte(sum)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil || at.Sub(p.began) > window || len(p.now) >= maxReplays {
		p.old, p.now, p.began = p.now, map[[16]byte]struct{}{}, at
	}
	_, seen := p.now[key]
	_, seenBefore := p.old[key]
	p.now[key] = struct{}{}
	return !seen && !seenBefore
}

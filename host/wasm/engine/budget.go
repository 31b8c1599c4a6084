package engine

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/postern/postern/host"
)

// pluginMemory is the limit of a budget, in a host.LimitError.
const pluginMemory = "plugin-memory"

// A budget bounds the memory of all instances together, with what they have beside it (Code.beside), the call stacks of those that run, and the
// snapshots of those that are reset. Idle instances are there for as long as nobody else wants what they have. What is not idle is shared out as a
// switch shares its buffers out among ports (Choudhury and Hahne, Dynamic Queue Length Thresholds, 1998): a plugin may have as much as it and all
// others leave, so that one alone has half, two have a third each, and one that comes finds something.
type budget struct {
	limit  int64
	origin string
	used   atomic.Int64
	idle   atomic.Int64 // of it

	mu    sync.Mutex // taken before a pool's own
	pools map[*Pool]struct{}
}

func (b *budget) init(limit int64) {
	b.limit, b.origin, b.pools = limit, "the host's setting", map[*Pool]struct{}{}
	if limit <= 0 {
		b.limit, b.origin = machineMemory()/2, "default: half of what the machine has"
	}
}

func (b *budget) add(p *Pool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pools[p] = struct{}{}
}

func (b *budget) remove(p *Pool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pools, p)
}

// free returns what all that is not idle leaves.
func (b *budget) free() int64 { return b.limit - b.used.Load() + b.idle.Load() }

// take counts n bytes of a pool's, if they are within its share and there is room for them, which closing idle instances makes. The first instance
// of a pool may start on whatever is left.
func (b *budget) take(p *Pool, n int64, first bool) bool {
	for {
		free := b.free() - n
		if free < 0 || !first && p.busyBytes()+n > free {
			return false
		}
		used := b.used.Load()
		switch {
		case used+n <= b.limit:
			if b.used.CompareAndSwap(used, used+n) {
				p.bytes.Add(n)
				return true
			}
		case !b.reclaim(free):
			return false
		}
	}
}

// reclaim closes an idle instance: of the pools that have more than is free, or else of all, the one that nobody has used for longest.
func (b *budget) reclaim(free int64) bool {
	var oldest *Pool
	at, over := int64(math.MaxInt64), false
	b.mu.Lock()
	for p := range b.pools {
		since := p.oldest.Load()
		if since == 0 {
			continue
		}
		if more := p.bytes.Load() > free; more && !over || more == over && since < at {
			oldest, at, over = p, since, more
		}
	}
	b.mu.Unlock()
	if oldest == nil {
		return false
	}
	oldest.closeOldest() // or somebody else was quicker, and there is another look
	return true
}

// error says that the budget is passed.
func (b *budget) error(detail string) *host.LimitError {
	return &host.LimitError{Limit: pluginMemory, Value: SizeText(b.limit), Origin: b.origin, Detail: detail}
}

package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
)

// pluginMemory is the limit of a budget, in a host.LimitError.
const pluginMemory = "plugin-memory"

// A budget bounds the memory of all instances together, with what they have beside it (Code.beside), the call stacks of those that run, and the snapshots of those that
// are reset.
type budget struct {
	limit  int64
	origin string
	used   atomic.Int64

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

// take counts n bytes, if there is room for them or closing idle instances makes it.
func (b *budget) take(n int64) bool {
	for {
		used := b.used.Load()
		switch {
		case used+n <= b.limit:
			if b.used.CompareAndSwap(used, used+n) {
				return true
			}
		case !b.reclaim(used + n - b.limit):
			return false
		}
	}
}

// reclaim closes the instance that has been idle for longest, where closing all that are would free n bytes.
func (b *budget) reclaim(n int64) bool {
	var oldest *Pool
	var at time.Time
	var idle int64
	b.mu.Lock()
	for p := range b.pools {
		bytes, since := p.idling()
		idle += bytes
		if bytes > 0 && (oldest == nil || since.Before(at)) {
			oldest, at = p, since
		}
	}
	b.mu.Unlock()
	if oldest == nil || idle < n {
		return false
	}
	oldest.closeOldest() // or somebody else was quicker, and there is another look
	return true
}

// error says that the budget is passed.
func (b *budget) error(detail string) *host.LimitError {
	return &host.LimitError{Limit: pluginMemory, Value: SizeText(b.limit), Origin: b.origin, Detail: detail}
}

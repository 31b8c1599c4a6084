package engine

import (
	"github.com/postern/postern/host"
)

// When an instance is closed although it could go on, as guests leak that are never closed. The first suits a start of some milliseconds, which
// costs a call less than a microsecond then. The second is for a guest that leaks faster: it gets a new instance before it dies of its
// limit, and one that needs that much memory in each call starts anew no more often than once in 64.
const (
	RecycleCalls = 10_000 // calls that one instance serves at most
	RecycleAfter = 64     // calls after which an instance is closed that holds more than half of what it may grow by
)

// fits reports whether the instance may serve further callers, and makes it ready for them.
func (i *Instance) fits() bool {
	switch p := i.pool; {
	case i.broken || i.once || p.plugin.Isolation == host.IsolationFresh:
		return false
	case i.leases >= p.code.engine.recycle:
		return false
	case i.leases >= RecycleAfter && i.size()-i.started > (p.memory-i.started)/2:
		return false
	case p.plugin.Isolation == host.IsolationReset:
		return i.reset()
	}
	return true
}

// size returns the bytes of the instance's memory.
func (i *Instance) size() uint64 { return uint64(len(i.linear.room.view)) }

// take counts n bytes of the instance's and of the host's; false says that the host has no room for them, or none for this plugin.
func (i *Instance) take(n int64) bool { return i.pool.code.engine.memory.take(i.pool, n, i.first) }

func (p *Pool) give(n int64) {
	p.bytes.Add(-n)
	p.code.engine.memory.used.Add(-n)
}

// release gives the instance's memory, and what it has beside it, back. Nothing may run in it any more.
func (i *Instance) release() {
	i.linear.release()
	i.pool.give(i.pool.code.beside)
}

// busyBytes returns what the pool has but for its idle instances.
func (p *Pool) busyBytes() int64 { return p.bytes.Load() - p.idleBytes.Load() }

// rests counts an instance that becomes idle, or is so no more. It is called with the lock held, when p.idle has changed.
func (p *Pool) rests(inst *Instance, sign int64) {
	n := sign * (int64(inst.size()) + p.code.beside)
	p.idleBytes.Add(n)
	p.code.engine.memory.idle.Add(n)
	oldest := int64(0)
	if len(p.idle) > 0 {
		oldest = p.idle[0].used.UnixNano()
	}
	p.oldest.Store(oldest)
}

// closeOldest closes the instance that nobody has used for longest, if one is idle.
func (p *Pool) closeOldest() {
	p.mu.Lock()
	if len(p.idle) == 0 {
		p.mu.Unlock()
		return
	}
	old := p.unqueue(0)
	p.mu.Unlock()
	old.close()
	p.forget()
}

// unqueue takes an idle instance. It is called with the lock held.
func (p *Pool) unqueue(at int) *Instance {
	inst := p.idle[at]
	copy(p.idle[at:], p.idle[at+1:])
	p.idle[len(p.idle)-1] = nil
	p.idle = p.idle[:len(p.idle)-1]
	p.rests(inst, -1)
	return inst
}

// Stats tells how the pool is now.
func (p *Pool) Stats() host.PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return host.PoolStats{Idle: len(p.idle), Busy: len(p.leased), Waiting: len(p.waiting), Memory: p.bytes.Load()}
}

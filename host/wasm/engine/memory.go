package engine

import (
	"github.com/tetratelabs/wazero/experimental"
)

const pageSize = 64 << 10 // bytes; WebAssembly core specification 2.0, section 4.2.8

// A linearMemory grows up to a limit and no further. It is ordinary Go memory: closing an instance leaves it to
// the garbage collector.
type linearMemory struct {
	limit   uint64
	buf     []byte
	refused uint64 // the size that was asked for last and not given; 0 for none
}

var (
	_ experimental.MemoryAllocator = (*linearMemory)(nil)
	_ experimental.LinearMemory    = (*linearMemory)(nil)
)

// Allocate returns m: an instance has one memory at most.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns nil beyond the limit, which wazero answers to the guest with -1.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = size
		return nil
	}
	if size <= uint64(cap(m.buf)) {
		m.buf = m.buf[:size] // never written before: memory does not shrink
		return m.buf
	}
	// Growing by a quarter at least keeps the cost of many small steps linear.
	room := min(m.limit, max(size, uint64(cap(m.buf))+uint64(cap(m.buf))/4))
	grown := make([]byte, size, room)
	copy(grown, m.buf)
	m.buf = grown
	return m.buf
}

// Free leaves the memory to the garbage collector.
func (m *linearMemory) Free() { m.buf = nil }

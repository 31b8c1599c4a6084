package engine

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"
)

const pageSize = 64 << 10 // bytes; WebAssembly core specification 2.0, section 4.2.8

// A linearMemory is the memory of one instance. It grows up to the plugin's limit, and while the host has room for it (budget), and no
// further. Its addresses are reserved once and backed as it grows, so that it never moves and growing copies nothing.
type linearMemory struct {
	pool  *Pool
	guest *Instance
	room  region

	refused uint64 // the size that was asked for last and not given; 0 for none
	byHost  bool   // it was the host that had none left
}

var (
	_ experimental.MemoryAllocator = (*linearMemory)(nil)
	_ experimental.LinearMemory    = (*linearMemory)(nil)
)

// A noMemory is what an instance panics with that cannot even have the memory that it starts with, as wazero has no other way.
type noMemory struct{}

// Allocate returns m: an instance has one memory at most.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return &firstMemory{m, true} }

// A firstMemory is a linearMemory until its first size is given.
type firstMemory struct {
	*linearMemory
	first bool
}

// Reallocate is that of linearMemory, but for the first size, which must be given.
func (f *firstMemory) Reallocate(size uint64) []byte {
	view := f.linearMemory.Reallocate(size)
	switch {
	case view != nil:
	case f.first:
		panic(noMemory{})
	case f.byHost: // which has gone through all plugins for it
		f.guest.system.wait(func() {})
	}
	f.first = false
	return view
}

// Reallocate returns nil beyond the limits, which wazero answers to the guest with -1.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > m.pool.memory {
		m.refused, m.byHost = size, false
		return nil
	}
	had := uint64(len(m.room.view))
	if size > had && !m.grow(size, int64(size-had)) {
		m.refused, m.byHost = size, true
		return nil
	}
	if size == 0 {
		return []byte{} // nil would be a refusal
	}
	return m.room.view[:size:size]
}

func (m *linearMemory) grow(size uint64, more int64) bool {
	if !m.guest.take(more) {
		return false
	}
	if err := m.room.grow(size, m.pool.memory); err != nil {
		m.pool.give(more)
		m.pool.code.engine.log.Error("the system has no memory for a plugin", "plugin", m.pool.name, "bytes", size, "error", err)
		return false
	}
	return true
}

// Free does nothing: wazero calls it while a guest that exits is still on its stack. The instance is released when it is closed.
func (*linearMemory) Free() {}

// release gives the memory back. Nothing may look at it any more. It may be called again.
func (m *linearMemory) release() {
	n := int64(len(m.room.view))
	if err := m.room.release(); err != nil { // it stays counted, as it stays ours
		m.pool.code.engine.log.Error("cannot release a plugin's memory", "plugin", m.pool.name, "bytes", n, "error", err)
		return
	}
	m.pool.give(n)
}

// SizeText is a number of bytes for people: "64 MiB", or "1000 bytes".
func SizeText(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

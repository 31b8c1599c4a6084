package engine

import (
	"bytes"

	"github.com/tetratelabs/wazero/api"

	"github.com/postern/postern/host"
)

// A snapshot is what an instance had before its first call: its memory and its mutable globals. All that it needs is there, as code that
// has other state is refused (Code.resettable). The instances of a pool share one, as long as they start with memories of one size: their code and configuration are the same.
type snapshot struct {
	size    int      // of the memory
	runs    []run    // what is not zero of it, in order
	globals []uint64 // in the order of Code.globals
	kept    any      // by the carrier
	users   int      // instances; guarded by the pool
}

// A run is a part of a memory.
type run struct {
	at   int
	data []byte
}

// chunk is the piece of memory by which a snapshot tells zeroes from the rest, in bytes.
const chunk = 4 << 10

var zeroes [chunk]byte // never written

// bytes returns what the snapshot itself holds.
func (s *snapshot) bytes() int64 {
	var n int64
	for _, r := range s.runs {
		n += int64(len(r.data))
	}
	return n
}

// newSnapshot takes one. Much of a fresh memory is zero, and is not kept.
func newSnapshot(memory []byte, globals []uint64) *snapshot {
	s := &snapshot{size: len(memory), globals: globals}
	for at := 0; at < len(memory); {
		if bytes.Equal(memory[at:at+chunk], zeroes[:]) {
			at += chunk
			continue
		}
		end := at + chunk
		for end < len(memory) && !bytes.Equal(memory[end:end+chunk], zeroes[:]) {
			end += chunk
		}
		s.runs = append(s.runs, run{at, bytes.Clone(memory[at:end])})
		at = end
	}
	return s
}

// restore makes memory, which has the snapshot's size, what it was. It looks before it writes: a call leaves most of a memory as it was, and
// reading takes half the time of writing (BenchmarkRestore).
func (s *snapshot) restore(memory []byte) {
	at := 0
	for _, r := range s.runs {
		wipe(memory[at:r.at])
		at = r.at + len(r.data)
		for o := 0; o < len(r.data); o += chunk {
			if now, was := memory[r.at+o:r.at+o+chunk], r.data[o:o+chunk]; !bytes.Equal(now, was) {
				copy(now, was)
			}
		}
	}
	wipe(memory[at:])
}

func wipe(memory []byte) {
	for ; len(memory) > 0; memory = memory[chunk:] {
		if !bytes.Equal(memory[:chunk], zeroes[:]) {
			clear(memory[:chunk])
		}
	}
}

// remember gives an instance that has started the snapshot to which it is put back after each call: the pool's, if that suits it. It returns
// false when the host has no room for another.
func (i *Instance) remember() bool {
	p := i.pool
	if p.plugin.Isolation != host.IsolationReset || i.once {
		return true
	}
	p.mu.Lock()
	if s := p.origin; s != nil && s.size == len(i.linear.room.view) {
		s.users++
		i.origin = s
		p.mu.Unlock()
		return true
	}
	p.mu.Unlock()
	s := newSnapshot(i.linear.room.view, i.globals())
	s.kept = i.kept
	if !i.take(s.bytes()) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users, i.origin, p.origin = 1, s, s
	return true
}

// unremember gives the snapshot up, which goes with the last instance that has it.
func (i *Instance) unremember() {
	p, s := i.pool, i.origin
	if s == nil {
		return
	}
	p.mu.Lock()
	s.users--
	last := s.users == 0
	if last && p.origin == s {
		p.origin = nil
	}
	p.mu.Unlock()
	if last {
		p.give(s.bytes())
	}
	i.origin = nil
}

// reset puts the instance back. One that has grown cannot be: memory does not shrink, and guests that ask for their memory's size would
// let it grow with each call.
func (i *Instance) reset() bool {
	memory := i.linear.room.view
	if len(memory) != i.origin.size {
		return false
	}
	i.origin.restore(memory)
	i.kept = i.origin.kept
	for n, name := range i.pool.code.globals {
		i.module.ExportedGlobal(name).(api.MutableGlobal).Set(i.origin.globals[n])
	}
	return true
}

// globals returns the values of the mutable ones.
func (i *Instance) globals() []uint64 {
	values := make([]uint64, len(i.pool.code.globals))
	for n, name := range i.pool.code.globals {
		values[n] = i.module.ExportedGlobal(name).Get()
	}
	return values
}

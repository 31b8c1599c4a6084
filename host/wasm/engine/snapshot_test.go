package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// sparse is a memory of which two thirds are not zero, as a Go guest's is that has started.
func sparse(size int) []byte {
	memory, random := make([]byte, size), rand.NewChaCha8([32]byte{1})
	for at := 0; at+3*chunk <= size; at += 3 * chunk {
		_, _ = random.Read(memory[at : at+2*chunk])
	}
	return memory
}

func TestSnapshotRestores(t *testing.T) {
	for name, want := range map[string][]byte{
		"sparse": sparse(10 * pageSize), "empty": {}, "zero": make([]byte, pageSize),
		"full": bytes.Repeat([]byte{7}, pageSize), "last": append(make([]byte, pageSize-1), 1),
	} {
		memory := bytes.Clone(want)
		s := newSnapshot(memory, nil)
		if s.bytes() > int64(len(want)) {
			t.Errorf("%s: the snapshot has %d bytes", name, s.bytes())
		}
		for _, step := range []int{1, chunk - 1, 3*chunk + 1} {
			for at := 0; at < len(memory); at += step {
				memory[at] ^= 0x55
			}
			s.restore(memory)
			if !bytes.Equal(memory, want) {
				t.Errorf("%s: every byte %d apart was changed, and is not what it was", name, step)
			}
		}
	}
}

// BenchmarkRestore puts 4 MiB back of which a call has changed 1 chunk in 20, over a copy of all of it.
func BenchmarkRestore(b *testing.B) {
	want := sparse(4 << 20)
	memory := bytes.Clone(want)
	s := newSnapshot(memory, nil)
	dirty := func() {
		for at := 0; at < len(memory); at += 20 * chunk {
			memory[at]++
		}
	}
	var base float64
	for _, bench := range []struct {
		name    string
		restore func()
	}{{"copy", func() { copy(memory, want) }}, {"restore", func() { s.restore(memory) }}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				dirty()
				bench.restore()
			}
			each := float64(b.Elapsed()) / float64(b.N)
			if base == 0 {
				base = each
			}
			b.ReportMetric(each/base, "x-copy")
		})
	}
}

package jetstream_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// BenchmarkState has the ways to keep state side by side: compare a line with the same one of another way, in one run.
func BenchmarkState(b *testing.B) {
	for _, way := range []struct {
		name string
		o    func() jetstream.Options
	}{
		{"memory", func() jetstream.Options { return jetstream.Options{} }},
		{"interval", func() jetstream.Options { return jetstream.Options{Dir: b.TempDir()} }},
		{"always", func() jetstream.Options { return jetstream.Options{Dir: b.TempDir(), SyncAlways: true} }},
	} {
		b.Run("sync="+way.name, func(b *testing.B) {
			s, err := jetstream.Open(b.Context(), way.o())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			benchStore(b, s.Store())
			benchBlobs(b, s.Blobs())
			benchQueue(b, s)
		})
	}
}

func benchStore(b *testing.B, s host.Store) {
	value := bytes.Repeat([]byte("x"), 512)
	n := 0
	b.Run("put 512 B", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Put(b.Context(), host.Key(fmt.Sprint("new/", n)), value, 0); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
	b.Run("get 512 B", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Get(b.Context(), "new/0"); err != nil {
				b.Fatal(err)
			}
		}
	})
	var rev uint64
	root := bytes.Repeat([]byte("x"), 64<<10)
	b.Run("swap a 64 KiB root", func(b *testing.B) {
		for b.Loop() {
			next, err := s.Put(b.Context(), "state", root, rev)
			if err != nil {
				b.Fatal(err)
			}
			rev = next
		}
	})
}

func benchBlobs(b *testing.B, s host.Blobs) {
	data := content(2<<20, 1)
	n := uint32(0)
	b.Run("save 2 MiB", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			n++
			data[0], data[1], data[2] = byte(n), byte(n>>8), byte(n>>16)
			blob, err := s.Save(b.Context(), bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Delete(b.Context(), blob.Digest, time.Time{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	blob, err := s.Save(b.Context(), bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open 2 MiB", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			r, err := s.Open(b.Context(), blob.Digest)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchQueue(b *testing.B, s *jetstream.State) {
	q, err := s.Queue(b.Context(), "bench", jetstream.QueueBounds{MaxPerTopic: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	job := jetstream.Job{Topic: "f", Data: bytes.Repeat([]byte("x"), 512)}
	b.Run("send a job", func(b *testing.B) {
		for b.Loop() {
			if err := q.Send(b.Context(), job); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpen starts a store that holds a thousand documents and fifty contents.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s, err := jetstream.Open(b.Context(), jetstream.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if _, err := s.Store().Put(b.Context(), host.Key(fmt.Sprint("doc/", i)), make([]byte, 512), 0); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 50 {
		if _, err := s.Blobs().Save(b.Context(), bytes.NewReader(content(256<<10, byte(i)))); err != nil {
			b.Fatal(err)
		}
	}
	_ = s.Close()
	for b.Loop() {
		s, err := jetstream.Open(b.Context(), jetstream.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}

package jetstream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

func content(size int, seed byte) []byte {
	data := make([]byte, size)
	r := rand.NewChaCha8([32]byte{seed})
	_, _ = r.Read(data)
	return data
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func save(t *testing.T, b host.Blobs, data []byte) host.Blob {
	t.Helper()
	blob, err := b.Save(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if blob.Digest != digest(data) || blob.Size != int64(len(data)) || blob.Written.IsZero() {
		t.Fatalf("%+v", blob)
	}
	return blob
}

func load(t *testing.T, b host.Blobs, digest string) ([]byte, error) {
	t.Helper()
	r, err := b.Open(t.Context(), digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func all(t *testing.T, b host.Blobs) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	for blob, err := range b.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		sizes[blob.Digest] = blob.Size
	}
	return sizes
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, s *jetstream.State) {
		b := s.Blobs()
		for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 3<<20 + 7} {
			data := content(size, 1)
			blob := save(t, b, data)
			if got, err := load(t, b, blob.Digest); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes come back as %d, %v", size, len(got), err)
			}
			again := save(t, b, data)
			if again.Written.Before(blob.Written) || again.Written.Equal(blob.Written) {
				t.Errorf("saved again, and written %v after %v", again.Written, blob.Written)
			}
		}
		if got := len(all(t, b)); got != 5 {
			t.Errorf("%d contents", got)
		}
		t.Run("not there", func(t *testing.T) { testNotThere(t, b) })
		t.Run("cut off", func(t *testing.T) { testCutOff(t, b) })
		t.Run("at once", func(t *testing.T) { testAtOnce(t, b) })
		t.Run("deleted", func(t *testing.T) { testDeleted(t, b) })
	})
}

func testNotThere(t *testing.T, b host.Blobs) {
	for _, d := range []string{digest([]byte("nothing")), "", "abc", "../../etc/passwd", digest(nil)[:63] + "G"} {
		_, err := b.Open(t.Context(), d)
		wantKind(t, err, host.NotFound)
		_, err = b.Stat(t.Context(), d)
		wantKind(t, err, host.NotFound)
		if err := b.Delete(t.Context(), d, time.Time{}); err != nil {
			t.Errorf("%q: %v", d, err)
		}
	}
}

func testCutOff(t *testing.T, b host.Blobs) {
	before := all(t, b)
	data := content(2<<20, 2)
	_, err := b.Save(t.Context(), io.MultiReader(bytes.NewReader(data[:1<<20]), iotest.ErrReader(&host.Error{Kind: host.TooLarge})))
	wantKind(t, err, host.TooLarge)
	// What net/http says of a body that was cut off is no end.
	_, err = b.Save(t.Context(), io.MultiReader(bytes.NewReader(data[:1<<20]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	wantKind(t, err, host.Internal)
	_, err = b.Save(t.Context(), io.MultiReader(bytes.NewReader(data[:100]), iotest.ErrReader(fmt.Errorf("lost: %w", io.EOF))))
	wantKind(t, err, host.Internal)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = b.Save(ctx, io.MultiReader(bytes.NewReader(data[:1<<20]), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }), bytes.NewReader(data[1<<20:])))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := all(t, b); len(got) != len(before) {
		t.Errorf("%d contents, were %d", len(got), len(before))
	}
	save(t, b, data)
}

type readerFunc func([]byte) (int, error)

// Read calls f once, and is at its end.
func (f readerFunc) Read(p []byte) (int, error) {
	_, _ = f(p)
	return 0, io.EOF
}

func testAtOnce(t *testing.T, b host.Blobs) {
	data := content(1<<20, 3)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 3 {
				if blob, err := b.Save(t.Context(), bytes.NewReader(data)); err != nil || blob.Digest != digest(data) {
					t.Errorf("%+v, %v", blob, err)
				}
				if got, err := load(t, b, digest(data)); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func testDeleted(t *testing.T, b host.Blobs) {
	data := content(1<<20, 4)
	blob := save(t, b, data)
	if err := b.Delete(t.Context(), blob.Digest, blob.Written); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), blob.Digest); err != nil {
		t.Errorf("what was not written before that time is gone: %v", err)
	}
	if err := b.Delete(t.Context(), blob.Digest, time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, err := b.Stat(t.Context(), blob.Digest)
	wantKind(t, err, host.NotFound)
	if _, there := all(t, b)[blob.Digest]; there {
		t.Error("it is listed")
	}
	save(t, b, data)
	r, err := b.Open(t.Context(), blob.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), blob.Digest, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a content that was deleted under its reader came whole")
	} else {
		wantKind(t, err, host.Internal, "damaged")
	}
}

// TestASaveStreams holds a save of 64 MiB to a few chunks of memory, besides the server's own.
func TestASaveStreams(t *testing.T) {
	b := open(t, jetstream.Options{Dir: t.TempDir()}).Blobs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	most, seen := uint64(0), 0
	src := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{9}), 64<<20), writerFunc(func(n int) {
		if seen += n; seen%(8<<20) < n {
			runtime.GC() // what is held, not what is thrown away
			runtime.ReadMemStats(&after)
			most = max(most, after.HeapAlloc)
		}
	}))
	blob, err := b.Save(t.Context(), src)
	if err != nil || blob.Size != 64<<20 {
		t.Fatal(blob, err)
	}
	if most > before.HeapAlloc+48<<20 {
		t.Errorf("64 MiB took %d MiB of memory", (most-before.HeapAlloc)>>20)
	}
}

type writerFunc func(int)

func (f writerFunc) Write(p []byte) (int, error) { f(len(p)); return len(p), nil }

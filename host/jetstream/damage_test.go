package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// documents is the file of the documents in a data folder.
var documents = filepath.Join("jetstream", "$G", "streams", "KV_postern_documents", "msgs", "1.blk")

// written makes a store with thirty documents, thirty states and a content, and returns its folder.
func written(t *testing.T, clean bool) (dir, content1 string) {
	t.Helper()
	dir = t.TempDir()
	s, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var rev uint64
	for i := range 30 {
		put(t, s.Store(), host.Key(fmt.Sprintf("doc/%02d", i)), strings.Repeat(fmt.Sprintf("%02d", i), 1000), 0)
		rev = put(t, s.Store(), "state", strings.Repeat(fmt.Sprintf("%02d", i), 1000), rev)
	}
	blob := save(t, s.Blobs(), content(2<<20, 1))
	if clean {
		_ = s.Close()
		return dir, blob.Digest
	}
	// As a kill leaves it: a copy of the files while the server has them open.
	dead := t.TempDir()
	if err := os.CopyFS(dead, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	return dead, blob.Digest
}

// damages are done to the file of the documents, its index, and the folders around them.
func damages(t *testing.T) map[string]func(dir string) {
	index := filepath.Join(filepath.Dir(documents), "index.db")
	garble := func(at float64) func(string) {
		return func(dir string) {
			data, _ := os.ReadFile(filepath.Join(dir, documents))
			for i := range 8 {
				data[int(at*float64(len(data)))+i] ^= 0x55
			}
			_ = os.WriteFile(filepath.Join(dir, documents), data, 0o600)
		}
	}
	cut := func(at float64) func(string) {
		return func(dir string) {
			info, err := os.Stat(filepath.Join(dir, documents))
			if err != nil {
				t.Fatal(err)
			}
			_ = os.Truncate(filepath.Join(dir, documents), int64(at*float64(info.Size())))
		}
	}
	remove := func(name string) func(string) {
		return func(dir string) { _ = os.RemoveAll(filepath.Join(dir, name)) }
	}
	return map[string]func(string){
		"garbled early": garble(0.1), "garbled": garble(0.5), "garbled at the end": garble(0.99),
		"cut to nothing": cut(0), "cut": cut(0.5), "cut at the end": cut(0.999),
		"no block": remove(documents), "no index": remove(index), "no stream": remove(filepath.Dir(filepath.Dir(documents))),
		"garbled index": func(dir string) {
			_ = os.WriteFile(filepath.Join(dir, index), []byte("garbage garbage garbage"), 0o600)
		},
		"no settings": remove(filepath.Join(filepath.Dir(filepath.Dir(documents)), "meta.inf")),
		"no server":   remove(filepath.Join("jetstream", "$G")),
	}
}

// TestDamagedDocuments: whatever is done to the files of the documents, all of them are there, or the state is not opened; until what
// the refusal names is removed.
func TestDamagedDocuments(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{true, false} {
		whole, _ := written(t, clean)
		for name, damage := range damages(t) {
			t.Run(fmt.Sprintf("%s, closed %v", name, clean), func(t *testing.T) {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				damage(dir)
				before, _ := os.ReadFile(filepath.Join(dir, documents))
				s, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir})
				if err != nil {
					testRefusal(t, dir, before, err)
					return
				}
				defer s.Close()
				e, err := s.Store().Get(t.Context(), "state")
				if err != nil || !strings.HasPrefix(string(e.Value), "2929") {
					t.Errorf("an old state without a word: %.4s %v", e.Value, err)
				}
				if n := count(t, s.Store()); n != 30 {
					t.Errorf("%d documents without a word", n)
				}
			})
		}
	}
}

func testRefusal(t *testing.T, dir string, before []byte, err error) {
	wantKind(t, err, host.Internal, "damaged", "Restore a backup", "documents.ledger")
	kept, _ := os.ReadFile(filepath.Join(dir, "jetstream", "documents.damaged", "msgs", "1.blk"))
	if string(kept) != string(before) {
		t.Error("the files as they were are not kept")
	}
	refused(t, jetstream.Options{Dir: dir}, host.Internal, "damaged") // and again
	_, remedy, _ := strings.Cut(err.Error(), "remove ")
	for name := range strings.SplitSeq(remedy, " and ") {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	s := open(t, jetstream.Options{Dir: dir})
	left := count(t, s.Store())
	put(t, s.Store(), "new", "x", 0)
	_ = s.Close()
	s = open(t, jetstream.Options{Dir: dir})
	if n := count(t, s.Store()); n != left || s.Lost() != nil {
		t.Errorf("%d documents were left, now %d; lost %q", left, n, s.Lost())
	}
}

func count(t *testing.T, s host.Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), "doc") {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestAfterAPowerCut: with the ledger of another boot, lost writes are told, and the state opens; with SyncAlways it does not.
func TestAfterAPowerCut(t *testing.T) {
	t.Parallel()
	dir, _ := written(t, false)
	ledger := filepath.Join(dir, "jetstream", "documents.ledger")
	data, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\n")
	if err := os.WriteFile(ledger, []byte(fmt.Sprintf("boot another %08x\n%storn", crc32.ChecksumIEEE([]byte("boot another")), rest)), 0o600); err != nil {
		t.Fatal(err)
	}
	block := filepath.Join(dir, documents)
	info, err := os.Stat(block)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(block, info.Size()-100); err != nil {
		t.Fatal(err)
	}
	refused(t, jetstream.Options{Dir: dir, SyncAlways: true}, host.Internal, "damaged")
	var log strings.Builder
	s := open(t, jetstream.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if got := s.Lost(); len(got) != 1 || !strings.Contains(got[0], `"state": revision 60 was acknowledged, and 58 is there`) {
		t.Errorf("%q", got)
	}
	if !strings.Contains(log.String(), "has lost its last writes") {
		t.Errorf("the log: %s", log.String())
	}
	e, err := s.Store().Get(t.Context(), "state")
	if err != nil || !strings.HasPrefix(string(e.Value), "2828") {
		t.Errorf("%.4s %v", e.Value, err)
	}
	put(t, s.Store(), "state", "new", e.Rev)
	_ = s.Close()
	if got := open(t, jetstream.Options{Dir: dir}).Lost(); got != nil {
		t.Errorf("told again: %q", got)
	}
}

// TestDamagedContent: what was garbled is never handed out as if it were whole.
func TestDamagedContent(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{true, false} {
		dir, d := written(t, clean)
		block := filepath.Join(dir, "jetstream", "$G", "streams", "OBJ_postern_blobs", "msgs", "1.blk")
		data, err := os.ReadFile(block)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(block, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, jetstream.Options{Dir: dir})
		got, err := load(t, s.Blobs(), d)
		if err == nil {
			t.Errorf("closed %v: %d bytes of a garbled content", clean, len(got))
		}
		t.Logf("closed %v: %v", clean, err)
		save(t, s.Blobs(), content(2<<20, 1)) // uploading it again mends it
		if _, err := load(t, s.Blobs(), d); err != nil {
			t.Errorf("closed %v: %v", clean, err)
		}
	}
}

func small(t *testing.T, options string) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux, to mount a small file system")
	}
	dir := t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).Run(); err != nil {
		t.Skipf("mounting a small file system is not allowed here: %v", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	return dir
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	dir := small(t, "size=40m")
	s := open(t, jetstream.Options{Dir: dir})
	rev := put(t, s.Store(), "state", "1", 0)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 30<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.Store().Put(t.Context(), "state", []byte("2"), rev)
	wantKind(t, err, host.Unavailable, "disk is full", "MiB are free")
	_, err = s.Blobs().Save(t.Context(), strings.NewReader("x"))
	wantKind(t, err, host.Unavailable, "disk is full")
	wantKind(t, s.Health(t.Context()), host.Unavailable, "disk is full")
	if e, err := s.Store().Get(t.Context(), "state"); err != nil || string(e.Value) != "1" {
		t.Errorf("reads stop: %q, %v", e.Value, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	put(t, s.Store(), "state", "2", rev)
	if err := s.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestADiskThatFillsUpAtOnce: the reserve is gone between the check and the write, and NATS stops its stream.
func TestADiskThatFillsUpAtOnce(t *testing.T) {
	t.Parallel()
	dir := small(t, "size=40m")
	s := open(t, jetstream.Options{Dir: dir})
	rev := put(t, s.Store(), "state", "1", 0)
	_, err := s.Blobs().Save(t.Context(), io.LimitReader(rand.NewChaCha8([32]byte{}), 60<<20))
	wantKind(t, err, host.Unavailable, "disk is full")
	put(t, s.Store(), "state", "2", rev) // what was half there is gone, and its room is free again
	if got := all(t, s.Blobs()); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// TestADiskWithoutFiles: a disk that fails in the middle of a write stops NATS; that is told at once, and a new start mends it.
func TestADiskWithoutFiles(t *testing.T) {
	t.Parallel()
	dir := small(t, "size=200m,nr_inodes=60")
	s := open(t, jetstream.Options{Dir: dir})
	rev := put(t, s.Store(), "state", "1", 0)
	var fillers []string
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprint("filler", i))
		if os.WriteFile(name, nil, 0o600) != nil {
			break
		}
		fillers = append(fillers, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := s.Blobs().Save(ctx, io.LimitReader(rand.NewChaCha8([32]byte{}), 40<<20))
	wantKind(t, err, host.Unavailable, "has stopped", "no space left", "start again")
	wantKind(t, s.Health(t.Context()), host.Unavailable, "has stopped")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range fillers {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, jetstream.Options{Dir: dir})
	put(t, s.Store(), "state", "2", rev)
	save(t, s.Blobs(), content(20<<20, 1))
	if got := all(t, s.Blobs()); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// TestAStartOnAFullDisk: a host serves what it has, also where its documents cannot be copied before they are checked.
func TestAStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := small(t, "size=40m")
	s := open(t, jetstream.Options{Dir: dir})
	var rev uint64
	for i := range 12 {
		rev = put(t, s.Store(), "state", string(content(900<<10, byte(i))), rev)
	}
	_ = s.Close()
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, jetstream.Options{Dir: dir})
	if e, err := s.Store().Get(t.Context(), "state"); err != nil || e.Rev != rev {
		t.Errorf("revision %d, %v", e.Rev, err)
	}
	_, err := s.Store().Put(t.Context(), "state", nil, rev)
	wantKind(t, err, host.Unavailable, "disk is full")
}

func TestAReadOnlyFolder(t *testing.T) {
	t.Parallel()
	dir := small(t, "size=40m")
	s := open(t, jetstream.Options{Dir: dir})
	put(t, s.Store(), "state", "1", 0)
	_ = s.Close()
	if out, err := exec.Command("mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	refused(t, jetstream.Options{Dir: dir}, host.Unavailable, "read-only")
}

// TestLeftovers: the chunks of an upload that was cut off by a kill are collected when the state is opened.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, jetstream.Options{Dir: dir})
	r, w := io.Pipe()
	go func() { _, _ = s.Blobs().Save(context.WithoutCancel(t.Context()), r) }()
	_, _ = w.Write(content(1<<20, 1))
	dead := t.TempDir()
	if err := os.CopyFS(dead, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_ = w.CloseWithError(io.ErrUnexpectedEOF)
	var log strings.Builder
	o := jetstream.Options{Dir: dead, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	other := open(t, o)
	if !strings.Contains(log.String(), "leftovers of an upload were removed") {
		t.Errorf("the log: %s", log.String())
	}
	if got := all(t, other.Blobs()); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

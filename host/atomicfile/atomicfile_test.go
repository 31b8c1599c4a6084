package atomicfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern/postern/host/atomicfile"
)

// names are those in a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	if err := atomicfile.Create(name, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Create(name, []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
	if data, _ := os.ReadFile(name); string(data) != "one" {
		t.Errorf("the file holds %q", data)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if all := names(t, dir); len(all) != 1 {
		t.Errorf("the folder holds %q", all)
	}
	if err := atomicfile.Create(filepath.Join(dir, "nowhere", "a"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestCreateAtOnce checks that of many who create a file one does.
func TestCreateAtOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	var made atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			switch err := atomicfile.Create(name, []byte("x"), 0o644); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("%d made it", made.Load())
	}
}

func TestCreateIn(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "a"), 0o755), os.Symlink(outside, filepath.Join(dir, "out"))); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := atomicfile.CreateIn(root, "a/b", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "a", "b")); string(data) != "x" {
		t.Errorf("the file holds %q", data)
	}
	for _, name := range []string{"out/b", "../b"} {
		if err := atomicfile.CreateIn(root, name, []byte("x"), 0o644); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if all := names(t, outside); len(all) != 0 {
		t.Errorf("outside of the folder are %q", all)
	}
}

// TestReplace checks that a reader never finds a part of a file.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	versions := [][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<20)}
	if err := os.WriteFile(name, versions[0], 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 40 {
			if err := atomicfile.Replace(name, versions[i%2], 0o600); err != nil {
				t.Error(err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if data, err := os.ReadFile(name); err != nil || !bytes.Equal(data, versions[0]) && !bytes.Equal(data, versions[1]) {
			t.Fatalf("%d bytes of a file were read: %v", len(data), err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Replace(filepath.Join(dir, "folder"), nil, 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if all := names(t, dir); len(all) != 2 {
		t.Errorf("the folder holds %q", all)
	}
}

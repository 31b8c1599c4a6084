package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
)

// says checks that a refusal has each of the texts.
func says(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("it does not say %q: %s", w, text)
		}
	}
}

// madeFolder is a data folder in top that a host has used and left.
func madeFolder(t *testing.T, top string) string {
	t.Helper()
	dir := filepath.Join(top, "data")
	p := mustStart(t, dir)
	if err := p.works(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.kill()
	return dir
}

// stillWorks starts a host on a folder that was refused before, and looks for what was there.
func stillWorks(t *testing.T, dir string) *process {
	t.Helper()
	p := mustStart(t, dir)
	if got, err := p.invoke(t.Context(), "holder", ""); err != nil || got != `"opened"` {
		t.Errorf("holder answers %s, %v", got, err)
	}
	return p
}

func TestAFolderInUse(t *testing.T) {
	t.Parallel()
	dir := madeFolder(t, t.TempDir())
	p := stillWorks(t, dir)
	says(t, refusedStart(t, dir), fmt.Sprint(p.cmd.Process.Pid), dir, "exit status 1")
	if _, err := p.invoke(t.Context(), "holder", ""); err != nil {
		t.Errorf("the one that runs: %v", err)
	}
	p.kill()
	stillWorks(t, dir)
}

func TestAFolderOfANewerFormat(t *testing.T) {
	t.Parallel()
	dir := madeFolder(t, t.TempDir())
	marker := filepath.Join(dir, "postern.json")
	good, err := os.ReadFile(marker)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marker, []byte(`{"format": 99, "release": "9.1.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, refusedStart(t, dir), "format 99", "9.1.0 or newer")
	if err := os.WriteFile(marker, good, 0o600); err != nil {
		t.Fatal(err)
	}
	stillWorks(t, dir)
}

// mounted runs mount, or skips where that is not allowed.
func mounted(t *testing.T, dir string, args ...string) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux, to mount a file system")
	}
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Skipf("mounting is not allowed here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", dir).Run() })
}

func remount(t *testing.T, dir, options string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+options, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestAReadOnlyFolder(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	mounted(t, top, "--bind", top) // a mount point of its own, which only then can be made read-only
	dir := madeFolder(t, top)
	remount(t, top, "bind,ro")
	says(t, refusedStart(t, dir), "read-only", dir)
	remount(t, top, "bind,rw")
	stillWorks(t, dir)
}

func TestAFolderOnAFullDisk(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	mounted(t, top, "-t", "tmpfs", "-o", "size=20m,mode=0700", "tmpfs")
	dir := madeFolder(t, top)
	p := stillWorks(t, dir)
	made := 0
	for ; made < 100; made++ { // each of them has 256 KiB
		_, err := p.upload(t.Context(), "filler", fmt.Sprintf("export const handler = async () => %d + %q.length", made, strings.Repeat("x", 256<<10)), nil)
		if err == nil {
			continue
		}
		if host.KindOf(err) != host.Unavailable {
			t.Errorf("upload %d: %v", made, err)
		}
		says(t, err.Error(), "the disk is full", "free some")
		break
	}
	if made == 0 || made == 100 {
		t.Fatalf("%d uploads had room", made)
	}
	fill(t, top, 1<<20) // now nothing has room
	_, err := p.client.PutSecret(t.Context(), "db", host.SecretValue("lost"), admin.Write{})
	if host.KindOf(err) != host.Unavailable {
		t.Errorf("a secret: %v", err)
	}
	if status, err := p.client.Status(t.Context()); err != nil || !status.Ready || !strings.Contains(status.Store, "the disk is full") {
		t.Errorf("the status is %+v, %v", status.Status, err)
	}
	if got, err := p.invoke(t.Context(), "holder", ""); err != nil || got != `"opened"` {
		t.Errorf("what serves does not go on: %s, %v", got, err)
	}
	remount(t, top, "size=48m")
	if _, err := p.upload(t.Context(), "filler", "export const handler = async () => 'more'", nil); err != nil {
		t.Errorf("there is room, and: %v", err)
	}
	p.kill()

	p = stillWorks(t, dir)
	for n := range made + 1 {
		if _, err := p.invoke(t.Context(), "filler", fmt.Sprint(n+1)); err != nil {
			t.Errorf("version %d was acknowledged: %v", n+1, err)
		}
	}
	p.kill()
	fill(t, top, 48<<20)
	says(t, refusedStart(t, dir), "disk is full", dir)
	if err := os.Remove(filepath.Join(top, "fill")); err != nil {
		t.Fatal(err)
	}
	stillWorks(t, dir)
}

// fill takes n bytes of a file system, or as many as it has.
func fill(t *testing.T, top string, n int) {
	t.Helper()
	f, err := os.Create(filepath.Join(top, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 256<<10); err == nil && n > 0; n -= len(block) {
		_, err = f.Write(block)
	}
}

package datadir_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/datadir"
)

// The test binary is also the second process: it opens the folder that childEnv names, says how that went, and waits for its
// standard input to end.
const (
	childEnv   = "POSTERN_TEST_DATADIR"
	migrateEnv = "POSTERN_TEST_MIGRATE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

func child(dir string) {
	o := datadir.Options{}
	if point := os.Getenv(migrateEnv); point != "" {
		o = migrating(point)
	}
	d, err := datadir.Open(context.Background(), dir, o)
	if err != nil {
		fmt.Printf("%s|%v\n", host.KindOf(err), err)
		return
	}
	defer d.Close()
	fmt.Println("open")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// second opens dir in another process, as another user if uid is not 0, and returns its first line.
func second(t *testing.T, dir string, uid int, env ...string) (line string, cmd *exec.Cmd, stop func()) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, childEnv+"="+dir)...)
	cmd.Stderr = os.Stderr
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ = bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line), cmd, func() { _ = in.Close(); _ = cmd.Wait() }
}

func open(t *testing.T, dir string, o datadir.Options) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// refused opens dir, which must fail with kind, say each of the texts, and change nothing.
func refused(t *testing.T, dir string, o datadir.Options, kind host.Kind, texts ...string) {
	t.Helper()
	before := tree(t, dir)
	d, err := datadir.Open(t.Context(), dir, o)
	if err == nil {
		_ = d.Close()
		t.Fatal("opened")
	}
	says(t, host.KindOf(err), err.Error(), kind, texts...)
	after := tree(t, dir)
	delete(after, "postern.lock")
	delete(before, "postern.lock")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("a refusal has changed the folder:\n%s", diff)
	}
}

func says(t *testing.T, got host.Kind, message string, kind host.Kind, texts ...string) {
	t.Helper()
	if got != kind {
		t.Errorf("kind %v, want %v: %s", got, kind, message)
	}
	for _, text := range texts {
		if !strings.Contains(message, text) {
			t.Errorf("the error does not say %q: %s", text, message)
		}
	}
}

// tree is every file below dir with its content, folders with "/".
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			all[rel] = "/"
		} else if data, err := os.ReadFile(path); err == nil {
			all[rel] = string(data)
		}
		return nil
	})
	return all
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenMakesAndReopens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "lib", "postern")
	d := open(t, dir, datadir.Options{Release: "1.2.3"})
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	write(t, filepath.Join(d.Temp(), "half"), "half")
	write(t, d.Path("jetstream", "block"), "kept")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir, datadir.Options{Release: "1.2.4"})
	if _, err := os.Stat(filepath.Join(d.Temp(), "half")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("temp was not emptied: %v", err)
	}
	if got := tree(t, dir)["jetstream/block"]; got != "kept" {
		t.Errorf("block holds %q", got)
	}
	if got := tree(t, dir)["postern.json"]; !strings.Contains(got, `"format": 1`) || !strings.Contains(got, `"1.2.3"`) {
		t.Errorf("marker %s", got)
	}
}

func TestAnEmptyFolderIsClosedToOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, dir, datadir.Options{})
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestASecondProcessIsToldWhoHoldsIt(t *testing.T) {
	dir := t.TempDir()
	line, cmd, stop := second(t, dir, 0)
	if line != "open" {
		t.Fatal(line)
	}
	refused(t, dir, datadir.Options{}, host.Conflict, fmt.Sprintf("the process %d", cmd.Process.Pid), "stop that one")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	stop()
	d := open(t, dir, datadir.Options{})
	refused(t, dir, datadir.Options{}, host.Conflict, fmt.Sprint(os.Getpid()))
	_ = d.Close()
	open(t, dir, datadir.Options{})
}

func TestRefusals(t *testing.T) {
	made := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "data")
		d := open(t, dir, datadir.Options{})
		write(t, d.Path("jetstream", "block"), "kept")
		_ = d.Close()
		return dir
	}
	t.Run("a file", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "data")
		write(t, name, "text")
		refused(t, name, datadir.Options{}, host.Invalid, "a file")
		refused(t, filepath.Join(name, "below"), datadir.Options{}, host.Invalid, "a file")
	})
	t.Run("somebody's folder", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "letter.txt"), "dear")
		_ = os.Chmod(dir, 0o700)
		refused(t, dir, datadir.Options{}, host.Invalid, "letter.txt", "empty folder")
	})
	t.Run("newer", func(t *testing.T) {
		dir := made(t)
		write(t, filepath.Join(dir, "postern.json"), `{"format": 7, "release": "3.1.0", "more": true}`)
		refused(t, dir, datadir.Options{Release: "1.0.0"}, host.Unsupported, "format 7", "up to format 1", "3.1.0 or newer")
	})
	for name, marker := range map[string]string{"empty": "", "cut": `{"format": 1, "rel`, "zeros": "\x00\x00\x00", "no format": `{}`, "more": `{"format":1}{"format":1}`} {
		t.Run("marker "+name, func(t *testing.T) {
			dir := made(t)
			write(t, filepath.Join(dir, "postern.json"), marker)
			refused(t, dir, datadir.Options{}, host.Internal, "damaged", "restore a backup")
		})
	}
	t.Run("marker gone", func(t *testing.T) {
		dir := made(t)
		_ = os.Remove(filepath.Join(dir, "postern.json"))
		refused(t, dir, datadir.Options{}, host.Invalid, "lost its marker")
	})
	t.Run("open to others", func(t *testing.T) {
		dir := made(t)
		_ = os.Chmod(dir, 0o750)
		refused(t, dir, datadir.Options{}, host.Forbidden, "0750", "chmod 700")
	})
	t.Run("a migration is missing", func(t *testing.T) {
		refused(t, made(t), datadir.Options{Format: 3, Migrations: []datadir.Migration{{Format: 3}}}, host.Unsupported, "format 1 to 3")
	})
}

func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start a process of another user")
	}
	top, err := os.MkdirTemp("", "datadir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(top, "test")
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, data, 0o755); err != nil {
		t.Fatal(err)
	}
	self := os.Args[0]
	os.Args[0] = exe // the build's own folder is closed to others
	t.Cleanup(func() { os.Args[0] = self })

	foreign := filepath.Join(top, "foreign")
	if err := os.Mkdir(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{foreign: "owner", filepath.Join(foreign, "new"): "chown"} {
		line, _, stop := second(t, path, 65534)
		stop()
		kind, message, _ := strings.Cut(line, "|")
		if kind != host.Forbidden.String() || !strings.Contains(message, text) {
			t.Errorf("%s: %s", path, line)
		}
	}
}

// mount mounts a small file system in memory, or skips.
func mount(t *testing.T, options string) (dir string, readOnly func()) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux, to mount a small file system")
	}
	dir = t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).Run(); err != nil {
		t.Skipf("mounting a small file system is not allowed here: %v", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	return dir, func() {
		if out, err := exec.Command("mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

func TestAFullDisk(t *testing.T) {
	top, _ := mount(t, "size=8m,mode=0700")
	dir := filepath.Join(top, "data")
	d := open(t, dir, datadir.Options{})
	_ = d.Close()
	filler := filepath.Join(top, "filler")
	if err := os.WriteFile(filler, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, datadir.Options{}, host.Unavailable, "disk is full", "2.0 MiB are free")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	open(t, dir, datadir.Options{})
}

func TestReadOnly(t *testing.T) {
	top, readOnly := mount(t, "size=8m,mode=0700")
	dir := filepath.Join(top, "data")
	_ = open(t, dir, datadir.Options{}).Close()
	readOnly()
	refused(t, dir, datadir.Options{}, host.Unavailable, "read-only")
	refused(t, filepath.Join(top, "other"), datadir.Options{}, host.Unavailable, "read-only")
}

func TestSecret(t *testing.T) {
	d := open(t, t.TempDir(), datadir.Options{})
	made := 0
	token := func() ([]byte, error) { made++; return []byte("secret"), nil }
	for range 2 {
		if got, err := d.Secret("admin.token", token); err != nil || string(got) != "secret" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	info, err := os.Stat(d.Path("admin.token"))
	if err != nil || info.Mode().Perm() != 0o600 || made != 1 {
		t.Errorf("mode %v, made %d times, %v", info.Mode(), made, err)
	}
	_ = os.Chmod(d.Path("admin.token"), 0o640)
	_, err = d.Secret("admin.token", token)
	says(t, host.KindOf(err), fmt.Sprint(err), host.Forbidden, "chmod 600 "+d.Path("admin.token"))
	_ = os.WriteFile(d.Path("empty"), nil, 0o600)
	_, err = d.Secret("empty", token)
	says(t, host.KindOf(err), fmt.Sprint(err), host.Internal, "damaged")
	_ = os.Symlink("/etc/passwd", d.Path("link"))
	_, err = d.Secret("link", token)
	says(t, host.KindOf(err), fmt.Sprint(err), host.Invalid, "not a plain file")
	_, err = d.Secret("../out", token)
	says(t, host.KindOf(err), fmt.Sprint(err), host.Invalid, "not the name of a file")
	if _, err := d.Secret("none", func() ([]byte, error) { return nil, errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

// A host that is restored on another machine begins with the sealing key of the first.
func TestBeginsWithTheKey(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "secrets.key"), []byte("AGE-SECRET-KEY-…\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := datadir.Open(t.Context(), path, datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

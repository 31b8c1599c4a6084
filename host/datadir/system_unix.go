//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/postern/postern/host"
)

// lock takes the folder for this process, and writes the pid for the message that a second one gets. The system lets go of it
// when the process dies, however it dies.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, explain(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fail(dir, host.Conflict, fmt.Errorf("it is in use by %s", holder(f)), "stop that one first, or name another folder")
		}
		return nil, explain(dir, &os.PathError{Op: "lock", Path: f.Name(), Err: err})
	}
	// A full disk does not stop here: the lock holds without a pid, and the probe says what is wrong.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return func() { _ = f.Close() }, nil
}

// Held reports whether a process has a data folder open at this moment. On systems without flock(2) it is always true.
func Held(path string) bool {
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // which lets go of what was got
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// Foreign reports whether a file belongs to another user than this process's, as far as the system knows owners.
func Foreign(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) != os.Geteuid()
}

func holder(f io.Reader) string {
	data, _ := io.ReadAll(io.LimitReader(f, 32))
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return "another process"
	}
	return fmt.Sprintf("the process %d", pid)
}

// checkOwner refuses a folder that another user owns, or that others may enter: the tokens and keys in it would not be ours alone.
// An empty one of ours is closed to others instead.
func checkOwner(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return explain(dir, err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fail(dir, host.Forbidden, fmt.Errorf("its owner is the user %d, and this process runs as the user %d", st.Uid, os.Geteuid()),
			fmt.Sprintf("run it as its owner, name a new folder in it, or: chown -R %d %s", os.Geteuid(), dir))
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return explain(dir, err)
		}
		return nil
	}
	return fail(dir, host.Forbidden, fmt.Errorf("others may enter it (mode %04o), and it holds keys and tokens", info.Mode().Perm()), "run: chmod 700 "+dir)
}

func openToOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

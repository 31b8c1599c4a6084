//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package project

import (
	"os"
	"syscall"
)

// lock waits until no other process holds the file. The system lets go of it when a process dies.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close() // nothing was written
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() { _ = f.Close() }, nil
}

// lockFolder is lock of a folder, which gets no file by it. Where the file system has no such locks, as with some network ones, it does nothing.
func lockFolder(name string) (unlock func(), err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	return func() { _ = f.Close() }, nil
}

//go:build darwin || dragonfly || freebsd || linux

package datadir

import (
	"os"
	"syscall"
)

// Free returns the bytes that this user may still write where path is.
func Free(path string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return uint64(max(st.Bavail, 0)) * uint64(st.Bsize), nil // the fields' types differ between systems
}

//go:build darwin || dragonfly || freebsd || linux

package jetstream

import "syscall"

// diskFree returns the bytes that this user may still write where path is; ok is false where that is not known.
func diskFree(path string) (free uint64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, false
	}
	return uint64(max(st.Bavail, 0)) * uint64(st.Bsize), true // the fields' types differ between systems
}

//go:build !(darwin || dragonfly || freebsd || linux)

package jetstream

// diskFree knows nothing here.
func diskFree(string) (free uint64, ok bool) { return 0, false }

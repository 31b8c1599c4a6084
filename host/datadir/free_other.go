//go:build !(darwin || dragonfly || freebsd || linux)

package datadir

import "errors"

// Free returns an error: how much is free is not known here.
func Free(string) (uint64, error) { return 0, errors.ErrUnsupported }

//go:build linux || darwin

package engine

import "syscall"

// A region is memory outside of Go's heap: a range of addresses of which the first part is backed. What is released is the system's
// again at once, and does not wait for the garbage collector, which could come late for a machine whose memory guests fill.
type region struct {
	reserved []byte
	view     []byte // the part that is backed; new parts are zero
}

// grow backs size bytes, of limit that are reserved by the first call. Both are multiples of a page, but for limit.
func (r *region) grow(size, limit uint64) error {
	if r.reserved == nil {
		reserved, err := syscall.Mmap(-1, 0, int(limit), syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return err
		}
		r.reserved = reserved
	}
	if err := syscall.Mprotect(r.reserved[len(r.view):size], syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		return err
	}
	r.view = r.reserved[:size]
	return nil
}

func (r *region) release() error {
	if r.reserved == nil {
		return nil
	}
	if err := syscall.Munmap(r.reserved); err != nil {
		return err
	}
	r.reserved, r.view = nil, nil
	return nil
}

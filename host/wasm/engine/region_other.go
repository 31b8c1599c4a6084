//go:build !linux && !darwin

package engine

// A region is memory of Go's heap.
type region struct {
	view []byte
}

// grow makes room for size bytes, of limit at most.
func (r *region) grow(size, limit uint64) error {
	if size <= uint64(cap(r.view)) {
		r.view = r.view[:size] // never written before: memory does not shrink
		return nil
	}
	// Growing by a quarter at least keeps the cost of many small steps linear.
	room := min(limit, max(size, uint64(cap(r.view))+uint64(cap(r.view))/4))
	grown := make([]byte, size, room)
	copy(grown, r.view)
	r.view = grown
	return nil
}

func (r *region) release() error {
	r.view = nil
	return nil
}

package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
)

// A closer is what a registry keeps.
type closer interface {
	Close(ctx context.Context) error
}

// A registry shares values by key and counts who holds them. The value is opened by the first holder and
// closed with the last one's release, never by a finalizer. The zero value is ready.
type registry[T closer] struct {
	mu      sync.Mutex
	entries map[string]*entry[T]
}

type entry[T closer] struct {
	holders int
	open    sync.Once
	isOpen  atomic.Bool
	value   T
	err     error
}

// acquire returns the value of key, opening it if nobody holds it, and the function that gives it back. Those
// who ask for one key at the same time wait for one opening. A failed opening is not kept.
func (r *registry[T]) acquire(key string, open func() (T, error)) (T, func(context.Context) error, error) {
	r.mu.Lock()
	if r.entries == nil {
		r.entries = map[string]*entry[T]{}
	}
	e := r.entries[key]
	if e == nil {
		e = &entry[T]{}
		r.entries[key] = e
	}
	e.holders++
	r.mu.Unlock()

	e.open.Do(func() {
		e.value, e.err = open()
		e.isOpen.Store(e.err == nil)
		if e.err != nil {
			r.forget(key) // before anyone hears of it, and tries again
		}
	})
	if e.err != nil {
		return e.value, nil, e.err
	}
	return e.value, r.releaser(key, e), nil
}

// share is acquire for a value that is open already.
func (r *registry[T]) share(key string) (T, func(context.Context) error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e == nil || !e.isOpen.Load() {
		var none T
		return none, nil, false
	}
	e.holders++
	return e.value, r.releaser(key, e), true
}

func (r *registry[T]) releaser(key string, e *entry[T]) func(context.Context) error {
	return func(ctx context.Context) error {
		if r.drop(key, e) {
			return e.value.Close(ctx)
		}
		return nil
	}
}

// drop gives up one hold and reports whether it was the last.
func (r *registry[T]) drop(key string, e *entry[T]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.holders--
	if e.holders > 0 {
		return false
	}
	delete(r.entries, key)
	return true
}

// forget leaves a failed opening to those who waited for it.
func (r *registry[T]) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, key)
}

// values returns those that are open now.
func (r *registry[T]) values() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	values := make([]T, 0, len(r.entries))
	for _, e := range r.entries {
		if e.isOpen.Load() {
			values = append(values, e.value)
		}
	}
	return values
}

// size returns how many values are open.
func (r *registry[T]) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

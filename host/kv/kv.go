// Package kv keeps the maps of plugins in memory, for development and tests: what a host keeps on disk, here ends with the process.
package kv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// A Store is maps in memory. The zero value is empty and ready. It is safe for concurrent use; it must not be copied.
type Store struct {
	// Now tells the time by which entries end. nil is the system's clock. It may be called from any goroutine.
	Now func() time.Time

	mu       sync.Mutex
	revision int64 // of the last write, in any map
	spaces   map[string]*space
}

var _ host.KVStore = (*Store)(nil)

// A space is what one namespace holds. Its Store's lock guards it.
type space struct {
	entries map[string]entry
	bytes   int64     // of keys and values, of ended entries too until they are swept
	next    time.Time // when the first of the entries ends; zero for never
}

type entry struct {
	value    []byte
	revision int64
	ends     time.Time // zero for never
}

// Map returns the map of a namespace. The limit is the handle's, not the map's: each handle refuses what would take the map over its own.
// A limit of 0 or less is host.DefaultKVBytes.
func (s *Store) Map(namespace string, limit int64) host.KV {
	if limit <= 0 {
		limit = host.DefaultKVBytes
	}
	return &handle{store: s, namespace: namespace, limit: limit}
}

// Drop forgets a namespace with all that it holds.
func (s *Store) Drop(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.spaces, namespace)
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// open returns a namespace without its ended entries. The caller holds the lock.
func (s *Store) open(namespace string, now time.Time) *space {
	m := s.spaces[namespace]
	if m == nil {
		m = &space{entries: map[string]entry{}}
		if s.spaces == nil {
			s.spaces = map[string]*space{}
		}
		s.spaces[namespace] = m
	}
	m.sweep(now)
	return m
}

// sweep takes out what has ended. It looks at all entries only when one of them has.
func (m *space) sweep(now time.Time) {
	if m.next.IsZero() || now.Before(m.next) {
		return
	}
	m.next = time.Time{}
	for key, e := range m.entries {
		switch {
		case e.ends.IsZero():
		case !now.Before(e.ends):
			m.remove(key)
		default:
			m.expect(e.ends)
		}
	}
}

func (m *space) expect(end time.Time) {
	if m.next.IsZero() || end.Before(m.next) {
		m.next = end
	}
}

func (m *space) remove(key string) {
	if e, ok := m.entries[key]; ok {
		m.bytes -= size(key, e.value)
		delete(m.entries, key)
	}
}

func size(key string, value []byte) int64 { return int64(len(key) + len(value)) }

// A handle is one plugin's way to a namespace.
type handle struct {
	store     *Store
	namespace string
	limit     int64
}

var _ host.KV = (*handle)(nil)

// KVGet implements host.KV. The value is the caller's.
func (h *handle) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	const op = "get from the map"
	if err := admit(ctx, op, key); err != nil {
		return host.KVEntry{}, err
	}
	now := h.store.now()
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	e, ok := h.store.open(h.namespace, now).entries[key]
	if !ok {
		return host.KVEntry{}, &host.Error{Op: op, Kind: host.NotFound, Err: fmt.Errorf("it has no %q", key)}
	}
	return host.KVEntry{Value: slices.Clone(e.value), Revision: e.revision}, nil
}

// KVPut implements host.KV. It keeps a copy of the value.
func (h *handle) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	const op = "put into the map"
	if err := admit(ctx, op, key); err != nil {
		return 0, err
	}
	if len(value) > host.MaxKVValue {
		return 0, &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("the value of %q has %d bytes; a value has at most %d", key, len(value), host.MaxKVValue)}
	}
	now := h.store.now()
	ends, err := end(now, o.TTL)
	if err != nil {
		return 0, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	m := h.store.open(h.namespace, now)
	old, there := m.entries[key]
	if err := compare(op, key, old.revision, o.Revision); err != nil {
		return 0, err
	}
	grown := m.bytes + size(key, value)
	if there {
		grown -= size(key, old.value)
	}
	if grown > h.limit {
		return 0, &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("the map would have %d bytes; its limit is %d", grown, h.limit)}
	}
	h.store.revision++
	m.entries[key] = entry{value: slices.Clone(value), revision: h.store.revision, ends: ends}
	m.bytes = grown
	if !ends.IsZero() {
		m.expect(ends)
	}
	return h.store.revision, nil
}

// KVDelete implements host.KV.
func (h *handle) KVDelete(ctx context.Context, key string, revision int64) error {
	const op = "delete from the map"
	if err := admit(ctx, op, key); err != nil {
		return err
	}
	now := h.store.now()
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	m := h.store.open(h.namespace, now)
	if err := compare(op, key, m.entries[key].revision, revision); err != nil {
		return err
	}
	m.remove(key)
	return nil
}

// KVKeys implements host.KV.
func (h *handle) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, &host.Error{Op: "list the map", Kind: host.Timeout, Err: err}
	}
	now := h.store.now()
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	var keys []string
	for key := range h.store.open(h.namespace, now).entries {
		if strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), host.MaxKVKeys)], nil
}

// admit refuses a call that has ended, and a key that cannot be.
func admit(ctx context.Context, op, key string) error {
	if err := context.Cause(ctx); err != nil {
		return &host.Error{Op: op, Kind: host.Timeout, Err: err}
	}
	switch {
	case key == "":
		return &host.Error{Op: op, Kind: host.Invalid, Err: errors.New("the key is empty")}
	case len(key) > host.MaxKVKey:
		return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("the key has %d bytes; a key has at most %d", len(key), host.MaxKVKey)}
	case !utf8.ValidString(key):
		return &host.Error{Op: op, Kind: host.Invalid, Err: errors.New("the key is not UTF-8")}
	}
	return nil
}

// compare refuses a write whose revision is not the entry's, which is 0 where there is none.
func compare(op, key string, now, wanted int64) error {
	if wanted == host.AnyRevision || wanted == now {
		return nil
	}
	if wanted < host.AnyRevision {
		return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("no entry has the revision %d", wanted)}
	}
	if now == 0 {
		return &host.Error{Op: op, Kind: host.Conflict, Err: fmt.Errorf("%q is not there, and was to have the revision %d", key, wanted)}
	}
	return &host.Error{Op: op, Kind: host.Conflict, Err: fmt.Errorf("%q has the revision %d, and was to have %d", key, now, wanted)}
}

// end returns when an entry ends that is put now: whole seconds, rounded up (host.KVOptions).
func end(now time.Time, ttl time.Duration) (time.Time, error) {
	switch {
	case ttl < 0:
		return time.Time{}, fmt.Errorf("a time to live of %v is below zero", ttl)
	case ttl == 0:
		return time.Time{}, nil
	case ttl > math.MaxInt64-time.Second:
		return now.Add(ttl), nil
	}
	return now.Add((ttl + time.Second - 1).Truncate(time.Second)), nil
}

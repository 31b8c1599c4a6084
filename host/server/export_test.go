package server

import (
	"context"
	"time"

	"github.com/postern/postern/host"
)

// Blobs are the contents of a gateway's state, for tests that damage it.
func Blobs(s *Server) host.Blobs { return s.control.state.Blobs() }

// Store is the documents of a gateway's state, for tests that damage it.
func Store(s *Server) host.Store { return s.control.state.Store() }

// Collect deletes what nothing names and is older than age.
func Collect(ctx context.Context, s *Server, age time.Duration) (int, error) {
	return s.control.catalog.Collect(ctx, age)
}

// Pinned counts the versions that are kept open for calls by their number.
func Pinned(s *Server) int {
	v := &s.control.pinned
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.order.Len()
}

// CollectMaps deletes the maps whose owners are gone, and that were last written before age.
func CollectMaps(ctx context.Context, s *Server, age time.Duration) (int, error) {
	return s.control.catalog.CollectMaps(ctx, age)
}

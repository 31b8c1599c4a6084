package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern/postern/host"
)

// Health returns nil when the state can be read and, as far as can be known without writing, written. The error says what is
// wrong and, of a lost connection, since when.
func (s *State) Health(ctx context.Context) error {
	if down, _ := s.link.state(); !down.IsZero() {
		return &host.Error{Op: "state", Kind: host.Unavailable, Err: fmt.Errorf("no connection to NATS since %s", down.UTC().Format(time.RFC3339))}
	}
	if s.server != nil && !s.server.JetStreamEnabled() {
		return &host.Error{Op: "state", Kind: host.Unavailable, Err: errors.New(s.stopped())}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	account, err := s.js.AccountInfo(ctx)
	if err != nil {
		return s.fail("state", err)
	}
	limit, used := account.Limits.MaxStore, account.Store
	if s.storage() != 0 {
		limit, used = account.Limits.MaxMemory, account.Memory
	}
	if limit > 0 && used > uint64(limit)/20*19 {
		return &host.Error{Op: "state", Kind: host.Unavailable,
			Err: fmt.Errorf("%d of the %d MiB that NATS may use are taken: free some, or raise its limit", used>>20, limit>>20)}
	}
	if _, err := s.docs.Info(ctx); err != nil {
		return s.fail("state", err)
	}
	return nil
}

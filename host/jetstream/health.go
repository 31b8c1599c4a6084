package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// Health returns nil when the state can be read and, as far as can be known without writing, written. The error says what is
// wrong and, of a lost connection, since when.
func (s *State) Health(ctx context.Context) error {
	if down := s.link.lost(); !down.IsZero() {
		return &host.Error{Op: "state", Kind: host.Unavailable, Err: fmt.Errorf("no connection to NATS since %s", down.UTC().Format(time.RFC3339))}
	}
	if s.server != nil && (!s.server.JetStreamEnabled() || s.told.stopped() != "") {
		return &host.Error{Op: "state", Kind: host.Unavailable, Err: errors.New(s.stopped())}
	}
	if err := s.room("state", 0); err != nil {
		return err
	}
	ctx, cancel := s.link.whileUp(ctx)
	defer cancel()
	ctx, end := context.WithTimeout(ctx, 5*time.Second)
	defer end()
	if err := s.checkSpace(ctx); err != nil {
		return err
	}
	if _, err := s.docs.Info(ctx); err != nil {
		return s.fail("state", err)
	}
	return nil
}

// checkSpace refuses a state that has taken nearly all that NATS may use.
func (s *State) checkSpace(ctx context.Context) error {
	account, err := s.js.AccountInfo(ctx)
	if err != nil {
		return s.fail("state", err)
	}
	used := account.Store
	if s.storage() == jetstream.MemoryStorage {
		used = account.Memory
	}
	if limit := s.limit(account); limit > 0 && used > uint64(limit)/20*19 {
		return &host.Error{Op: "state", Kind: host.Unavailable,
			Err: fmt.Errorf("%d of the %d MiB that NATS may use are taken: free some, or raise its limit", used>>20, limit>>20)}
	}
	return nil
}

// limit returns the bytes that NATS lets the state take; not above 0 where its disk is the limit.
func (s *State) limit(account *jetstream.AccountInfo) int64 {
	if s.server == nil {
		return account.Limits.MaxStore
	}
	c := s.server.JetStreamConfig()
	switch {
	case c == nil:
		return 0 // it is off
	case s.onDisk():
		return c.MaxStore
	}
	return c.MaxMemory
}

// share bounds what a stream may take, which NATS sets aside for each of its copies, by a part of what it lets the state take.
func (s *State) share(ctx context.Context, bytes, part int64) (int64, error) {
	account, err := s.js.AccountInfo(ctx)
	if err != nil {
		return 0, s.fail("see what NATS may use", err)
	}
	limit := s.limit(account)
	if bytes <= 0 || limit <= 0 {
		return bytes, nil
	}
	return min(bytes, max(limit/part/int64(s.opts.Replicas), 1<<20)), nil
}

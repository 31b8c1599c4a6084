package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// historyKey is the document whose earlier revisions are kept, as many as NATS's KV keeps, for a person to look at after a
// mistake. Of others only the last is: an old secret is not something to keep.
const (
	historyKey = "state"
	history    = 64
)

// Headers of NATS's key-value layout.
const (
	operationHeader = "KV-Operation"
	operationDelete = "DEL"
	operationPurge  = "PURGE"
	markerHeader    = "Nats-Marker-Reason" // of a marker that the server wrote itself
)

type store struct{ *State }

var _ host.Store = (*store)(nil)

func (s *State) documentsConfig() jetstream.StreamConfig {
	bucket := s.opts.Prefix + "_documents"
	return jetstream.StreamConfig{
		Name: "KV_" + bucket, Description: "Postern: documents", Subjects: []string{"$KV." + bucket + ".>"},
		MaxMsgsPerSubject: history, AllowRollup: true, DenyDelete: true, Discard: jetstream.DiscardNew,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1,
	}
}

func (s *State) documentsPrefix() string { return "$KV." + s.opts.Prefix + "_documents." }

// Get returns a document; see host.Store.
func (s *store) Get(ctx context.Context, key host.Key) (host.Entry, error) {
	token, err := encodeKey(key)
	if err != nil {
		return host.Entry{}, err
	}
	msg, err := s.docs.GetLastMsgForSubject(ctx, s.documentsPrefix()+token)
	if err == nil && isMarker(msg.Header) {
		err = jetstream.ErrMsgNotFound
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return host.Entry{}, &host.Error{Op: "document " + short(string(key)), Kind: host.NotFound}
	}
	if err != nil {
		return host.Entry{}, s.fail("read the document "+short(string(key)), err)
	}
	return host.Entry{Key: key, Value: msg.Data, Rev: msg.Sequence, Written: msg.Time}, nil
}

func isMarker(h nats.Header) bool {
	op := h.Get(operationHeader)
	return op == operationDelete || op == operationPurge || h.Get(markerHeader) != ""
}

// Put writes a document; see host.Store.
func (s *store) Put(ctx context.Context, key host.Key, value []byte, rev uint64) (uint64, error) {
	token, err := encodeKey(key)
	if err != nil {
		return 0, err
	}
	op := "write the document " + short(string(key))
	if len(value) > host.MaxDocument {
		return 0, &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("%d bytes, at most %d are kept", len(value), host.MaxDocument)}
	}
	if err := s.room(op, len(value)); err != nil {
		return 0, err
	}
	msg := nats.NewMsg(s.documentsPrefix() + token)
	msg.Data = value
	if key != historyKey {
		msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	}
	next, err := s.swap(ctx, msg, rev)
	if conflict(err) && rev == 0 {
		// A deleted document has left a marker, over which it is made anew.
		last, lastErr := s.docs.GetLastMsgForSubject(ctx, msg.Subject)
		if lastErr == nil && isMarker(last.Header) {
			next, err = s.swap(ctx, msg, last.Sequence)
		}
	}
	if conflict(err) {
		return 0, lost(op, rev)
	}
	if err != nil {
		return 0, s.fail(op, err)
	}
	s.ledger.add(token, next)
	return next, nil
}

func lost(op string, rev uint64) error {
	why := fmt.Errorf("it is not at revision %d: somebody else has written it meanwhile", rev)
	if rev == 0 {
		why = errors.New("it is there already")
	}
	return &host.Error{Op: op, Kind: host.Conflict, Err: why}
}

// swap publishes msg when its subject's last message has the sequence rev, 0 for none.
func (s *State) swap(ctx context.Context, msg *nats.Msg, rev uint64) (uint64, error) {
	ack, err := s.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(rev))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// Delete removes a document; see host.Store.
func (s *store) Delete(ctx context.Context, key host.Key, rev uint64) error {
	op := "delete the document " + short(string(key))
	entry, err := s.Get(ctx, key)
	if errors.Is(err, host.NotFound) {
		return &host.Error{Op: op, Kind: host.Conflict, Err: errors.New("it is not there")}
	}
	if err != nil {
		return err
	}
	if entry.Rev != rev {
		return lost(op, rev)
	}
	token, err := encodeKey(key)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(s.documentsPrefix() + token)
	msg.Header.Set(operationHeader, operationPurge)
	msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	next, err := s.swap(ctx, msg, rev)
	if conflict(err) {
		return lost(op, rev)
	}
	if err != nil {
		return s.fail(op, err)
	}
	s.ledger.add(token, next)
	return nil
}

// List yields documents by key; see host.Store. It holds all keys in memory, and one document.
func (s *store) List(ctx context.Context, prefix host.Key) iter.Seq2[host.Entry, error] {
	return func(yield func(host.Entry, error) bool) {
		filters, err := s.filters(prefix)
		if err != nil {
			yield(host.Entry{}, err)
			return
		}
		keys, err := s.keys(ctx, filters)
		if err != nil {
			yield(host.Entry{}, err)
			return
		}
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			entry, err := s.Get(ctx, key)
			if errors.Is(err, host.NotFound) {
				continue // deleted meanwhile
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

// keys asks the stream's leader which subjects there are: another server of a cluster may not have heard of what was acknowledged.
// Some are of deleted documents.
func (s *State) keys(ctx context.Context, filters []string) (keys []host.Key, err error) {
	for _, filter := range filters {
		info, err := s.docs.Info(ctx, jetstream.WithSubjectFilter(filter))
		if err != nil {
			return nil, s.fail("list documents", err)
		}
		for subject := range info.State.Subjects {
			if key, ok := s.keyOf(subject); ok {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}

// filters are the subjects of what is at prefix and below it.
func (s *State) filters(prefix host.Key) ([]string, error) {
	if prefix == "" {
		return []string{s.documentsPrefix() + ">"}, nil
	}
	token, err := encodeKey(prefix)
	if err != nil {
		return nil, err
	}
	at := s.documentsPrefix() + token
	return []string{at, at + ".>"}, nil
}

func (s *State) keyOf(subject string) (host.Key, bool) {
	p := s.documentsPrefix()
	if len(subject) <= len(p) {
		return "", false
	}
	return decodeKey(subject[len(p):])
}

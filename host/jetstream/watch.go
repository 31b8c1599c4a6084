package jetstream

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// How a watch goes on after trouble, and how it notices: a server that is gone sends no heartbeats.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second
	waitOnce   = 10 * time.Second
	heartbeat  = 2 * time.Second
)

const (
	watchBatch       = 32 // changes on their way at once: what a slow reader holds in memory
	newConsumerTries = 300
	pollWait         = 10 * time.Millisecond // between them
)

// A watch is one Watch. Whatever goes wrong once it has begun, it begins again and compares with what it has told: one rule
// for a lost connection, a lost delivery, a server that was restarted, and a leader that moved.
type watch struct {
	*State
	prefix  host.Key
	filters []string
	told    map[host.Key]uint64 // revision of each document that the consumer believes to be there
	seen    uint64              // deliveries of the present consumer
	yield   func(host.Change, error) bool
}

var (
	errStopped = errors.New("stopped")                                 // by a watch's consumer, who has had enough
	errGap     = errors.New("a message was lost on its way from NATS") // the watch begins again
)

// Watch yields what is there and what changes; see host.Store.
func (s *store) Watch(ctx context.Context, prefix host.Key) iter.Seq2[host.Change, error] {
	return func(yield func(host.Change, error) bool) {
		filters, err := s.filters(prefix)
		if err != nil {
			yield(host.Change{}, err)
			return
		}
		w := &watch{State: s.State, prefix: prefix, filters: filters, told: map[host.Key]uint64{}, yield: yield}
		if err := w.run(ctx); err != nil && !errors.Is(err, errStopped) && ctx.Err() == nil {
			yield(host.Change{}, err)
		}
	}
}

// run goes on until ctx ends, the consumer stops, the state is closed, or the very first attempt fails for a reason that
// does not pass by itself.
func (w *watch) run(ctx context.Context) error {
	pause := retryFirst
	for begun := false; ; {
		synced, err := w.follow(ctx)
		begun = begun || synced
		switch {
		case errors.Is(err, errStopped) || ctx.Err() != nil:
			return err
		case w.ctx.Err() != nil:
			return &host.Error{Op: "watch documents", Kind: host.Unavailable, Err: errors.New("the state was closed")}
		}
		if err := w.fail("watch documents", err); !begun && !passes(err) {
			return err
		}
		if synced {
			pause = retryFirst
		}
		w.log.Debug("watch begins again", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		case <-w.ctx.Done():
		}
		pause = min(2*pause, retryMost)
	}
}

func passes(err error) bool {
	return errors.Is(err, host.Unavailable) || errors.Is(err, host.Timeout) || errors.Is(err, errGap)
}

// follow tells what is there that was not told yet, what is gone, and that it is all; and then what comes, until trouble.
func (w *watch) follow(ctx context.Context) (synced bool, err error) {
	ctx, cancel := w.link.whileUp(ctx)
	defer cancel()
	info, err := w.docs.Info(ctx)
	if err != nil {
		return false, err
	}
	there := map[host.Key]bool{}
	for e, err := range w.Store().List(ctx, w.prefix) {
		if err != nil {
			return false, err
		}
		there[e.Key] = true
		if w.told[e.Key] > e.Rev {
			delete(w.told, e.Key) // another bucket: its revisions begin anew
		}
		if err := w.tell(host.Change{Entry: e}); err != nil {
			return false, err
		}
	}
	if err := w.tellGone(there); err != nil {
		return false, err
	}
	if !w.yield(host.Change{Synced: true}, nil) {
		return true, errStopped
	}
	// From the sequence on that the leader had before the list: the consumer's own server may be behind it.
	c, err := w.docs.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubjects: w.filters, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(info.State.LastSeq, 1),
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute, MaxDeliver: 1,
	})
	if err != nil {
		return true, err
	}
	defer w.forget(c)
	w.seen = 0
	return true, w.live(ctx, c)
}

// forget deletes a consumer; the server forgets one that stays for want of a connection by itself.
func (w *watch) forget(c jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	_ = w.docs.DeleteConsumer(ctx, c.CachedInfo().Name)
}

// tell yields a change, unless it or a later one was told.
func (w *watch) tell(change host.Change) error {
	rev, known := w.told[change.Key]
	switch {
	case known && change.Rev <= rev, change.Deleted && !known:
		return nil
	case change.Deleted:
		delete(w.told, change.Key)
	default:
		w.told[change.Key] = change.Rev
	}
	if !w.yield(change, nil) {
		return errStopped
	}
	return nil
}

// tellGone yields the documents that were there and of which not even a marker is left.
func (w *watch) tellGone(there map[host.Key]bool) error {
	var gone []host.Key
	for key := range w.told {
		if !there[key] {
			gone = append(gone, key)
		}
	}
	slices.Sort(gone)
	for _, key := range gone {
		rev := w.told[key]
		delete(w.told, key)
		if !w.yield(host.Change{Entry: host.Entry{Key: key, Rev: rev}, Deleted: true}, nil) {
			return errStopped
		}
	}
	return nil
}

// live reads what comes, until trouble.
func (w *watch) live(ctx context.Context, c jetstream.Consumer) error {
	for unheard := 0; ; {
		batch, err := c.Fetch(watchBatch, jetstream.FetchMaxWait(waitOnce), jetstream.FetchHeartbeat(heartbeat))
		if err != nil {
			return err
		}
		err = w.drain(ctx, batch)
		if errors.Is(err, nats.ErrNoResponders) && w.seen == 0 && unheard < newConsumerTries && sleep(ctx, pollWait) {
			unheard++ // in a cluster the server that we talk to hears of a new consumer a moment later
			continue
		}
		if err != nil {
			return err
		}
	}
}

func (w *watch) drain(ctx context.Context, batch jetstream.MessageBatch) error {
	for {
		select {
		case msg, ok := <-batch.Messages():
			if !ok {
				return batch.Error()
			}
			if err := w.read(msg); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read yields what msg says. One that does not follow the one before it is errGap.
func (w *watch) read(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	if w.seen++; meta.Sequence.Consumer != w.seen {
		return errGap
	}
	key, ok := w.keyOf(msg.Subject())
	if !ok {
		return nil // not written by us
	}
	change := host.Change{Entry: host.Entry{Key: key, Value: msg.Data(), Rev: meta.Sequence.Stream, Written: meta.Timestamp}}
	if change.Deleted = isMarker(msg.Headers()); change.Deleted {
		change.Value = nil
	}
	return w.tell(change)
}

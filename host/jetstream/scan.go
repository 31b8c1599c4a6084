package jetstream

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// scanBatch bounds how many messages are on their way at once, and with them the memory that a slow reader holds.
const scanBatch = 32

// pollWait is a pause where NATS has no event to wait for.
const pollWait = 10 * time.Millisecond

// newConsumerTries bounds how often a consumer that was just made is asked again, a pollWait apart.
const newConsumerTries = 300

// reader makes a consumer of what comes after the sequence after, or, where that is 0, of the last message of each subject without its content.
// The server forgets it by itself.
func (s *State) reader(ctx context.Context, from jetstream.Stream, filters []string, after uint64) (jetstream.Consumer, error) {
	c := jetstream.ConsumerConfig{
		FilterSubjects: filters, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute, MaxDeliver: 1,
	}
	if after == 0 {
		c.DeliverPolicy, c.HeadersOnly = jetstream.DeliverLastPerSubjectPolicy, true
	}
	return from.CreateConsumer(ctx, c)
}

// scan yields the last message of each subject, once, without its content.
func (s *State) scan(ctx context.Context, from jetstream.Stream, filters []string) iter.Seq2[jetstream.Msg, error] {
	return func(yield func(jetstream.Msg, error) bool) {
		c, err := s.reader(ctx, from, filters, 0)
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.forget(from, c)
		for msg, err := range backlog(ctx, c) {
			if !yield(msg, err) || err != nil {
				return
			}
		}
	}
}

// forget deletes a consumer; one that stays for want of a connection ends by itself.
func (s *State) forget(from jetstream.Stream, c jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Second)
	defer cancel()
	_ = from.DeleteConsumer(ctx, c.CachedInfo().Name)
}

// errGap is a delivery that was lost on the way. The reader begins again.
var errGap = errors.New("a message was lost on its way from NATS")

// backlog yields what a consumer has to tell now, and ends when that is all. Each delivery is the next one, or the error is errGap.
func backlog(ctx context.Context, c jetstream.Consumer) iter.Seq2[jetstream.Msg, error] {
	return func(yield func(jetstream.Msg, error) bool) {
		var seen uint64
		for unheard := 0; ; {
			batch, err := c.FetchNoWait(scanBatch)
			if err != nil {
				yield(nil, err)
				return
			}
			before := seen
			for msg := range batch.Messages() {
				if err := next(msg, &seen); err != nil {
					yield(nil, err)
					return
				}
				if !yield(msg, nil) {
					return
				}
			}
			err = batch.Error()
			if errors.Is(err, nats.ErrNoResponders) && unheard < newConsumerTries && sleep(ctx, pollWait) {
				unheard++ // in a cluster the server that we talk to hears of a new consumer a moment later
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if seen > before {
				continue
			}
			done, err := drained(ctx, c)
			if err != nil {
				yield(nil, err)
			}
			if done || err != nil {
				return
			}
		}
	}
}

// next checks that msg follows what was delivered so far.
func next(msg jetstream.Msg, seen *uint64) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	if meta.Sequence.Consumer != *seen+1 {
		return errGap
	}
	*seen++
	return nil
}

// drained asks whether a consumer that had nothing has nothing indeed.
func drained(ctx context.Context, c jetstream.Consumer) (bool, error) {
	info, err := c.Info(ctx)
	if err != nil {
		return false, err
	}
	if info.NumPending == 0 {
		return true, nil
	}
	sleep(ctx, pollWait)
	return false, ctx.Err()
}

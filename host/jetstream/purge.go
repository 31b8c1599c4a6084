package jetstream

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// PurgeUpTo removes the records of a topic up to a sequence number, that one included; 0 is all.
func (j *Journal) PurgeUpTo(ctx context.Context, topic string, sequence uint64) error {
	if sequence == 0 {
		_, err := j.Purge(ctx, topic)
		return err
	}
	token, err := topicToken(topic)
	if err != nil {
		return err
	}
	op := "purge the journal " + j.name
	if err := j.stream.Purge(ctx, jetstream.WithPurgeSubject(j.prefix+token), jetstream.WithPurgeSequence(sequence+1)); err != nil {
		return j.fail(op, err)
	}
	return nil
}

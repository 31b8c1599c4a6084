package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// QueueBounds are how much waits in a queue at most. A Send beyond them has Kind Throttled.
type QueueBounds struct {
	MaxPerTopic int64 // jobs of one topic; 0 is 10,000
	MaxBytes    int64 // of all jobs; 0 is 1 GiB. A quarter of what the store may take, if that is less
	Dead        Bounds
}

// A Queue keeps jobs until a handler has done them, over restarts of the host. Each topic (a function) has its own line, so that one whose
// handlers are slow or whose backlog is long does not hold up others. Jobs of one topic begin in the order in which they were sent, and may run
// beside each other. A job is handled at least once: twice when its handler ended just before a crash. It is safe for concurrent use.
type Queue struct {
	*State
	name     string
	prefix   string // of the jobs' subjects
	wake     string // of the subjects that tell other hosts of a topic
	perTopic int64
	stream   jetstream.Stream
	dead     *Journal
}

// A Job is what is sent to a queue and handed to a handler.
type Job struct {
	Topic   string    // any text without NUL, of 1 to 256 bytes
	ID      string    // two with one id, within two minutes, are one; empty: no such check
	Data    []byte    // up to host.MaxDocument bytes
	Sent    time.Time // set by the queue
	Attempt int       // set by the queue: 1 the first time
}

// A Verdict is what a handler says of a job. The zero value is that it is done with.
type Verdict struct {
	Again bool          // hand it out again, as the next attempt
	After time.Duration // but not before this has passed
}

// Queue opens a queue, and makes it if it is missing. Its name is of [A-Za-z0-9_-].
func (s *State) Queue(ctx context.Context, name string, b QueueBounds) (*Queue, error) {
	if !prefixPattern.MatchString(name) {
		return nil, &host.Error{Op: "open the queue " + short(name), Kind: host.Invalid, Err: errors.New("1 to 64 letters, digits, - and _")}
	}
	if b.MaxPerTopic == 0 {
		b.MaxPerTopic = 10_000
	}
	if b.MaxBytes == 0 {
		b.MaxBytes = 1 << 30
	}
	q := &Queue{State: s, name: name, prefix: s.opts.Prefix + ".queue." + name + ".", wake: s.opts.Prefix + ".wake." + name + ".", perTopic: b.MaxPerTopic}
	bytes, err := s.share(ctx, b.MaxBytes, 4)
	if err != nil {
		return nil, err
	}
	if q.dead, err = s.journal(ctx, "dead", name, b.Dead); err != nil {
		return nil, err
	}
	q.stream, err = s.openStream(ctx, jetstream.StreamConfig{
		Name: s.opts.Prefix + "_queue_" + name, Description: "Postern: queue " + name, Subjects: []string{q.prefix + "*"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: b.MaxPerTopic,
		MaxBytes: bytes, MaxMsgs: -1, MaxMsgSize: -1, MaxConsumers: -1, Duplicates: dedupe,
	})
	if err != nil {
		return nil, err
	}
	return q, nil
}

// Dead returns the journal of the queue's dead letters, by topic. Handlers append to it what they give up on, with the job's ID, before they are done.
func (q *Queue) Dead() *Journal { return q.dead }

// Send adds a job, of which it takes Topic, ID and Data. What it has taken is kept as durably as a document.
func (q *Queue) Send(ctx context.Context, j Job) error {
	op := "queue a job for " + short(j.Topic)
	token, err := topicToken(j.Topic)
	if err != nil {
		return err
	}
	if len(j.Data) > host.MaxDocument {
		return &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("%d bytes, at most %d are taken", len(j.Data), host.MaxDocument)}
	}
	if err := q.room(op, len(j.Data)); err != nil {
		return err
	}
	msg := nats.NewMsg(q.prefix + token)
	msg.Data = j.Data
	if j.ID != "" {
		msg.Header.Set(jetstream.MsgIDHeader, j.ID)
	}
	if _, err := q.js.PublishMsg(ctx, msg); full(err) {
		return &host.Error{Op: op, Kind: host.Throttled, Err: fmt.Errorf("%d jobs are waiting, or all that may wait: %w", q.perTopic, err)}
	} else if err != nil {
		return q.fail(op, err)
	}
	_ = q.nc.Publish(q.wake+token, nil) // a hint: who misses it looks every lookEvery
	return nil
}

// full reports whether a stream's own bounds have refused a message.
func full(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeStreamStoreFailed && strings.HasPrefix(api.Description, "maximum ")
}

// Waiting returns how many jobs of each topic are not done.
func (q *Queue) Waiting(ctx context.Context) (map[string]int, error) {
	info, err := q.stream.Info(ctx, jetstream.WithSubjectFilter(q.prefix+"*"))
	if err != nil {
		return nil, q.fail("count the queue "+q.name, err)
	}
	counts := make(map[string]int, len(info.State.Subjects))
	for subject, n := range info.State.Subjects {
		if topic, ok := topicOf(subject, q.prefix); ok {
			counts[topic] = int(n)
		}
	}
	return counts, nil
}

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

// Bounds are how much a journal keeps: beyond any of them the oldest records go. Zero is no bound.
type Bounds struct {
	MaxAge      time.Duration
	MaxBytes    int64 // an eighth of what the store may take, if that is less
	MaxPerTopic int64 // records
}

// A Record is one entry of a journal.
type Record struct {
	Topic    string // what it is about: any text without NUL, of 1 to 256 bytes
	ID       string // of Append: two records with one id, within two minutes, are one; empty: no such check
	Data     []byte // up to host.MaxDocument bytes
	Sequence uint64 // set by the journal: rises with each record
	Time     time.Time
}

// A Journal is a list of records that are only ever added: the audit log, dead letters. It is safe for concurrent use.
type Journal struct {
	*State
	name   string
	prefix string // of subjects
	stream jetstream.Stream
}

// Journal opens a journal, and makes it if it is missing. Its name is of [A-Za-z0-9_-].
func (s *State) Journal(ctx context.Context, name string, b Bounds) (*Journal, error) {
	return s.journal(ctx, "journal", name, b)
}

func (s *State) journal(ctx context.Context, family, name string, b Bounds) (*Journal, error) {
	if !prefixPattern.MatchString(name) {
		return nil, &host.Error{Op: "open the journal " + short(name), Kind: host.Invalid, Err: errors.New("1 to 64 letters, digits, - and _")}
	}
	j := &Journal{State: s, name: name, prefix: s.opts.Prefix + "." + family + "." + name + "."}
	unless := func(n int64) int64 { // NATS's word for no bound is -1
		if n == 0 {
			return -1
		}
		return n
	}
	bytes, err := s.share(ctx, b.MaxBytes, 8)
	if err != nil {
		return nil, err
	}
	j.stream, err = s.openStream(ctx, jetstream.StreamConfig{
		Name: s.opts.Prefix + "_" + family + "_" + name, Description: "Postern: " + family + " " + name, Subjects: []string{j.prefix + "*"},
		MaxAge: b.MaxAge, MaxBytes: unless(bytes), MaxMsgsPerSubject: unless(b.MaxPerTopic), Discard: jetstream.DiscardOld,
		MaxMsgs: -1, MaxMsgSize: -1, MaxConsumers: -1, Duplicates: shorter(dedupe, b.MaxAge),
	})
	if err != nil {
		return nil, err
	}
	return j, nil
}

// dedupe is how long an id of a record or a job is remembered.
const dedupe = 2 * time.Minute

// shorter fits the memory of ids to a stream's age, which it may not exceed.
func shorter(d, age time.Duration) time.Duration {
	if age > 0 && age < d {
		return age
	}
	return d
}

// topicToken writes a topic as one token of a subject.
func topicToken(topic string) (string, error) {
	if topic == "" || len(topic) > 256 || strings.IndexByte(topic, 0) >= 0 {
		return "", &host.Error{Op: "topic " + short(topic), Kind: host.Invalid, Err: errors.New("1 to 256 bytes without NUL")}
	}
	var b strings.Builder
	encodeToken(&b, topic)
	return b.String(), nil
}

// topicOf is topicToken's inverse, for a subject of the family with this prefix.
func topicOf(subject, prefix string) (string, bool) {
	token, ok := strings.CutPrefix(subject, prefix)
	if !ok || strings.Contains(token, ".") {
		return "", false
	}
	topic, ok := decodeKey(token)
	return string(topic), ok
}

// Append adds a record, of which it takes Topic, ID and Data, and returns its sequence.
func (j *Journal) Append(ctx context.Context, r Record) (uint64, error) {
	op := "append to the journal " + j.name
	token, err := topicToken(r.Topic)
	if err != nil {
		return 0, err
	}
	if len(r.Data) > host.MaxDocument {
		return 0, &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("%d bytes, at most %d are kept", len(r.Data), host.MaxDocument)}
	}
	if err := j.room(op, len(r.Data)); err != nil {
		return 0, err
	}
	msg := nats.NewMsg(j.prefix + token)
	msg.Data = r.Data
	if r.ID != "" {
		msg.Header.Set(jetstream.MsgIDHeader, r.ID)
	}
	ack, err := j.js.PublishMsg(ctx, msg)
	if err != nil {
		return 0, j.fail(op, err)
	}
	return ack.Sequence, nil
}

// A Query says which records to read. The zero value is the oldest 100.
type Query struct {
	Topic  string // records of this topic alone; empty: all
	After  uint64 // go on after this sequence, in the direction of reading; 0: from the beginning, or the end
	Limit  int    // at most so many; 0 is 100, at most 1000
	Newest bool   // read backwards, the newest first; with a Topic each record of another one costs a request
}

// Read returns records, and the sequence to give as After for those that follow; 0 when there are no more.
func (j *Journal) Read(ctx context.Context, q Query) ([]Record, uint64, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	q.Limit = min(q.Limit, 1000)
	subject := ""
	if q.Topic != "" {
		token, err := topicToken(q.Topic)
		if err != nil {
			return nil, 0, err
		}
		subject = j.prefix + token
	}
	info, err := j.stream.Info(ctx)
	if err != nil {
		return nil, 0, j.fail("read the journal "+j.name, err)
	}
	if info.State.Msgs == 0 {
		return nil, 0, nil
	}
	read := j.forward
	if q.Newest {
		read = j.backward
	}
	records, err := read(ctx, q, subject, info.State)
	if err != nil {
		return nil, 0, j.fail("read the journal "+j.name, err)
	}
	if len(records) <= q.Limit {
		return records, 0, nil
	}
	records = records[:q.Limit] // one more was read, to know whether there is one
	return records, records[q.Limit-1].Sequence, nil
}

func (j *Journal) forward(ctx context.Context, q Query, subject string, state jetstream.StreamState) ([]Record, error) {
	if subject == "" {
		subject = j.prefix + "*"
	}
	var records []Record
	for seq := max(q.After+1, state.FirstSeq); len(records) <= q.Limit && seq <= state.LastSeq; seq++ {
		msg, err := j.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject)) // the next one of the subject
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		seq = msg.Sequence
		records = j.add(records, msg)
	}
	return records, nil
}

// backward steps down by sequence, as NATS has no "the one before": what is of other topics or gone is passed over.
func (j *Journal) backward(ctx context.Context, q Query, subject string, state jetstream.StreamState) ([]Record, error) {
	from := state.LastSeq
	if q.After > 0 {
		from = min(from, q.After-1)
	}
	var records []Record
	for seq := from; len(records) <= q.Limit && seq >= state.FirstSeq && seq > 0; seq-- {
		msg, err := j.stream.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if subject == "" || msg.Subject == subject {
			records = j.add(records, msg)
		}
	}
	return records, nil
}

func (j *Journal) add(records []Record, msg *jetstream.RawStreamMsg) []Record {
	topic, ok := topicOf(msg.Subject, j.prefix)
	if !ok {
		return records // not written by us
	}
	return append(records, Record{Topic: topic, ID: msg.Header.Get(jetstream.MsgIDHeader), Data: msg.Data, Sequence: msg.Sequence, Time: msg.Time})
}

// PurgeUpTo removes the records of a topic up to a sequence number, that one included; 0 is all.
func (j *Journal) PurgeUpTo(ctx context.Context, topic string, sequence uint64) error {
	token, err := topicToken(topic)
	if err != nil {
		return err
	}
	which := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(j.prefix + token)}
	if sequence != 0 {
		which = append(which, jetstream.WithPurgeSequence(sequence+1))
	}
	if err := j.stream.Purge(ctx, which...); err != nil {
		return j.fail("purge the journal "+j.name, err)
	}
	return nil
}

package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// Times of a queue.
const (
	ackWait   = 30 * time.Second // a host that is gone is missed after this; one that is alive says so three times meanwhile
	lookEvery = 5 * time.Second  // topics with jobs that no hint came for are found
	idleAfter = time.Minute      // a topic without jobs is left until there is one
	lineKept  = 24 * time.Hour   // NATS forgets how often the jobs of a topic were tried, when no host asks for this long
)

// A consumer is one Consume.
type consumer struct {
	*Queue
	each   int
	handle func(context.Context, Job) Verdict

	mu    sync.Mutex
	lines map[string]bool // topics that are being served
	wg    sync.WaitGroup
}

// Consume hands out jobs until ctx ends, and returns when the handlers have. At most each jobs of one topic are handled at once, here; other
// hosts that consume the same queue get others. While handle runs, the job is its own, however long it takes. handle gets ctx: when that ends it may finish or
// ask for the job to be handed out again. A connection that is lost delays it, and is no error.
func (q *Queue) Consume(ctx context.Context, each int, handle func(context.Context, Job) Verdict) error {
	if each < 1 {
		return &host.Error{Op: "consume the queue " + q.name, Kind: host.Invalid, Err: errors.New("at least one job at once")}
	}
	c := &consumer{Queue: q, each: each, handle: handle, lines: map[string]bool{}}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		c.mu.Lock() // no line begins after this
		cancel()
		c.mu.Unlock()
		c.wg.Wait()
	}()
	stop := context.AfterFunc(q.ctx, cancel) // at Close
	defer stop()
	hints, err := q.nc.Subscribe(q.wake+"*", func(m *nats.Msg) {
		if topic, ok := topicOf(m.Subject, q.wake); ok {
			c.serve(ctx, topic)
		}
	})
	if err != nil {
		return q.fail("consume the queue "+q.name, err)
	}
	defer func() { _ = hints.Unsubscribe() }() // a lost connection has done it
	for {
		counts, err := q.Waiting(ctx)
		if err != nil && ctx.Err() == nil {
			q.log.Debug("queue was not looked at", "queue", q.name, "error", err)
		}
		for topic := range counts {
			c.serve(ctx, topic)
		}
		if !sleep(ctx, lookEvery) {
			if q.ctx.Err() != nil {
				return &host.Error{Op: "consume the queue " + q.name, Kind: host.Unavailable, Err: errors.New("the state was closed")}
			}
			return nil
		}
	}
}

// sleep reports whether d has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// serve starts the line of a topic, unless it is being served.
func (c *consumer) serve(ctx context.Context, topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines[topic] || ctx.Err() != nil {
		return
	}
	c.lines[topic] = true
	c.wg.Go(func() {
		for pause := retryFirst; ; pause = min(2*pause, retryMost) {
			err := c.line(ctx, topic)
			if err == nil || ctx.Err() != nil {
				break
			}
			c.log.Debug("queue goes on", "queue", c.name, "topic", topic, "error", err)
			if !sleep(ctx, pause) {
				break
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.lines, topic)
	})
}

// line hands out a topic's jobs, and ends when none has come for a while.
func (c *consumer) line(ctx context.Context, topic string) error {
	token, err := topicToken(topic)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(topic))
	line, err := c.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "topic-" + hex.EncodeToString(sum[:12]), FilterSubject: c.prefix + token, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxDeliver: -1, MaxAckPending: int(c.perTopic), InactiveThreshold: lineKept,
	})
	if err != nil {
		return err
	}
	slots := make(chan struct{}, c.each)
	for idle := time.Now(); time.Since(idle) < idleAfter; {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		msg, err := pull(ctx, line)
		if msg == nil {
			<-slots
			if err != nil {
				return err
			}
			if len(slots) > 0 {
				idle = time.Now()
			}
			continue
		}
		c.wg.Go(func() {
			defer func() { <-slots }()
			c.do(ctx, topic, msg)
		})
		idle = time.Now()
	}
	return nil
}

// pull waits a while for the next job; nil for none.
func pull(ctx context.Context, line jetstream.Consumer) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, waitOnce)
	defer cancel()
	batch, err := line.Fetch(1, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(heartbeat))
	if err != nil {
		return nil, err
	}
	for msg := range batch.Messages() {
		return msg, nil
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
		return nil, err
	}
	return nil, nil
}

// do handles one job, holds it meanwhile, and tells NATS what became of it.
func (c *consumer) do(ctx context.Context, topic string, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		c.log.Error("a job that NATS does not describe", "queue", c.name, "error", err)
		return
	}
	held, stop := context.WithCancel(c.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for sleep(held, ackWait/3) {
			_ = msg.InProgress() // a lost connection: another host may get it too
		}
	})
	verdict := c.handle(ctx, Job{Topic: topic, ID: msg.Headers().Get(jetstream.MsgIDHeader), Data: msg.Data(),
		Sent: meta.Timestamp, Attempt: int(meta.NumDelivered)})
	stop()
	wg.Wait()
	answer, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	switch {
	case !verdict.Again:
		err = msg.DoubleAck(answer)
	case verdict.After > 0:
		err = msg.NakWithDelay(verdict.After)
	default:
		err = msg.Nak()
	}
	if err != nil {
		c.log.Warn("a job will be handed out again: its end was not told", "queue", c.name, "topic", topic, "error", c.fail("end a job", err))
	}
}

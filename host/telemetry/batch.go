package telemetry

import (
	"context"
	"sync"
	"time"
)

// maxPending bounds the spans that wait, in bytes, beside their number: a span may carry a stack trace.
const maxPending = 32 << 20

// batchLimits are the OTEL_BSP_* variables.
type batchLimits struct {
	queue   int           // spans that wait; more are dropped
	size    int           // spans that are sent at once
	delay   time.Duration // after which fewer are sent
	timeout time.Duration // of one sending
}

// A sink takes encoded spans: the spans fields of a ScopeSpans message. The bytes are its own during the call only.
type sink interface {
	send(ctx context.Context, spans []byte) error
	close(ctx context.Context) error
}

// A batcher collects encoded spans and sends them from one goroutine. It never makes a span wait: when the sink does not
// keep up, spans are dropped and counted.
type batcher struct {
	sink    sink
	limits  batchLimits
	reports *reporter

	mu      sync.Mutex
	stopped bool
	full    []*batch // in the order of their spans
	open    *batch
	spare   *batch // its memory is used again
	spans   int    // in full and open, and in what is being sent
	bytes   int
	dropped int

	wake    chan struct{} // a batch is full
	flushes chan chan<- error
	stop    chan struct{}
	done    chan struct{}
	ctx     context.Context // of every sending: the batcher's own life, which Shutdown may cut
	cancel  context.CancelFunc
}

type batch struct {
	data  encoder
	spans int
}

func newBatcher(s sink, limits batchLimits, reports *reporter) *batcher {
	b := &batcher{sink: s, limits: limits, reports: reports, open: &batch{}, wake: make(chan struct{}, 1),
		flushes: make(chan chan<- error), stop: make(chan struct{}), done: make(chan struct{})}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	go b.run()
	return b
}

// add copies an encoded span.
func (b *batcher) add(encoded []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped || b.spans >= b.limits.queue || b.bytes+len(encoded) > maxPending {
		b.dropped++
		return
	}
	before := len(b.open.data)
	b.open.data = b.open.data.bytes(scopeSpansSpans, encoded)
	b.bytes += len(b.open.data) - before
	b.open.spans++
	b.spans++
	if b.open.spans < b.limits.size {
		return
	}
	b.full = append(b.full, b.open)
	b.open, b.spare = b.spare, nil
	if b.open == nil {
		b.open = &batch{}
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *batcher) run() {
	defer close(b.done)
	timer := time.NewTimer(b.limits.delay)
	defer timer.Stop()
	for {
		select {
		case <-b.wake:
			_ = b.drain(false) // reported
		case <-timer.C:
			_ = b.drain(true)
		case reply := <-b.flushes:
			reply <- b.drain(true)
		case <-b.stop:
			_ = b.drain(true)
			return
		}
		timer.Reset(b.limits.delay)
	}
}

// drain sends the batches that are full, and with all the open one too. It returns the last error.
func (b *batcher) drain(all bool) (err error) {
	for {
		next, dropped := b.take(all)
		if dropped > 0 {
			b.reports.report("spans were dropped: they come faster than they can be sent", errQueueFull, dropped)
		}
		if next == nil {
			return err
		}
		ctx, cancel := context.WithTimeout(b.ctx, b.limits.timeout)
		sendErr := b.sink.send(ctx, next.data)
		cancel()
		b.reports.sent(sendErr, next.spans)
		if sendErr != nil {
			err = sendErr
		}
		b.giveBack(next)
	}
}

func (b *batcher) take(all bool) (next *batch, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	dropped, b.dropped = b.dropped, 0
	switch {
	case len(b.full) > 0:
		next = b.full[0]
		b.full = b.full[1:]
	case all && b.open.spans > 0:
		next, b.open = b.open, &batch{}
	}
	return next, dropped
}

func (b *batcher) giveBack(sent *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spans -= sent.spans
	b.bytes -= len(sent.data)
	sent.data, sent.spans = sent.data[:0], 0
	b.spare = sent
}

// flush sends what there is.
func (b *batcher) flush(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case b.flushes <- reply:
	case <-b.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// shutdown sends what there is and ends the goroutine. When ctx ends before, what is left is lost. It is called once.
func (b *batcher) shutdown(ctx context.Context) error {
	b.mu.Lock()
	b.stopped = true
	b.mu.Unlock()
	close(b.stop)
	var err error
	select {
	case <-b.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	b.cancel()
	<-b.done
	if closeErr := b.sink.close(ctx); err == nil {
		err = closeErr
	}
	return err
}

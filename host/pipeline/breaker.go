package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// The states of a plugin's breaker.
const (
	BreakerClosed   = "closed"    // calls pass
	BreakerHalfOpen = "half-open" // one call tries whether the plugin is well again
	BreakerOpen     = "open"      // calls are refused until the retry
)

// How a breaker behaves.
const (
	crashesToOpen = 5 // in a row, without a call that went well between them
	firstBackoff  = time.Second
	lastBackoff   = time.Minute
)

// A breaker leaves a plugin alone that keeps crashing: each crash costs an instance, and its callers the time that it takes to crash.
// After crashesToOpen in a row it opens, and refuses calls for firstBackoff; then one call may try. If that one crashes too, the next
// back-off is twice as long, up to lastBackoff.
//
// It is not the library that upstreams have, because that one has no back-off that grows, and no word for a trial that went well as far
// as its head, and whose body is still being made.
//
// It belongs to one code with one configuration, and outlives reloads that leave both alone. It is safe for concurrent use.
type breaker struct {
	name    string
	logger  *slog.Logger
	metrics *telemetry.BreakerMetrics
	now     func() time.Time

	calls   atomic.Int64
	refused atomic.Int64
	wary    atomic.Bool // the state is not closed, or there was a crash since the last call that went well

	mu      sync.Mutex // guards what follows
	state   string     // "" is closed
	inRow   int64
	crashes int64
	backoff time.Duration // of the last time that it opened; 0 before
	retryAt time.Time
	last    *Crash
}

func newBreaker(cfg *host.PluginConfig, kind string, tel *telemetry.Telemetry) *breaker {
	return &breaker{name: cfg.Name, logger: tel.Logger, now: time.Now, metrics: tel.Metrics.Breaker(cfg.Name, kind), state: BreakerClosed}
}

// Close ends what is recorded of it.
func (b *breaker) Close(context.Context) error {
	b.metrics.Close()
	return nil
}

// A trial is a call that the breaker let through. passed may be called, and then ended is, once.
type trial struct {
	*breaker
	only bool // the one call that tries whether the plugin is well again
	half bool // of a filter's first half, behind which comes a second: that it went well says nothing yet
}

// admit lets a call through, or refuses it with Kind Unavailable.
func (b *breaker) admit() (trial, error) {
	if !b.wary.Load() {
		b.calls.Add(1)
		return trial{breaker: b}, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refusal(); err != nil {
		b.refused.Add(1)
		return trial{}, err
	}
	b.calls.Add(1)
	if b.state == BreakerClosed {
		return trial{breaker: b}, nil
	}
	b.change(BreakerHalfOpen)
	return trial{breaker: b, only: true}, nil
}

// refusal says why no call may pass now. The lock is held.
func (b *breaker) refusal() error {
	reason := ""
	switch {
	case b.state == BreakerHalfOpen:
		reason = "a call that tries it again is under way"
	case b.state == BreakerOpen && b.now().Before(b.retryAt):
		reason = "it is tried again at " + b.retryAt.UTC().Format(time.RFC3339Nano)
	default:
		return nil
	}
	return &host.Error{Op: "plugin " + b.name, Kind: host.Unavailable, Err: &leftAlone{fmt.Sprintf("left alone after %d crashes in a row (the last: %s); %s",
		b.inRow, b.last.Type, reason)}}
}

// leftAlone is why a breaker refused a call.
type leftAlone struct{ text string }

func (l *leftAlone) Error() string { return l.text }

// passed says that the result's head is there, of a call whose body is still in the making, or whose second half comes later.
func (t trial) passed() {
	if !t.only {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// That may take hours, and nobody else should wait for it. One more crash opens the breaker again.
	t.inRow = crashesToOpen - 1
	t.change(BreakerClosed)
}

// ended takes how a call ended, with its body.
func (t trial) ended(ctx context.Context, err error) {
	switch {
	case err == nil && t.half:
		t.passed()
	case err == nil:
		t.well()
	case crashed(ctx, err):
		t.crash(crashType(err), err)
	case wellBehaved(ctx, err):
		t.well()
	case t.only:
		t.undecided()
	}
}

// crashed reports whether a failure is a crash that counts. A guest that was stopped because its caller's time was over, or because its
// caller left, is no worse for it: a client could do that to any. Nor is one that failed for the client's body.
func crashed(ctx context.Context, err error) bool {
	how := crashType(err)
	return how != "" && bodyError(err) == nil && (how != host.GuestTimeout || ctx.Err() == nil)
}

// wellBehaved reports whether a guest failed by an error of its own.
func wellBehaved(ctx context.Context, err error) bool {
	var guest *host.GuestError
	return ctx.Err() == nil && errors.As(err, &guest) && crashType(err) == ""
}

// well forgets the crashes before.
func (b *breaker) well() {
	if !b.wary.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerOpen {
		return // a call that began before
	}
	b.inRow, b.backoff = 0, 0
	b.change(BreakerClosed)
	b.wary.Store(false)
}

// undecided ends a trial that told nothing: the next call tries.
func (b *breaker) undecided() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerHalfOpen {
		b.retryAt = b.now()
		b.change(BreakerOpen)
	}
}

// crash counts a crash, and opens the breaker where it is one too many.
func (b *breaker) crash(how string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wary.Store(true)
	b.crashes++
	b.inRow++
	now := b.now()
	b.last = &Crash{Type: how, Time: now}
	if limit := (*host.LimitError)(nil); errors.As(err, &limit) {
		b.last.Limit = limit.Limit
	}
	b.metrics.Crash(how)
	if b.state == BreakerOpen || b.state == BreakerClosed && b.inRow < crashesToOpen {
		return
	}
	b.backoff = min(max(2*b.backoff, firstBackoff), lastBackoff)
	b.retryAt = now.Add(b.backoff)
	b.change(BreakerOpen)
}

// change goes to another state, and tells of it once.
func (b *breaker) change(to string) {
	from := b.state
	if from == to {
		return
	}
	b.state = to
	b.metrics.State(to)
	attrs := []slog.Attr{slog.String("plugin", b.name), slog.String("from", from), slog.String("to", to), slog.Int64("crashes_in_row", b.inRow)}
	if to == BreakerOpen {
		attrs = append(attrs, slog.String("crash", b.last.Type), slog.Time("retry_at", b.retryAt))
	}
	b.logger.LogAttrs(context.Background(), slog.LevelWarn, "plugin breaker", attrs...)
}

// describe fills in what the breaker knows.
func (b *breaker) describe(s *PluginStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.State, s.CrashesInRow, s.Crashes = b.state, b.inRow, b.crashes
	s.Calls, s.Refused = b.calls.Load(), b.refused.Load()
	if b.state == BreakerOpen {
		s.RetryAt = b.retryAt
	}
	if b.last != nil {
		last := *b.last
		s.LastCrash = &last
	}
}

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
	BreakerHalfOpen = "half-open" // the back-off has passed: one call may try whether the plugin is well again
	BreakerOpen     = "open"      // calls are refused until the retry
)

// How a breaker behaves.
const (
	crashesToOpen = 5 // in a row, without a call that went well between them
	firstBackoff  = time.Second
	lastBackoff   = time.Minute
)

// A breaker leaves a plugin alone that keeps crashing: each crash costs an instance, and its callers the time that it takes to crash.
// After crashesToOpen in a row it opens, and refuses calls for firstBackoff; then it is half-open, and one call may try. If that one crashes
// too, the next back-off is twice as long, up to lastBackoff.
//
// Only calls that began since it opened last say anything of whether the plugin is well: of those that began before, it has the crashes, which
// are counted, and no more.
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
	wary    atomic.Bool  // the state is not closed, or there was a crash since the last call that went well
	opened  atomic.Int64 // how often it has

	mu      sync.Mutex  // guards what follows, and changes of the two before
	state   string      // "" is closed
	trying  bool        // the one call is under way that a half-open breaker lets through
	timer   *time.Timer // ends the back-off; nil before the first
	closed  bool        // nobody asks any more
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
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed = true; b.timer != nil {
		b.timer.Stop()
	}
	b.metrics.Close()
	return nil
}

// A trial is a call that the breaker let through. passed may be called, and then ended is, once.
type trial struct {
	*breaker
	since int64 // how often the breaker had opened when the call began
	only  bool  // the one call that tries whether the plugin is well again
	half  bool  // of a filter's first half, behind which comes a second: that it went well says nothing yet
}

// admit lets a call through, or refuses it with Kind Unavailable.
func (b *breaker) admit() (trial, error) {
	if t := (trial{breaker: b, since: b.opened.Load()}); !b.wary.Load() {
		b.calls.Add(1)
		return t, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rested()
	if err := b.refusal(); err != nil {
		b.refused.Add(1)
		return trial{}, err
	}
	b.calls.Add(1)
	b.trying = b.state == BreakerHalfOpen
	return trial{breaker: b, since: b.opened.Load(), only: b.trying}, nil
}

// rest is rested, at the end of a back-off.
func (b *breaker) rest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rested()
}

// rested makes a breaker half-open whose back-off has passed. The lock is held.
func (b *breaker) rested() {
	if b.state == BreakerOpen && !b.closed && !b.now().Before(b.retryAt) {
		b.change(BreakerHalfOpen)
	}
}

// refusal says why no call may pass now. The lock is held.
func (b *breaker) refusal() error {
	reason := ""
	switch {
	case b.trying:
		reason = "a call that tries it again is under way"
	case b.state == BreakerOpen:
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
	if !t.counts() {
		return
	}
	// That may take hours, and nobody else should wait for it. One more crash opens the breaker again.
	t.inRow = crashesToOpen - 1
	t.change(BreakerClosed)
}

// counts reports whether the call began since the breaker opened last. The lock is held.
func (t trial) counts() bool { return t.since == t.opened.Load() }

// ended takes how a call ended, with its body. Once its caller's time is over, or its caller has left, nothing that the guest does says how well
// it is: it is stopped, its fetches fail, its body is not read to its end. A client could do that to any.
func (t trial) ended(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil, bodyError(err) != nil: // nor does what is wrong with a client's body
		t.undecided()
	case err == nil && t.half:
		t.passed()
	case err == nil:
		t.well()
	case crashType(err) != "":
		t.crash(crashType(err), err)
	case wellBehaved(err):
		t.well()
	default:
		t.undecided()
	}
}

// wellBehaved reports whether a guest failed by an error of its own.
func wellBehaved(err error) bool {
	var guest *host.GuestError
	return errors.As(err, &guest)
}

// well forgets the crashes before.
func (t trial) well() {
	if !t.wary.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.counts() {
		return
	}
	t.inRow, t.backoff = 0, 0
	t.change(BreakerClosed)
	t.wary.Store(false)
}

// undecided ends a call that told nothing: if it was to try, the next one does.
func (t trial) undecided() {
	if !t.only {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts() {
		t.trying = false
	}
}

// crash counts a crash, and opens the breaker where it is one too many.
func (t trial) crash(how string, err error) {
	b := t.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crashes++
	now := b.now()
	b.last = &Crash{Type: how, Time: now}
	if limit := (*host.LimitError)(nil); errors.As(err, &limit) {
		b.last.Limit = limit.Limit
	}
	b.metrics.Crash(how)
	if !t.counts() {
		return
	}
	b.wary.Store(true)
	if b.inRow++; b.state == BreakerClosed && b.inRow < crashesToOpen {
		return
	}
	b.backoff = min(max(2*b.backoff, firstBackoff), lastBackoff)
	b.retryAt = now.Add(b.backoff)
	b.opened.Add(1)
	b.change(BreakerOpen)
	if b.timer != nil {
		b.timer.Stop()
	}
	if !b.closed {
		b.timer = time.AfterFunc(b.backoff, b.rest)
	}
}

// change goes to another state, and tells of it once.
func (b *breaker) change(to string) {
	from := b.state
	if from == to {
		return
	}
	b.state, b.trying = to, false
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
	b.rested()
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

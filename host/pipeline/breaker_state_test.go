package pipeline

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

var (
	errTrap   = &host.Error{Op: "call", Kind: host.Internal, Err: &host.GuestError{Type: host.GuestTrap, Message: "unreachable"}}
	errLate   = &host.Error{Op: "call", Kind: host.Timeout, Err: &host.GuestError{Type: host.GuestTimeout, Limit: &host.LimitError{Limit: "timeout"}}}
	errThrown = &host.Error{Op: "call", Kind: host.Internal, Err: &host.GuestError{Type: "TypeError", Message: "no number"}}
	errBusy   = &host.Error{Op: "call", Kind: host.Unavailable, Err: errors.New("no instance came free")}
	errClient = &host.Error{Op: "call", Kind: host.Internal, Err: errors.Join(errTrap, &host.Error{Kind: host.TooLarge, Code: host.RequestTooLarge})}
)

// A bench is a breaker with a clock of its own.
type bench struct {
	*testing.T
	*breaker
	clock time.Time
	tel   *telemetry.Telemetry
}

func newBench(t *testing.T) *bench {
	tel, err := telemetry.Setup(t.Context(), telemetry.Options{Output: io.Discard, Environ: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	b := &bench{T: t, tel: tel, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), breaker: newBreaker(&host.PluginConfig{Name: "p"}, "function", tel)}
	b.now = func() time.Time { return b.clock }
	return b
}

// call makes a call that ends so.
func (b *bench) call(ctx context.Context, err error) {
	b.Helper()
	trial, refused := b.admit()
	if refused != nil {
		b.Fatalf("refused: %v", refused)
	}
	trial.ended(ctx, err)
}

func (b *bench) want(state string, inRow int64) {
	b.Helper()
	var s PluginStatus
	b.describe(&s)
	if s.State != state || s.CrashesInRow != inRow {
		b.Fatalf("it is %s after %d crashes in a row, want %s after %d", s.State, s.CrashesInRow, state, inRow)
	}
}

func (b *bench) refuses() {
	b.Helper()
	if _, err := b.admit(); !errors.Is(err, host.Unavailable) {
		b.Fatalf("got %v, want Kind Unavailable", err)
	}
}

func TestBreakerOpensAfterCrashesInARow(t *testing.T) {
	b, ctx := newBench(t), t.Context()
	for range crashesToOpen - 1 {
		b.call(ctx, errTrap)
	}
	b.want(BreakerClosed, crashesToOpen-1)
	b.call(ctx, nil) // one that goes well forgets them
	b.want(BreakerClosed, 0)
	for i := range crashesToOpen - 1 {
		b.call(ctx, []error{errTrap, errLate}[i%2])
	}
	b.call(ctx, errBusy) // of which the guest knows nothing
	gone, leave := context.WithCancel(ctx)
	leave()
	b.call(gone, errLate)  // the caller's time was over, not the guest's
	b.call(gone, errTrap)  // it does not expect its fetches to fail
	b.call(gone, nil)      // nor was the rest of its answer ever made
	b.call(ctx, errClient) // the client's body was too large
	b.want(BreakerClosed, crashesToOpen-1)
	b.call(ctx, errTrap)
	b.want(BreakerOpen, crashesToOpen)
	b.refuses()
	if s := (PluginStatus{}); b.status(&s).LastCrash == nil || s.LastCrash.Type != host.GuestTrap || s.Crashes != 2*crashesToOpen-1 || s.Refused != 1 {
		t.Errorf("%+v %+v", s, s.LastCrash)
	}
}

func (b *bench) status(s *PluginStatus) *PluginStatus {
	b.describe(s)
	return s
}

func TestBreakerIsClosedByErrorsOfTheGuestsOwn(t *testing.T) {
	b, ctx := newBench(t), t.Context()
	for range 3 * crashesToOpen {
		b.call(ctx, errTrap)
		b.call(ctx, errThrown)
	}
	b.want(BreakerClosed, 0)
}

func TestBreakerBacksOff(t *testing.T) {
	b, ctx := newBench(t), t.Context()
	for range crashesToOpen {
		b.call(ctx, errTrap)
	}
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		b.refuses()
		b.clock = b.clock.Add(backoff - time.Nanosecond)
		b.refuses()
		b.clock = b.clock.Add(time.Nanosecond)
		trial, err := b.admit()
		if err != nil {
			t.Fatalf("after %v: %v", backoff, err)
		}
		b.want(BreakerHalfOpen, b.inRow)
		b.refuses() // while the one is under way
		if backoff == lastBackoff && b.inRow > 12 {
			trial.ended(ctx, nil)
			break
		}
		trial.ended(ctx, errTrap)
	}
	b.want(BreakerClosed, 0)
	for range crashesToOpen {
		b.call(ctx, errTrap)
	}
	if left := b.retryAt.Sub(b.clock); left != firstBackoff {
		t.Errorf("after it was well, it is left alone for %v", left)
	}
}

func TestBreakerTrials(t *testing.T) {
	open := func(t *testing.T) *bench {
		b := newBench(t)
		for range crashesToOpen {
			b.call(t.Context(), errTrap)
		}
		b.clock = b.clock.Add(firstBackoff)
		return b
	}
	t.Run("that tell nothing let the next call try", func(t *testing.T) {
		b := open(t)
		b.call(t.Context(), errBusy)
		b.want(BreakerHalfOpen, crashesToOpen)
		b.call(t.Context(), nil)
		b.want(BreakerClosed, 0)
	})
	t.Run("whose body is in the making let others pass", func(t *testing.T) {
		b := open(t)
		trial, err := b.admit()
		if err != nil {
			t.Fatal(err)
		}
		trial.passed()
		b.want(BreakerClosed, crashesToOpen-1)
		other, err := b.admit()
		if err != nil {
			t.Fatal(err)
		}
		trial.ended(t.Context(), errTrap) // in mid-stream
		b.want(BreakerOpen, crashesToOpen)
		if left := b.retryAt.Sub(b.clock); left != 2*firstBackoff {
			t.Errorf("it is left alone for %v", left)
		}
		other.ended(t.Context(), nil) // it began before
		b.want(BreakerOpen, crashesToOpen)
	})
	t.Run("are not decided by calls that began before", func(t *testing.T) {
		b := newBench(t)
		var before []trial
		for range 2 {
			trial, err := b.admit()
			if err != nil {
				t.Fatal(err)
			}
			before = append(before, trial)
		}
		for range crashesToOpen {
			b.call(t.Context(), errTrap)
		}
		b.clock = b.clock.Add(firstBackoff)
		only, err := b.admit()
		if err != nil {
			t.Fatal(err)
		}
		before[0].ended(t.Context(), nil)
		before[1].ended(t.Context(), errTrap)
		b.want(BreakerHalfOpen, crashesToOpen)
		b.refuses()
		only.ended(t.Context(), nil)
		b.want(BreakerClosed, 0)
	})
	t.Run("that are due are told before anybody calls", func(t *testing.T) {
		b := open(t)
		b.want(BreakerHalfOpen, crashesToOpen)
		if s := (PluginStatus{}); !b.status(&s).RetryAt.IsZero() {
			t.Errorf("the retry is at %v", s.RetryAt)
		}
	})
	t.Run("that panic are over", func(t *testing.T) {
		b := open(t)
		b.call(t.Context(), errPanic)
		b.want(BreakerHalfOpen, crashesToOpen)
		b.call(t.Context(), nil)
	})
}

// An edit that only moves lines forgets no crashes; another configuration is another plugin.
func TestBreakerKey(t *testing.T) {
	cfg := host.PluginConfig{Name: "p", Source: &host.Source{Runtime: host.RuntimeJS, Digest: "d"}, Config: []byte(`{"Pos": 1}`),
		Limits:  host.Limits{Timeout: host.Setting[time.Duration]{Value: time.Second, Pos: host.Position{File: "f", Line: 1}}},
		OnError: host.OnError{Mode: host.OnErrorClosed, Pos: host.Position{File: "f", Line: 1}}}
	key := breakerKey(&cfg, "function")
	moved := cfg
	moved.Limits.Timeout.Pos.Line, moved.OnError.Pos.Line = 2, 2
	if breakerKey(&moved, "function") != key || pluginKey(&moved, "function", 0) == pluginKey(&cfg, "function", 0) {
		t.Error("an edit elsewhere changes the breaker, or not the pool that names lines")
	}
	if breakerKey(&cfg, "authorizer") == key || pluginKey(&cfg, "authorizer", 0) == pluginKey(&cfg, "function", 0) {
		t.Error("a function's crashes are those of an authorizer with the same code")
	}
	for name, change := range map[string]func(*host.PluginConfig){
		"limit":   func(c *host.PluginConfig) { c.Limits.Timeout.Value++ },
		"code":    func(c *host.PluginConfig) { c.Source = &host.Source{Runtime: host.RuntimeJS, Digest: "e"} },
		"config":  func(c *host.PluginConfig) { c.Config = []byte(`{"Pos": 2}`) },
		"runtime": func(c *host.PluginConfig) { c.Runtime = host.RuntimeQuickJS },
	} {
		other := cfg
		if change(&other); breakerKey(&other, "function") == key {
			t.Errorf("another %s is the same plugin", name)
		}
	}
}

// An unborn plugin's instances crash while they start.
type unborn struct{ host.Plugin }

func (unborn) Pin(context.Context) (host.Pinned, error) { return nil, errTrap }

// An instance that a filter needs for both halves, and that cannot start, counts as a crash.
func TestBreakerCountsInstancesThatCannotStart(t *testing.T) {
	b := newBench(t)
	f := &filter{telemetry: b.tel, pinner: unborn{}, request: true, response: true,
		plugin: &plugin{Plugin: unborn{}, cfg: &host.PluginConfig{Name: "p"}, breaker: b.breaker, metrics: b.tel.Metrics.Plugin("p", host.RuntimeJS)}}
	for range crashesToOpen {
		if _, err := f.Handle(t.Context(), &host.Exchange{}); !errors.Is(err, host.Internal) {
			t.Fatal(err)
		}
	}
	b.want(BreakerOpen, crashesToOpen)
	if _, err := f.Handle(t.Context(), &host.Exchange{}); !errors.Is(err, host.Unavailable) {
		t.Error(err)
	}
}

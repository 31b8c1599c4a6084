package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postern/postern/host"
)

// How long a plugin that could not be opened is left alone: twice as long after each further failure.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// An opening is the plugin of a function, which is open already, or will be: behind the start, or by the first call.
type opening struct {
	openings *openings
	def      *host.Function
	plugin   atomic.Pointer[plugin] // nil until it is open

	mu       sync.Mutex
	flight   chan struct{} // closed when the attempt under way has ended; nil without one
	err      error         // of the last attempt
	failures int
	retry    time.Time // no attempt before
	release  func(context.Context) error
}

// openings are those of one pipeline. Their attempts end with it.
type openings struct {
	shared *Shared
	list   []*opening
	life   context.Context // ends when the pipeline closes: the attempts are nobody's call
	end    context.CancelFunc
	work   sync.WaitGroup // attempts, and those who make them in the background
}

func newOpenings(shared *Shared) *openings {
	o := &openings{shared: shared}
	o.life, o.end = context.WithCancel(context.Background())
	return o
}

// add makes the opening of a function's plugin. With a plugin it is open.
func (s *openings) add(def *host.Function, p *plugin, release func(context.Context) error) *opening {
	o := &opening{openings: s, def: def, release: release}
	o.plugin.Store(p)
	s.list = append(s.list, o)
	return o
}

// loading counts those that are not open.
func (s *openings) loading() int {
	n := 0
	for _, o := range s.list {
		if o.plugin.Load() == nil {
			n++
		}
	}
	return n
}

// failures are those whose last attempt failed.
func (s *openings) failures() map[*host.Function]error {
	failed := map[*host.Function]error{}
	for _, o := range s.list {
		o.mu.Lock()
		if o.err != nil {
			failed[o.def] = o.err
		}
		o.mu.Unlock()
	}
	return failed
}

// start opens everything in the background, one after the other on each of a few goroutines, so that requests have
// processors left.
func (s *openings) start() {
	var next atomic.Int64
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		s.work.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(s.list)) && s.life.Err() == nil; i = next.Add(1) - 1 {
				_, _ = s.list[i].get(s.life) // a failure is logged, and stands until a call tries again
			}
		})
	}
}

// close ends the attempts, waits for what cannot be stopped of them, and gives the plugins back.
func (s *openings) close(ctx context.Context) error {
	s.end()
	s.work.Wait()
	var errs []error
	for _, o := range s.list {
		if o.release != nil {
			errs = append(errs, o.release(ctx))
		}
	}
	return errors.Join(errs...)
}

// get returns the plugin, and waits for it to be opened until ctx ends. All who wait share one attempt, which outlives them. Its
// error has Kind Internal when the plugin cannot be opened, and Timeout when ctx ended.
func (o *opening) get(ctx context.Context) (*plugin, error) {
	if p := o.plugin.Load(); p != nil {
		return p, nil
	}
	flight, err := o.board()
	if err != nil {
		return nil, err
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		defer func(started time.Time) { span.SetAttributes(openTime.Int64(time.Since(started).Microseconds())) }(time.Now())
	}
	select {
	case <-flight:
	case <-ctx.Done():
		return nil, &host.Error{Op: "open function " + o.def.Name, Kind: host.Timeout, Err: context.Cause(ctx)}
	}
	if p := o.plugin.Load(); p != nil {
		return p, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return nil, o.err
}

// board joins the attempt under way or begins one, unless the last one failed a moment ago.
func (o *opening) board() (<-chan struct{}, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flight != nil {
		return o.flight, nil
	}
	flight := make(chan struct{})
	if o.plugin.Load() != nil {
		close(flight)
		return flight, nil
	}
	if o.err != nil && time.Now().Before(o.retry) {
		return nil, o.err
	}
	o.flight = flight
	o.openings.work.Go(func() {
		p, release, err := o.attempt()
		o.land(p, release, err)
		close(flight)
	})
	return flight, nil
}

// attempt opens the plugin. Where it shared an attempt of another pipeline's, which ended with that pipeline, it tries anew.
func (o *opening) attempt() (p *plugin, release func(context.Context) error, err error) {
	ctx, cancel := context.WithCancel(o.openings.life)
	defer cancel()
	for range 3 {
		p, release, err = o.openings.shared.acquire(ctx, &o.def.Plugin, host.EntryHandle, 0)
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.Canceled) {
			break
		}
	}
	return p, release, err
}

// land takes what an attempt came to.
func (o *opening) land(p *plugin, release func(context.Context) error, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flight = nil
	if err == nil {
		o.release, o.err = release, nil
		o.plugin.Store(p)
		return
	}
	pause := min(lastRetry, firstRetry<<min(o.failures, 10))
	o.failures++
	o.retry = time.Now().Add(pause)
	o.err = &host.Error{Op: "open function " + o.def.Name, Kind: host.Internal, Err: err}
	if o.openings.life.Err() != nil {
		return // the end is no failure
	}
	attrs := append(appendFunction(nil, o.def, ""), slog.String("error", err.Error()), slog.String("retry", "by a call, after "+pause.String()))
	o.openings.shared.telemetry.Logger.LogAttrs(context.Background(), slog.LevelError, "function cannot be opened", attrs...)
}

package recording

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// What entries do.
const (
	doNow, doLeft, doSleep, doRandom, doFetch, doSecret = "now", "left", "sleep", "random", "fetch", "secret"
	doGet, doPut, doDelete, doKeys                      = "kv.get", "kv.put", "kv.delete", "kv.keys"
	doLog, doSpan, doSpanEnd, doTrace, doMetric         = "log", "span", "span.end", "traceparent", "metric"
	doTook, doPause, doFact                             = "took", "pause", "fact"
	cutEntries                                          = "the call did more than can be recorded"
	cutReader                                           = "the reader of the result left before its end"
	cutTime                                             = "the call was ended by its time, or by its caller"
)

// A Recorder is the effects of one call, and of the start of the instance that serves it, written down.
type Recorder struct {
	*side
	start *side
}

var (
	_ host.Starter   = (*Recorder)(nil)
	_ host.Conductor = (*Recorder)(nil)
	_ host.Countdown = (*Recorder)(nil)
)

// A tape is what both sides write to.
type tape struct {
	mu      sync.Mutex
	doc     Recording
	entries int
	secrets map[string]string // that the guest has read
	tasks   int
}

// A side is one of the two lists.
type side struct {
	tape  *tape
	inner host.Effects
	list  *[]*Entry
	spans int
}

// NewRecorder makes a recorder of a call of plugin, whose effects are call, and start while its instance starts.
func NewRecorder(plugin Plugin, start, call host.Effects) *Recorder {
	t := &tape{secrets: map[string]string{}}
	t.doc.Version, t.doc.Plugin = Version, plugin
	return &Recorder{&side{tape: t, inner: call, list: &t.doc.Effects}, &side{tape: t, inner: start, list: &t.doc.Start}}
}

// Start implements host.Starter. What an earlier start did, as of one that was not used, is forgotten.
func (r *Recorder) Start() host.Effects {
	t := r.tape
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries -= len(t.doc.Start)
	t.doc.Start = nil
	return r.start
}

// Recording is what was recorded until now. The call, and what it goes on with behind its answer, should have ended.
func (r *Recorder) Recording() (*Recording, error) {
	const op = "record a call"
	t := r.tape
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := plain(&t.doc)
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	doc := &Recording{}
	if err := json.Unmarshal(text, doc); err != nil {
		return nil, &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	if len(t.secrets) > 0 {
		var mark [8]byte
		_, _ = rand.Read(mark[:]) // never fails
		doc.Mark = hex.EncodeToString(mark[:])
		newCover(doc.Mark, t.secrets).hide(doc)
	}
	return doc, nil
}

// cut notes why the recording cannot be replayed. The lock is held.
func (t *tape) cut(reason string) {
	for _, known := range t.doc.Cut {
		if string(known) == reason {
			return
		}
	}
	t.doc.Cut = append(t.doc.Cut, Text(reason))
}

type taskKey struct{}

func taskOf(ctx context.Context) int {
	n, _ := ctx.Value(taskKey{}).(int)
	return n
}

// note writes an entry down, whose Got is filled in by what fill gets.
func (s *side) note(ctx context.Context, do string, ask *Ask) (fill func(func(*Got))) {
	t := s.tape
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &Entry{Do: do, Task: taskOf(ctx), Ask: ask, Got: &Got{}}
	if t.entries++; t.entries > MaxEntries {
		t.cut(cutEntries)
	} else {
		*s.list = append(*s.list, e)
	}
	return func(change func(*Got)) {
		t.mu.Lock()
		defer t.mu.Unlock()
		change(e.Got)
	}
}

// plainTime is a time without what is not written: a clock that only goes on, and a place.
func plainTime(t time.Time) time.Time { return time.Unix(0, t.UnixNano()).UTC() }

// Now implements host.Clock.
func (s *side) Now() time.Time {
	now := plainTime(s.inner.Now())
	s.note(context.Background(), doNow, nil)(func(g *Got) { g.Time = &now })
	return now
}

// Sleep implements host.Clock.
func (s *side) Sleep(ctx context.Context, d time.Duration) error {
	length := Duration(d)
	fill := s.note(ctx, doSleep, &Ask{For: &length})
	err := s.inner.Sleep(ctx, d)
	fill(func(g *Got) { g.Failure = failureOf(err) })
	return err
}

// Rand implements host.Random.
func (s *side) Rand(p []byte) {
	s.inner.Rand(p)
	s.note(context.Background(), doRandom, &Ask{Bytes: len(p)})(func(g *Got) { g.Random = append([]byte(nil), p...) })
}

// Secret implements host.Secrets. The value is not written: a recording is sent around.
func (s *side) Secret(ctx context.Context, name string) (string, bool) {
	value, ok := s.inner.Secret(ctx, name)
	s.note(ctx, doSecret, &Ask{Name: Text(name)})(func(g *Got) {
		if g.Found = ok; ok {
			s.tape.secrets[name] = value
		}
	})
	return value, ok
}

// TimeLeft implements host.Countdown.
func (r *Recorder) TimeLeft(d time.Duration) time.Duration {
	r.note(context.Background(), doLeft, nil)(func(g *Got) { g.Left = Duration(d) })
	return d
}

// Task implements host.Conductor.
func (r *Recorder) Task(ctx context.Context) (context.Context, int) {
	t := r.tape
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tasks++
	return context.WithValue(ctx, taskKey{}, t.tasks), t.tasks
}

// Next implements host.Conductor: the first that is done.
func (r *Recorder) Next(done []int) int {
	if len(done) == 0 {
		return host.TaskNone
	}
	if done[0] > 0 {
		r.note(context.Background(), doTook, &Ask{Task: done[0]})
	}
	return done[0]
}

// Pause implements host.Conductor.
func (r *Recorder) Pause(ctx context.Context, d time.Duration, wake <-chan struct{}) (woken bool, err error) {
	var slept chan error
	inner, stop := context.WithCancel(ctx)
	defer stop()
	if d >= 0 {
		slept = make(chan error, 1)
		go func() { slept <- r.inner.Sleep(inner, d) }()
	}
	select {
	case <-wake:
		woken = true
	case err = <-slept:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if d >= 0 {
		length := Duration(d)
		r.note(context.Background(), doPause, &Ask{For: &length})(func(g *Got) { g.Woken, g.Failure = woken, failureOf(err) })
	}
	return woken, err
}

// Fact implements host.Conductor: it is as it is.
func (r *Recorder) Fact(name string, value []byte) []byte {
	text := Text(append([]byte(nil), value...))
	r.note(context.Background(), doFact, &Ask{Name: Text(name)})(func(g *Got) { g.Value = &text })
	return value
}

// Record makes a call of a plugin, whose effects r is, and writes it down. The recording is whole when the result's body has been closed and the plugin too.
func Record(ctx context.Context, p host.Plugin, entry string, in host.Event, r *Recorder) (host.Event, error) {
	t := r.tape
	t.mu.Lock()
	call := &t.doc.Call
	call.Entry, call.Meta = entry, append(Text(nil), in.Meta...)
	if f := in.Function; f != nil {
		call.Function = &Function{f.Name, f.Version, f.ARN, f.RequestID, Text(f.Client)}
	}
	if in.Body != nil {
		call.Body = &Body{Length: in.Length}
		in.Body = t.body(call.Body, in.Body, "the call's body")
	}
	t.mu.Unlock()
	out, err := p.Call(ctx, entry, in, r)
	t.mu.Lock()
	defer t.mu.Unlock()
	result := &t.doc.Result
	if err != nil {
		result.Failure = failureOf(err)
		if result.Failure.Kind == host.Timeout.String() || ctx.Err() != nil {
			t.cut(cutTime)
		}
		return out, err
	}
	result.Meta = append(Text(nil), out.Meta...)
	if out.Body != nil {
		result.Body = &Body{}
		out.Body = t.result(result.Body, out.Body)
	}
	return out, nil
}

func tooLong(what string) string { return fmt.Sprintf("%s has more than %d bytes", what, MaxBody) }

package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// A Divergence is where a replay left the recording.
type Divergence struct {
	Where string // "effect 7", "the result's meta"
	Want  string // what was recorded, "" for nothing
	Got   string // what came instead, "" for nothing
}

// Error is the divergence in the way of a diff.
func (d *Divergence) Error() string {
	text := d.Where + " differs from the recording"
	if d.Want != "" {
		text += "\n- " + d.Want
	}
	if d.Got != "" {
		text += "\n+ " + d.Got
	}
	return text
}

// A Replayer is the effects of one call as they were recorded. What the guest asks for must be what it asked for then, in the same order; the
// first time that it is not ends the call.
type Replayer struct {
	*replaySide
	start  *replaySide
	doc    *Recording
	cover  cover
	cancel context.CancelCauseFunc
	bodies sync.WaitGroup // of requests, that are compared

	mu    sync.Mutex
	off   *Divergence
	tasks int // that have begun
}

var (
	_ host.Starter   = (*Replayer)(nil)
	_ host.Conductor = (*Replayer)(nil)
	_ host.Countdown = (*Replayer)(nil)
)

// A replaySide is one of the two lists, as it is played.
type replaySide struct {
	r     *Replayer
	what  string           // of its entries, for people
	main  []*Entry         // what the guest did by itself
	tasks map[int][]*Entry // what was done beside it
	heard map[int]bool     // the tasks that the guest heard of
	at    int
	now   time.Time // that was told last
	spans int
}

// newReplayer makes a replayer of a recording that nobody else has. cancel ends the call.
func newReplayer(doc *Recording, secrets map[string]string, cancel context.CancelCauseFunc) *Replayer {
	read := map[string]string{} // that the guest has read: others were not looked for in the recording
	for _, name := range doc.secrets() {
		read[name] = secrets[name]
	}
	r := &Replayer{doc: doc, cover: newCover(doc.Mark, read), cancel: cancel}
	r.replaySide, r.start = r.side("effect", doc.Effects), r.side("effect of the start", doc.Start)
	return r
}

func (r *Replayer) side(what string, list []*Entry) *replaySide {
	s := &replaySide{r: r, what: what, tasks: map[int][]*Entry{}, heard: map[int]bool{}}
	for _, e := range list {
		if e.Task > 0 {
			s.tasks[e.Task] = append(s.tasks[e.Task], e)
			continue
		}
		s.main = append(s.main, e)
		if e.Do == doTook {
			s.heard[e.Ask.Task] = true
		}
	}
	return s
}

// Start implements host.Starter.
func (r *Replayer) Start() host.Effects { return r.start }

var errDiverged = errors.New("the replay has left the recording")

// diverge ends the call, at the first divergence. The lock is held.
func (r *Replayer) diverge(where, want, got string) {
	if r.off == nil {
		r.off = &Divergence{where, want, got}
		r.cancel(errDiverged)
	}
}

// play answers what the guest asks for, or is nil for what it did not ask for then.
func (s *replaySide) play(ctx context.Context, do string, ask *Ask) *Got {
	if ask == nil {
		ask = &Ask{}
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if s.r.off != nil {
		return nil
	}
	came := &Entry{Do: do, Task: taskOf(ctx), Ask: ask}
	s.r.cover.hide(ask)
	list, at := &s.main, &s.at
	where := fmt.Sprintf("%s %d", s.what, s.at+1)
	if came.Task > 0 {
		rest, zero := s.tasks[came.Task], 0
		list, at = &rest, &zero
		defer func() { s.tasks[came.Task] = rest[zero:] }()
		where = fmt.Sprintf("%s of task %d", s.what, came.Task)
	}
	if *at == len(*list) {
		s.r.diverge(where, "(nothing more)", came.String())
		return nil
	}
	want := (*list)[*at]
	if wanted := want.asked(); wanted != came.asked() {
		s.r.diverge(where, wanted, came.asked())
		return nil
	}
	*at++
	return want.Got
}

// asked is the entry without what came of it, and without the body of a request, which is compared as it is read.
func (e *Entry) asked() string {
	plain := *e
	plain.Got = nil
	if e.Ask != nil && e.Ask.Request != nil {
		ask, request := *e.Ask, *e.Ask.Request
		request.Body, ask.Request = nil, &request
		plain.Ask = &ask
	}
	if plain.Ask == nil {
		plain.Ask = &Ask{}
	}
	return plain.String()
}

// shown is a text as the guest had it, with the values of secrets.
func (r *Replayer) shown(t Text) []byte {
	text := bytes.Clone(t)
	shown := Text(text)
	r.cover.show(&shown)
	return shown
}

// failed is what is returned to a guest whose call has left the recording.
func (s *replaySide) failed() error {
	return &host.Error{Op: "replay", Kind: host.Unavailable, Err: errDiverged}
}

// outcome is the recorded error, or that of a call that has left the recording.
func (s *replaySide) outcome(g *Got) error {
	if g == nil {
		return s.failed()
	}
	if g.Failure == nil {
		return nil
	}
	f := *g.Failure
	f.Text = s.r.shown(f.Text)
	return f.err()
}

// readsOn is what a guest gets that reads more of a body than it did.
func (s *replaySide) readsOn() error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.diverge("reading a body", "(no further read)", "a read behind what was recorded")
	return s.failed()
}

// Now implements host.Clock.
func (s *replaySide) Now() time.Time {
	g := s.play(context.Background(), doNow, nil)
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if g != nil {
		s.now = plainTime(*g.Time)
	}
	return s.now
}

// Sleep implements host.Clock. It takes no time.
func (s *replaySide) Sleep(ctx context.Context, d time.Duration) error {
	length := Duration(d)
	return s.outcome(s.play(ctx, doSleep, &Ask{For: &length}))
}

// Rand implements host.Random.
func (s *replaySide) Rand(p []byte) {
	clear(p)
	if g := s.play(context.Background(), doRandom, &Ask{Bytes: len(p)}); g != nil {
		copy(p, g.Random)
	}
}

// Secret implements host.Secrets.
func (s *replaySide) Secret(ctx context.Context, name string) (string, bool) {
	g := s.play(ctx, doSecret, &Ask{Name: Text(name)})
	if g == nil || !g.Found {
		return "", false
	}
	return s.r.cover.secrets[name], true
}

// TimeLeft implements host.Countdown.
func (r *Replayer) TimeLeft(time.Duration) time.Duration {
	if g := r.play(context.Background(), doLeft, nil); g != nil {
		return time.Duration(g.Left)
	}
	return 0
}

// Task implements host.Conductor.
func (r *Replayer) Task(ctx context.Context) (context.Context, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks++
	return context.WithValue(ctx, taskKey{}, r.tasks), r.tasks
}

// Next implements host.Conductor: what the guest heard of then.
func (r *Replayer) Next(done []int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case slices.Contains(done, 0): // nothing of the guest's
		return 0
	case r.off != nil && len(done) > 0:
		return done[0]
	case r.off != nil || r.at == len(r.main) || r.main[r.at].Do != doTook:
		return host.TaskNone
	}
	want := r.main[r.at].Ask.Task
	switch {
	case slices.Contains(done, want):
		r.at++
		return want
	case want > r.tasks:
		r.diverge(fmt.Sprintf("effect %d", r.at+1), r.main[r.at].asked(), fmt.Sprintf("(the guest has begun %d tasks)", r.tasks))
		return host.TaskNone
	}
	return host.TaskLater
}

// Pause implements host.Conductor: it takes no time.
func (r *Replayer) Pause(ctx context.Context, d time.Duration, wake <-chan struct{}) (woken bool, err error) {
	if d >= 0 {
		length := Duration(d)
		g := r.play(ctx, doPause, &Ask{For: &length})
		if g == nil {
			return false, r.failed()
		}
		return g.Woken, r.outcome(g)
	}
	r.mu.Lock()
	next := r.off == nil && r.at < len(r.main) && r.main[r.at].Do == doTook
	r.mu.Unlock()
	if next {
		return true, nil
	}
	select { // for what has no number
	case <-wake:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Fact implements host.Conductor: it is as it was.
func (r *Replayer) Fact(name string, value []byte) []byte {
	g := r.play(context.Background(), doFact, &Ask{Name: Text(name)})
	if g == nil || g.Value == nil {
		return value
	}
	return r.shown(*g.Value)
}

package cases

import (
	"context"
	"io"
	"time"

	"github.com/postern/postern/host"
)

// stalled is how long something beside the guest may take before it is taken to wait for the guest itself, as the reader of a body does
// that the guest writes: then time passes, or nothing would.
const stalled = 50 * time.Millisecond

var _ host.Conductor = (*scene)(nil)

// A kind of task says when it ends.
type taskKind int

const (
	alone   taskKind = iota // by itself: time stands until then
	fed                     // when the guest has written what it reads: time stands for as long as stalled
	other                   // perhaps by itself, and perhaps when the guest goes on: the same, once
	waiting                 // one of these that took longer: when the guest goes on
)

// beside is what is under way beside a guest, by the numbers of its tasks. The scene's lock guards it.
type beside struct {
	begun int
	tasks map[int]taskKind // that the guest has not heard of
}

type taskKey struct{}

// Task implements host.Conductor. What has effects comes with the call's context, and ends by itself.
func (s *scene) Task(ctx context.Context) (context.Context, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.beside
	if b.tasks == nil {
		b.tasks = map[int]taskKind{}
	}
	b.begun++
	if b.tasks[b.begun] = alone; ctx == context.Background() {
		b.tasks[b.begun] = other
	}
	return context.WithValue(ctx, taskKey{}, b.begun), b.begun
}

// Next implements host.Conductor: the first that is done.
func (s *scene) Next(done []int) int {
	if len(done) == 0 {
		return host.TaskNone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.beside.tasks, done[0])
	return done[0]
}

// Pause implements host.Conductor. The clock stands while something is under way that does not wait for the guest: what is recorded takes no
// time, so it is there before any timer.
func (s *scene) Pause(ctx context.Context, d time.Duration, wake <-chan struct{}) (woken bool, err error) {
	for pending, byItself := s.awaited(); pending || d < 0; pending, byItself = s.awaited() {
		var over <-chan time.Time
		if d >= 0 {
			over = time.After(stalled)
		}
		select {
		case <-wake:
			return true, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-over:
		}
		if !byItself { // then, nor now: nothing has begun meanwhile
			break
		}
	}
	select {
	case <-wake: // it has ended before it was looked for
		return true, nil
	default:
		s.stall()
		return false, s.Sleep(ctx, d)
	}
}

// Fact implements host.Conductor: it is as it is.
func (*scene) Fact(_ string, value []byte) []byte { return value }

// written marks a fetch as one that reads what the guest writes, until all of it is there.
func (s *scene) written(ctx context.Context, body io.Reader, length int64) ([]byte, error) {
	task, _ := ctx.Value(taskKey{}).(int)
	if task > 0 && length < 0 {
		s.is(task, fed)
		defer s.is(task, alone)
	}
	return io.ReadAll(io.LimitReader(body, maxBody))
}

func (s *scene) is(task int, kind taskKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beside.tasks[task] = kind // which the guest cannot have heard of
}

// awaited tells whether something is to end before time passes, and whether that ends by itself.
func (s *scene) awaited() (pending, byItself bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range s.beside.tasks {
		pending = pending || kind != waiting
		byItself = byItself || kind == alone
	}
	return pending, byItself
}

// stall notes what waits for the guest, as it seems.
func (s *scene) stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for task, kind := range s.beside.tasks {
		if kind == other {
			s.beside.tasks[task] = waiting
		}
	}
}

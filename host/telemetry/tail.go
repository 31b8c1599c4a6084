package telemetry

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tailRecords = 1000     // that a Tail keeps
	tailText    = 16 << 10 // bytes of a message or value that it keeps
	tailBatch   = 64       // records that a subscriber takes at a time
)

// A Record is one line of the log.
type Record struct {
	Seq     uint64 // 1, 2, … since the start
	Time    time.Time
	Level   slog.Level
	Message string
	Attrs   map[string]any // by key, "group.key" in a group: string, int64, uint64, float64, bool, time.Time, and time.Duration
	Dropped int            // how many lines before this one the subscriber lost, because it was too slow
}

// A Tail keeps the last 1,000 lines of the log, of all levels that the log has, and hands them to whoever subscribes. It is
// part of the logger, and costs a copy of each line. It is safe for concurrent use.
type Tail struct {
	mu    sync.Mutex
	lines [tailRecords]tailLine // that of seq at seq % tailRecords
	last  uint64                // the seq of the newest; 0 for none
	news  chan struct{}         // closed with the next line; nil while nobody waits
}

// A tailLine is a place for a line. Its slice is used again.
type tailLine struct {
	time    time.Time
	level   slog.Level
	message string
	attrs   []slog.Attr
}

// Last returns up to n of the last lines, oldest first.
func (t *Tail) Last(n int) []Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.take(t.back(n), tailRecords)
}

// Subscribe yields up to last of the lines that are there, and then each as it comes, until ctx ends or the consumer stops. A
// consumer that falls behind by more than a Tail keeps loses the oldest: the next Record says how many.
func (t *Tail) Subscribe(ctx context.Context, last int) iter.Seq[Record] {
	t.mu.Lock()
	first := t.back(last)
	t.mu.Unlock()
	return func(yield func(Record) bool) {
		next := first
		for ctx.Err() == nil {
			batch, news := t.wait(next)
			for _, r := range batch {
				r.Dropped = int(r.Seq - next)
				next = r.Seq + 1
				if ctx.Err() != nil || !yield(r) {
					return
				}
			}
			if len(batch) > 0 {
				continue
			}
			select {
			case <-news:
			case <-ctx.Done():
			}
		}
	}
}

// back returns the seq of the nth line from the end. It is called with the lock held, as take is.
func (t *Tail) back(n int) uint64 {
	return t.last + 1 - min(uint64(max(n, 0)), t.last, tailRecords)
}

// take copies up to n lines from seq on, without those that are not there any more.
func (t *Tail) take(seq uint64, n int) []Record {
	var list []Record
	for seq = max(seq, t.back(tailRecords)); seq <= t.last && len(list) < n; seq++ {
		line := &t.lines[seq%tailRecords]
		r := Record{Seq: seq, Time: line.time, Level: line.level, Message: line.message, Attrs: make(map[string]any, len(line.attrs))}
		for _, a := range line.attrs {
			r.Attrs[a.Key] = a.Value.Any()
		}
		list = append(list, r)
	}
	return list
}

// wait returns the lines from seq on, or what tells of the next one.
func (t *Tail) wait(seq uint64) ([]Record, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if batch := t.take(seq, tailBatch); len(batch) > 0 {
		return batch, nil
	}
	if t.news == nil {
		t.news = make(chan struct{})
	}
	return nil, t.news
}

// add takes a line. fixed are the attributes of its logger, in front of its own.
func (t *Tail) add(r *slog.Record, fixed []slog.Attr, group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	line := &t.lines[t.last%tailRecords]
	line.time, line.level, line.message = r.Time, r.Level, kept(r.Message)
	clear(line.attrs)
	line.attrs = append(line.attrs[:0], fixed...)
	r.Attrs(func(a slog.Attr) bool {
		line.attrs = flatten(line.attrs, group, a)
		return true
	})
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// flatten adds an attribute, as text where it is of a type that only its owner may look at later.
func flatten(to []slog.Attr, group string, a slog.Attr) []slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, inner := range v.Group() {
			to = flatten(to, group, inner)
		}
		return to
	}
	if a.Key == "" {
		return to
	}
	switch v.Kind() {
	case slog.KindAny, slog.KindString:
		v = slog.StringValue(kept(v.String()))
	}
	return append(to, slog.Attr{Key: group + a.Key, Value: v})
}

// kept bounds a text.
func kept(s string) string {
	if len(s) <= tailText {
		return s
	}
	return strings.ToValidUTF8(s[:tailText], "") + "…"
}

// handler puts the tail before a handler. It takes the lines that the handler takes.
func (t *Tail) handler(next slog.Handler) slog.Handler { return &tailHandler{Handler: next, tail: t} }

type tailHandler struct {
	slog.Handler
	tail  *Tail
	fixed []slog.Attr
	group string // "a.b.", of what is added from now on
}

// Handle keeps a copy of the line and passes it on.
func (h *tailHandler) Handle(ctx context.Context, r slog.Record) error {
	h.tail.add(&r, h.fixed, h.group)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *tailHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fixed := slices.Clip(h.fixed)
	for _, a := range attrs {
		fixed = flatten(fixed, h.group, a)
	}
	return &tailHandler{Handler: h.Handler.WithAttrs(attrs), tail: h.tail, fixed: fixed, group: h.group}
}

// WithGroup implements slog.Handler.
func (h *tailHandler) WithGroup(name string) slog.Handler {
	group := h.group
	if name != "" {
		group += name + "."
	}
	return &tailHandler{Handler: h.Handler.WithGroup(name), tail: h.tail, fixed: h.fixed, group: group}
}

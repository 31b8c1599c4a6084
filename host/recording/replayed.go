package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/postern/postern/host"
)

// Log implements host.Logger: nothing is written.
func (s *replaySide) Log(ctx context.Context, level slog.Level, message string) {
	s.play(ctx, doLog, &Ask{Level: level.String(), Message: Text(message)})
}

// Span implements host.Spans.
func (s *replaySide) Span(ctx context.Context, name string) func(string) {
	s.r.mu.Lock()
	s.spans++
	number := s.spans
	s.r.mu.Unlock()
	s.play(ctx, doSpan, &Ask{Span: number, Name: Text(name)})
	return func(text string) { s.play(ctx, doSpanEnd, &Ask{Span: number, Message: Text(text)}) }
}

// TraceParent implements host.Spans.
func (s *replaySide) TraceParent() string {
	if g := s.play(context.Background(), doTrace, nil); g != nil && g.Value != nil {
		return string(s.r.shown(*g.Value))
	}
	return ""
}

// Metric implements host.Metrics.
func (s *replaySide) Metric(ctx context.Context, kind host.MetricKind, name string, value float64) error {
	return s.outcome(s.play(ctx, doMetric, askMetric(kind, name, value)))
}

// KVGet implements host.KV.
func (s *replaySide) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	g := s.play(ctx, doGet, &Ask{Key: Text(key)})
	if err := s.outcome(g); err != nil {
		return host.KVEntry{}, err
	}
	entry := host.KVEntry{Revision: g.Revision}
	if g.Value != nil {
		entry.Value = s.r.shown(*g.Value)
	}
	return entry, nil
}

// KVPut implements host.KV.
func (s *replaySide) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	g := s.play(ctx, doPut, askPut(key, value, o))
	if err := s.outcome(g); err != nil {
		return 0, err
	}
	return g.Revision, nil
}

// KVDelete implements host.KV.
func (s *replaySide) KVDelete(ctx context.Context, key string, revision int64) error {
	return s.outcome(s.play(ctx, doDelete, &Ask{Key: Text(key), Revision: &revision}))
}

// KVKeys implements host.KV.
func (s *replaySide) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	g := s.play(ctx, doKeys, &Ask{Prefix: Text(prefix), After: Text(after)})
	if err := s.outcome(g); err != nil {
		return nil, err
	}
	keys := make([]string, len(g.Keys))
	for i, key := range g.Keys {
		keys[i] = string(s.r.shown(key))
	}
	return keys, nil
}

// Fetch implements host.Fetcher. Of a task that the guest never heard of, nothing comes.
func (s *replaySide) Fetch(ctx context.Context, r *host.Request) (*host.Response, error) {
	if task := taskOf(ctx); task > 0 && !s.heard[task] {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	want := s.nextBody(ctx)
	g := s.play(ctx, doFetch, askFetch(r))
	if g == nil {
		return nil, s.failed()
	}
	s.compare(ctx, r, want)
	if err := s.outcome(g); err != nil {
		return nil, err
	}
	if g.Response == nil {
		return nil, &host.Error{Op: "replay", Kind: host.Invalid, Err: errors.New("a fetch without an answer")}
	}
	resp := &host.Response{Status: g.Response.Status, Length: -1}
	for _, h := range g.Response.Headers {
		resp.Header.Add(string(s.r.shown(h[0])), string(s.r.shown(h[1])))
	}
	if note := g.Response.Body; note != nil {
		resp.Length = note.Length
		shown := *note
		shown.Data = s.r.shown(note.Data)
		resp.Body = s.body(&shown)
	}
	return resp, nil
}

// nextBody is the body that the request which comes next had.
func (s *replaySide) nextBody(ctx context.Context) *Body {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	list := s.main[s.at:]
	if task := taskOf(ctx); task > 0 {
		list = s.tasks[task]
	}
	if len(list) == 0 || list[0].Ask == nil || list[0].Ask.Request == nil {
		return nil
	}
	return list[0].Ask.Request.Body
}

// compare reads the body of a request, and compares as much of it as was sent then. One whose length is not known may still be made: it is
// read beside.
func (s *replaySide) compare(ctx context.Context, r *host.Request, want *Body) {
	if r.Body == nil || r.Length == 0 {
		s.differs(r, want, nil)
		return
	}
	read := func() {
		body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
		_ = r.Body.Close() // all of it was read
		if err == nil && ctx.Err() == nil {
			s.differs(r, want, body)
		}
	}
	if r.Length > 0 {
		read()
		return
	}
	s.r.bodies.Go(read)
}

func (s *replaySide) differs(r *host.Request, want *Body, body []byte) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	came, then, url := Text(body), Text(nil), askFetch(r).Request.URL
	s.r.cover.hide(&came)
	s.r.cover.hide(&url)
	ended := want == nil || want.Ended || int64(len(want.Data)) == want.Length
	if want != nil {
		then = want.Data
	}
	if bytes.Equal(came, then) || !ended && bytes.HasPrefix(came, then) {
		return
	}
	s.r.diverge(fmt.Sprintf("the body of %s %s", r.Method, url), excerpt(then, came), excerpt(came, then))
}

// excerpt is a text from a little before it differs from another one.
func excerpt(text, other []byte) string {
	const before, length = 40, 400
	at := 0
	for at < len(text) && at < len(other) && text[at] == other[at] {
		at++
	}
	from := max(0, at-before)
	part, dots := text[from:], ""
	if from > 0 {
		dots = "…"
	}
	if len(part) > length {
		return fmt.Sprintf("%s%q…", dots, part[:length])
	}
	return fmt.Sprintf("%s%q", dots, part)
}

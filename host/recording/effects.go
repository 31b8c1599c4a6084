package recording

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"

	"github.com/postern/postern/host"
)

func headers(h host.Header) [][2]Text {
	out := make([][2]Text, len(h))
	for i, f := range h {
		out[i] = [2]Text{Text(f.Name), Text(f.Value)}
	}
	return out
}

// askFetch describes a request, but for its body.
func askFetch(r *host.Request) *Ask {
	return &Ask{Request: &Request{Method: r.Method, URL: Text(r.Scheme + "://" + r.Host + r.Target), Headers: headers(r.Header)}}
}

// Fetch implements host.Fetcher. Bodies pass while they are written down.
func (s *side) Fetch(ctx context.Context, r *host.Request) (*host.Response, error) {
	ask := askFetch(r)
	what := r.Method + " " + string(ask.Request.URL)
	sent := *r
	sent.Header = r.Header.Clone()
	if r.Body != nil && r.Length != 0 {
		ask.Request.Body = &Body{Length: r.Length}
		sent.Body = s.tape.body(ask.Request.Body, r.Body, "the body of "+what)
	}
	fill := s.note(ctx, doFetch, ask)
	resp, err := s.inner.Fetch(ctx, &sent)
	if err != nil {
		fill(func(g *Got) { g.Failure = failureOf(err) })
		return nil, err
	}
	got := *resp
	note := &Response{Status: resp.Status, Headers: headers(resp.Header)}
	if resp.Body != nil {
		note.Body = &Body{Length: resp.Length}
		got.Body = s.tape.body(note.Body, resp.Body, "the body of the response to "+what)
	}
	fill(func(g *Got) { g.Response = note })
	return &got, nil
}

// KVGet implements host.KV.
func (s *side) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	fill := s.note(ctx, doGet, &Ask{Key: Text(key)})
	entry, err := s.inner.KVGet(ctx, key)
	fill(func(g *Got) {
		if g.Failure = failureOf(err); err == nil {
			value := Text(bytes.Clone(entry.Value))
			g.Value, g.Revision = &value, entry.Revision
		}
	})
	return entry, err
}

// KVPut implements host.KV.
func (s *side) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	fill := s.note(ctx, doPut, askPut(key, value, o))
	revision, err := s.inner.KVPut(ctx, key, value, o)
	fill(func(g *Got) { g.Revision, g.Failure = revision, failureOf(err) })
	return revision, err
}

func askPut(key string, value []byte, o host.KVOptions) *Ask {
	text := Text(bytes.Clone(value))
	return &Ask{Key: Text(key), Value: &text, TTL: Duration(o.TTL), Revision: &o.Revision}
}

// KVDelete implements host.KV.
func (s *side) KVDelete(ctx context.Context, key string, revision int64) error {
	fill := s.note(ctx, doDelete, &Ask{Key: Text(key), Revision: &revision})
	err := s.inner.KVDelete(ctx, key, revision)
	fill(func(g *Got) { g.Failure = failureOf(err) })
	return err
}

// KVKeys implements host.KV.
func (s *side) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	fill := s.note(ctx, doKeys, &Ask{Prefix: Text(prefix), After: Text(after)})
	keys, err := s.inner.KVKeys(ctx, prefix, after)
	fill(func(g *Got) {
		g.Failure = failureOf(err)
		for _, key := range keys {
			g.Keys = append(g.Keys, Text(key))
		}
	})
	return keys, err
}

// Metric implements host.Metrics.
func (s *side) Metric(ctx context.Context, kind host.MetricKind, name string, value float64) error {
	fill := s.note(ctx, doMetric, askMetric(kind, name, value))
	err := s.inner.Metric(ctx, kind, name, value)
	fill(func(g *Got) { g.Failure = failureOf(err) })
	return err
}

func askMetric(kind host.MetricKind, name string, value float64) *Ask {
	names := []string{host.MetricCounter: "counter", host.MetricGauge: "gauge", host.MetricHistogram: "histogram"}
	return &Ask{Kind: names[kind], Name: Text(name), Number: strconv.FormatFloat(value, 'g', -1, 64)}
}

// Log implements host.Logger.
func (s *side) Log(ctx context.Context, level slog.Level, message string) {
	s.note(ctx, doLog, &Ask{Level: level.String(), Message: Text(message)})
	s.inner.Log(ctx, level, message)
}

// Span implements host.Spans.
func (s *side) Span(ctx context.Context, name string) func(string) {
	s.tape.mu.Lock()
	s.spans++
	number := s.spans
	s.tape.mu.Unlock()
	s.note(ctx, doSpan, &Ask{Span: number, Name: Text(name)})
	end := s.inner.Span(ctx, name)
	return func(text string) {
		s.note(ctx, doSpanEnd, &Ask{Span: number, Message: Text(text)})
		end(text)
	}
}

// TraceParent implements host.Spans.
func (s *side) TraceParent() string {
	value := s.inner.TraceParent()
	text := Text(value)
	s.note(context.Background(), doTrace, nil)(func(g *Got) { g.Value = &text })
	return value
}

package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func tailed(t testing.TB, level string) *Telemetry {
	t.Helper()
	tel, err := Setup(t.Context(), Options{Output: io.Discard, LogFormat: LogJSON, LogLevel: level, Environ: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	return tel
}

func messages(records []Record) string {
	var list []string
	for _, r := range records {
		list = append(list, fmt.Sprint(r.Message, "-", r.Dropped))
	}
	return strings.Join(list, " ")
}

func TestTailKeepsTheLastLines(t *testing.T) {
	tel := tailed(t, "info")
	if got := tel.Tail.Last(5); len(got) != 0 {
		t.Errorf("at the start: %v", got)
	}
	tel.Logger.Debug("below the level")
	for i := range 3 {
		tel.Logger.Info(fmt.Sprint(i))
	}
	if got := messages(tel.Tail.Last(2)); got != "1-0 2-0" {
		t.Error(got)
	}
	for i := range 2 * tailRecords {
		tel.Logger.Info(fmt.Sprint(i))
	}
	all := tel.Tail.Last(5 * tailRecords)
	if len(all) != tailRecords || all[0].Message != "1000" || all[tailRecords-1].Message != "1999" || all[0].Seq != all[tailRecords-1].Seq-tailRecords+1 {
		t.Errorf("%d lines, %+v to %+v", len(all), all[0], all[len(all)-1])
	}
}

type loud struct{}

func (loud) LogValue() slog.Value { return slog.StringValue("resolved") }

func TestTailRecords(t *testing.T) {
	tel := tailed(t, "debug")
	text := []byte("before")
	logger := tel.Logger.With("a", 1, slog.Group("g", "b", true)).WithGroup("h").With("c", "x")
	logger.Warn("hello", "d", 2.5, "e", errors.New("broken"), "f", loud{}, "bytes", text, slog.Group("", "in", uint64(1)), "took", time.Second,
		"long", strings.Repeat("é", tailText))
	copy(text, "after ")
	got := tel.Tail.Last(1)[0]
	long, _ := got.Attrs["h.long"].(string)
	delete(got.Attrs, "h.long")
	if len(long) > tailText+4 || !strings.HasPrefix(long, "éé") {
		t.Errorf("%d bytes of a long value", len(long))
	}
	want := map[string]any{"a": int64(1), "g.b": true, "h.c": "x", "h.d": 2.5, "h.e": "broken", "h.f": "resolved", "h.bytes": fmt.Sprint([]byte("before")),
		"h.in": uint64(1), "h.took": time.Second}
	if diff := cmp.Diff(want, got.Attrs); diff != "" || got.Level != slog.LevelWarn || got.Message != "hello" || time.Since(got.Time) > time.Hour {
		t.Errorf("%+v\n%s", got, diff)
	}
}

func TestTailSubscribe(t *testing.T) {
	tel := tailed(t, "info")
	tel.Logger.Info("a")
	tel.Logger.Info("b")
	ctx, cancel := context.WithCancel(t.Context())
	lines := tel.Tail.Subscribe(ctx, 1)
	tel.Logger.Info("c") // between the subscription and its first look
	got := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range lines {
			got <- fmt.Sprint(r.Message, "-", r.Dropped)
		}
	}()
	for i, want := range []string{"b-0", "c-0", "d-0", "e-0"} {
		if i >= 2 {
			tel.Logger.Info(want[:1])
		}
		if line := <-got; line != want {
			t.Errorf("got %s, want %s", line, want)
		}
	}
	cancel()
	<-done
}

func TestTailCountsWhatASlowSubscriberLoses(t *testing.T) {
	tel := tailed(t, "info")
	tel.Logger.Info("first")
	var got []Record
	for r := range tel.Tail.Subscribe(t.Context(), 1) {
		if got = append(got, r); len(got) == 3 {
			break
		}
		if len(got) == 1 {
			for i := range tailRecords + 7 { // while it is busy
				tel.Logger.Info(fmt.Sprint(i))
			}
		}
	}
	if messages(got) != "first-0 7-7 8-0" {
		t.Error(messages(got))
	}
}

func TestTailOfManyAtOnce(t *testing.T) {
	tel := tailed(t, "info")
	const writers, lines = 4, 3000
	var readers, writing sync.WaitGroup
	for range 3 {
		records := tel.Tail.Subscribe(t.Context(), 0)
		readers.Go(func() {
			seq := uint64(0)
			for r := range records {
				if r.Seq != seq+1+uint64(r.Dropped) {
					t.Errorf("line %d after %d, with %d dropped", r.Seq, seq, r.Dropped)
				}
				if r.Attrs["n"] != r.Attrs["m"] {
					t.Errorf("a line of two: %v", r.Attrs)
				}
				if seq = r.Seq; seq == writers*lines {
					return
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range lines {
				tel.Logger.Info("line", "n", w*lines+i, "m", w*lines+i)
			}
		})
	}
	writing.Wait()
	readers.Wait()
}

// BenchmarkTail says what a Tail without subscribers adds to a line of the access log.
func BenchmarkTail(b *testing.B) {
	handler := slog.NewJSONHandler(io.Discard, nil)
	for name, h := range map[string]slog.Handler{"without": handler, "with": (&Tail{}).handler(handler)} {
		logger := slog.New(h)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				logger.LogAttrs(b.Context(), slog.LevelInfo, "request", slog.String("method", "GET"), slog.String("path", "/orders/1"),
					slog.Int("status", 200), slog.Float64("duration_ms", 1.5), slog.Int64("bytes", 100), slog.String("client", "127.0.0.1"),
					slog.String("protocol", "HTTP/1.1"), slog.String("host", "localhost"), slog.String("api", "main"), slog.String("request_id", "0"))
			}
		})
	}
}

package recording

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// A document that decodes encodes to what decodes again, and whatever it says, playing it neither panics nor hangs.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"recording":1,"call":{"entry":"handle"},"effects":[{"do":"now","got":{"time":"2026-01-02T03:04:05Z"}},{"do":"took","ask":{"task":1}},
		{"do":"fetch","task":1,"ask":{"request":{"method":"GET","url":"http://a/","body":{"data":"x","pieces":[1,0]}}},"got":{"response":{"status":200,"body":{"data":{"base64":"/w=="},"pieces":[3],"ended":true}}}},
		{"do":"kv.get","ask":{"key":"a"},"got":{"value":"b","revision":1}},{"do":"pause","ask":{"for":"1s"},"got":{"woken":true}}],"mark":"m"}`))
	f.Add([]byte(`{"recording":1,"call":{"entry":"handle"},"start":[{"do":"random","ask":{"bytes":9}}],"effects":[{"do":"fetch"},{"do":"kv.keys"},{"do":"secret","got":{"found":true}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := Decode(text)
		if err != nil {
			return
		}
		first, err := doc.Encode()
		if err != nil {
			return // over the limit of size
		}
		again, err := Decode(first)
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		r := newReplayer(doc, map[string]string{"TOKEN": "a secret"}, cancel)
		play(ctx, r.Start())
		// Each entry as it was asked for, so that all are reached.
		for range doc.Effects {
			r.mu.Lock()
			r.off = nil
			r.mu.Unlock()
			inner, _ := r.Task(ctx)
			r.Next([]int{1, 2})
			play(inner, r)
			play(ctx, r)
		}
		cancel(nil)
		r.bodies.Wait()
		r.verdict(&Outcome{})
	})
}

func play(ctx context.Context, fx host.Effects) {
	fx.Now()
	fx.Rand(make([]byte, 9))
	_ = fx.Sleep(ctx, time.Second)
	ended, end := context.WithCancel(ctx) // of a task that nobody hears of, nothing comes until then
	end()
	if resp, err := fx.Fetch(ended, &host.Request{Method: "GET", Scheme: "http", Host: "a", Target: "/"}); err == nil && resp.Body != nil {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	_, _ = fx.KVGet(ctx, "a")
	_, _ = fx.KVPut(ctx, "a", nil, host.KVOptions{})
	_ = fx.KVDelete(ctx, "a", 0)
	_, _ = fx.KVKeys(ctx, "", "")
	_, _ = fx.Secret(ctx, "TOKEN")
	_ = fx.Metric(ctx, host.MetricCounter, "a", 1)
	fx.Log(ctx, slog.LevelInfo, "a")
	fx.Span(ctx, "a")("")
	fx.TraceParent()
}

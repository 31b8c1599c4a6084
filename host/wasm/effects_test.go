package wasm_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// effects are real ones: the system's clock and random source, net/http, and logs and spans that are kept.
type effects struct {
	host.StartEffects // for what is not overridden

	client  *http.Client
	allow   string // the only origin that Fetch may reach
	secrets map[string]string

	mu    sync.Mutex
	logs  []string
	spans []string
	open  int // responses whose body is not closed
}

var _ host.Effects = (*effects)(nil)

func (*effects) Now() time.Time { return time.Now() }
func (*effects) Rand(p []byte)  { _, _ = rand.Read(p) }

func (*effects) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *effects) Fetch(ctx context.Context, r *host.Request) (*host.Response, error) {
	origin := r.Scheme + "://" + r.Host
	if origin != e.allow {
		return nil, &host.Error{Op: "fetch", Kind: host.Forbidden, Err: fmt.Errorf("%s is not in the egress list", origin)}
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, origin+r.Target, r.Body)
	if err != nil {
		return nil, &host.Error{Op: "fetch", Kind: host.Invalid, Err: err}
	}
	req.ContentLength = r.Length
	for _, f := range r.Header {
		req.Header.Add(f.Name, f.Value)
	}
	res, err := e.client.Do(req)
	if err != nil {
		return nil, &host.Error{Op: "fetch", Kind: host.BadGateway, Err: err}
	}
	out := &host.Response{Status: res.StatusCode, Length: res.ContentLength, Body: &countedBody{res, e}}
	for name, values := range res.Header {
		for _, v := range values {
			out.Header.Add(name, v)
		}
	}
	e.mu.Lock()
	e.open++
	e.mu.Unlock()
	return out, nil
}

type countedBody struct {
	*http.Response
	effects *effects
}

func (b *countedBody) Read(p []byte) (int, error) { return b.Body.Read(p) }

func (b *countedBody) Close() error {
	b.effects.mu.Lock()
	b.effects.open--
	b.effects.mu.Unlock()
	return b.Body.Close()
}

func (e *effects) Secret(_ context.Context, name string) (string, bool) {
	v, ok := e.secrets[name]
	return v, ok
}

func (e *effects) Log(_ context.Context, level slog.Level, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = append(e.logs, level.String()+" "+message)
}

func (e *effects) Span(_ context.Context, name string) func(string) {
	return func(text string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.spans = append(e.spans, strings.TrimSuffix(name+": "+text, ": "))
	}
}

// Metric takes what comes.
func (*effects) Metric(context.Context, host.MetricKind, string, float64) error { return nil }

func (*effects) TraceParent() string {
	return "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
}

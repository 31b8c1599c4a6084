package recording_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/kv"
)

// effects are real ones: the system's clock and random source, HTTP on loopback, a map.
type effects struct {
	host.StartEffects
	host.KV
	allow string // the only origin that Fetch may reach
}

func newEffects(origin string, store *kv.Store) *effects {
	secret := host.Secret{Name: "TOKEN", Value: "s3cret-value"}
	return &effects{KV: store.Map("m", 1<<20), allow: origin,
		StartEffects: host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: &host.PluginConfig{Name: "test", Secrets: []host.Secret{secret}}}}
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
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, &host.Error{Op: "fetch", Kind: host.BadGateway, Err: err}
	}
	out := &host.Response{Status: res.StatusCode, Length: res.ContentLength, Body: res.Body}
	for name, values := range res.Header {
		for _, v := range values {
			out.Header.Add(name, v)
		}
	}
	return out, nil
}

func (e *effects) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	return e.KV.KVGet(ctx, key)
}

func (e *effects) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	return e.KV.KVPut(ctx, key, value, o)
}

func (e *effects) KVDelete(ctx context.Context, key string, revision int64) error {
	return e.KV.KVDelete(ctx, key, revision)
}

func (e *effects) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	return e.KV.KVKeys(ctx, prefix, after)
}

func (e *effects) Metric(_ context.Context, _ host.MetricKind, name string, _ float64) error {
	if name == "" {
		return &host.Error{Op: "metric", Kind: host.Invalid, Err: errors.New("no name")}
	}
	return nil
}

func (e *effects) TraceParent() string {
	return "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
}

// upstream answers late, in pieces, and never the same. requests counts what came.
func upstream(t *testing.T) (origin string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, _ := io.ReadAll(r.Body)
		time.Sleep(time.Duration(mathrand.IntN(20)) * time.Millisecond)
		w.Header().Set("X-Seen", r.Header.Get("x-from"))
		for range 1 + mathrand.IntN(4) {
			fmt.Fprintf(w, "%s %s %d;", r.URL.Path, body, mathrand.Uint64())
			w.(http.Flusher).Flush()
			time.Sleep(time.Duration(mathrand.IntN(5)) * time.Millisecond)
		}
		if r.URL.Path == "/broken" {
			panic(http.ErrAbortHandler)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(server.Close)
	return server.URL, requests
}

// pieces is a body that comes in pieces of other lengths each time.
func pieces(text string) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		for rest := []byte(text); len(rest) > 0; {
			n := 1 + mathrand.IntN(len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
			time.Sleep(time.Duration(mathrand.IntN(3)) * time.Millisecond)
		}
		_ = w.Close()
	}()
	return r
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x", b)
}

package upstream_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// A recorder keeps what a pool says of itself.
type recorder struct {
	mu      sync.Mutex
	log     strings.Builder
	targets map[string]bool
	breaker []string
	retries []string
	refused []string
}

func record() (*recorder, upstream.Options) {
	r := &recorder{targets: map[string]bool{}}
	return r, upstream.Options{Metrics: r, Logger: slog.New(slog.NewTextHandler(r, nil))}
}

func (r *recorder) Write(p []byte) (int, error) {
	return locked(r, func() int { n, _ := r.log.Write(p); return n }), nil
}
func (r *recorder) Target(name string, healthy bool) {
	locked(r, func() int { r.targets[name] = healthy; return 0 })
}
func (r *recorder) TargetGone(name string) {
	locked(r, func() int { delete(r.targets, name); return 0 })
}
func (r *recorder) Breaker(state string) {
	locked(r, func() int { r.breaker = append(r.breaker, state); return 0 })
}
func (r *recorder) Retry(_ context.Context, why string) {
	locked(r, func() int { r.retries = append(r.retries, why); return 0 })
}
func (r *recorder) Refused(_ context.Context, why string) {
	locked(r, func() int { r.refused = append(r.refused, why); return 0 })
}

func locked(r *recorder, f func() int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return f()
}

func (r *recorder) said(text string) bool {
	return locked(r, func() int { return strings.Count(r.log.String(), text) }) > 0
}

func (r *recorder) healthy(name string) (healthy, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	healthy, known = r.targets[name]
	return
}

func health(p *upstream.Pool, i int) upstream.Health { return p.Status()[i].Health }

func TestActiveHealthChecks(t *testing.T) {
	backends, all := startBackends(t, 2)
	rec, opts := record()
	check := &host.HealthCheck{Path: "/health", Interval: 20 * time.Millisecond, Timeout: patience, Status: "200", Healthy: 2, Unhealthy: 2}
	p := testPool(t, &host.Upstream{Name: "shop", Targets: all, HealthCheck: check}, opts)
	if health(p, 0) != upstream.HealthWell {
		t.Error("a target is not healthy from the start")
	}
	backends[0].status.Store(404)
	waitFor(t, "a to be found ill", func() bool { return health(p, 0) == upstream.HealthUnwell })
	if got := names(t, p, 4); got != "bbbb" {
		t.Errorf("asked %s", got)
	}
	if well, known := rec.healthy(all[0].URL); well || !known || !rec.said("upstream target unhealthy") || !rec.said("answered 404") {
		t.Errorf("recorded as %v, %v: %s", well, known, rec.log.String())
	}
	backends[1].status.Store(500)
	waitFor(t, "b to be found ill", func() bool { return health(p, 1) == upstream.HealthUnwell })
	// Where none is healthy, all are used.
	if n := len(names(t, p, 4)); n != 4 || backends[0].asked.Load() == 0 {
		t.Error("no request came through while all targets were ill")
	}
	backends[0].status.Store(0)
	waitFor(t, "a to be well again", func() bool { return health(p, 0) == upstream.HealthWell })
	if got := names(t, p, 4); got != "aaaa" || !rec.said("upstream target healthy") {
		t.Errorf("asked %s: %s", got, rec.log.String())
	}
}

// A target that is down from the start is out with its first check; one that hangs is, too.
func TestHealthChecksOfTheDead(t *testing.T) {
	b := startBackend(t, "a")
	hang := startBackend(t, "b")
	hold := make(chan struct{})
	defer close(hold)
	hang.hold.Store(&hold)
	check := &host.HealthCheck{Path: "/health", Interval: time.Hour, Timeout: time.Second, Unhealthy: 100}
	p := testPool(t, &host.Upstream{Targets: targets(b.URL, "http://"+closedAddr(t), hang.URL), HealthCheck: check}, upstream.Options{})
	waitFor(t, "the dead to be found", func() bool {
		return health(p, 1) == upstream.HealthUnwell && health(p, 2) == upstream.HealthUnwell
	})
	if got := names(t, p, 4); got != "aaaa" {
		t.Errorf("asked %s", got)
	}
}

func TestEjection(t *testing.T) {
	backends, all := startBackends(t, 3)
	rec, opts := record()
	p := testPool(t, &host.Upstream{Targets: all, Ejection: &host.Ejection{Failures: 2, For: time.Second, Max: 34}}, opts)
	backends[1].status.Store(503)
	got := names(t, p, 6)
	if health(p, 1) != upstream.HealthEjected {
		t.Fatalf("b is %s after %s", health(p, 1), got)
	}
	if well, _ := rec.healthy(all[1].URL); well || !rec.said("upstream target ejected") {
		t.Error(rec.log.String())
	}
	if strings.Contains(names(t, p, 4), "b") && health(p, 1) == upstream.HealthEjected {
		t.Error("an ejected target was asked")
	}
	// A third of the targets may be out: one.
	backends[0].status.Store(500)
	backends[2].status.Store(502)
	names(t, p, 12)
	if health(p, 0) != upstream.HealthWell {
		t.Error("a 500 ejects")
	}
	backends[2].status.Store(0)
	backends[1].status.Store(0)
	waitFor(t, "b to be back", func() bool { return health(p, 1) == upstream.HealthWell })
	waitFor(t, "b to be asked", func() bool { return strings.Contains(names(t, p, 3), "b") })
	if well, _ := rec.healthy(all[1].URL); !well || !rec.said("back after its ejection") {
		t.Error(rec.log.String())
	}
}

func TestEjectionHasAMaximum(t *testing.T) {
	backends, all := startBackends(t, 4)
	for _, b := range backends {
		b.status.Store(502)
	}
	p := testPool(t, &host.Upstream{Targets: all, Ejection: &host.Ejection{Failures: 1, For: time.Hour, Max: 50}}, upstream.Options{})
	names(t, p, 20)
	out := 0
	for i := range all {
		if health(p, i) == upstream.HealthEjected {
			out++
		}
	}
	if out != 2 {
		t.Errorf("%d of 4 targets are out", out)
	}
}

// A client that sends its body slowly, or leaves, or sends what cannot be sent, blames no target.
func TestClientsBlameNoTarget(t *testing.T) {
	backends, all := startBackends(t, 2)
	hold := make(chan struct{})
	defer close(hold)
	p := testPool(t, &host.Upstream{Targets: all, Ejection: &host.Ejection{Failures: 1, For: time.Hour, Max: 100},
		Breaker: &host.Breaker{Failures: 1, For: time.Hour}}, upstream.Options{})
	for _, b := range backends {
		b.hold.Store(&hold)
	}
	stalls := func() error {
		r, w := io.Pipe()
		defer w.Close()
		go func() { _, _ = w.Write([]byte("a")) }()
		req := get("")
		req.Method, req.Body, req.Length = "POST", r, -1
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _, err := p.Do(ctx, req, "")
		return err
	}
	leaves := func() error {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, _, err := p.Do(ctx, get(""), "")
		return err
	}
	nonsense := func() error {
		_, _, err := p.Do(context.Background(), with(get(""), "X", "a\nb"), "")
		return err
	}
	for want, f := range map[host.Kind]func() error{host.Timeout: stalls, host.Unavailable: leaves, host.Invalid: nonsense} {
		if err := f(); !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
	}
	for i := range all {
		if h := health(p, i); h != upstream.HealthWell {
			t.Errorf("target %d is %s", i, h)
		}
	}
	for _, b := range backends {
		b.hold.Store(nil)
	}
	names(t, p, 2) // the breaker is closed
}

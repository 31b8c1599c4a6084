package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pires/go-proxyproto"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

func httpServer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestBreaker(t *testing.T) {
	b := startBackend(t, "a")
	b.status.Store(502)
	rec, opts := record()
	p := testPool(t, &host.Upstream{Targets: targets(b.URL), Breaker: &host.Breaker{Failures: 3, For: time.Second}}, opts)
	names(t, p, 3)
	_, err := ask(t, p, "")
	if upstream.CauseOf(err) != upstream.CauseBreakerOpen || !errors.Is(err, host.Unavailable) || b.asked.Load() != 3 {
		t.Errorf("%v after %d requests", err, b.asked.Load())
	}
	b.status.Store(0)
	waitFor(t, "a trial", func() bool {
		got, err := ask(t, p, "")
		return got == "a" && err == nil
	})
	names(t, p, 3)
	if d := cmp.Diff([]string{"closed", "open", "half-open", "closed"}, rec.breaker); d != "" || rec.refused[0] != "breaker_open" {
		t.Error(d, rec.refused)
	}
}

// One request over the limit goes to another target, and one over all limits is refused at once.
func TestMaxRequests(t *testing.T) {
	backends, all := startBackends(t, 2)
	hold := make(chan struct{})
	for _, b := range backends {
		b.hold.Store(&hold)
	}
	rec, opts := record()
	u := &host.Upstream{Targets: all, Balance: host.BalanceConsistentHash, MaxRequests: host.Default(2)}
	p := testPool(t, u, opts)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := ask(t, p, "the same key"); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, "four requests", func() bool { return backends[0].asked.Load() == 2 && backends[1].asked.Load() == 2 })
	_, err := ask(t, p, "the same key")
	if upstream.CauseOf(err) != upstream.CauseOverflow || !errors.Is(err, host.Unavailable) || rec.refused[0] != "overflow" {
		t.Error(err, rec.refused)
	}
	close(hold)
	wg.Wait()
	if _, err := ask(t, p, "the same key"); err != nil {
		t.Error(err)
	}
}

func TestMaxConnections(t *testing.T) {
	var busy, most atomic.Int32 // a connection carries one request at a time
	url := httpServer(t, func(http.ResponseWriter, *http.Request) {
		for n := busy.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		time.Sleep(time.Millisecond)
		busy.Add(-1)
	})
	p := testPool(t, &host.Upstream{Targets: targets(url), MaxConnections: host.Default(3), ConnectTimeout: host.Default(patience)}, upstream.Options{})
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			for range 10 {
				res, _, err := p.Do(context.Background(), get(""), "")
				if err != nil {
					t.Error(err)
				} else if res.Body != nil {
					_ = res.Body.Close()
				}
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n != 3 {
		t.Errorf("%d connections at a time", n)
	}
}

func TestEveryConnectionIsInUse(t *testing.T) {
	b := startBackend(t, "a")
	hold := make(chan struct{})
	b.hold.Store(&hold)
	p := testPool(t, &host.Upstream{Targets: targets(b.URL), MaxConnections: host.Default(1), ConnectTimeout: host.Default(time.Second)}, upstream.Options{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := ask(t, p, ""); err != nil {
			t.Error(err)
		}
	})
	waitFor(t, "the first request", func() bool { return b.asked.Load() == 1 })
	if _, err := ask(t, p, ""); upstream.CauseOf(err) != upstream.CauseOverflow || !errors.Is(err, host.Unavailable) {
		t.Error(err)
	}
	close(hold)
	wg.Wait()
}

// Where each connection is one client's, those that another client's request left idle make room for one that waits.
func TestIdleConnectionsOfOthersMakeRoom(t *testing.T) {
	b := &backend{name: "a"}
	b.Server = httptest.NewUnstartedServer(b)
	b.Listener = &proxyproto.Listener{Listener: b.Listener}
	b.Start()
	t.Cleanup(b.Close)
	hold := make(chan struct{})
	b.hold.Store(&hold)
	p := testPool(t, &host.Upstream{Targets: targets(b.URL), ProxyProtocol: 2, MaxConnections: host.Default(1), ConnectTimeout: host.Default(patience)}, upstream.Options{})
	var wg sync.WaitGroup
	defer wg.Wait()
	from := func(client string) {
		req := get("")
		req.Peer = host.Peer{Addr: netip.MustParseAddr(client), Local: netip.MustParseAddrPort("198.51.100.1:443")}
		wg.Go(func() {
			res, _, err := p.Do(t.Context(), req, "")
			if err != nil {
				t.Errorf("from %s: %v", client, err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		})
	}
	from("192.0.2.1")
	waitFor(t, "the first request", func() bool { return b.asked.Load() == 1 })
	from("192.0.2.2")
	waitFor(t, "the second request", func() bool { return p.Status()[0].InFlight == 2 })
	time.Sleep(100 * time.Millisecond) // it waits for a place by now, or the test shows nothing
	close(hold)
}

// The time for an answer's head begins with the request's end: a client may take longer for its body.
func TestTimeoutBeginsBehindTheBody(t *testing.T) {
	const limit = 500 * time.Millisecond
	hang := make(chan struct{})
	defer close(hang)
	url := httpServer(t, func(_ http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) == "hang" {
			<-hang
		}
	})
	p := testPool(t, &host.Upstream{Targets: targets(url), Timeout: host.Default(limit)}, upstream.Options{})
	for text, want := range map[string]upstream.Cause{"slow": "", "hang": upstream.CauseHeaderTimeout} {
		body, feed := io.Pipe()
		go func() {
			time.Sleep(2 * limit)
			_, _ = io.WriteString(feed, text)
			_ = feed.Close()
		}()
		req := request("POST", "x")
		req.Body, req.Length = body, -1
		_, _, err := p.Do(t.Context(), req, "")
		if want == "" && err != nil || want != "" && upstream.CauseOf(err) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// A backend is a server that answers with its name, unless it is told otherwise.
type backend struct {
	*httptest.Server
	name   string
	status atomic.Int32 // 0 for 200
	asked  atomic.Int32
	hold   atomic.Pointer[chan struct{}] // requests wait for it, when it is set
}

func startBackend(t *testing.T, name string) *backend {
	t.Helper()
	b := &backend{name: name}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/health" {
		b.asked.Add(1)
	}
	if hold := b.hold.Load(); hold != nil {
		select {
		case <-*hold:
		case <-r.Context().Done():
		}
	}
	if status := b.status.Load(); status != 0 {
		w.WriteHeader(int(status))
	}
	_, _ = io.WriteString(w, b.name)
}

func startBackends(t *testing.T, n int) ([]*backend, []host.Target) {
	t.Helper()
	backends := make([]*backend, n)
	urls := make([]string, n)
	for i := range backends {
		backends[i] = startBackend(t, string(rune('a'+i)))
		urls[i] = backends[i].URL
	}
	return backends, targets(urls...)
}

// ask returns the name of the backend that answered, or the error.
func ask(t *testing.T, p *upstream.Pool, key string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, _, err := p.Do(ctx, get(""), key)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return string(b), err
}

// names asks n times.
func names(t *testing.T, p *upstream.Pool, n int) string {
	t.Helper()
	var all strings.Builder
	for range n {
		name, err := ask(t, p, "")
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(name)
	}
	return all.String()
}

func testPool(t *testing.T, u *host.Upstream, opts upstream.Options) *upstream.Pool {
	t.Helper()
	p := openPool(t, u, opts)
	closing(t, sender{p})
	return p
}

func TestRoundRobinIsSmooth(t *testing.T) {
	_, all := startBackends(t, 3)
	all[0].Weight = 5
	p := testPool(t, &host.Upstream{Targets: all, Balance: host.BalanceRoundRobin}, upstream.Options{})
	if d := cmp.Diff("aabacaaaabacaa", names(t, p, 14)); d != "" {
		t.Error(d)
	}
}

func TestLeastRequests(t *testing.T) {
	backends, all := startBackends(t, 3)
	all[2].Weight = 2
	hold := make(chan struct{})
	for _, b := range backends {
		b.hold.Store(&hold)
	}
	p := testPool(t, &host.Upstream{Targets: all, Balance: host.BalanceLeastRequests}, upstream.Options{})
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() { _, _ = ask(t, p, "") })
	}
	waitFor(t, "all requests to arrive", func() bool {
		return backends[0].asked.Load()+backends[1].asked.Load()+backends[2].asked.Load() == 40
	})
	var got []int
	for _, s := range p.Status() {
		got = append(got, s.InFlight)
	}
	close(hold)
	wg.Wait()
	if d := cmp.Diff([]int{10, 10, 20}, got); d != "" {
		t.Error(d)
	}
	for _, s := range p.Status() {
		if s.InFlight != 0 {
			t.Errorf("%+v after the last response", s)
		}
	}
}

// Of the keys, only those of the target that leaves move, and they move to all others.
func TestConsistentHashMovesFewKeys(t *testing.T) {
	_, all := startBackends(t, 5)
	all[4].Weight = 2
	owners := func(all []host.Target) map[string]string {
		p := testPool(t, &host.Upstream{Targets: all, Balance: host.BalanceConsistentHash}, upstream.Options{})
		out := map[string]string{}
		for i := range 1200 {
			key := "client " + strconv.Itoa(i)
			name, err := ask(t, p, key)
			if err != nil {
				t.Fatal(err)
			}
			out[key] = name
		}
		return out
	}
	before, after := owners(all), owners(all[1:])
	count := map[string]int{}
	moved := map[string]int{}
	for key, owner := range before {
		count[owner]++
		if owner == "a" {
			moved[after[key]]++
		} else if after[key] != owner {
			t.Errorf("%s moved from %s to %s", key, owner, after[key])
		}
	}
	// 1200 keys over weights 1, 1, 1, 1, 2: 200 and 400 with a standard deviation of 13 and 16.
	for name, want := range map[string]int{"a": 200, "b": 200, "c": 200, "d": 200, "e": 400} {
		if n := count[name]; n < want-80 || n > want+80 {
			t.Errorf("%s has %d keys, about %d were expected", name, n, want)
		}
	}
	if len(moved) != 4 {
		t.Errorf("the keys of a moved to %v", moved)
	}
}

// A key keeps its target while others are added, but for those that the new one takes.
func TestConsistentHashIsTheSameEverywhere(t *testing.T) {
	_, all := startBackends(t, 4)
	u := &host.Upstream{Targets: all, Balance: host.BalanceConsistentHash}
	one, other := testPool(t, u, upstream.Options{}), testPool(t, u, upstream.Options{})
	for i := range 50 {
		key := fmt.Sprint(i)
		a, err := ask(t, one, key)
		b, err2 := ask(t, other, key)
		if a != b || err != nil || err2 != nil {
			t.Errorf("%s: %s and %s, %v, %v", key, a, b, err, err2)
		}
	}
}

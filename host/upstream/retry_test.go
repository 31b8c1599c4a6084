package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// closedAddr is an address where nobody listens.
func closedAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	return ln.Addr().String()
}

// hangUp counts requests, and answers none.
func hangUp(t *testing.T, n *atomic.Int32) string {
	t.Helper()
	return rawServer(t, func(int, net.Conn, *bufio.Reader) { n.Add(1) })
}

func request(method, body string) *host.Request {
	r := post("", body)
	r.Method = method
	if body == "" {
		r.Body, r.Length = http.NoBody, 0
	}
	return r
}

func TestRetries(t *testing.T) {
	good := startBackend(t, "good")
	sick := startBackend(t, "sick")
	sick.status.Store(503)
	var resets atomic.Int32
	reset := hangUp(t, &resets)
	down := closedAddr(t)
	retries := &host.Retries{Attempts: 2, On: []string{"connect", "reset", "503"}, Budget: 100}
	never := (*host.Retries)(nil)
	for name, tc := range map[string]struct {
		first    string
		retries  *host.Retries
		req      *host.Request
		status   int
		cause    upstream.Cause
		attempts int
		reasons  []string
	}{
		"GET, a reset":                    {reset, retries, request("GET", ""), 200, "", 2, []string{"reset"}},
		"GET, a reset, without retries":   {reset, never, request("GET", ""), 0, upstream.CauseClosed, 1, nil},
		"POST, a reset":                   {reset, retries, request("POST", ""), 0, upstream.CauseClosed, 1, nil},
		"PATCH, a reset":                  {reset, retries, request("PATCH", ""), 0, upstream.CauseClosed, 1, nil},
		"PUT with a body, a reset":        {reset, retries, request("PUT", "x"), 0, upstream.CauseClosed, 1, nil},
		"DELETE, a reset":                 {reset, retries, request("DELETE", ""), 200, "", 2, []string{"reset"}},
		"GET, a 503":                      {sick.URL, retries, request("GET", ""), 200, "", 2, []string{"503"}},
		"POST, a 503":                     {sick.URL, retries, request("POST", ""), 503, "", 1, nil},
		"GET, a 503, without retries":     {sick.URL, never, request("GET", ""), 503, "", 1, nil},
		"POST with a body, down":          {down, retries, request("POST", "x"), 200, "", 2, []string{"failover"}},
		"POST with a body, down, without": {down, never, request("POST", "x"), 200, "", 2, []string{"failover"}},
	} {
		t.Run(name, func(t *testing.T) {
			rec, opts := record()
			first := tc.first
			if !strings.Contains(first, "://") {
				first = "http://" + first
			}
			p := testPool(t, &host.Upstream{Targets: targets(first, good.URL), Retries: tc.retries}, opts)
			res, trip, err := p.Do(context.Background(), tc.req, "")
			status := 0
			if err == nil {
				status = res.Status
				_ = res.Body.Close()
			}
			if status != tc.status || err != nil && upstream.CauseOf(err) != tc.cause || trip.Attempts != tc.attempts {
				t.Errorf("%d, %v, %+v", status, err, trip)
			}
			if d := cmp.Diff(tc.reasons, rec.retries); d != "" {
				t.Error(d)
			}
		})
	}
}

// With one target alone, retries go there.
func TestRetriesOfOneTarget(t *testing.T) {
	var n atomic.Int32
	addr := rawServer(t, func(_ int, c net.Conn, _ *bufio.Reader) {
		if n.Add(1) == 3 {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	p := testPool(t, &host.Upstream{Targets: targets("http://" + addr), Retries: &host.Retries{Attempts: 2, On: []string{"reset"}, Backoff: time.Millisecond}}, upstream.Options{})
	if got, err := ask(t, p, ""); got != "ok" || err != nil {
		t.Error(got, err)
	}
	down := testPool(t, &host.Upstream{Targets: targets("http://" + closedAddr(t)), Retries: &host.Retries{Attempts: 2, On: []string{"connect"}}}, upstream.Options{})
	_, trip, err := down.Do(context.Background(), request("POST", "x"), "")
	if trip.Attempts != 3 || upstream.CauseOf(err) != upstream.CauseRefused {
		t.Errorf("%+v, %v", trip, err)
	}
}

// A body whose sending has begun is not sent twice, and one that has not is whole.
func TestRetriesKeepTheBody(t *testing.T) {
	var got sync.Map
	good := rawServer(t, func(int, net.Conn, *bufio.Reader) {})
	echo := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store("body", string(b))
	})
	p := testPool(t, &host.Upstream{Targets: targets("http://"+closedAddr(t), echo), Retries: &host.Retries{Attempts: 1, On: []string{"connect", "reset"}}}, upstream.Options{})
	if _, _, err := p.Do(context.Background(), request("PUT", "all of it"), ""); err != nil {
		t.Fatal(err)
	}
	if b, _ := got.Load("body"); b != "all of it" {
		t.Errorf("the second target got %q", b)
	}
	closed := make(chan struct{})
	q := testPool(t, &host.Upstream{Targets: targets("http://" + good)}, upstream.Options{})
	req := request("PUT", "x")
	req.Body = closer{req.Body, sync.OnceFunc(func() { close(closed) })}
	if _, _, err := q.Do(context.Background(), req, ""); upstream.CauseOf(err) != upstream.CauseClosed {
		t.Error(err)
	}
	<-closed
}

// A body that an upstream did not ask for is closed also where the answer has none that would be closed.
func TestBodyIsClosedWithoutAResponseBody(t *testing.T) {
	refuses := httpServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	p := testPool(t, &host.Upstream{Targets: targets(refuses)}, upstream.Options{})
	req := request("PUT", "x")
	req.Header.Set("Expect", "100-continue")
	var closed atomic.Bool
	req.Body = closer{req.Body, func() { closed.Store(true) }}
	res, _, err := p.Do(t.Context(), req, "")
	if err != nil || res.Status != http.StatusNoContent || res.Body != nil {
		t.Fatal(res, err)
	}
	if !closed.Load() {
		t.Error("the request's body is open, and there is no response's body to close")
	}
}

type closer struct {
	io.ReadCloser
	closed func()
}

func (c closer) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

func TestRetryOnTimeout(t *testing.T) {
	backends, all := startBackends(t, 2)
	hold := make(chan struct{})
	defer close(hold)
	backends[0].hold.Store(&hold)
	u := &host.Upstream{Targets: all, Timeout: host.Default(2 * time.Second), Retries: &host.Retries{Attempts: 1, On: []string{"timeout"}}}
	if got, err := ask(t, testPool(t, u, upstream.Options{}), ""); got != "b" || err != nil {
		t.Error(got, err)
	}
	backends[1].hold.Store(&hold)
	_, trip, err := testPool(t, u, upstream.Options{}).Do(context.Background(), get(""), "")
	if trip.Attempts != 2 || upstream.CauseOf(err) != upstream.CauseHeaderTimeout || !errors.Is(err, host.Timeout) {
		t.Errorf("%+v, %v", trip, err)
	}
}

// A retry that the deadline leaves no time for is not waited for.
func TestBackoffStaysInsideTheDeadline(t *testing.T) {
	var n atomic.Int32
	u := &host.Upstream{Targets: targets("http://" + hangUp(t, &n)), Retries: &host.Retries{Attempts: 5, On: []string{"reset"}, Backoff: time.Hour}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _, err := testPool(t, u, upstream.Options{}).Do(ctx, get(""), "")
	if upstream.CauseOf(err) != upstream.CauseClosed || n.Load() != 1 {
		t.Errorf("%v after %d attempts", err, n.Load())
	}
}

// When everything fails, an upstream gets little more than what clients ask for.
func TestRetryBudget(t *testing.T) {
	b := startBackend(t, "a")
	b.status.Store(503)
	rec, opts := record()
	p := testPool(t, &host.Upstream{Targets: targets(b.URL), Retries: &host.Retries{Attempts: 10, On: []string{"503"}, Budget: 20}}, opts)
	began := time.Now()
	names(t, p, 300)
	seconds := int(time.Since(began)/time.Second) + 2
	if n, most := int(b.asked.Load()), 300+300*20/100+3*seconds; n > most || n < 303 {
		t.Errorf("300 requests became %d; at most %d", n, most)
	}
	if !slices.Contains(rec.refused, "retry_budget") {
		t.Error("nothing says that retries were refused")
	}
}

func TestFailoverHasAnEnd(t *testing.T) {
	var urls []string
	for range 6 {
		urls = append(urls, "http://"+closedAddr(t))
	}
	_, trip, err := testPool(t, &host.Upstream{Targets: targets(urls...)}, upstream.Options{}).Do(context.Background(), get(""), "")
	if trip.Attempts != 3 || upstream.CauseOf(err) != upstream.CauseRefused {
		t.Errorf("%+v, %v", trip, err)
	}
}

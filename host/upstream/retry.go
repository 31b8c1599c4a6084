package upstream

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// The reasons of a retry, beside a status code.
const (
	reasonConnect = "connect" // no connection could be made
	reasonReset   = "reset"   // the connection ended before the response's head
	reasonTimeout = "timeout" // the attempt's share of the time passed without a head
	// reasonFailover is a connection that could not be made, where there is another endpoint: the request goes there at
	// once, without a place in the budget, since nobody was asked anything yet.
	reasonFailover = "failover"
)

// maxFailovers is how many further endpoints a request may go to because none took its connection.
const maxFailovers = 2

// A retryPolicy is host.Retries, compiled.
type retryPolicy struct {
	attempts int
	on       map[string]bool
	backoff  time.Duration
	percent  int
}

// newRetryPolicy returns a policy without retries for nil.
func newRetryPolicy(def *host.Retries) (*retryPolicy, error) {
	if def == nil {
		return &retryPolicy{}, nil
	}
	p := &retryPolicy{attempts: def.Attempts, on: map[string]bool{}, backoff: def.Backoff, percent: def.Budget}
	for _, reason := range def.On {
		switch code, err := strconv.Atoi(reason); {
		case reason == reasonConnect, reason == reasonReset, reason == reasonTimeout, err == nil && code >= 400 && code <= 599:
			p.on[reason] = true
		default:
			return nil, fmt.Errorf("retries on %q: it is none of connect, reset, timeout and a status from 400 to 599", reason)
		}
	}
	return p, nil
}

// share is how long one attempt may take of what is left, where a further one may follow it because of its slowness.
func (r *retryPolicy) share(left time.Duration, retried int) time.Duration {
	if !r.on[reasonTimeout] || retried >= r.attempts {
		return left
	}
	return left / time.Duration(r.attempts-retried+1)
}

// wait is the pause before a retry: the backoff, doubled each time, of which a random half is left out.
func (r *retryPolicy) wait(retried int) time.Duration {
	d := r.backoff << min(retried, 10)
	return d - rand.N(d/2+1)
}

// idempotent knows the methods that may be repeated (RFC 9110, section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// The window of a budget, and how many retries of one second it never refuses.
const (
	budgetSeconds = 10
	budgetAlways  = 3
)

// A budget bounds retries by the requests that there are, so that an upstream which fails under its load is not given a multiple of
// it. The zero value is ready.
type budget struct {
	mu      sync.Mutex
	second  int64 // of the newest bucket
	buckets [budgetSeconds]struct{ requests, retries int }
}

// request counts a request.
func (b *budget) request(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bucket(now).requests++
}

// retry takes a place for a retry, if there is one.
func (b *budget) retry(now time.Time, percent int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := b.bucket(now)
	requests, retries := 0, 0
	for _, s := range b.buckets {
		requests += s.requests
		retries += s.retries
	}
	if newest.retries >= budgetAlways && (retries+1)*100 > requests*percent {
		return false
	}
	newest.retries++
	return true
}

// bucket returns the bucket of now, and clears those in between.
func (b *budget) bucket(now time.Time) *struct{ requests, retries int } {
	second := now.Unix()
	for s := max(b.second+1, second-budgetSeconds+1); s <= second; s++ {
		b.buckets[s%budgetSeconds] = struct{ requests, retries int }{}
	}
	b.second = max(b.second, second)
	return &b.buckets[b.second%budgetSeconds]
}

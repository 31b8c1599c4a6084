package upstream

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/postern/postern/host"
)

// A Trip says where a request went.
type Trip struct {
	Scheme, Host string // of the last target: what the request's URL was
	Address      string // host:port that was dialed; "" where no target was tried
	Attempts     int
}

// Do sends req to a target that the balance chooses, and returns when the response's head is there. Its Scheme and Host are the
// target's. key is what a consistent hash goes by; other balances ignore it. The caller closes the response's
// Body, and ctx must live until then.
//
// What fails is a *host.Error: Kind BadGateway or Timeout for the upstream's faults, Invalid for a request that cannot be sent,
// Unavailable when ctx was cancelled or nobody was asked (a limit, an open breaker); CauseOf tells them apart. So is every error of
// the Body but io.EOF. req.Body's own errors come back as they are. Do closes req.Body, at the latest with the response's.
func (p *Pool) Do(ctx context.Context, req *host.Request, key string) (*host.Response, Trip, error) {
	c := &call{pool: p, req: *req, began: time.Now()}
	c.tried = c.room[:0]
	if p.def.Balance == host.BalanceConsistentHash {
		c.key = hashOf(key)
	}
	done, err := p.breaker.allow()
	if err != nil {
		p.opts.Metrics.Refused(ctx, string(CauseBreakerOpen))
		c.close()
		return nil, c.trip, p.refused(CauseBreakerOpen, err)
	}
	p.budget.request(c.began)
	resp, err := c.run(ctx)
	done(c.verdict)
	if err != nil {
		c.close()
		if cause := CauseOf(err); cause == CauseOverflow {
			p.opts.Metrics.Refused(ctx, string(cause))
		}
	}
	return resp, c.trip, err
}

// A call is one request with its attempts.
type call struct {
	pool      *Pool
	req       host.Request // Scheme and Host are each attempt's own
	key       uint64
	began     time.Time
	trip      Trip
	tried     []*endpoint
	room      [2]*endpoint // for tried
	failovers int
	retried   int
	verdict   verdict // of the last attempt
}

// close ends the request's body after an error.
func (c *call) close() {
	if c.req.Body != nil {
		_ = c.req.Body.Close()
	}
}

// run makes attempts until one is final.
func (c *call) run(ctx context.Context) (*host.Response, error) {
	for {
		e, err := c.pool.pick(ctx, &c.req, c.key, c.tried)
		if err != nil {
			return nil, err
		}
		limit, late := c.limit()
		if late != nil {
			e.release()
			return nil, late
		}
		c.req.Scheme, c.req.Host = e.target.scheme, e.target.host
		c.tried = append(c.tried, e)
		c.trip = Trip{Scheme: c.req.Scheme, Host: c.req.Host, Address: e.addr, Attempts: c.trip.Attempts + 1}
		resp, a, err := e.send(ctx, &c.req, limit)
		status := 0
		if err == nil {
			status = resp.Status
		}
		c.verdict = judge(status, err, a.body)
		e.note(c.verdict)
		reason, wait := c.again(ctx, a, status, err)
		if reason == "" || !a.body.giveUp() {
			if err == nil && resp.Body == nil { // whose Close would do it
				a.finish()
			}
			return resp, err
		}
		c.pool.opts.Metrics.Retry(ctx, reason)
		discard(resp)
		a.finish()
		if err := pause(ctx, &c.req, wait); err != nil {
			return nil, err
		}
	}
}

// limit returns how long the next attempt may take to its response's head, 0 for no limit.
func (c *call) limit() (time.Duration, error) {
	if c.pool.timeout <= 0 {
		return 0, nil
	}
	left := c.pool.timeout - time.Since(c.began)
	if left <= 0 {
		return 0, failed(&c.req, host.Timeout, CauseHeaderTimeout, errLate)
	}
	return c.pool.retries.share(left, c.retried), nil
}

// again decides whether the request is sent once more, and returns why and after which pause; "" for no.
func (c *call) again(ctx context.Context, a *attempt, status int, err error) (string, time.Duration) {
	if ctx.Err() != nil || err == nil && len(c.pool.retries.on) == 0 { // most answers are asked nothing more
		return "", 0
	}
	reason := reasonOf(a, status, err)
	if reason == reasonConnect && c.failovers < maxFailovers && c.hasOther() {
		c.failovers++
		return reasonFailover, 0
	}
	policy := c.pool.retries
	if !policy.on[reason] || c.retried >= policy.attempts || reason != reasonConnect && !idempotent(c.req.Method) {
		return "", 0
	}
	wait := policy.wait(c.retried)
	now := time.Now()
	if end, ok := ctx.Deadline(); ok && now.Add(wait).After(end) || c.pool.timeout > 0 && now.Add(wait).Sub(c.began) >= c.pool.timeout {
		return "", 0
	}
	if a.body.begun() {
		return "", 0
	}
	if !c.pool.budget.retry(now, policy.percent) {
		c.pool.opts.Metrics.Refused(ctx, "retry_budget")
		return "", 0
	}
	c.retried++
	return reason, wait
}

// reasonOf says why an attempt might be repeated; "" for none.
func reasonOf(a *attempt, status int, err error) string {
	if err == nil {
		return strconv.Itoa(status)
	}
	switch cause := CauseOf(err); cause {
	case CauseRefused, CauseUnreachable, CauseName, CauseTLS, CauseConnectTimeout, CauseOverflow, CauseClosed:
		if !a.sent {
			return reasonConnect
		}
		if cause == CauseClosed {
			return reasonReset
		}
	case CauseHeaderTimeout:
		return reasonTimeout
	}
	return ""
}

// hasOther reports whether there is an endpoint that was not tried.
func (c *call) hasOther() bool {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	for _, e := range c.pool.candidates(c.tried) {
		if !slices.Contains(c.tried, e) {
			return true
		}
	}
	return false
}

// discard ends a response that is not the final one. nil is none. It is not read to its end, which may never come.
func discard(resp *host.Response) {
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, req *host.Request, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return contextFailure(ctx, req)
	}
}

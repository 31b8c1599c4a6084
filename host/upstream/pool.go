// Package upstream sends requests to HTTP servers: those of a definition (Pool), those that a URI names (Direct) and those that a
// guest may reach (Fetcher).
//
// The engine is http.Transport, used bare: no redirects, no cookies, no proxy from the environment, no decompression.
// Names at or below localhost are this machine without asking DNS (RFC 6761, section 6.3). The transport sends a request
// again by itself only where that cannot do a thing twice: when nothing of it was written, or when it has no body
// and an idempotent method (or an Idempotency-Key) and met a kept-alive connection that the other side was just closing. All
// else is the Pool's decision.
//
// A target whose name has several addresses is several endpoints: each has connections, health and a place in the balance of
// its own, and they share the target's weight. One address is so found ill without the others, and one HTTP/2 connection does
// not take all of a name's requests.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// Options are what pools need beside a definition. The zero value is ready.
type Options struct {
	Logger   *slog.Logger  // for changes of state; nil discards
	Metrics  Metrics       // nil records nothing
	Resolver *net.Resolver // nil is the system's
	Idle     bool          // looks nothing up and checks nobody's health: only to see whether an upstream opens

	// AnyIssuer takes certificates of any issuer. They must still be of the target's name, and of today.
	AnyIssuer bool
}

// Metrics hears what becomes of an upstream. Its methods must be quick, and safe for concurrent use.
type Metrics interface {
	Target(name string, healthy bool)           // when it comes, and when that changes
	TargetGone(name string)                     // no longer an address of its target, or the pool is closed
	Breaker(state string)                       // closed, half-open or open
	Retry(ctx context.Context, reason string)   // a request is sent again: failover, connect, reset, timeout, or a status code
	Refused(ctx context.Context, reason string) // a request was refused without an attempt, or a retry for want of budget
}

// Health is what is known of an endpoint.
type Health string

// The states of health. A request goes to one of the healthy endpoints, or to any where none is.
const (
	HealthWell    Health = "healthy"
	HealthUnwell  Health = "unhealthy" // by its health checks
	HealthEjected Health = "ejected"   // by its answers to real requests
	HealthGone    Health = "gone"      // no longer an address of its target
)

// A Pool keeps connections to the targets of an upstream. It is safe for concurrent use.
type Pool struct {
	def     *host.Upstream
	opts    Options
	tls     *tls.Config
	dialer  net.Dialer
	timeout time.Duration // for an answer's head, all attempts together; 0 for none
	retries *retryPolicy
	budget  budget
	breaker *breaker // nil never opens
	check   *check   // nil checks nothing

	stop  context.CancelFunc // ends the tasks
	tasks sync.WaitGroup     // look-ups and health checks
	ctx   context.Context    // of the tasks

	mu        sync.Mutex // guards all below, and the state of the endpoints
	balance   balancer
	endpoints []*endpoint
	ejected   int           // of the endpoints
	pending   int           // targets whose first look-up has not ended
	unknown   error         // why there is no endpoint
	changed   chan struct{} // closed when the endpoints change
	closed    bool
}

// Open makes the pool of an upstream, and begins to look its targets' names up and to check their health. Its errors have Kind
// Invalid: a target that is no origin, a certificate or key that is none.
func Open(u *host.Upstream, opts Options) (*Pool, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Metrics == nil {
		opts.Metrics = noMetrics{}
	}
	p := &Pool{def: u, opts: opts, timeout: u.Timeout.Value, changed: make(chan struct{})}
	p.dialer = net.Dialer{Timeout: orDefault(u.ConnectTimeout.Value, host.DefaultConnectTimeout)}
	p.balance = newBalancer(u.Balance)
	targets, err := parseTargets(u.Targets)
	if err == nil {
		p.tls, err = tlsConfig(&u.TLS)
	}
	if err == nil {
		p.retries, err = newRetryPolicy(u.Retries)
	}
	if err == nil && u.HealthCheck != nil {
		p.check, err = newCheck(u.HealthCheck)
	}
	if err != nil {
		return nil, &host.Error{Op: "upstream " + u.Name, Kind: host.Invalid, Err: err}
	}
	if u.Breaker != nil {
		p.breaker = newBreaker(u.Breaker, p)
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	if !opts.Idle {
		p.start(targets)
	}
	return p, nil
}

func (p *Pool) start(targets []*target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range targets {
		if t.fixed {
			p.place(t, []string{t.address})
			continue
		}
		p.pending++
		p.tasks.Go(func() { p.keepResolved(p.ctx, t) })
	}
}

// Close ends health checks and look-ups, and closes the connections that nobody uses. Those in use close after their response.
func (p *Pool) Close() {
	p.stop()
	p.tasks.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.announce() // to those that wait for a look-up
	for _, e := range p.endpoints {
		e.retire()
	}
}

// idle reports whether no request is under way.
func (p *Pool) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.endpoints {
		if e.inFlight > 0 {
			return false
		}
	}
	return true
}

// A Status is what a pool knows of one endpoint.
type Status struct {
	Name     string // the target's URL, with an address behind it where its name has one
	Health   Health
	InFlight int // requests whose response is not over
}

// Status returns what is known of the endpoints, in the order of the targets.
func (p *Pool) Status() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Status, len(p.endpoints))
	for i, e := range p.endpoints {
		out[i] = Status{Name: e.name, Health: e.health(), InFlight: e.inFlight}
	}
	return out
}

var errClosed = errors.New("the upstream is being closed")

// refused is the error of a request that goes to no target.
func (p *Pool) refused(cause Cause, err error) error {
	return &host.Error{Op: "upstream " + p.def.Name, Kind: host.Unavailable, Err: &Failure{cause, err}}
}

// pick takes the endpoint for a request, and counts the request as in flight there until its release. It waits for the first look-up
// to end where no endpoint is known yet.
func (p *Pool) pick(ctx context.Context, req *host.Request, key uint64, tried []*endpoint) (*endpoint, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.endpoints) == 0 {
		if p.closed {
			return nil, failed(req, host.BadGateway, CauseUnreachable, errClosed)
		}
		if p.pending == 0 {
			return nil, failed(req, host.BadGateway, CauseName, p.unknown)
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ended := contextFailure(ctx, req); ended != nil {
			return nil, ended
		}
	}
	e := p.endpoints[0]
	if len(p.endpoints) > 1 {
		e = nil
		if candidates := p.candidates(tried); len(candidates) > 0 {
			e = p.balance.choose(candidates, key)
		}
	}
	if e == nil || e.full() {
		return nil, p.refused(CauseOverflow, errors.New("every target has as many requests as it may"))
	}
	e.inFlight++
	return e, nil
}

// candidates are the healthy endpoints that may have another request, without those that were tried where there are others. Where no
// endpoint is healthy all stand in: requests find out sooner than checks that a target is back, and a check that asks the wrong
// question takes nothing down.
func (p *Pool) candidates(tried []*endpoint) []*endpoint {
	anyWell := false
	for _, e := range p.endpoints {
		anyWell = anyWell || e.health() == HealthWell
	}
	var fresh, again []*endpoint
	for _, e := range p.endpoints {
		switch {
		case anyWell && e.health() != HealthWell, e.full():
		case slices.Contains(tried, e):
			again = append(again, e)
		default:
			fresh = append(fresh, e)
		}
	}
	if len(fresh) > 0 {
		return fresh
	}
	return again
}

type noMetrics struct{}

func (noMetrics) Target(string, bool)             {}
func (noMetrics) TargetGone(string)               {}
func (noMetrics) Breaker(string)                  {}
func (noMetrics) Retry(context.Context, string)   {}
func (noMetrics) Refused(context.Context, string) {}

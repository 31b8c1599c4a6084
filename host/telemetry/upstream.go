package telemetry

import (
	"context"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// upstreams are the instruments of upstreams, and those that are open.
type upstreams struct {
	retries metric.Int64Counter
	refused metric.Int64Counter

	mu   sync.Mutex
	open []*UpstreamMetrics // the newest last: what it observes replaces what one of the same name does that still drains
}

func (u *upstreams) instruments(meter metric.Meter) (err error) {
	if u.retries, err = meter.Int64Counter("postern.upstream.retries", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that were sent to an upstream again.")); err != nil {
		return err
	}
	if u.refused, err = meter.Int64Counter("postern.upstream.refused", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that were refused for an upstream's sake, and retries for want of a budget.")); err != nil {
		return err
	}
	// Observed, so that what is gone has no series any more.
	healthy, err := meter.Int64ObservableGauge("postern.upstream.target.healthy",
		metric.WithDescription("Whether a target gets requests: 1, or 0 when it is unhealthy or ejected."))
	if err != nil {
		return err
	}
	breaker, err := meter.Int64ObservableGauge("postern.upstream.breaker",
		metric.WithDescription("An upstream's breaker: 0 closed, 1 half-open, 2 open."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, m := range u.open {
			m.observe(o, healthy, breaker)
		}
		return nil
	}, healthy, breaker)
	return err
}

// Upstream returns the metrics of one upstream, until they are closed.
func (m *Metrics) Upstream(name string) *UpstreamMetrics {
	u := &UpstreamMetrics{all: &m.upstream, name: Upstream.String(name), targets: map[string]int64{}, breaker: -1}
	m.upstream.mu.Lock()
	defer m.upstream.mu.Unlock()
	m.upstream.open = append(m.upstream.open, u)
	return u
}

// UpstreamMetrics records what becomes of one upstream. It is safe for concurrent use.
type UpstreamMetrics struct {
	all  *upstreams
	name attribute.KeyValue

	mu      sync.Mutex
	targets map[string]int64 // 1 for those that get requests
	breaker int64            // -1 for none
}

func (u *UpstreamMetrics) observe(o metric.Observer, healthy, breaker metric.Int64Observable) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for target, value := range u.targets {
		o.ObserveInt64(healthy, value, metric.WithAttributes(u.name, Target.String(target)))
	}
	if u.breaker >= 0 {
		o.ObserveInt64(breaker, u.breaker, metric.WithAttributes(u.name))
	}
}

// Target says whether a target gets requests.
func (u *UpstreamMetrics) Target(target string, healthy bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.targets[target] = 0
	if healthy {
		u.targets[target] = 1
	}
}

// TargetGone ends what is recorded of a target.
func (u *UpstreamMetrics) TargetGone(target string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.targets, target)
}

// Breaker says that the breaker is closed, half-open or open.
func (u *UpstreamMetrics) Breaker(state string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.breaker = map[string]int64{"closed": 0, "half-open": 1, "open": 2}[state]
}

// Retry counts a request that is sent again. The reasons must be few.
func (u *UpstreamMetrics) Retry(ctx context.Context, reason string) {
	u.all.retries.Add(ctx, 1, metric.WithAttributes(u.name, Reason.String(reason)))
}

// Refused counts a request that was refused without an attempt, or a retry that was not made. The reasons must be few.
func (u *UpstreamMetrics) Refused(ctx context.Context, reason string) {
	u.all.refused.Add(ctx, 1, metric.WithAttributes(u.name, Reason.String(reason)))
}

// Close ends what is recorded.
func (u *UpstreamMetrics) Close() {
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
	u.all.open = slices.DeleteFunc(u.all.open, func(m *UpstreamMetrics) bool { return m == u })
}

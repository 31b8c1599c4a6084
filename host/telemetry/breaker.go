package telemetry

import (
	"context"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// CrashType is how a guest crashed: one of the types of host.GuestError.
const CrashType = attribute.Key("postern.plugin.crash")

// PluginKind is what a plugin is: function, authorizer, mapping or filter.
const PluginKind = attribute.Key("postern.plugin.kind")

// breakers are the instruments of plugins' breakers, and those that are open.
type breakers struct {
	crashes metric.Int64Counter

	mu   sync.Mutex
	open []*BreakerMetrics // the newest last: what it observes replaces what one of the same name does that still drains
}

func (b *breakers) instruments(meter metric.Meter) (err error) {
	if b.crashes, err = meter.Int64Counter("postern.plugin.crashes", metric.WithUnit("{crash}"),
		metric.WithDescription("Crashes of plugins: each cost an instance.")); err != nil {
		return err
	}
	// Observed, so that what is gone has no series any more.
	state, err := meter.Int64ObservableGauge("postern.plugin.breaker",
		metric.WithDescription("A plugin's breaker: 0 closed, 1 half-open, 2 open."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, m := range b.open {
			m.mu.Lock()
			o.ObserveInt64(state, m.state, m.plugin)
			m.mu.Unlock()
		}
		return nil
	}, state)
	return err
}

// Breaker returns the metrics of one plugin's breaker, until they are closed. kind is what the plugin is.
func (m *Metrics) Breaker(plugin, kind string) *BreakerMetrics {
	b := &BreakerMetrics{all: &m.breakers, attrs: []attribute.KeyValue{PluginName.String(plugin), PluginKind.String(kind)}}
	b.plugin = metric.WithAttributeSet(attribute.NewSet(b.attrs...))
	m.breakers.mu.Lock()
	defer m.breakers.mu.Unlock()
	m.breakers.open = append(m.breakers.open, b)
	return b
}

// BreakerMetrics records what becomes of one plugin's breaker. It is safe for concurrent use.
type BreakerMetrics struct {
	all    *breakers
	attrs  []attribute.KeyValue
	plugin metric.MeasurementOption

	mu    sync.Mutex
	state int64
}

// State says that the breaker is closed, half-open or open.
func (b *BreakerMetrics) State(state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = map[string]int64{"closed": 0, "half-open": 1, "open": 2}[state]
}

// Crash counts a crash. The types must be few.
func (b *BreakerMetrics) Crash(crash string) {
	attrs := append(b.attrs[:len(b.attrs):len(b.attrs)], CrashType.String(crash))
	b.all.crashes.Add(context.Background(), 1, metric.WithAttributes(attrs...))
}

// Close ends what is recorded.
func (b *BreakerMetrics) Close() {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()
	b.all.open = slices.DeleteFunc(b.all.open, func(m *BreakerMetrics) bool { return m == b })
}

package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"sync"

	"go.opentelemetry.io/otel/metric"

	"github.com/postern/postern/host"
)

// Limits of the metrics that guests make up. What a plugin has counted once stays for as long as the process.
const (
	MaxGuestMetrics     = 32    // names of one plugin
	maxAllGuestMetrics  = 1_000 // names of all plugins
	guestMetricPrefix   = "postern.guest."
	guestMetricNameText = "letters, digits, _ and ., at most 63, a letter first"
)

var guestMetricName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,62}$`)

// guests are the instruments of all plugins. Two plugins may have a name in common, of one kind.
type guests struct {
	meter metric.Meter

	mu          sync.Mutex
	instruments map[string]guestInstrument
	plugins     map[string]*GuestMetrics
}

type guestInstrument struct {
	kind      host.MetricKind
	counter   metric.Float64Counter
	gauge     metric.Float64Gauge
	histogram metric.Float64Histogram
}

// GuestMetrics are the metrics that one plugin makes up. They are safe for concurrent use.
type GuestMetrics struct {
	all  *guests
	set  metric.MeasurementOption
	mu   sync.RWMutex
	used map[string]guestInstrument
}

// Guest returns the metrics that a plugin of that name makes up.
func (m *Metrics) Guest(plugin string) *GuestMetrics {
	m.guests.mu.Lock()
	defer m.guests.mu.Unlock()
	g := m.guests.plugins[plugin]
	if g == nil {
		g = &GuestMetrics{all: &m.guests, set: metric.WithAttributes(PluginName.String(plugin)), used: map[string]guestInstrument{}}
		m.guests.plugins[plugin] = g
	}
	return g
}

// Record implements host.Metrics. The exported name is "postern.guest." and name.
func (g *GuestMetrics) Record(ctx context.Context, kind host.MetricKind, name string, value float64) error {
	g.mu.RLock()
	in, known := g.used[name]
	g.mu.RUnlock()
	if !known {
		var err error
		if in, err = g.use(kind, name); err != nil {
			return err
		}
	}
	switch {
	case in.kind != kind:
		return refuseMetric(host.Invalid, "%q is used as another kind of metric already", name)
	case math.IsNaN(value) || math.IsInf(value, 0):
		return refuseMetric(host.Invalid, "%q is to be %v, which is no number", name, value)
	case kind == host.MetricCounter && value < 0:
		return refuseMetric(host.Invalid, "%q is a counter, which does not go down", name)
	case kind == host.MetricCounter:
		in.counter.Add(ctx, value, g.set)
	case kind == host.MetricGauge:
		in.gauge.Record(ctx, value, g.set)
	default:
		in.histogram.Record(ctx, value, g.set)
	}
	return nil
}

func refuseMetric(kind host.Kind, format string, args ...any) error {
	return &host.Error{Op: "metric", Kind: kind, Err: fmt.Errorf(format, args...)}
}

// use finds or makes the instrument of a name that the plugin has not used before.
func (g *GuestMetrics) use(kind host.MetricKind, name string) (guestInstrument, error) {
	if !guestMetricName.MatchString(name) || kind > host.MetricHistogram {
		return guestInstrument{}, refuseMetric(host.Invalid, "%.80q is no name of a metric: %s", name, guestMetricNameText)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if in, known := g.used[name]; known {
		return in, nil
	}
	if len(g.used) == MaxGuestMetrics {
		return guestInstrument{}, refuseMetric(host.TooLarge, "a plugin has %d metrics at most", MaxGuestMetrics)
	}
	in, err := g.all.instrument(kind, name)
	if err == nil {
		g.used[name] = in
	}
	return in, err
}

func (a *guests) instrument(kind host.MetricKind, name string) (guestInstrument, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if in, known := a.instruments[name]; known {
		return in, nil
	}
	if len(a.instruments) == maxAllGuestMetrics {
		return guestInstrument{}, refuseMetric(host.TooLarge, "all plugins together have %d metrics at most", maxAllGuestMetrics)
	}
	in := guestInstrument{kind: kind}
	var counter, gauge, histogram error
	switch kind {
	case host.MetricCounter:
		in.counter, counter = a.meter.Float64Counter(guestMetricPrefix + name)
	case host.MetricGauge:
		in.gauge, gauge = a.meter.Float64Gauge(guestMetricPrefix + name)
	case host.MetricHistogram:
		in.histogram, histogram = a.meter.Float64Histogram(guestMetricPrefix + name)
	}
	if err := errors.Join(counter, gauge, histogram); err != nil {
		return guestInstrument{}, &host.Error{Op: "metric", Kind: host.Invalid, Err: err}
	}
	a.instruments[name] = in
	return in, nil
}

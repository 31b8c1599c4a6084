package telemetry

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// Metrics are the gateway's instruments. They are safe for concurrent use.
type Metrics struct {
	requests metric.Float64Histogram
	plugins  metric.Float64Histogram
	refused  metric.Int64Counter
	active   atomic.Int64
	upstream upstreams
	breakers breakers
	guests   guests

	provider *sdkmetric.MeterProvider
	handler  http.Handler
}

// newMetrics makes the instruments on a registry of their own, so that nothing which a library registers
// globally is served by accident. Without metrics in s they record nothing.
func newMetrics(s *settings) (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &Metrics{handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})}
	// The attributes come from definitions, so that their number has the definition's bound and needs no other: the SDK's
	// 2,000 would lump a large gateway's routes together. Exemplars cost more than the measurement itself.
	opts := []sdkmetric.Option{sdkmetric.WithResource(s.resource), sdkmetric.WithCardinalityLimit(0),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter)}
	if s.metrics {
		reader, err := promexporter.New(promexporter.WithRegisterer(registry), promexporter.WithoutScopeInfo())
		if err != nil {
			return nil, err
		}
		opts = append(opts, sdkmetric.WithReader(reader))
	}
	m.provider = sdkmetric.NewMeterProvider(opts...)
	return m, m.instruments(m.provider.Meter(Scope))
}

// requestBounds are the semantic conventions' for http.server.request.duration, in seconds.
var requestBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// pluginBounds begin at 10 µs, since a warm plugin call takes a few of them.
var pluginBounds = []float64{0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

func (m *Metrics) instruments(meter metric.Meter) (err error) {
	m.guests = guests{meter: meter, instruments: map[string]guestInstrument{}, plugins: map[string]*GuestMetrics{}}
	if m.requests, err = meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of HTTP server requests."), metric.WithExplicitBucketBoundaries(requestBounds...)); err != nil {
		return err
	}
	if m.plugins, err = meter.Float64Histogram("postern.plugin.call.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of plugin calls, with the wait for an instance."), metric.WithExplicitBucketBoundaries(pluginBounds...)); err != nil {
		return err
	}
	if m.refused, err = meter.Int64Counter("postern.refused.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that a listener refused before they reached a route.")); err != nil {
		return err
	}
	if err = m.upstream.instruments(meter); err != nil {
		return err
	}
	if err = m.breakers.instruments(meter); err != nil {
		return err
	}
	// Observed rather than counted: an addition to an instrument costs ten times one to an integer.
	_, err = meter.Int64ObservableUpDownCounter("postern.exchanges.active", metric.WithUnit("{exchange}"),
		metric.WithDescription("Exchanges that have begun and not ended."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(m.active.Load())
			return nil
		}))
	return err
}

// Begin counts an exchange as active until End.
func (m *Metrics) Begin() { m.active.Add(1) }

// End counts an exchange as over.
func (m *Metrics) End() { m.active.Add(-1) }

// Refuse counts a request that a listener refused by itself. The reasons must be few.
func (m *Metrics) Refuse(ctx context.Context, listener, reason string) {
	m.refused.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(Listener.String(listener), Reason.String(reason))))
}

// Route returns the metrics of one route, which are made when a pipeline is built. route is the path's pattern, or "$default";
// "" where no route matched.
func (m *Metrics) Route(api, stage, route string) *RouteMetrics {
	attrs := []attribute.KeyValue{API.String(api), Stage.String(stage)}
	if route != "" {
		attrs = append(attrs, HTTPRoute.String(route))
	}
	return &RouteMetrics{duration: m.requests, attrs: attrs}
}

// RouteMetrics records the requests of one route. It is safe for concurrent use.
type RouteMetrics struct {
	duration metric.Float64Histogram
	attrs    []attribute.KeyValue
	sets     sets[routeKey]
}

type routeKey struct {
	method int // index in methods
	status int
}

// Record records one request. Attribute sets are kept by method and status, of which there are few.
func (r *RouteMetrics) Record(ctx context.Context, method string, status int, d time.Duration) {
	key := routeKey{methodIndex(method), status}
	set := r.sets.get(key)
	if set == nil {
		attrs := append(r.attrs[:len(r.attrs):len(r.attrs)], HTTPMethod.String(methods[key.method]), HTTPStatus.Int(status))
		if status >= http.StatusInternalServerError {
			attrs = append(attrs, ErrorType.String(strconv.Itoa(status)))
		}
		set = r.sets.add(key, attrs)
	}
	r.duration.Record(ctx, d.Seconds(), set...)
}

// Plugin returns the metrics of one plugin, which are made when it is opened.
func (m *Metrics) Plugin(name, runtime string) *PluginMetrics {
	return &PluginMetrics{duration: m.plugins, attrs: []attribute.KeyValue{PluginName.String(name), PluginRuntime.String(runtime)}}
}

// PluginMetrics records the calls of one plugin. It is safe for concurrent use.
type PluginMetrics struct {
	duration metric.Float64Histogram
	attrs    []attribute.KeyValue
	sets     sets[string]
}

// Record records one call. outcome is one of the Outcome constants.
func (p *PluginMetrics) Record(ctx context.Context, outcome string, d time.Duration) {
	set := p.sets.get(outcome)
	if set == nil {
		set = p.sets.add(outcome, append(p.attrs[:len(p.attrs):len(p.attrs)], PluginOutcome.String(outcome)))
	}
	p.duration.Record(ctx, d.Seconds(), set...)
}

// sets keeps prepared options by key. Reads take no lock: the map is replaced when a key comes new, which it does a few
// times in a process's life. The zero value is empty.
type sets[K comparable] struct {
	mu      sync.Mutex
	current atomic.Pointer[map[K][]metric.RecordOption]
}

func (s *sets[K]) get(key K) []metric.RecordOption {
	if m := s.current.Load(); m != nil {
		return (*m)[key]
	}
	return nil
}

func (s *sets[K]) add(key K, attrs []attribute.KeyValue) []metric.RecordOption {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[K][]metric.RecordOption)
	if m := s.current.Load(); m != nil {
		maps.Copy(next, *m)
	}
	next[key] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	s.current.Store(&next)
	return next[key]
}

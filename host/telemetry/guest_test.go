package telemetry_test

import (
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

func TestGuestMetrics(t *testing.T) {
	tel, _ := setup(t, nil)
	shop, other := tel.Metrics.Guest("shop"), tel.Metrics.Guest("other")
	record := func(g *telemetry.GuestMetrics, kind host.MetricKind, name string, value float64) error {
		return g.Record(t.Context(), kind, name, value)
	}
	for range 2 {
		if err := record(shop, host.MetricCounter, "orders", 1.5); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		record(other, host.MetricCounter, "orders", 1), record(shop, host.MetricGauge, "stock.left", 7),
		record(shop, host.MetricGauge, "stock.left", -1), record(shop, host.MetricHistogram, "price", 3),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`postern_guest_orders_total{postern_plugin_name="shop"} 3`, `postern_guest_orders_total{postern_plugin_name="other"} 1`,
		`postern_guest_stock_left{postern_plugin_name="shop"} -1`, `postern_guest_price_count{postern_plugin_name="shop"} 1`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is missing in\n%s", want, w.Body)
		}
	}
	for _, refused := range []error{
		record(shop, host.MetricGauge, "orders", 1), record(other, host.MetricHistogram, "stock.left", 1), // of another kind
		record(shop, host.MetricCounter, "orders", -1), record(shop, host.MetricGauge, "stock.left", math.NaN()),
		record(shop, host.MetricGauge, "", 1), record(shop, host.MetricGauge, "1x", 1), record(shop, host.MetricGauge, "a b", 1),
		record(shop, host.MetricGauge, strings.Repeat("x", 64), 1), record(shop, 3, "x", 1),
	} {
		if !errors.Is(refused, host.Invalid) {
			t.Errorf("got %v, want it to be invalid", refused)
		}
	}
}

func TestGuestMetricsAreFew(t *testing.T) {
	tel, _ := setup(t, nil)
	shop := tel.Metrics.Guest("shop")
	for i := range telemetry.MaxGuestMetrics {
		if err := shop.Record(t.Context(), host.MetricGauge, fmt.Sprint("m", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := shop.Record(t.Context(), host.MetricGauge, "more", 1); !errors.Is(err, host.TooLarge) {
		t.Errorf("got %v", err)
	}
	if err := tel.Metrics.Guest("shop").Record(t.Context(), host.MetricGauge, "m1", 2); err != nil { // as after a reload
		t.Error(err)
	}
}

package telemetry_test

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestUpstreamMetrics(t *testing.T) {
	tel, _ := setup(t, nil)
	scrape := func() string {
		w := httptest.NewRecorder()
		tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	shop := tel.Metrics.Upstream("shop")
	shop.Target("http://a", true)
	shop.Target("http://b", true)
	shop.Target("http://b", false)
	shop.Target("http://c", true)
	shop.TargetGone("http://c")
	shop.Breaker("open")
	shop.Retry(t.Context(), "reset")
	shop.Retry(t.Context(), "reset")
	shop.Refused(t.Context(), "overflow")
	body := scrape()
	for _, want := range []string{
		`postern_upstream_target_healthy{postern_upstream="shop",postern_upstream_target="http://a"} 1`,
		`postern_upstream_target_healthy{postern_upstream="shop",postern_upstream_target="http://b"} 0`,
		`postern_upstream_breaker{postern_upstream="shop"} 2`,
		`postern_upstream_retries_total{postern_reason="reset",postern_upstream="shop"} 2`,
		`postern_upstream_refused_total{postern_reason="overflow",postern_upstream="shop"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in\n%s", want, body)
		}
	}
	if strings.Contains(body, "http://c") {
		t.Error("a target that is gone is reported")
	}
	shop.Close()
	if body = scrape(); strings.Contains(body, "http://a") || strings.Contains(body, "postern_upstream_breaker{") {
		t.Error("an upstream that is closed is reported")
	}
}

// A reload opens an upstream anew while the old pool still drains, for as long as its last WebSocket: the new one's word counts.
func TestUpstreamMetricsOfAReload(t *testing.T) {
	tel, _ := setup(t, nil)
	for range 10 { // each is the old one of the next
		tel.Metrics.Upstream("shop").Breaker("open")
	}
	tel.Metrics.Upstream("shop").Breaker("closed")
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if want := `postern_upstream_breaker{postern_upstream="shop"} 0`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("%s is missing in\n%s", want, w.Body)
	}
}

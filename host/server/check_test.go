package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/server"
)

// TestCheckAsksNobody: whoever checks a definition, on a laptop or in CI, has no business at its upstreams.
func TestCheckAsksNobody(t *testing.T) {
	var asked atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	snapshot := &host.Snapshot{}
	for i := range 50 {
		snapshot.Upstreams = append(snapshot.Upstreams, &host.Upstream{
			Name:        "u" + strconv.Itoa(i),
			Targets:     []host.Target{{URL: upstream.URL}},
			HealthCheck: &host.HealthCheck{Path: "/", Interval: time.Millisecond, Timeout: time.Second},
		})
	}
	err := server.Check(t.Context(), snapshot, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	upstream.Close() // waits for what was under way
	if n := asked.Load(); n != 0 {
		t.Errorf("the upstreams were asked %d times", n)
	}
}

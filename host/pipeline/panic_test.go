package pipeline

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

type panicking struct{}

func (panicking) Handle(context.Context, *host.Exchange) (host.Second, error) { panic("a defect") }

// An exchange that ends in a panic holds its pipeline no longer: what replaced it could never close it.
func TestPanicsReleaseThePipeline(t *testing.T) {
	p := mockPipeline(t, panicking{})
	if !p.Acquire() {
		t.Fatal("the pipeline is closed")
	}
	func() {
		defer func() {
			if got := recover(); got != "a defect" {
				t.Errorf("the panic became %v", got)
			}
		}()
		body := io.NopCloser(strings.NewReader("x"))
		p.Serve(t.Context(), &host.Request{Method: "POST", Host: "x", Target: "/", Body: body, Length: 1})
	}()
	if p.holds.Load() != 1 { // the builder's own
		t.Errorf("%d holds are left", p.holds.Load())
	}
	metrics := httptest.NewRecorder()
	p.telemetry.MetricsHandler().ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(metrics.Body.String(), `http_response_status_code="500"`) {
		t.Error("the request is not among those that failed")
	}
}

// A broken plugin is open, and panics when it is called.
type broken struct{ host.Plugin }

func (broken) Call(context.Context, string, host.Event, host.Effects) (host.Event, error) {
	panic("a defect")
}

// Nobody waits above a call whose verdict several requests share: its panic must end with it.
func TestPanicsOfASharedVerdictFailItsRequests(t *testing.T) {
	tel, err := telemetry.Setup(t.Context(), telemetry.Options{Output: io.Discard, Environ: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	def := &host.Authorizer{Name: "caller", IdentitySources: []string{"$request.header.X"}, ResultTTL: host.Default(time.Hour), PayloadFormat: "2.0"}
	cfg := &host.PluginConfig{Name: "caller", Source: &host.Source{Runtime: host.RuntimeJS}}
	a, err := newAuthorizer(def, &plugin{Plugin: broken{}, cfg: cfg, metrics: tel.Metrics.Plugin("caller", host.RuntimeJS), breaker: newBreaker(cfg, "authorizer", tel)}, tel)
	if err != nil {
		t.Fatal(err)
	}
	api, stage, r := &host.API{Name: "a"}, &host.Stage{Name: host.DefaultStage}, &host.Route{Key: host.DefaultRoute}
	x := &host.Exchange{Match: host.Match{API: api, Stage: stage, Route: r, Path: "/"},
		Request: &host.Request{Method: "GET", Target: "/", Header: host.Header{{Name: "X", Value: "y"}}}}
	for range 2 {
		if _, err := a.Handle(t.Context(), x); !errors.Is(err, host.Internal) || !strings.Contains(err.Error(), "a defect") {
			t.Errorf("got %v", err)
		}
	}
}

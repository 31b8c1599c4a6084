package pipeline

import (
	"context"
	"io"
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
	tel, err := telemetry.Setup(t.Context(), telemetry.Options{Output: io.Discard, Environ: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	stage := &host.Stage{Name: host.DefaultStage}
	r := &host.Route{Key: host.DefaultRoute, Timeout: host.Default(time.Hour), MaxBody: host.Default[int64](1),
		Integration: host.IntegrationConfig{Type: host.IntegrationMock, Mock: &host.MockResponse{Status: 200}}}
	def := &host.API{Name: "a", Protocol: host.ProtocolHTTP, Root: true, Stages: []*host.Stage{stage}, Routes: []*host.Route{r}}
	shared := NewShared(nil, tel)
	p, err := Build(t.Context(), &host.Snapshot{APIs: []*host.API{def}}, Config{Shared: shared, Telemetry: tel, Domain: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	p.apis[def].routes[r].steps[0].handler = panicking{}
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
	p.Release()
	if err := shared.Wait(t.Context()); err != nil || shared.Stats() != (Stats{}) || p.Acquire() {
		t.Errorf("still open: %+v, %v", shared.Stats(), err)
	}
}

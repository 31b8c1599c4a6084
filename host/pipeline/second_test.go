package pipeline

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/telemetry"
)

// A noting step writes down what is done with it. It may answer early, refuse, or fail on the way back.
type noting struct {
	name                    string
	notes                   *[]string
	answer, refuse, backErr bool
	panics                  bool
}

var errNoting = &host.Error{Op: "note", Kind: host.Forbidden, Err: errors.New("no")}

func (n *noting) note(what string) { *n.notes = append(*n.notes, n.name+" "+what) }

func (n *noting) Handle(_ context.Context, x *host.Exchange) (host.Second, error) {
	n.note("handle")
	if n.panics {
		panic("a defect")
	}
	if n.answer {
		x.Response = message(202, "early")
	}
	if n.refuse {
		return n, errNoting
	}
	return n, nil
}

func (n *noting) Response(_ context.Context, x *host.Exchange) error {
	n.note("response")
	if n.backErr {
		return errNoting
	}
	x.Response.Header.Add("X-Order", n.name)
	return nil
}

func (n *noting) End(error) { n.note("end") }

// Second halves run backwards, also on early answers and refusals, and each ends once.
func TestSecondHalves(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a, b *noting)
		status int
		order  []string
		notes  []string
	}{
		"an answer": {func(*noting, *noting) {}, 200, []string{"b", "a"},
			[]string{"a handle", "b handle", "b response", "a response", "b end", "a end"}},
		"an early answer": {func(a, _ *noting) { a.answer = true }, 202, []string{"a"},
			[]string{"a handle", "a response", "a end"}},
		"a refusal": {func(_, b *noting) { b.refuse = true }, 403, []string{"b", "a"},
			[]string{"a handle", "b handle", "b response", "a response", "b end", "a end"}},
		"a failure on the way back": {func(_, b *noting) { b.backErr = true }, 403, []string{"a"},
			[]string{"a handle", "b handle", "b response", "a response", "b end", "a end"}},
	} {
		t.Run(name, func(t *testing.T) {
			var notes []string
			a, b := &noting{name: "a", notes: &notes}, &noting{name: "b", notes: &notes}
			c.change(a, b)
			p := mockPipeline(t, a, b)
			if !p.Acquire() {
				t.Fatal("the pipeline is closed")
			}
			resp := p.Serve(t.Context(), &host.Request{Method: "GET", Host: "x", Target: "/", Body: io.NopCloser(strings.NewReader(""))})
			if resp.Body != nil {
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Error(err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			resp.End(nil)
			if resp.Status != c.status {
				t.Errorf("status %d, want %d", resp.Status, c.status)
			}
			if diff := cmp.Diff(c.order, resp.Header.Values("X-Order")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.notes, notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What steps hold is given back also where a later one panics.
func TestSecondHalvesEndAfterAPanic(t *testing.T) {
	var notes []string
	p := mockPipeline(t, &noting{name: "a", notes: &notes}, &noting{name: "b", notes: &notes, panics: true})
	if !p.Acquire() {
		t.Fatal("the pipeline is closed")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is the listener's to see")
			}
		}()
		p.Serve(t.Context(), &host.Request{Method: "GET", Host: "x", Target: "/", Body: io.NopCloser(strings.NewReader(""))})
	}()
	if diff := cmp.Diff([]string{"a handle", "b handle", "a end"}, notes); diff != "" {
		t.Error(diff)
	}
}

// mockPipeline is a pipeline of one route, which goes through the steps to a mock.
func mockPipeline(t *testing.T, steps ...host.Handler) *Pipeline {
	t.Helper()
	tel, err := telemetry.Setup(t.Context(), telemetry.Options{Output: io.Discard, Environ: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	r := &host.Route{Key: host.DefaultRoute, Timeout: host.Default(time.Hour), MaxBody: host.Default[int64](1),
		Integration: host.IntegrationConfig{Type: host.IntegrationMock, Mock: &host.MockResponse{Status: 200}}}
	def := &host.API{Name: "a", Protocol: host.ProtocolHTTP, Root: true, Stages: []*host.Stage{{Name: host.DefaultStage}}, Routes: []*host.Route{r}}
	p, err := Build(t.Context(), &host.Snapshot{APIs: []*host.API{def}}, Config{Shared: NewShared(nil, tel, nil), Telemetry: tel, Domain: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	compiled := p.apis[def].routes[r]
	var before []step
	for _, handler := range steps {
		before = append(before, step{host.PhaseFilter, handler})
	}
	compiled.steps = append(before, compiled.steps...)
	return p
}

package js_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// endless never ends by itself, and goja's interrupt does not reach it: it is one built-in function that calls another.
const endless = "Array.prototype.findIndex.call({ length: 2 ** 50 }, clearTimeout.bind(null, 0))"

func concurrency(n int) func(*host.PluginConfig) {
	return func(c *host.PluginConfig) { c.Limits.Concurrency.Value = n }
}

func TestBuiltInOverruns(t *testing.T) {
	for _, isolation := range []host.Isolation{host.IsolationFresh, host.IsolationPooled} {
		t.Run(string(isolation), func(t *testing.T) {
			noLeak(t)
			p := open(t, "a.js", "let n = 0; export const handle = (e) => { n++; if (e.bad) try { "+endless+" } catch {} finally { for (;;); }; return n }",
				timeout(300*time.Millisecond), concurrency(1), func(c *host.PluginConfig) { c.Isolation = isolation })
			for range 2 {
				if _, err := call(p, "handle", `{"bad": true}`, nil, nil); !errors.Is(err, host.Timeout) {
					t.Error(err)
				}
				// The one place is free again because clearTimeout does nothing for a call that was abandoned.
				if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != "1" {
					t.Errorf("the next call: %v %v", r, err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(10*time.Millisecond, cancel)
			if _, err := p.Call(ctx, "handle", host.Event{Meta: []byte(`{"bad": true}`)}, &effects{}); !errors.Is(err, host.Unavailable) {
				t.Errorf("the caller left: %v", err)
			}
		})
	}
}

func TestBuiltInOverrunsAtLoad(t *testing.T) {
	noLeak(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := newRuntime(t).Compile(ctx, source(t, "a.js", "export const handle = 1\n"+endless)); err == nil {
		t.Error("compiled")
	}
	m := compile(t, "b.js", "export const handle = () => 1\nif (process.env.X) "+endless)
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.Open(ctx, host.PluginConfig{Env: map[string]string{"X": "1"}}); err == nil {
		t.Error("opened")
	}
}

// stalled is a world in which logging takes until the test lets it go on, as a built-in function that overruns would.
type stalled struct {
	effects
	goOn  chan struct{}
	late  atomic.Int32 // uses of the world after that
	spans atomic.Int32 // open
}

func (s *stalled) Log(context.Context, slog.Level, string) {
	select {
	case <-s.goOn:
		s.late.Add(1)
	default:
		<-s.goOn
	}
}

func (s *stalled) Span(context.Context, string) func(string) {
	s.spans.Add(1)
	return func(string) { s.spans.Add(-1) }
}

func TestOverrunKeepsItsPlace(t *testing.T) {
	noLeak(t)
	m := compile(t, "a.js", `
export const handle = (e, context) => {
  if (!e.bad) return 1
  const span = context.startSpan('x')
  try { console.log('stalls') } finally { span.end(); console.log('late') }
}`)
	cfg := host.PluginConfig{Name: "test", Isolation: host.IsolationPooled}
	timeout(200 * time.Millisecond)(&cfg)
	concurrency(2)(&cfg)
	p, err := m.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	fx := &stalled{goOn: make(chan struct{})}
	overrun := func() {
		t.Helper()
		if _, err := p.Call(context.Background(), "handle", host.Event{Meta: []byte(`{"bad": true}`)}, fx); !errors.Is(err, host.Timeout) {
			t.Error(err)
		}
	}
	overrun()
	if r, err := call(p, "handle", "{}", nil, nil); err != nil || r.meta != "1" {
		t.Errorf("on another instance: %v %v", r, err)
	}
	overrun()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Call(ctx, "handle", host.Event{Meta: []byte("{}")}, fx); !errors.Is(err, host.Unavailable) {
		t.Errorf("both places are taken: %v", err)
	}
	if err := p.Close(context.Background()); !errors.Is(err, host.Timeout) {
		t.Errorf("closed while scripts run: %v", err)
	}
	if n := fx.spans.Load(); n != 0 {
		t.Errorf("%d spans are open", n)
	}
	close(fx.goOn)
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if n := fx.late.Load(); n != 0 {
		t.Errorf("%d log lines of abandoned calls", n)
	}
}

package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/js"
)

// A gateway runs the catalog's functions in the real runtime, and keeps what it was asked. host/server's tests run this API over the
// whole of a host.
type gateway struct {
	catalog *catalog.Catalog
	runtime *js.Runtime

	mu      sync.Mutex
	later   []Call
	letters []DeadLetter
	parts   []Part
	plugins []Plugin
	calls   []Call
	ready   bool
	stuck   bool // Wait never ends
	busy    bool // Invoke has no instance
	logs    chan LogLine
	served  uint64
	store   func(context.Context) error // how the store is; nil is well
}

var _ Gateway = (*gateway)(nil)

func newGateway(t testing.TB, c *catalog.Catalog) *gateway {
	g := &gateway{catalog: c, runtime: js.New(js.Options{}), ready: true, logs: make(chan LogLine, 100)}
	t.Cleanup(func() { _ = g.runtime.Close(context.Background()) })
	return g
}

func (g *gateway) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *gateway) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Status{Version: "test", Revision: "abc", Ready: g.ready, URLs: []URL{}}
}

func (g *gateway) StoreHealth(ctx context.Context) error {
	g.mu.Lock()
	ask := g.store
	g.mu.Unlock()
	if ask == nil {
		return nil
	}
	return ask(ctx)
}

func (g *gateway) Plugins() []Plugin { return g.plugins }

func (g *gateway) Parts() []Part {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parts
}

func (g *gateway) Wait(ctx context.Context, revision uint64) error {
	g.mu.Lock()
	stuck := g.stuck
	g.served = revision
	g.mu.Unlock()
	if !stuck {
		return nil
	}
	<-ctx.Done()
	return &host.Error{Op: "wait", Kind: host.Timeout, Err: ctx.Err()}
}

func (g *gateway) Invoke(ctx context.Context, call Call) (*CallResult, error) {
	g.mu.Lock()
	g.calls = append(g.calls, call)
	busy := g.busy
	g.mu.Unlock()
	if busy {
		return nil, &host.Error{Op: "invoke", Kind: host.Throttled, Err: errors.New("all instances are busy")}
	}
	v, err := g.catalog.Version(ctx, call.Function, call.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := g.catalog.ComposeVersion(ctx, call.Function, v.Version)
	if err != nil {
		return nil, err
	}
	return g.run(ctx, f, call)
}

func (g *gateway) run(ctx context.Context, f *host.Function, call Call) (*CallResult, error) {
	src := *f.Plugin.Source
	if src.Load != nil {
		var err error
		if src.Code, src.SourceMap, err = src.Load(ctx); err != nil {
			return nil, err
		}
	}
	module, err := g.runtime.Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	defer module.Close(ctx)
	plugin, err := module.Open(ctx, f.Plugin)
	if err != nil {
		return nil, err
	}
	defer plugin.Close(ctx)
	world := &effects{}
	result := &CallResult{RequestID: call.RequestID, Version: f.Version}
	payload := call.Payload
	if len(payload) == 0 {
		payload = []byte("null")
	}
	out, err := plugin.Call(ctx, host.EntryHandle, host.Event{Meta: payload}, world)
	var guest *host.GuestError
	switch {
	case errors.As(err, &guest):
		result.Error = "Unhandled"
		result.Payload, _ = json.Marshal(map[string]any{"errorMessage": guest.Message, "errorType": guest.Type, "trace": []string{}})
	case err != nil:
		return nil, err
	default:
		result.Payload = out.Meta
		if out.Body != nil {
			_, _ = io.Copy(io.Discard, out.Body)
			_ = out.Body.Close()
		}
	}
	result.Log = []byte("START RequestId: " + call.RequestID + "\n" + world.text + "END RequestId: " + call.RequestID + "\n")
	return result, nil
}

func (g *gateway) InvokeLater(ctx context.Context, call Call) (string, error) {
	if _, err := g.catalog.Version(ctx, call.Function, call.Qualifier); err != nil {
		return "", err
	}
	g.set(func() { g.later = append(g.later, call) })
	return call.RequestID, nil
}

func (g *gateway) DeadLetters(_ context.Context, function string) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, l := range g.letters {
			if l.Function == function && !yield(l, nil) {
				return
			}
		}
	}
}

func (g *gateway) PurgeDeadLetters(_ context.Context, function string, upTo uint64) error {
	g.set(func() {
		var kept []DeadLetter
		for _, l := range g.letters {
			if l.Function != function || l.Sequence > upTo {
				kept = append(kept, l)
			}
		}
		g.letters = kept
	})
	return nil
}

func (g *gateway) Logs(ctx context.Context, f LogFilter) iter.Seq[LogLine] {
	return func(yield func(LogLine) bool) {
		if !yield(LogLine{Time: time.Now(), Level: "info", Message: fmt.Sprintf("%+v", f)}) {
			return
		}
		for f.Follow {
			select {
			case line := <-g.logs:
				if !yield(line) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// effects is the world as a function sees it here: real time and random numbers, and a log.
type effects struct {
	host.StartEffects // for what is not overridden

	text string
}

func (e *effects) Now() time.Time { return time.Now() }
func (e *effects) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (e *effects) Rand(p []byte) { _, _ = rand.Read(p) }
func (e *effects) Fetch(_ context.Context, r *host.Request) (*host.Response, error) {
	return nil, &host.Error{Op: "fetch " + r.Host, Kind: host.Forbidden, Err: errors.New("not in the egress list")}
}
func (e *effects) Secret(context.Context, string) (string, bool) { return "", false }
func (e *effects) Log(_ context.Context, _ slog.Level, message string) {
	e.text += message + "\n"
}
func (e *effects) Span(context.Context, string) func(string) { return func(string) {} }
func (e *effects) TraceParent() string                       { return "" }

// numbered is a script that answers with a number.
func numbered(n int) string {
	return "export const handler = async (event) => ({n: " + strconv.Itoa(n) + ", event})\n"
}

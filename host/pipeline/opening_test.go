package pipeline_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/server/servertest"
)

// A storage is where the code of functions lies until it is loaded.
type storage struct {
	mu    sync.Mutex
	loads map[string]int // by function
	hook  func(ctx context.Context, function string, n int) error
}

// store takes the code of a snapshot's functions, so that they have to be loaded. hook is called before the nth load of a function.
func store(s *host.Snapshot, hook func(ctx context.Context, function string, n int) error) *storage {
	st := &storage{loads: map[string]int{}, hook: hook}
	for _, f := range s.Functions {
		src := *f.Plugin.Source
		f.Plugin.Source = &src
		code, sourceMap := src.Code, src.SourceMap
		src.Code, src.SourceMap = nil, nil
		src.MapDigest = fmt.Sprintf("%x", sha256.Sum256(sourceMap))
		src.Load = func(ctx context.Context) ([]byte, []byte, error) {
			st.mu.Lock()
			st.loads[f.Name]++
			n := st.loads[f.Name]
			st.mu.Unlock()
			if st.hook != nil {
				if err := st.hook(ctx, f.Name, n); err != nil {
					return nil, nil, err
				}
			}
			return code, sourceMap, nil
		}
	}
	return st
}

func (s *storage) count(function string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads[function]
}

// many is a project of functions f0, f1, …, each with a route and code of its own.
func many(t *testing.T, n int) *host.Snapshot {
	t.Helper()
	text := "apis:\n\tmain:\n\t\troot: true\n\t\troutes:\n\t\t\tGET /: {request: {mapping: {$default: ./map.js}}, integration: {mock: {body: ok}}}\n"
	functions := "functions:\n"
	files := map[string]string{"map.js": `export const map_request = () => ""`}
	for i := range n {
		text += fmt.Sprintf("\t\t\tGET /f%d: {integration: {function: f%d}}\n", i, i)
		functions += fmt.Sprintf("\tf%d: {plugin: ./f%d.js, timeout: 25s}\n", i, i)
		files[fmt.Sprintf("f%d.js", i)] = fmt.Sprintf(`export const handler = () => "I am %d"`, i)
	}
	return load(t, project(text+functions, files))
}

func background(cfg *pipeline.Config) { cfg.Background = true }

func TestCodeIsLoadedToBeCompiled(t *testing.T) {
	w := newWorkbench(t, nil)
	s := many(t, 1)
	st := store(s, nil)
	for range 2 {
		p := w.build(t, s)
		if got := ask(t, p, "x/f0"); got.body != "I am 0" {
			t.Errorf("%+v", got)
		}
	}
	if n := st.count("f0"); n != 1 {
		t.Errorf("loaded %d times", n)
	}
	if src := s.Functions[0].Plugin.Source; src.Code != nil || src.SourceMap != nil {
		t.Error("the definition keeps the code")
	}
	// The same code at hand is the same module.
	same := many(t, 1)
	before := w.shared.Stats().Modules
	w.build(t, same)
	if n := w.shared.Stats().Modules; n != before {
		t.Errorf("%d modules, and %d before", n, before)
	}
	fails := many(t, 2)
	store(fails, func(context.Context, string, int) error {
		return &host.Error{Op: "open blob", Kind: host.Unavailable, Err: errors.New("the store is away")}
	})
	if _, err := w.tryBuild(t, fails); err == nil || strings.Count(err.Error(), "the store is away") != 1 {
		t.Errorf("f1 alone is not open: %v", err)
	}
}

// TestLoadedCodeIsNotKept looks for the loaded bytes after the modules are compiled.
func TestLoadedCodeIsNotKept(t *testing.T) {
	w := newWorkbench(t, nil)
	s := load(t, project("functions:\n\tscript: {plugin: ./a.js}\n\twasm: {plugin: ./echo.wasm}\n", map[string]string{
		"a.js": `export const handler = () => 1`, "echo.wasm": servertest.Guest(t, "echo.wasm")}))
	var freed atomic.Int64
	for _, f := range s.Functions {
		src := f.Plugin.Source
		code, sourceMap := string(src.Code), string(src.SourceMap)
		src.Code, src.SourceMap = nil, nil
		src.Load = func(context.Context) ([]byte, []byte, error) {
			own := []byte(code)
			runtime.AddCleanup(&own[0], func(struct{}) { freed.Add(1) }, struct{}{})
			return own, []byte(sourceMap), nil
		}
	}
	p := w.build(t, s)
	servertest.Eventually(t, "the code is freed", func() bool {
		runtime.GC()
		return freed.Load() == 2
	})
	if r, err := p.Invoke(t.Context(), pipeline.Call{Function: "script"}); err != nil || string(r.Payload) != "1" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestFunctionsOpenInTheBackground(t *testing.T) {
	const n = 12
	w := newWorkbench(t, nil)
	s := many(t, n)
	gate := make(chan struct{})
	st := store(s, func(ctx context.Context, function string, _ int) error {
		if function == "f11" {
			return nil
		}
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	p := w.build(t, s, background)
	if p.Loading() != n {
		t.Errorf("%d of %d are loading", p.Loading(), n)
	}
	if got := ask(t, p, "x/"); got.body != "ok" {
		t.Errorf("what needs no function: %+v", got)
	}
	if got := ask(t, p, "x/f11"); got.body != "I am 11" || p.Loading() != n-1 {
		t.Errorf("a call does not open its function first: %+v", got)
	}
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if got := ask(t, p, "x/f10"); got.body != "I am 10" {
				t.Errorf("%+v", got)
			}
		})
	}
	servertest.Eventually(t, "a call opens f10", func() bool { return st.count("f10") == 1 })
	close(gate)
	wait.Wait()
	servertest.Eventually(t, "everything is open", func() bool { return p.Loading() == 0 })
	for i := range n {
		if c := st.count(fmt.Sprint("f", i)); c != 1 {
			t.Errorf("f%d was loaded %d times", i, c)
		}
	}
	// What another pipeline has open is open at once.
	if next := w.build(t, s, background); next.Loading() != 0 {
		t.Errorf("%d functions are opened again", next.Loading())
	}
}

func TestCallWaitsWithinItsDeadline(t *testing.T) {
	w := newWorkbench(t, nil)
	s := many(t, 1)
	store(s, func(ctx context.Context, _ string, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	})
	for _, r := range s.APIs[0].Routes {
		r.Timeout.Value = 50 * time.Millisecond
	}
	p := w.build(t, s, background)
	if got := ask(t, p, "x/f0"); got.status != 504 {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r, err := p.Invoke(ctx, pipeline.Call{Function: "f0"}); host.KindOf(err) != host.Timeout {
		t.Errorf("it was not called: %+v %v", r, err)
	}
}

func TestFunctionThatCannotBeOpened(t *testing.T) {
	w := newWorkbench(t, nil)
	s := many(t, 2)
	s.Functions[0].Version = 4
	st := store(s, func(_ context.Context, function string, n int) error {
		if function == "f0" && n <= 2 {
			return &host.Error{Op: "open blob", Kind: host.Unavailable, Err: fmt.Errorf("try %d: the store is away", n)}
		}
		return nil
	})
	p := w.build(t, s, background)
	servertest.Eventually(t, "all but one are open", func() bool { return p.Loading() == 1 && len(p.Failures()) == 1 })
	if st.count("f0") != 1 {
		t.Errorf("f0 was loaded %d times", st.count("f0"))
	}
	if failed := p.Failures(); len(failed) != 1 || !strings.Contains(fmt.Sprint(failed[s.Functions[0]]), "try 1: the store is away") {
		t.Errorf("%v", failed)
	}
	line := w.log.Wait(t, "the failure", func(l servertest.Line) bool { return l.Text("msg") == "function cannot be opened" })
	if line.Text("function") != "f0" || line.Text("version") != "4" || line.Text("level") != "ERROR" || !strings.Contains(line.Text("error"), "try 1: the store is away") {
		t.Errorf("%v", line)
	}
	failed := 0
	servertest.Eventually(t, "calls open it", func() bool {
		got := ask(t, p, "x/f0")
		if got.status == 200 {
			return true
		}
		if l := w.line(t, got); got.status != 500 || got.body != internal || !strings.Contains(l.Text("error"), "the store is away") {
			t.Fatalf("%+v %v", got, l)
		}
		failed++
		return false
	})
	if n := st.count("f0"); n != 3 || failed < 3 {
		t.Errorf("loaded %d times for %d calls: no back-off", n, failed)
	}
	if p.Loading() != 0 || len(p.Failures()) != 0 {
		t.Error("it is open, and counted as loading")
	}
}

func TestInvokeOfWhatCannotBeOpened(t *testing.T) {
	w := newWorkbench(t, nil)
	s := load(t, project("functions:\n\tbroken: {plugin: ./broken.js}\n\tother: {plugin: ./other.js}\n",
		map[string]string{"broken.js": `export const handler = () => 1`, "other.js": `export const authorize = () => 1`}))
	s.Functions[0].Plugin.Source.Code = []byte("(function(module,exports,require){ throw new Error('on load') })")
	s.Functions[0].Plugin.Source.Digest = "broken"
	p := w.build(t, s, background)
	for name, want := range map[string]string{"broken": "on load", "other": "exports authorize, and not handle"} {
		r, err := p.Invoke(t.Context(), pipeline.Call{Function: name})
		if err != nil || host.KindOf(r.Err) != host.Internal || !strings.Contains(fmt.Sprint(r.Err), want) {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	if _, err := w.tryBuild(t, s); host.KindOf(err) != host.Invalid {
		t.Errorf("in the foreground it is an error of the build: %v", err)
	}
}

func TestClosingWhileFunctionsOpen(t *testing.T) {
	w := newWorkbench(t, nil)
	before := runtime.NumGoroutine()
	for _, obedient := range []bool{true, false} {
		s := many(t, 6)
		begun, gate := make(chan struct{}, 6), make(chan struct{})
		store(s, func(ctx context.Context, _ string, _ int) error {
			begun <- struct{}{}
			if obedient {
				<-ctx.Done()
				return ctx.Err()
			}
			<-gate
			return nil
		})
		p, err := w.tryBuild(t, s, background)
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		p.Release()
		close(gate)
		if err := w.shared.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := w.shared.Stats(); left != (pipeline.Stats{}) {
			t.Errorf("obedient %v: left open: %+v", obedient, left)
		}
	}
	servertest.NoGoroutineLeft(t, before, nil)
	if strings.Contains(w.log.String(), "cannot be opened") {
		t.Error("the end is told as a failure")
	}
}

// TestOpeningIsNotCutByAnotherPipeline ends a pipeline while its successor shares its attempt.
func TestOpeningIsNotCutByAnotherPipeline(t *testing.T) {
	w := newWorkbench(t, nil)
	s := many(t, 1)
	begun := make(chan struct{})
	st := store(s, func(ctx context.Context, _ string, n int) error {
		if n > 1 {
			return nil
		}
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	})
	old, err := w.tryBuild(t, s, background)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	next := w.build(t, s, background)
	answer := make(chan outcome)
	go func() { answer <- ask(t, next, "x/f0") }()
	old.Release()
	if got := <-answer; got.body != "I am 0" {
		t.Errorf("%+v", got)
	}
	if n := st.count("f0"); n != 2 {
		t.Errorf("loaded %d times", n)
	}
}

func TestPipelinesInTurn(t *testing.T) {
	w := newWorkbench(t, nil)
	before := runtime.NumGoroutine()
	s := many(t, 8)
	store(s, nil)
	var last *pipeline.Pipeline
	for i := range 40 {
		p, err := w.tryBuild(t, s, background)
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for k := range 3 {
			wait.Go(func() {
				n := (i + k) % 8
				if got := ask(t, p, fmt.Sprint("x/f", n)); got.body != fmt.Sprint("I am ", n) {
					t.Errorf("%+v", got)
				}
			})
		}
		if last != nil {
			last.Release()
		}
		wait.Wait()
		if last = p; i%5 == 4 { // and from nothing
			p.Release()
			last = nil
		}
	}
	if err := w.shared.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := w.shared.Stats(); left != (pipeline.Stats{}) {
		t.Errorf("left open: %+v", left)
	}
	servertest.NoGoroutineLeft(t, before, nil)
}

package cases

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/quickjs"
	"github.com/postern/postern/host/wasm"
	"github.com/postern/postern/host/wasm/engine"
)

// An Engine has the runtimes that cases run in, each made when it is first asked for. It is safe for concurrent use.
type Engine struct {
	// CacheDir keeps native code between runs; "" keeps none.
	CacheDir string

	mu       sync.Mutex
	runtimes map[string]host.Runtime
}

// runtimes makes each of the runtimes. A further one is one line.
var runtimes = map[string]func(e *Engine) (host.Runtime, error){
	host.RuntimeWasm: func(e *Engine) (host.Runtime, error) { return wasm.New(wasm.Options{CacheDir: e.CacheDir}) },
	host.RuntimeJS:   func(*Engine) (host.Runtime, error) { return js.New(js.Options{}), nil },

	host.RuntimeQuickJS: newQuickJS,
}

// withEngine is a runtime that closes what it runs on.
type withEngine struct {
	host.Runtime
	engine *engine.Engine
}

func newQuickJS(e *Engine) (host.Runtime, error) {
	own, err := engine.New(engine.Options{CacheDir: e.CacheDir})
	if err != nil {
		return nil, err
	}
	rt, err := quickjs.New(quickjs.Options{Engine: own})
	if err != nil {
		return nil, errors.Join(err, own.Close(context.Background()))
	}
	return withEngine{rt, own}, nil
}

// Close frees both.
func (w withEngine) Close(ctx context.Context) error {
	return errors.Join(w.Runtime.Close(ctx), w.engine.Close(ctx))
}

// Runtime returns a runtime by its name. The error has Kind Unsupported where there is none.
func (e *Engine) Runtime(name string) (host.Runtime, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if rt, ok := e.runtimes[name]; ok {
		return rt, nil
	}
	build, ok := runtimes[name]
	if !ok {
		return nil, &host.Error{Op: "run cases", Kind: host.Unsupported, Err: fmt.Errorf("there is no runtime %q", name)}
	}
	rt, err := build(e)
	if err != nil {
		return nil, err
	}
	if e.runtimes == nil {
		e.runtimes = map[string]host.Runtime{}
	}
	e.runtimes[name] = rt
	return rt, nil
}

// Close frees the runtimes. What was made of them must be closed before.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, rt := range e.runtimes {
		errs = append(errs, rt.Close(ctx))
	}
	e.runtimes = nil
	return errors.Join(errs...)
}

// A Subject is a plugin that cases run on. One case at a time runs on it.
type Subject struct {
	engine  *Engine
	src     host.Source
	base    *host.PluginConfig
	config  *definition.ConfigSchema // nil where the code has none
	modules map[string]host.Module   // by what is asked of their ABI
}

// Subject makes a subject of code. What a case's world does not set of its configuration is base's, which may be nil: environment,
// configuration, limits and isolation, and never secrets. Code that cannot be compiled has Kind Invalid.
func (e *Engine) Subject(ctx context.Context, src *host.Source, base *host.PluginConfig) (*Subject, error) {
	s := &Subject{engine: e, src: *src, base: base, modules: map[string]host.Module{}}
	if base != nil && base.ABI != "" {
		s.src.ABI = base.ABI
	}
	if base != nil && base.Runtime != "" { // a script may be asked to run on another than it was bundled for
		s.src.Runtime = base.Runtime
	}
	if src.ConfigSchema != nil {
		schema, err := definition.ParseConfigSchema(src.ConfigSchema)
		if err != nil {
			return nil, &host.Error{Op: "run cases", Kind: host.Invalid, Err: fmt.Errorf("the schema of %s: %w", src.Name, err)}
		}
		s.config = schema
	}
	if _, err := s.module(ctx, ""); err != nil {
		return nil, err
	}
	return s, nil
}

// Info describes the code.
func (s *Subject) Info() host.ModuleInfo { return s.modules[s.src.ABI].Info() }

// module compiles the code as an ABI, "" for its own, once.
func (s *Subject) module(ctx context.Context, abi string) (host.Module, error) {
	src := s.src
	if abi != "" {
		src.ABI = abi
	}
	if m, ok := s.modules[src.ABI]; ok {
		return m, nil
	}
	rt, err := s.engine.Runtime(src.Runtime)
	if err != nil {
		return nil, err
	}
	m, err := rt.Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	s.modules[src.ABI] = m
	return m, nil
}

// Close frees the code.
func (s *Subject) Close(ctx context.Context) error {
	var errs []error
	for _, m := range s.modules {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}

package recording

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/postern/postern/host"
)

// A Tape records the first call of one function, whoever makes it: it stands before the runtimes that run it.
type Tape struct {
	Function string       // its name
	Logger   *slog.Logger // gets what instances log while they start; nil discards

	mu       sync.Mutex
	recorder *Recorder
}

// Before puts the tape before a runtime, whose owner stays who it is.
func (t *Tape) Before(runtime host.Runtime) host.Runtime { return &tapedRuntime{runtime, t} }

// Recording is that of the call. It is whole when the plugin has been closed. No call has Kind NotFound.
func (t *Tape) Recording() (*Recording, error) {
	t.mu.Lock()
	recorder := t.recorder
	t.mu.Unlock()
	if recorder == nil {
		return nil, &host.Error{Op: "record " + t.Function, Kind: host.NotFound, Err: errors.New("it was not called")}
	}
	return recorder.Recording()
}

// take makes the recorder of the first call, and is nil for those after it.
func (t *Tape) take(cfg *host.PluginConfig, info host.ModuleInfo, fx host.Effects) *Recorder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recorder != nil {
		return nil
	}
	logger := t.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	t.recorder = NewRecorder(PluginOf(cfg, info), &host.StartEffects{Logger: logger, Plugin: cfg}, fx)
	return t.recorder
}

type tapedRuntime struct {
	host.Runtime
	tape *Tape
}

// Compile implements host.Runtime.
func (r *tapedRuntime) Compile(ctx context.Context, src host.Source) (host.Module, error) {
	m, err := r.Runtime.Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	return &tapedModule{m, r.tape}, nil
}

type tapedModule struct {
	host.Module
	tape *Tape
}

// Open implements host.Module. Only a function's plugin has its name and is no filter.
func (m *tapedModule) Open(ctx context.Context, cfg host.PluginConfig) (host.Plugin, error) {
	p, err := m.Module.Open(ctx, cfg)
	if err != nil || cfg.Name != m.tape.Function {
		return p, err
	}
	taped := &tapedPlugin{Plugin: p, tape: m.tape, cfg: cfg, info: m.Info()}
	if pinner, ok := p.(host.Pinner); ok {
		return &tapedPinner{taped, pinner}, nil
	}
	return taped, nil
}

type tapedPlugin struct {
	host.Plugin
	tape *Tape
	cfg  host.PluginConfig
	info host.ModuleInfo
}

// A tapedPinner can be pinned too, which is not recorded: functions are not.
type tapedPinner struct {
	*tapedPlugin
	host.Pinner
}

// Call implements host.Plugin.
func (p *tapedPlugin) Call(ctx context.Context, entry string, in host.Event, fx host.Effects) (host.Event, error) {
	if entry == host.EntryHandle {
		if r := p.tape.take(&p.cfg, p.info, fx); r != nil {
			return Record(ctx, p.Plugin, entry, in, r)
		}
	}
	return p.Plugin.Call(ctx, entry, in, fx)
}

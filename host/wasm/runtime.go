// Package wasm is the wasm runtime: it finds out which carrier a module speaks and opens plugins on it.
//
// This version runs Postern's own ABI and WASI commands. Guests of other ABIs are recognized, so that their users learn what they have.
package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm/command"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/native"
)

// Options configure a Runtime. The zero value works: no disk cache, no log.
type Options struct {
	// CacheDir keeps native code between runs; empty keeps none. It is created with mode 0700, and refused when
	// others may enter it.
	CacheDir string
	// Compiles is how many modules may be compiled at once; 0 is half the processors.
	Compiles int
	// Logger gets what guests write while they start, and defects of the host. nil discards.
	Logger *slog.Logger
	// IdleTimeout is after how long an unused instance is closed; 0 is engine.IdleTimeout.
	IdleTimeout time.Duration
	// Memory is how many bytes all instances may have together; 0 is half of what the machine, or this process's control group, has.
	Memory int64
}

// A Runtime runs WebAssembly guests.
type Runtime struct{ engine *engine.Engine }

var (
	_ host.Runtime = (*Runtime)(nil)
	_ host.Module  = (*Module)(nil)
)

// New makes the runtime. One is enough for a process.
func New(opts Options) (*Runtime, error) {
	e, err := engine.New(engine.Options{CacheDir: opts.CacheDir, Compiles: opts.Compiles, Logger: opts.Logger, IdleTimeout: opts.IdleTimeout,
		Memory: opts.Memory})
	if err != nil {
		return nil, err
	}
	if err := e.Offer(context.Background(), native.Module, native.Functions()); err != nil {
		return nil, err
	}
	return &Runtime{e}, nil
}

// Engine is what the guests run on, for another runtime of guests: the process has one.
func (r *Runtime) Engine() *engine.Engine { return r.engine }

// Stats counts what is alive.
func (r *Runtime) Stats() engine.Stats { return r.engine.Stats() }

// Compile implements host.Runtime. It keeps nothing: whoever calls it twice compiles twice.
func (r *Runtime) Compile(ctx context.Context, src host.Source) (host.Module, error) {
	op := "compile " + src.Name
	switch src.ABI {
	case "", host.ABIPostern, host.ABICGI, host.ABIStdio:
	default:
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("abi %q is not known; there are %s, %s and %s",
			src.ABI, host.ABIPostern, host.ABICGI, host.ABIStdio)}
	}
	if isComponent(src.Code) {
		return nil, refuse(op, "a WebAssembly component")
	}
	code, err := r.engine.Compile(ctx, src.Name, src.Code)
	if err != nil {
		return nil, err
	}
	m, err := check(op, src, code)
	if err != nil {
		_ = code.Close(ctx) // nothing runs: it cannot fail
		return nil, err
	}
	return m, nil
}

func check(op string, src host.Source, code *engine.Code) (*Module, error) {
	m := &Module{code: code, carrier: src.ABI}
	if m.carrier == "" {
		switch m.carrier = detect(code); m.carrier {
		case host.ABIPostern, host.ABICGI:
		default:
			return nil, refuse(op, m.carrier)
		}
	}
	if missing := code.Missing(); len(missing) > 0 {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("it imports what nobody offers: %s", strings.Join(missing, ", "))}
	}
	var err error
	if m.carrier == host.ABIPostern {
		m.entries, err = native.Check(code)
	} else {
		m.entries, err = command.Check(code, m.carrier)
	}
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	return m, nil
}

func refuse(op, what string) error {
	return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("is %s; this version runs Postern's own ABI, marked by the export %s, and WASI commands", what, native.Marker)}
}

// Close implements host.Runtime.
func (r *Runtime) Close(ctx context.Context) error { return r.engine.Close(ctx) }

// A Module is a compiled guest.
type Module struct {
	code    *engine.Code
	carrier string
	entries []string
}

// Info implements host.Module.
func (m *Module) Info() host.ModuleInfo {
	info := host.ModuleInfo{Carrier: m.carrier, Entries: m.entries}
	for _, im := range m.code.Imports() {
		info.Imports = append(info.Imports, im.String())
	}
	info.Memory, _ = m.code.Memory()
	return info
}

// Open implements host.Module. A plugin of Postern's own ABI is a host.Pinner too.
func (m *Module) Open(ctx context.Context, cfg host.PluginConfig) (host.Plugin, error) {
	if m.carrier != host.ABIPostern {
		p, err := command.Open(ctx, m.code, m.carrier, cfg)
		if err != nil {
			return nil, err // and no interface around a nil *Plugin
		}
		return p, nil
	}
	p, err := native.Open(ctx, m.code, cfg)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Close implements host.Module.
func (m *Module) Close(ctx context.Context) error { return m.code.Close(ctx) }

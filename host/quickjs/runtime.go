package quickjs

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"runtime"
	"sync"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
	"github.com/postern/postern/host/wasm/engine"
)

//go:embed quickjs.wasm
var guest []byte

//go:embed boot.js
var boot string

//go:embed buffer.js context.js
var parts embed.FS

// Options set a Runtime up.
type Options struct {
	// Engine runs the guests; it must not have compiled anything yet. The Runtime does not close it.
	Engine *engine.Engine
	// Logger takes what scripts log while they are loaded; nil discards it.
	Logger *slog.Logger
}

// A Runtime runs scripts on QuickJS. It holds what all of them share: QuickJS itself, which is compiled when the first script comes.
type Runtime struct {
	engine *engine.Engine
	logger *slog.Logger
	ops    map[string]op
	crypto map[string]web.Operation
	crunch chan struct{} // held by what computes long beside its script: at most GOMAXPROCS - 1 at a time, and one at least

	mu   sync.Mutex
	code *engine.Code
}

var _ host.Runtime = (*Runtime)(nil)

// New makes a Runtime on an engine. Several may not share one.
func New(o Options) (*Runtime, error) {
	if o.Engine == nil {
		return nil, &host.Error{Op: "start quickjs", Kind: host.Invalid, Err: errors.New("there is no engine")}
	}
	r := &Runtime{engine: o.Engine, logger: o.Logger, ops: operations(), crypto: web.Operations(),
		crunch: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	if err := o.Engine.Offer(context.Background(), importModule, r.functions()); err != nil {
		return nil, err
	}
	return r, nil
}

// compiled is QuickJS, compiled once.
func (r *Runtime) compiled(ctx context.Context) (*engine.Code, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.code == nil {
		code, err := r.engine.Compile(ctx, "quickjs", guest)
		if err != nil {
			return nil, err
		}
		r.code = code
	}
	return r.code, nil
}

// Close frees QuickJS.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.code == nil {
		return nil
	}
	code := r.code
	r.code = nil
	return code.Close(ctx)
}

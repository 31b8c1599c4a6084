package js

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/web"
)

const (
	maxStack     = 4000                   // frames; one of goja's costs up to some kilobytes of Go's stack
	regexpLimit  = 100 * time.Millisecond // for one match that backtracks
	loadDeadline = 5 * time.Second        // for the code outside of functions, when nobody called yet
)

// Options set a Runtime up.
type Options struct {
	Logger *slog.Logger // takes what scripts log while they are loaded; nil discards it
}

// A Runtime compiles scripts. It holds what all of them share: the web API, each part of which is compiled once.
type Runtime struct {
	logger   *slog.Logger
	preludes map[string]prelude
	natives  map[string]native
	crypto   map[string]web.Operation
	nothing  *goja.Program // runs the jobs of promises

	crunch chan struct{} // held by what computes long beside its script: at most GOMAXPROCS - 1 at a time, and one at least

	asyncIterator *goja.Symbol // Symbol.asyncIterator, which goja lacks
}

var _ host.Runtime = (*Runtime)(nil)

// goja gives no way to bound one regular expression: this variable of the library below it is the only one. It is
// read when an expression is compiled, so it is set before the first, once for the process.
var boundRegexps = sync.OnceFunc(func() { regexp2.DefaultMatchTimeout = regexpLimit })

// New makes a Runtime.
func New(o Options) *Runtime {
	boundRegexps()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	parts, err := preludes()
	if err != nil {
		panic(err) // what is embedded can be read
	}
	return &Runtime{logger: o.Logger, preludes: parts, natives: nativeFunctions(), crypto: web.Operations(), nothing: goja.MustCompile(ours, "", true),
		crunch: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), asyncIterator: goja.NewSymbol("Symbol.asyncIterator")}
}

// Close frees nothing: a Runtime holds memory alone.
func (r *Runtime) Close(context.Context) error { return nil }

// Package server composes a running gateway: it binds the listeners, opens the runtimes, builds pipelines from snapshots and
// swaps them, and drains at the end.
//
// The order of a start: New binds every address, so that a port in use is known before anything is built; Apply
// builds the first pipeline; Serve accepts. The order of an end: readiness goes, listeners drain within their deadline,
// then the pipeline, the runtimes and the telemetry are closed.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/kv"
	"github.com/postern/postern/host/listener"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/quickjs"
	"github.com/postern/postern/host/telemetry"
	"github.com/postern/postern/host/wasm"
)

// A Config says where to listen and whom to trust. An empty address turns that listener off.
type Config struct {
	HTTP, HTTPS, Admin string
	Certificate        Certificate
	Domain             string // base domain of the execute-api hosts; "" is localhost
	HTTP3              bool   // beside HTTPS, on the UDP port of the same number
	TrustedProxies     []netip.Prefix
	ProxyProtocol      bool // demanded from the trusted proxies, see listener.Config
	Limits             listener.Limits
	DrainTimeout       time.Duration // how long running exchanges may take at the end; 0 is DefaultDrainTimeout
	AccessLog          bool
	CacheDir           string                          // for compiled code; "" keeps none on disk
	PluginMemory       int64                           // as RuntimeOptions.PluginMemory
	Before             func(host.Runtime) host.Runtime // stands before each runtime, as a recorder does; nil for none
	Version            string
	Telemetry          *telemetry.Telemetry

	State            *State      // nil serves what Apply and Load are given, and cannot be changed by the admin API
	AdminCertificate Certificate // of the admin listener; the zero value is clear HTTP
}

// DefaultDrainTimeout is a little over the default deadline of a route, so that no exchange is cut by default.
const DefaultDrainTimeout = 35 * time.Second

// DefaultDomain is the base domain of the execute-api hosts. Browsers and curl resolve *.localhost to loopback.
const DefaultDomain = "localhost"

// A Server is a gateway. Make it with New, and end it with Close.
type Server struct {
	cfg      Config
	log      *slog.Logger
	runtimes map[string]host.Runtime
	shared   *pipeline.Shared
	doors    []*door
	admin    *http.Server
	control  *control // nil without a catalog

	current  atomic.Pointer[pipeline.Pipeline] // nil until the first definition serves
	draining atomic.Bool

	mu      sync.Mutex // one Apply at a time
	refused atomic.Pointer[string]
}

// New binds the listeners and opens the runtimes. Nothing is accepted before Serve. Errors are those of
// listener.Listen and of the runtimes.
func New(cfg Config) (*Server, error) {
	if cfg.Domain == "" {
		cfg.Domain = DefaultDomain
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = DefaultDrainTimeout
	}
	s := &Server{cfg: cfg, log: cfg.Telemetry.Logger}
	if err := s.openRuntimes(); err != nil {
		return nil, err
	}
	err := s.openState()
	s.shared = pipeline.NewShared(s.runtimes, cfg.Telemetry, s.maps())
	if err != nil {
		return nil, errors.Join(err, s.Close(context.Background()))
	}
	if err := s.bind(); err != nil {
		return nil, errors.Join(err, s.Close(context.Background()))
	}
	return s, nil
}

func (s *Server) openRuntimes() error {
	runtimes, err := OpenRuntimes(RuntimeOptions{CacheDir: s.cfg.CacheDir, PluginMemory: s.cfg.PluginMemory, Logger: s.log})
	if err != nil {
		return err
	}
	if s.cfg.Before != nil {
		for name, r := range runtimes {
			runtimes[name] = s.cfg.Before(r)
		}
	}
	s.runtimes = runtimes
	return nil
}

// maps are those of the plugins: in the state, or in memory, until this server ends, where there is none.
func (s *Server) maps() host.KVStore {
	if s.control != nil {
		return s.control.state.Maps()
	}
	return &kv.Store{}
}

func (s *Server) openState() error {
	if s.cfg.State == nil {
		return nil
	}
	opened, err := openControl(s, *s.cfg.State)
	if err != nil {
		return err
	}
	s.control = opened
	return nil
}

// pipelineConfig is what every pipeline of this server has.
func (s *Server) pipelineConfig() pipeline.Config {
	cfg := pipeline.Config{Shared: s.shared, Telemetry: s.cfg.Telemetry, Domain: s.cfg.Domain, AccessLog: s.cfg.AccessLog}
	if s.control != nil {
		cfg.Later = s.control.later
	}
	return cfg
}

// RuntimeOptions say how a process runs guests.
type RuntimeOptions struct {
	CacheDir     string       // for compiled code; "" keeps none on disk
	PluginMemory int64        // bytes of all Wasm instances together; 0 is half of what the machine, or the process's control group, has
	Logger       *slog.Logger // nil discards
}

// OpenRuntimes opens every runtime of this version, keyed as pipeline.NewShared wants them. A folder for compiled code that cannot be used, or
// must not because others may write to it, costs the cache and not the start: the log says so.
func OpenRuntimes(o RuntimeOptions) (map[string]host.Runtime, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	opts := wasm.Options{CacheDir: wasmCache(o.CacheDir), Memory: o.PluginMemory, Logger: o.Logger}
	wasmRuntime, err := wasm.New(opts)
	if err != nil && opts.CacheDir != "" {
		o.Logger.Warn("compiled code is not kept on disk, so that each start compiles anew; --cache-dir names another folder", "reason", err.Error())
		opts.CacheDir = ""
		wasmRuntime, err = wasm.New(opts)
	}
	if err != nil {
		return nil, err
	}
	quickJS, err := quickjs.New(quickjs.Options{Engine: wasmRuntime.Engine(), Logger: o.Logger})
	if err != nil {
		return nil, errors.Join(err, wasmRuntime.Close(context.Background()))
	}
	return map[string]host.Runtime{
		host.RuntimeWasm: wasmRuntime, host.RuntimeJS: js.New(js.Options{Logger: o.Logger}), host.RuntimeQuickJS: quickJS,
	}, nil
}

// wasmCache is the folder for the native code of modules within that for compiled code, "" in none.
func wasmCache(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "wasm")
}

// Apply builds a pipeline from a snapshot and swaps it in. It reports false when the snapshot is the one that
// serves. On an error, what serves goes on serving, and Status says why the new one does not.
func (s *Server) Apply(ctx context.Context, snapshot *host.Snapshot) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current.Load()
	if old != nil && old.Snapshot().Revision == snapshot.Revision {
		s.refused.Store(nil)
		return false, nil
	}
	next, err := pipeline.Build(ctx, snapshot, s.pipelineConfig())
	if err != nil {
		s.Refuse(err)
		return false, err
	}
	s.refused.Store(nil)
	s.current.Store(next)
	if old != nil {
		old.Release()
	}
	return true, nil
}

// Refuse records why a definition does not serve, for Status.
func (s *Server) Refuse(err error) {
	reason := err.Error()
	s.refused.Store(&reason)
}

// Handle serves one request with the pipeline of this moment. The response's End, when set, must be called.
func (s *Server) Handle(ctx context.Context, r *host.Request) *host.Response {
	p, err := s.acquire()
	if err != nil {
		s.log.WarnContext(ctx, "request refused", "reason", "no definition serves yet", "client", r.Peer.Addr.String(), "status", 503)
		return pipeline.Respond(r, err)
	}
	return p.Serve(ctx, r)
}

// Invoke calls a function of the current definition by name, with any JSON.
func (s *Server) Invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	p, err := s.acquire()
	if err != nil {
		return nil, err
	}
	defer p.Release()
	result, err := p.Invoke(ctx, pipeline.Call{Function: name, Payload: payload})
	if err != nil {
		return nil, err
	}
	return result.Payload, result.Err
}

// acquire takes a hold on the current pipeline. One that was replaced between the look and the hold is let go.
func (s *Server) acquire() (*pipeline.Pipeline, error) {
	for {
		p := s.current.Load()
		if p == nil {
			return nil, &host.Error{Op: "serve", Kind: host.Unavailable, Err: errors.New("no definition serves yet")}
		}
		if p.Acquire() {
			return p, nil
		}
	}
}

// Serve accepts until ctx ends or a listener fails, then drains. It returns nil after a clean end.
func (s *Server) Serve(ctx context.Context) error {
	group, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	for _, d := range s.doors {
		group.Go(d.serve)
	}
	select {
	case <-failed.Done(): // a listener ended by itself: the others end with it
	case <-ctx.Done():
	}
	s.drain()
	return group.Wait()
}

// drain ends the listeners, the admin listener last, so that readiness can be seen to be gone.
func (s *Server) drain() {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	s.log.Info("draining", "timeout", s.cfg.DrainTimeout.String())
	var group sync.WaitGroup
	for _, d := range s.doors {
		if d.listener != nil {
			group.Go(func() {
				if cut := d.listener.Shutdown(ctx); cut > 0 {
					s.log.Warn("exchanges were cut at the drain deadline", "listener", d.name, "count", cut)
				}
			})
		}
	}
	group.Wait()
	if s.admin != nil {
		if err := s.admin.Shutdown(ctx); err != nil {
			s.log.Warn("the admin listener did not end in time", "error", err)
		}
	}
}

// Stats counts what is open: modules, plugins and connection pools.
func (s *Server) Stats() pipeline.Stats { return s.shared.Stats() }

// Close frees everything, once the exchanges have ended that were cut off. Call it after Serve has returned, or instead
// of Serve. It waits no longer than ctx allows.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	for _, d := range s.doors {
		errs = append(errs, d.close())
	}
	if s.control != nil {
		errs = append(errs, s.control.close())
	}
	if p := s.current.Swap(nil); p != nil {
		p.Release()
	}
	if err := s.shared.Wait(ctx); err != nil { // guests still run: their runtimes must outlive them
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, CloseRuntimes(ctx, s.runtimes))...)
}

// CloseRuntimes closes what OpenRuntimes opened, wasm last: its engine is that of others too.
func CloseRuntimes(ctx context.Context, runtimes map[string]host.Runtime) error {
	var errs []error
	for name, r := range runtimes {
		if name != host.RuntimeWasm {
			errs = append(errs, r.Close(ctx))
		}
	}
	if r := runtimes[host.RuntimeWasm]; r != nil {
		errs = append(errs, r.Close(ctx))
	}
	return errors.Join(errs...)
}

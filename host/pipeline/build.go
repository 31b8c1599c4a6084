package pipeline

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/router"
	"github.com/postern/postern/host/telemetry"
)

// Config is what a pipeline needs beside its snapshot.
type Config struct {
	Shared    *Shared
	Telemetry *telemetry.Telemetry
	Domain    string // the base domain of the execute-api hosts: "localhost"
	AccessLog bool   // one line per exchange, and not only per failure
	Idle      bool   // it will serve nothing: upstreams are neither looked up nor asked for their health

	// Later keeps an asynchronous call durably, and returns once it is kept. nil calls the function at once, in the background, without retries.
	Later func(context.Context, Call) error

	// Background opens the plugins of functions behind the start: Build does not wait for them, and a call to one that is not open
	// yet opens it first. What cannot be opened is then no error of Build's; it fails the calls. All other plugins, and
	// those of functions that another pipeline holds open, are open when Build returns.
	Background bool

	// Foreground says, with Background, of which functions the plugins are open when Build returns all the same, or else an error of
	// Build's; nil for none. A host that serves already opens there what is new, so that no call waits for it.
	Foreground func(*host.Function) bool
}

// Build opens the plugins of a snapshot and compiles its routes. It reports every error at once (errors.Join), each a
// *host.Error with its place. On an error nothing stays open. The caller has one hold on the pipeline.
func Build(ctx context.Context, snapshot *host.Snapshot, cfg Config) (*Pipeline, error) {
	b := &builder{cfg: cfg, opened: map[*host.PluginConfig]*plugin{}, p: &Pipeline{
		snapshot:  snapshot,
		shared:    cfg.Shared,
		telemetry: cfg.Telemetry,
		accessLog: cfg.AccessLog,
		queue:     cfg.Later,
		unrouted:  cfg.Telemetry.Metrics.Route("", "", ""),
		apis:      map[*host.API]*api{},
		functions: map[*host.Function]*function{},
		urls:      map[*host.Function]*functionURL{},
		openings:  newOpenings(cfg.Shared),
	}, openings: map[*host.PluginConfig]*opening{}}
	b.p.holds.Store(1)
	b.openPlugins(ctx)
	b.openPools()
	if len(b.errs) == 0 {
		b.compile()
	}
	if len(b.errs) > 0 {
		return nil, errors.Join(append(b.errs, b.p.close())...)
	}
	cfg.Shared.pipelines.Add(1)
	if cfg.Background && !cfg.Idle {
		b.p.openings.start()
	}
	return b.p, nil
}

type builder struct {
	cfg      Config
	p        *Pipeline
	mu       sync.Mutex // guards opened, openings, errs and p.releases while plugins open side by side
	opened   map[*host.PluginConfig]*plugin
	openings map[*host.PluginConfig]*opening // of functions
	pools    map[string]upstreamPool
	direct   pool // for integrations that name a URI
	insecure pool // for those that take certificates of any issuer; nil where there is none
	errs     []error
}

func (b *builder) fail(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

// openPlugins opens all plugins side by side: compiling is most of a start's time.
func (b *builder) openPlugins(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	open := func(cfg *host.PluginConfig, entry string, place int, keep func(*plugin, func(context.Context) error)) {
		group.Go(func() error {
			p, release, err := b.cfg.Shared.acquire(ctx, cfg, entry, place)
			b.mu.Lock()
			defer b.mu.Unlock()
			if err != nil {
				b.fail(err)
				return nil
			}
			keep(p, release)
			return nil
		})
	}
	places := filterPlaces(b.p.snapshot)
	for cfg, entry := range b.otherPlugins() {
		open(cfg, entry, places[cfg], func(p *plugin, release func(context.Context) error) {
			b.opened[cfg] = p
			b.p.releases = append(b.p.releases, release)
		})
	}
	for _, def := range b.p.snapshot.Functions {
		keep := func(p *plugin, release func(context.Context) error) {
			b.openings[&def.Plugin] = b.p.openings.add(def, p, release)
		}
		if !b.cfg.Background || b.cfg.Foreground != nil && b.cfg.Foreground(def) {
			open(&def.Plugin, host.EntryHandle, 0, keep)
			continue
		}
		p, release := b.cfg.Shared.share(ctx, &def.Plugin, host.EntryHandle)
		b.mu.Lock()
		keep(p, release)
		b.mu.Unlock()
	}
	_ = group.Wait() // errors are in b.errs
}

// otherPlugins yields every use of a plugin that is no function, with its entry.
func (b *builder) otherPlugins() iter.Seq2[*host.PluginConfig, string] {
	apis := *b.p.snapshot
	apis.Functions = nil
	return func(yield func(*host.PluginConfig, string) bool) {
		for entry, cfg := range apis.Plugins() {
			if !yield(cfg, entry) {
				return
			}
		}
	}
}

// compile makes the hosts table, the functions, and each API's routes.
func (b *builder) compile() {
	var err error
	b.p.hosts, err = router.NewHosts(b.p.snapshot, b.cfg.Domain)
	b.fail(err)
	for _, def := range b.p.snapshot.Functions {
		b.compileFunction(def)
	}
	for _, def := range b.p.snapshot.Functions {
		if def.URL {
			b.compileURL(def)
		}
	}
	for def := range b.p.snapshot.Definitions() {
		b.compileAPI(def)
	}
}

func (b *builder) compileAPI(def *host.API) {
	table, err := router.TableOf(def)
	if err != nil {
		b.fail(err)
		return
	}
	a := &api{table: table, manner: httpManner{}, cors: newCORS(def.CORS), routes: map[*host.Route]*route{}}
	canary := b.isCanary(def)
	var methods *restAPI
	if def.Protocol == host.ProtocolREST {
		if methods = b.restAPI(def, canary); methods == nil {
			return
		}
		a.manner = methods.manner
	}
	filters := b.filters(nil, def.Filters)
	a.notFound = b.notFound(def, filters)
	authorizers := map[*host.Authorizer]*authorizer{}
	for _, auth := range def.Authorizers {
		compiled, err := b.authorizer(auth)
		b.fail(err)
		authorizers[auth] = compiled
	}
	for _, r := range def.Routes {
		before := b.before(def, r, authorizers, filters)
		if methods != nil {
			a.routes[r] = b.compileMethod(methods, r, before)
		} else {
			a.routes[r] = b.compileRoute(def, r, before, canary)
		}
	}
	b.p.apis[def] = a
}

// metrics makes the route's metrics for each stage: stages are few, and known.
func (b *builder) metrics(def *host.API, name string) map[*host.Stage]*telemetry.RouteMetrics {
	out := make(map[*host.Stage]*telemetry.RouteMetrics, len(def.Stages))
	for _, stage := range def.Stages {
		out[stage] = b.cfg.Telemetry.Metrics.Route(def.Name, stage.Name, name)
	}
	return out
}

// before are the steps of a route before its mapping and integration.
func (b *builder) before(def *host.API, r *host.Route, authorizers map[*host.Authorizer]*authorizer, filters []step) []step {
	steps := []step{{host.PhaseLimit, &bodyLimit{max: r.MaxBody}}}
	steps = append(steps, b.filters(filters, r.Filters)...)
	if r.Authorizer != nil {
		steps = append(steps, step{host.PhaseAuthorize, authorizers[r.Authorizer]})
	}
	return steps
}

func (b *builder) compileRoute(def *host.API, r *host.Route, before []step, canary bool) *route {
	out := &route{def: r, name: routePath(r), metrics: b.metrics(def, routePath(r)), steps: before}
	add := func(phase host.Phase, handler host.Handler) { out.steps = append(out.steps, step{phase, handler}) }
	if len(r.Mappings) > 0 {
		add(host.PhaseMapRequest, b.requestMapping(r, canary))
	}
	if len(r.Integration.Parameters) > 0 && r.Integration.Type != host.IntegrationService {
		add(host.PhaseMapRequest, b.requestEdits(r))
	}
	integration, err := b.integration(r)
	b.fail(err)
	add(host.PhaseIntegrate, &integrate{integration: integration, timeout: integrationTimeout(r)})
	if len(r.Responses) > 0 {
		mapping, err := b.responseMapping(r, canary)
		b.fail(err)
		add(host.PhaseMapResponse, mapping)
	}
	return out
}

// routePath is the route's path for span names, http.route and metrics.
func routePath(r *host.Route) string {
	if r.Pattern == "" {
		return host.DefaultRoute
	}
	return r.Pattern
}

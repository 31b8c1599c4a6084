package project

import (
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// A loader resolves what a definition refers to. Its mutex guards the results, which builds add to side by side.
type loader struct {
	opts    Options
	project *Project
	root    *os.Root // the project's folder; it opens nothing outside, also not through links

	told map[host.Position]bool // where the definition is wrong by itself: nothing is added there

	mu       sync.Mutex
	errs     definition.Errors
	warnings definition.Errors
	inputs   map[string]bool
}

// newLoader begins with the definition's own errors.
func newLoader(p *Project, opts Options, broken definition.Errors) (*loader, error) {
	if opts.Env == nil {
		opts.Env = os.LookupEnv
	}
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	if opts.CacheDir == "" {
		if dir, err := os.UserCacheDir(); err == nil {
			opts.CacheDir = filepath.Join(dir, "postern")
		}
	}
	if dir, err := filepath.Abs(opts.CacheDir); err == nil && opts.CacheDir != "" {
		opts.CacheDir = dir // compilers run in other folders
	}
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return nil, &host.Error{Op: "open project", Kind: host.NotFound, Err: err}
	}
	l := &loader{opts: opts, project: p, root: root, inputs: map[string]bool{}, told: map[host.Position]bool{}, errs: broken}
	for _, e := range broken {
		l.told[e.Pos] = true
	}
	l.input(p.Inputs...)
	return l, nil
}

func (l *loader) close() { _ = l.root.Close() } // it was only read from

func (l *loader) input(files ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range files {
		l.inputs[f] = true
	}
}

func (l *loader) sortedInputs() []string { return slices.Sorted(maps.Keys(l.inputs)) }

func (l *loader) fail(errs ...*definition.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range errs {
		if !l.told[e.Pos] {
			l.errs = append(l.errs, e)
		}
	}
}

// A slot is a place of the definition where a plugin stands.
type slot struct {
	plugin   *host.PluginConfig
	path     string // of the reference: functions.get-order.plugin
	function bool
}

func (s *slot) problem(rule, message, hint string) *definition.Error {
	return &definition.Error{Pos: s.plugin.Pos, Path: s.path, Rule: rule, Message: message, Hint: hint}
}

// slots lists every plugin of a snapshot.
func slots(s *host.Snapshot) []*slot {
	var all []*slot
	for _, f := range s.Functions {
		all = append(all, &slot{&f.Plugin, "functions" + key(f.Name) + ".plugin", true})
	}
	for _, a := range s.APIs {
		at := "apis" + key(a.Name)
		all = append(all, filterSlots(a.Filters, at)...)
		for _, auth := range a.Authorizers {
			all = append(all, &slot{&auth.Plugin, at + ".authorizers" + key(auth.Name) + ".plugin", false})
		}
		for _, r := range a.Routes {
			at := at + ".routes" + key(r.Key)
			all = append(all, filterSlots(r.Filters, at)...)
			for i := range r.Mappings {
				m := &r.Mappings[i]
				all = append(all, &slot{&m.Plugin, at + ".request.mapping" + key(m.MediaType), false})
			}
			for n, rule := range r.Responses {
				for i := range rule.Mappings {
					m := &rule.Mappings[i]
					all = append(all, &slot{&m.Plugin, at + ".responses[" + strconv.Itoa(n) + "].mapping" + key(m.MediaType), false})
				}
			}
		}
	}
	return all
}

func filterSlots(filters []*host.Filter, at string) []*slot {
	var all []*slot
	for i, f := range filters {
		all = append(all, &slot{&f.Plugin, at + ".filters[" + strconv.Itoa(i) + "]", false})
	}
	return all
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// key writes a step of a path as the definition's own errors do.
func key(name string) string {
	if plainKey.MatchString(name) {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}

// resolve fills in what the definition left open, and collects everything that is wrong. Places where the definition is
// wrong by itself are left alone.
func (l *loader) resolve(ctx context.Context, snapshot *host.Snapshot) {
	all := slices.DeleteFunc(slots(snapshot), func(s *slot) bool { return s.plugin.Ref == "" || l.told[s.plugin.Pos] })
	jobs := map[string]*job{} // by the path of the code, so that each is built once
	for _, s := range all {
		ref := path.Clean(s.plugin.Ref)
		if jobs[ref] == nil {
			jobs[ref] = &job{loader: l, ref: ref}
		}
		jobs[ref].slots = append(jobs[ref].slots, s)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, ref := range slices.Sorted(maps.Keys(jobs)) {
		group.Go(func() error {
			jobs[ref].run(ctx)
			return nil
		})
	}
	for _, s := range all {
		l.secrets(s)
	}
	for _, u := range snapshot.Upstreams {
		l.certificates(u)
	}
	_ = group.Wait() // errors are in l.errs
	for _, s := range all {
		if s.plugin.Source != nil {
			l.settle(s)
		}
	}
}

// check adds what a check finds. It drops what the check says about plugins that could not be had: that has been told.
func (l *loader) check(ctx context.Context, snapshot *host.Snapshot, check func(context.Context, *host.Snapshot) error) {
	err := check(ctx, snapshot)
	if err == nil {
		return
	}
	missing := map[host.Position]bool{}
	for _, s := range slots(snapshot) {
		if s.plugin.Source == nil {
			missing[s.plugin.Pos] = true
		}
	}
	for _, e := range flatten(err, &definition.Error{Rule: RulePlugin}) {
		if !missing[e.Pos] {
			l.fail(e)
		}
	}
}

// settle decides what the definition could not, since it did not know what a folder holds.
func (l *loader) settle(s *slot) {
	p := s.plugin
	if p.Runtime != "" && p.Runtime != p.Source.Runtime {
		l.fail(s.problem(definition.RuleConflict, p.Ref+" runs on "+p.Source.Runtime+", not on "+p.Runtime, "remove runtime"))
		return
	}
	p.Runtime = p.Source.Runtime
	if p.Isolation == "" {
		p.Isolation = host.IsolationPooled
		if s.function && p.Runtime == host.RuntimeJS { // as in Lambda, a script's globals are its own
			p.Isolation = host.IsolationFresh
		}
	}
	if p.Runtime != host.RuntimeJS {
		return
	}
	if pos := p.Limits.Memory.Pos; !pos.IsZero() {
		e := s.problem(definition.RuleUnsupported, "memory cannot be capped for JavaScript: goja, the engine that runs it, has no limit",
			"remove it, or make it a Wasm plugin, whose memory is capped")
		e.Pos, e.Path = pos, strings.TrimSuffix(s.path, ".plugin")+".memory"
		l.fail(e)
	}
	p.Limits.Memory = host.Default[int64](0)
	if p.ABI != "" {
		l.fail(s.problem(definition.RuleConflict, "abi is for Wasm plugins; "+p.Ref+" is JavaScript", "remove abi"))
	}
}

// located sorts errors and adds the source lines that they do not have.
func (l *loader) located(errs definition.Errors) definition.Errors {
	errs.Sort()
	files := map[string][]byte{}
	for _, e := range errs {
		if e.Source != "" || e.Pos.Line == 0 || !filepath.IsLocal(filepath.FromSlash(e.Pos.File)) {
			continue
		}
		data, read := files[e.Pos.File]
		if !read {
			data, _ = l.read(e.Pos.File, maxSourceFile) // without it, the error has no line to show
			files[e.Pos.File] = data
		}
		e.Source = definition.SourceLine(data, e.Pos.Line)
	}
	return errs
}

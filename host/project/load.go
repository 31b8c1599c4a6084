package project

import (
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
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

	foreign  bool  // somebody else has sent the folder
	maxInput int64 // bytes of a script with all that it imports; 0 for any number

	told map[host.Position]bool  // where the definition is wrong by itself: nothing is added there
	bad  map[string]bool         // names of templates that are told to be wrong
	text func() *definition.Text // of the definition, for places in configurations

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
	l := &loader{opts: opts, project: p, root: root, inputs: map[string]bool{}, told: map[host.Position]bool{}, bad: map[string]bool{}, errs: broken,
		warnings: slices.Clone(definition.Errors(p.Warnings))}
	l.text = sync.OnceValue(func() *definition.Text { return definition.ReadText(p.File, p.Text) })
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

// resolve fills in what the definition left open, and collects everything that is wrong. Places where the definition is
// wrong by itself are left alone.
func (l *loader) resolve(ctx context.Context, snapshot *host.Snapshot) {
	all := slices.DeleteFunc(slices.Collect(definition.Uses(snapshot)), func(u definition.Use) bool { return u.Plugin.Ref == "" || l.told[u.Plugin.Pos] })
	for secret, at := range definition.Secrets(snapshot) {
		if !l.told[secret.Pos] {
			l.secret(secret, at)
		}
	}
	l.texts(snapshot)
	all = slices.DeleteFunc(all, func(u definition.Use) bool { return definition.IsUploaded(u.Plugin.Ref) })
	jobs := map[string]*job{} // by the path of the code, so that each is built once
	for _, u := range all {
		ref := path.Clean(u.Plugin.Ref)
		if jobs[ref] == nil {
			jobs[ref] = &job{loader: l, ref: ref}
		}
		jobs[ref].uses = append(jobs[ref].uses, u)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, ref := range slices.Sorted(maps.Keys(jobs)) {
		group.Go(func() error {
			jobs[ref].run(ctx)
			return nil
		})
	}
	for _, u := range snapshot.Upstreams {
		l.certificates(u)
	}
	_ = group.Wait() // errors are in l.errs
	for _, use := range all {
		if use.Plugin.Source != nil {
			l.fail(use.Settle("")...)
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
	for u := range definition.Uses(snapshot) {
		if u.Plugin.Source == nil {
			missing[u.Plugin.Pos] = true
		}
	}
	for _, e := range l.errs { // what was compiled alone is compiled again
		missing[e.Pos] = true
	}
	for _, e := range flatten(err, &definition.Error{Rule: RulePlugin}) {
		if !missing[e.Pos] && !l.bad[e.Pos.File] {
			l.fail(e)
		}
	}
}

// located sorts errors and adds the source lines that they do not have.
func (l *loader) located(errs definition.Errors) definition.Errors {
	errs.Sort()
	files := map[string][]string{}
	for _, e := range errs {
		if e.Source != "" || e.Pos.Line == 0 || !filepath.IsLocal(filepath.FromSlash(e.Pos.File)) {
			continue
		}
		lines, split := files[e.Pos.File]
		if !split {
			lines = strings.Split(string(l.textOf(e.Pos.File)), "\n")
			files[e.Pos.File] = lines
		}
		if e.Pos.Line <= len(lines) {
			e.Source = strings.TrimSuffix(lines[e.Pos.Line-1], "\r")
		}
	}
	return errs
}

// textOf returns a file of the project as it was read; without it, an error has no line to show.
func (l *loader) textOf(file string) []byte {
	p := l.project
	if text, read := p.documents[file]; read {
		return text
	}
	if file == p.File {
		return p.Text
	}
	text, _ := l.read(file, maxSourceFile)
	return text
}

package catalog

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// A Composition is the state made into what a host can run. Its parts are those that can fail alone.
type Composition struct {
	Revision uint64
	Snapshot *host.Snapshot // with every part that could be composed. Aliases and APIs may name versions that could not
	Parts    []Part         // of the snapshot, and those that could not be composed
}

// A Part is one deployment of an API that stages serve, the deployment of a canary, or one version of a function that something points at.
type Part struct {
	Kind   string // "api" or "function"
	Name   string
	Stages []string       // of an api: that serve it; a canary's is "prod (canary)"
	Number int            // the deployment or version
	API    *host.API      // of Kind api; nil when Err is set
	Fn     *host.Function // of Kind function; nil when Err is set
	Err    error          // why it could not be composed: a secret that is not there, a blob that is lost
}

// Compose makes the state into a snapshot. Code is loaded by Source.Load when it is needed. An error means that the state as a whole
// could not be read; what fails in a part is told there. The snapshot is the caller's own.
func (c *Catalog) Compose(ctx context.Context) (*Composition, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	return s.compose(ctx)
}

// ComposeVersion is Compose for one version of a function, which nothing needs to point at.
func (c *Catalog) ComposeVersion(ctx context.Context, function string, version int) (*host.Function, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	return s.functionAt(ctx, function, version)
}

// A composer makes parts of a state.
type composer struct {
	*state
	snapshot  *host.Snapshot
	parts     []Part
	functions map[string]*functionDoc
	failed    map[reference]error // why versions could not be composed, by function and number; nil for those that could
	upstreams []*upstreamUse
}

func newComposer(s *state) *composer {
	return &composer{state: s, snapshot: &host.Snapshot{}, functions: map[string]*functionDoc{}, failed: map[reference]error{}}
}

func (s *state) compose(ctx context.Context) (*Composition, error) {
	k := newComposer(s)
	apis := map[string]*apiDoc{}
	wanted := map[reference]bool{}
	for _, name := range s.names(kindAPI) {
		doc, err := read[apiDoc](ctx, s, kindAPI, name)
		if err != nil && host.KindOf(err) == host.Internal {
			k.parts = append(k.parts, Part{Kind: string(kindAPI), Name: name, Err: err})
			continue
		}
		if err != nil {
			return nil, err
		}
		apis[name] = doc
		for _, d := range doc.Deployments {
			if len(doc.pointers(d.Number)) > 0 {
				for _, f := range d.Functions {
					wanted[f.full()] = true
				}
			}
		}
	}
	for _, name := range s.names(kindFunction) {
		doc, err := k.functionDoc(ctx, name)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			continue
		}
		for i := range doc.Aliases {
			wanted[reference{name, doc.Aliases[i].Name}] = true
		}
	}
	if err := k.functionsFor(ctx, wanted); err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(apis) {
		k.deployments(ctx, name, apis[name])
	}
	k.snapshot.Upstreams = k.nameUpstreams()
	if err := k.domains(ctx); err != nil {
		return nil, err
	}
	k.snapshot.Revision = definition.Revision(k.snapshot)
	return &Composition{Revision: s.revision, Snapshot: k.snapshot, Parts: k.parts}, nil
}

// functionDoc reads a function once. It is nil when its document is lost or damaged, which is told as a part.
func (k *composer) functionDoc(ctx context.Context, name string) (*functionDoc, error) {
	if doc, done := k.functions[name]; done {
		return doc, nil
	}
	doc, err := read[functionDoc](ctx, k.state, kindFunction, name)
	if err != nil && host.KindOf(err) == host.Internal {
		k.parts = append(k.parts, Part{Kind: string(kindFunction), Name: name, Err: err})
		k.failed[reference{Name: name}] = err
		doc, err = nil, nil
	}
	if err == nil {
		k.functions[name] = doc
	}
	return doc, err
}

// functionsFor composes what references with a qualifier mean: versions, and the aliases that name them. One that is not there is no error
// here, but where it is called.
func (k *composer) functionsFor(ctx context.Context, wanted map[reference]bool) error {
	for _, f := range slices.SortedFunc(maps.Keys(wanted), reference.compare) {
		if !k.has(kindFunction, f.Name) {
			continue
		}
		doc, err := k.functionDoc(ctx, f.Name)
		if err != nil {
			return err
		}
		if doc == nil {
			continue
		}
		if alias := doc.alias(f.Qualifier); alias != nil {
			k.alias(ctx, f.Name, doc, alias)
		} else if number, err := strconv.Atoi(f.Qualifier); err == nil {
			k.version(ctx, f.Name, doc, number)
		}
	}
	slices.SortFunc(k.snapshot.Functions, func(a, b *host.Function) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Version-b.Version)
	})
	return nil
}

// alias composes an alias and its versions. It stays whole where a version fails.
func (k *composer) alias(ctx context.Context, name string, doc *functionDoc, a *aliasDoc) {
	k.version(ctx, name, doc, a.Version)
	if a.Second != 0 {
		k.version(ctx, name, doc, a.Second)
	}
	k.snapshot.Aliases = append(k.snapshot.Aliases, &host.Alias{Function: name, Name: a.Name, Version: a.Version, Second: a.Second, Weight: a.Weight})
}

// version composes a version once.
func (k *composer) version(ctx context.Context, name string, doc *functionDoc, number int) {
	id := reference{name, strconv.Itoa(number)}
	ref := doc.ref(number)
	if _, done := k.failed[id]; done || ref == nil {
		return
	}
	part := Part{Kind: string(kindFunction), Name: name, Number: number}
	v, err := k.state.version(ctx, name, ref)
	if err == nil {
		part.Fn, err = k.state.function(ctx, name, v)
	}
	if part.Err = err; err != nil {
		part.Fn = nil
	} else {
		k.snapshot.Functions = append(k.snapshot.Functions, part.Fn)
	}
	k.failed[id] = err
	k.parts = append(k.parts, part)
}

// deployments composes every deployment that stages of an API serve, and their canaries.
func (k *composer) deployments(ctx context.Context, name string, doc *apiDoc) {
	for i := range doc.Deployments {
		d := &doc.Deployments[i]
		part := Part{Kind: string(kindAPI), Name: name, Number: d.Number}
		var stages []*host.Stage
		for j := range doc.Stages {
			if s := &doc.Stages[j]; s.Deployment == d.Number {
				part.Stages = append(part.Stages, s.Name)
				stages = append(stages, s.host())
			}
		}
		if len(stages) == 0 {
			continue
		}
		if part.API, part.Err = k.serving(ctx, name, doc, &d.definitionDoc); part.Err == nil {
			part.API.Stages = stages
			k.snapshot.APIs = append(k.snapshot.APIs, part.API)
		}
		k.parts = append(k.parts, part)
		for _, s := range stages {
			k.canary(ctx, name, doc, s)
		}
	}
}

// canary composes the canary of a stage. Where it fails, the stage gets all requests.
func (k *composer) canary(ctx context.Context, name string, doc *apiDoc, s *host.Stage) {
	c := doc.stage(s.Name).Canary
	if c == nil {
		return
	}
	part := Part{Kind: string(kindAPI), Name: name, Number: c.Deployment, Stages: []string{s.Name + canaryLabel}}
	if d := doc.deployment(c.Deployment); d == nil {
		part.Err = missingDeployment(doc, c.Deployment)
	} else if part.API, part.Err = k.serving(ctx, name, doc, &d.definitionDoc); part.Err == nil {
		other := &host.Stage{Name: s.Name, Variables: mergeVariables(s.Variables, c.Variables), Deployment: c.Deployment}
		part.API.Stages = []*host.Stage{other}
		s.Canary = &host.Canary{Percent: c.Percent, API: part.API, Stage: other}
	}
	k.parts = append(k.parts, part)
}

// host is the stage as it runs, without its canary.
func (s *stageDoc) host() *host.Stage {
	return &host.Stage{Name: s.Name, Variables: maps.Clone(s.Variables), Deployment: s.Deployment}
}

// api composes a definition of an API: a copy with the values of secrets.
func (k *composer) api(ctx context.Context, name string, doc *apiDoc, d *definitionDoc) (*host.API, error) {
	parsed, err := k.bundle(ctx, d.Bundle)
	if err != nil {
		return nil, err
	}
	kept := parsed.api(name)
	if kept == nil {
		return nil, refuse(host.Internal, "compose the API "+name, "the bundle %.12s does not have it", d.Bundle)
	}
	a := copyAPI(kept)
	a.Root, a.RootImplied, a.DefaultEndpoint = doc.Root, doc.RootImplied, doc.DefaultEndpoint
	for use := range definition.Uses(&host.Snapshot{APIs: []*host.API{a}}) {
		use.Plugin.KV = definition.ProjectMap(doc.Project, use.Plugin.KV)
	}
	for secret := range definition.Secrets(&host.Snapshot{APIs: []*host.API{a}}) {
		if err := k.revealOne(ctx, doc.Project, secret); err != nil {
			return nil, err
		}
	}
	return a, k.useUpstreams(ctx, parsed, doc, name, d, a)
}

// serving is api for a definition that requests reach: the functions that it calls must be there. That one of them fails is told as its own
// part, and does not stop the rest of the API.
func (k *composer) serving(ctx context.Context, name string, doc *apiDoc, d *definitionDoc) (*host.API, error) {
	for _, f := range d.Functions {
		called, err := k.functionDoc(ctx, f.Name)
		if err == nil && called == nil {
			err = k.failed[reference{Name: f.Name}]
		}
		if err == nil {
			_, err = called.number(f.Name, f.Qualifier)
		}
		if err != nil {
			return nil, &host.Error{Op: "compose the API " + name, Kind: host.KindOf(err), Err: err}
		}
	}
	return k.api(ctx, name, doc, d)
}

// whyNot is why a version could not be composed, of the first; nil where all could.
func (k *composer) whyNot() error {
	for _, id := range slices.SortedFunc(maps.Keys(k.failed), reference.compare) {
		if why := k.failed[id]; why != nil {
			return &host.Error{Op: strings.TrimSpace("the function " + id.Name + " " + id.Qualifier), Kind: host.KindOf(why), Err: why}
		}
	}
	return nil
}

// domains adds the domains of all projects, with the mappings that lead to what could be composed. One without any still claims its host.
func (k *composer) domains(ctx context.Context) error {
	served := map[string]bool{}
	for _, a := range k.snapshot.APIs {
		for _, s := range a.Stages {
			served[a.Name+"/"+s.Name] = true
		}
	}
	for _, name := range k.names(kindProject) {
		p, err := read[projectDoc](ctx, k.state, kindProject, name)
		if err != nil {
			return err
		}
		for _, d := range p.Domains {
			if k.catalog.ownHost(d.Name) {
				continue // it was none under another base domain
			}
			out := &host.Domain{Name: d.Name}
			for _, m := range d.Mappings {
				if served[m.API+"/"+m.Stage] {
					out.Mappings = append(out.Mappings, host.DomainMapping{Path: m.Path, API: m.API, Stage: m.Stage})
				}
			}
			k.snapshot.Domains = append(k.snapshot.Domains, out)
		}
	}
	slices.SortFunc(k.snapshot.Domains, func(a, b *host.Domain) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

package catalog

import (
	"context"
	"maps"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// An application is one apply, over all attempts to carry it out.
type application struct {
	catalog *Catalog
	name    string // the project's
	in      Input
	sealed  map[string][]byte // by file: sealing is random, so it is done once
	checked map[string]bool   // revisions of snapshots that Options.Check has accepted
}

// An attempt is one run of an application over a state.
type attempt struct {
	*application
	t        *tx
	plan     *Plan
	project  *projectDoc
	before   *parsedBundle // what was applied last; nil for nothing, and when it cannot be understood any more
	bundle   Bundle        // what is applied, with what its references to the host came to
	snapshot *host.Snapshot
	parsed   *parsedBundle

	documents map[string]bool // files of the bundle that APIs are made of

	apis      map[string]*apiDoc // of the definition
	changed   []string           // APIs whose definition is new
	functions []string           // that have a new version
}

// run changes the state in memory: nothing is written before it has succeeded.
func (a *application) run(ctx context.Context, t *tx) (*Plan, error) {
	r := &attempt{application: a, t: t, plan: &Plan{Project: a.name}, apis: map[string]*apiDoc{}}
	for _, step := range []func(context.Context) error{
		r.read, r.understand, r.claim, r.keepBundle, r.applySecrets, r.applyFunctions, r.applyAPIs, r.applyRoot, r.writeAPIs, r.applyDomains,
		r.removeAPIs, r.removeFunctions, t.forgetVersions, r.forgetSecrets, r.finish, r.check,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return r.plan, nil
}

func (r *attempt) read(ctx context.Context) error {
	r.project = &projectDoc{}
	if !r.t.has(kindProject, r.name) {
		return r.t.expect(kindProject, r.name, &r.project.meta)
	}
	var err error
	if r.project, err = read[projectDoc](ctx, &r.t.state, kindProject, r.name); err != nil {
		return err
	}
	if err := r.t.expect(kindProject, r.name, &r.project.meta); err != nil {
		return err
	}
	r.before, _ = r.t.bundle(ctx, r.project.Bundle) // without it, the plan has fewer details
	return nil
}

// understand reads the definition and finds all that is wrong with it and with what was sent beside it.
func (r *attempt) understand(ctx context.Context) error {
	more, err := r.parse(ctx)
	if r.snapshot == nil {
		return err
	}
	for _, look := range []func(context.Context) (definition.Errors, error){r.lookAtCode, r.lookAtConfigs, r.lookAtFunctions, r.lookAtSecrets} {
		found, err := look(ctx)
		if err != nil {
			return err
		}
		more = append(more, found...)
	}
	more = append(more, r.lookAtStages()...)
	r.bundle.lines(more)
	return definitionErrors(err, more)
}

// parse makes the snapshot of what was sent; what was applied before is not parsed again. It returns what is wrong with references beside
// what is wrong with the definition itself. Without a snapshot, there is nothing more to look at.
func (r *attempt) parse(ctx context.Context) (more definition.Errors, err error) {
	r.bundle = r.in.Bundle
	if r.before != nil && r.before.bundle.isAs(&r.in.Bundle) {
		r.bundle.Code, r.snapshot, r.documents = maps.Clone(r.before.bundle.Code), r.before.snapshot, r.before.documents
		return nil, nil
	}
	r.bundle.Code = map[string]Code{}
	maps.Copy(r.bundle.Code, r.in.Bundle.Code)
	r.snapshot, r.documents, err = r.bundle.parse(r.catalog.opts.Scripts)
	if tooLarge := r.bundle.checkFiles(r.documents); tooLarge != nil {
		r.snapshot = nil
		return nil, tooLarge
	}
	if r.snapshot == nil {
		return nil, err
	}
	more, failed := r.pin(ctx)
	if failed != nil {
		r.snapshot = nil
		return nil, failed
	}
	return append(more, r.catalog.resolve(&r.bundle, r.snapshot, r.documents, true)...), err
}

// claim refuses names that belong to somebody else.
func (r *attempt) claim(ctx context.Context) error {
	for _, a := range r.snapshot.APIs {
		if err := r.claimName(ctx, kindAPI, a.Name, a.Pos); err != nil {
			return err
		}
	}
	for _, f := range r.snapshot.Functions {
		if err := r.claimName(ctx, kindFunction, f.Name, f.Pos); err != nil {
			return err
		}
	}
	if len(r.snapshot.Domains) == 0 {
		return nil
	}
	for _, d := range r.snapshot.Domains {
		if r.catalog.ownHost(d.Name) {
			return taken(d.Pos, "%s is, or may become, the own host of an API or function: name another domain", d.Name)
		}
	}
	for _, name := range r.t.names(kindProject) {
		if name == r.name {
			continue
		}
		other, err := read[projectDoc](ctx, &r.t.state, kindProject, name)
		if err != nil {
			return err
		}
		for _, d := range r.snapshot.Domains {
			if slices.ContainsFunc(other.Domains, func(o domainDoc) bool { return o.Name == d.Name }) {
				return taken(d.Pos, "the domain %s belongs to the project %q: remove it there first", d.Name, name)
			}
		}
	}
	return nil
}

func (r *attempt) claimName(ctx context.Context, k kind, name string, pos host.Position) error {
	if !r.t.has(k, name) {
		return nil
	}
	m, err := r.t.meta(ctx, k, name)
	switch {
	case err != nil:
		return err
	case m.Project == r.name:
		return nil
	case m.Project != "":
		return taken(pos, "the %s %q belongs to the project %q: give this one another name", k, name, m.Project)
	case !r.t.change.Force:
		return taken(pos, "there is an %s %q that belongs to no project: give this one another name, or force the apply (force=true, or --force of the command), which makes it the project's", k, name)
	}
	r.plan.warn("the %s %q belonged to no project, and is this project's now", k, name)
	return nil
}

func taken(pos host.Position, format string, args ...any) error {
	err, _ := refuse(host.Conflict, "", format, args...).(*host.Error)
	err.Pos = pos
	return err
}

// keepBundle makes the bundle a document that APIs and deployments can name.
func (r *attempt) keepBundle(context.Context) error {
	digest, err := r.t.attach(&r.bundle)
	if err != nil {
		return err
	}
	bundle := r.bundle // a copy: one within the attempt would keep all of that in memory, with the values of secrets, for as long as the cache has it
	r.parsed = &parsedBundle{digest: digest, bundle: &bundle, snapshot: r.snapshot, documents: r.documents}
	r.catalog.bundles.Set(digest, r.parsed)
	r.diffUpstreams()
	return nil
}

// finish writes the project.
func (r *attempt) finish(context.Context) error {
	if digest := r.parsed.digest; digest != r.project.Bundle {
		if len(r.plan.Changes) == 0 {
			r.plan.add(Difference{Action: actionUpdate, Kind: "project", Name: r.name, Before: short(r.project.Bundle), After: short(digest),
				Detail: []string{"the text of the definition, and nothing that it does"}})
		}
		r.project.Bundle, r.project.Bundles = digest, []string{digest}
	}
	r.plan.sort()
	if r.plan.Changed = len(r.plan.Changes) > 0; !r.plan.Changed {
		return nil
	}
	r.project.Applied, r.project.Message = r.t.now, r.t.change.Message
	return r.t.put(kindProject, r.name, r.project)
}

// short is a digest for people.
func short(digest string) string { return digest[:min(6, len(digest))] }

// diffUpstreams tells which upstreams of the definition are others than before. They belong to the APIs that use them.
func (r *attempt) diffUpstreams() {
	old := map[string]*host.Upstream{}
	if r.before != nil {
		for _, u := range r.before.snapshot.Upstreams {
			old[u.Name] = u
		}
	}
	for _, u := range r.snapshot.Upstreams {
		was := old[u.Name]
		delete(old, u.Name)
		if was == nil {
			r.plan.add(Difference{Action: actionCreate, Kind: "upstream", Name: u.Name})
		} else if detail := differ(upstreamFacets(was), upstreamFacets(u)); len(detail) > 0 {
			r.plan.add(Difference{Action: actionUpdate, Kind: "upstream", Name: u.Name, Detail: detail})
		}
	}
	for name := range old {
		r.plan.add(Difference{Action: actionDelete, Kind: "upstream", Name: name})
	}
}

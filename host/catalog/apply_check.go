package catalog

import (
	"cmp"
	"context"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// check compiles and starts what is new, with what it calls.
func (r *attempt) check(ctx context.Context) error {
	return r.t.checkNew(ctx, r.changed, r.functions, r.checked)
}

// checkNew asks Options.Check about heads of APIs and the newest versions of functions, unless it has accepted the same before.
func (t *tx) checkNew(ctx context.Context, apis, functions []string, checked map[string]bool) error {
	if t.catalog.opts.Check == nil || len(apis)+len(functions) == 0 {
		return nil
	}
	snapshot, err := t.newParts(ctx, apis, functions)
	if err != nil {
		return err
	}
	if checked[snapshot.Revision] {
		return nil
	}
	t.catalog.progress(ctx, "checking what is new (APIs: %d, functions: %d)", len(apis), len(functions))
	if err := t.catalog.opts.Check(ctx, snapshot); err != nil {
		return err
	}
	checked[snapshot.Revision] = true
	return nil
}

// newParts makes a snapshot of heads of APIs and of functions, with the functions that the APIs call.
func (t *tx) newParts(ctx context.Context, apis, functions []string) (*host.Snapshot, error) {
	k := newComposer(&t.state)
	wanted := map[reference]bool{}
	for _, name := range functions {
		wanted[reference{Name: name}] = true
	}
	s := &host.Snapshot{}
	for _, name := range slices.Sorted(slices.Values(apis)) {
		doc, err := read[apiDoc](ctx, &t.state, kindAPI, name)
		if err != nil {
			return nil, err
		}
		a, err := k.api(ctx, name, doc, &doc.Head)
		if err != nil {
			return nil, err
		}
		a.Root, a.RootImplied = false, false // it is alone here
		for i := range doc.Stages {
			if n := doc.Stages[i].Deployment; doc.deployment(n) != nil && doc.deployment(n).Digest == doc.Head.Digest {
				a.Stages = replaceStage(a.Stages, doc.Stages[i].host())
			}
		}
		for _, f := range doc.Head.Functions {
			wanted[f] = true
		}
		s.APIs = append(s.APIs, a)
	}
	if err := cmp.Or(k.functionsFor(ctx, wanted), k.whyNot()); err != nil {
		return nil, err
	}
	s.Functions, s.Aliases, s.Upstreams = k.snapshot.Functions, k.snapshot.Aliases, k.nameUpstreams()
	s.Revision = definition.Revision(s)
	return s, nil
}

func replaceStage(list []*host.Stage, s *host.Stage) []*host.Stage {
	for i, old := range list {
		if old.Name == s.Name {
			list[i] = s
			return list
		}
	}
	return append(list, s)
}

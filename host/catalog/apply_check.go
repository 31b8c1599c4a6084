package catalog

import (
	"cmp"
	"context"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// check compiles and starts what is new.
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

// newParts makes a snapshot of heads of APIs and of the live versions of functions. Routes to other functions, which were accepted before,
// answer themselves there: that one of these cannot start today is no reason to refuse what is new.
func (t *tx) newParts(ctx context.Context, apis, functions []string) (*host.Snapshot, error) {
	k := newComposer(&t.state)
	live := map[reference]bool{}
	for _, name := range functions {
		live[reference{Name: name}.full()] = true
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
		for _, r := range a.Routes {
			c := &r.Integration
			if c.Type == host.IntegrationFunction && !live[reference{c.Function, c.Qualifier}.full()] {
				*c = host.IntegrationConfig{Type: host.IntegrationMock, Mock: &host.MockResponse{Status: 204}, Pos: c.Pos}
			}
		}
		s.APIs = append(s.APIs, a)
	}
	if err := cmp.Or(k.functionsFor(ctx, live), k.whyNot()); err != nil {
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

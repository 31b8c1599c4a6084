package catalog

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/postern/postern/host"
)

// applyAPIs makes heads and deployments of what is new, and stages of what the definition lists.
func (r *attempt) applyAPIs(ctx context.Context) error {
	served := false
	for _, a := range r.snapshot.APIs {
		doc, err := r.applyHead(ctx, a)
		if err != nil {
			return err
		}
		r.apis[a.Name] = doc
		stages := r.stagesToDeploy(a, doc)
		served = served || len(stages) > 0
		if err := r.applyStages(ctx, a, doc, stages); err != nil {
			return &host.Error{Op: "the API " + a.Name, Kind: host.KindOf(err), Pos: a.Pos, Err: err}
		}
	}
	if r.in.Stage != "" && !served {
		return refuse(host.Invalid, "", "no API of the project has a stage %s: list it under the stages of an API, with its variables", r.in.Stage)
	}
	return nil
}

// applyHead makes a definition the head of its API.
func (r *attempt) applyHead(ctx context.Context, a *host.API) (*apiDoc, error) {
	d := Difference{Action: actionUpdate, Kind: string(kindAPI), Name: a.Name}
	next := definitionOf(r.parsed, a)
	var doc *apiDoc
	var err error
	if r.t.has(kindAPI, a.Name) {
		doc, err = read[apiDoc](ctx, &r.t.state, kindAPI, a.Name)
	} else {
		d.Action = actionCreate
		doc, err = r.t.newAPI(ctx, a.Name)
	}
	if err != nil {
		return nil, err
	}
	if d.Action == actionUpdate && doc.Project != r.name {
		d.Detail = append(d.Detail, "it belongs to the project "+r.name)
	}
	if d.Action == actionUpdate && doc.DefaultEndpoint != a.DefaultEndpoint {
		d.Detail = append(d.Detail, line("", "defaultEndpoint", strconv.FormatBool(doc.DefaultEndpoint), strconv.FormatBool(a.DefaultEndpoint)))
	}
	if !r.t.isHead(ctx, doc, next, a.Name) {
		r.changed = append(r.changed, a.Name)
		d.Before, d.After = short(doc.Head.Digest), short(next.Digest)
		if d.Action == actionUpdate {
			d.Detail = append(d.Detail, r.t.diffAPI(ctx, doc.Head, a.Name, r.parsed, a)...)
		}
		doc.Head = next
	}
	doc.Project, doc.Protocol, doc.DefaultEndpoint = r.name, a.Protocol, a.DefaultEndpoint
	if d.Action == actionCreate || d.After != "" || len(d.Detail) > 0 {
		r.plan.add(d)
	}
	return doc, nil
}

// isHead reports whether a definition does what the head of its API does. Digests of another version of Postern may differ by settings that
// one of them does not know, so the head's is made again before it is called different.
func (t *tx) isHead(ctx context.Context, doc *apiDoc, next definitionDoc, name string) bool {
	if doc.Head.Digest == next.Digest {
		return true
	}
	if doc.Head.Bundle == "" {
		return false
	}
	old, err := t.bundle(ctx, doc.Head.Bundle)
	return err == nil && old.api(name) != nil && apiDigest(old, old.api(name)) == next.Digest
}

// diffAPI says what is between two definitions of an API.
func (t *tx) diffAPI(ctx context.Context, was definitionDoc, name string, parsed *parsedBundle, is *host.API) []string {
	old, err := t.bundle(ctx, was.Bundle)
	if err != nil || old.api(name) == nil {
		return []string{"what it was before cannot be read any more"}
	}
	lines := differ(apiFacets(old.api(name)), apiFacets(is))
	before := map[string]*host.Upstream{}
	for _, u := range usedUpstreams(old.snapshot, old.api(name)) {
		before[u.Name] = u
	}
	for _, u := range usedUpstreams(parsed.snapshot, is) {
		if before[u.Name] != nil && len(differ(upstreamFacets(before[u.Name]), upstreamFacets(u))) > 0 {
			lines = append(lines, "the upstream "+u.Name+" has changed")
		}
	}
	if len(lines) == 0 {
		lines = []string{"settings that have no name in the file"}
	}
	return lines
}

// stagesToDeploy names the stages that an apply makes serve the head.
func (r *attempt) stagesToDeploy(a *host.API, doc *apiDoc) []string {
	var names []string
	for _, s := range a.Stages {
		if r.in.Stage == "" || r.in.Stage == s.Name {
			names = append(names, s.Name)
		}
	}
	if s := doc.stage(r.in.Stage); len(names) == 0 && s != nil && !(s.Owned && r.in.Prune) { // it was given it before, and is not to go now
		names = []string{r.in.Stage}
	}
	return names
}

func (r *attempt) applyStages(ctx context.Context, a *host.API, doc *apiDoc, names []string) error {
	if len(names) == 0 {
		return nil
	}
	deployed, made := r.t.deploy(doc, r.t.change.Message)
	number := deployed.Number
	if made {
		r.plan.add(Difference{Action: actionCreate, Kind: "deployment", Name: fmt.Sprintf("%s/%d", a.Name, number), After: short(deployed.Digest)})
	}
	for _, name := range names {
		if err := r.applyStage(ctx, a, doc, name, number); err != nil {
			return err
		}
	}
	return nil
}

func (r *attempt) applyStage(ctx context.Context, a *host.API, doc *apiDoc, name string, number int) error {
	d := Difference{Action: actionDeploy, Kind: "stage", Name: a.Name + "/" + name, After: "deployment " + strconv.Itoa(number)}
	if old := doc.stage(name); old == nil {
		d.Action = actionCreate
	} else {
		d.Before = "deployment " + strconv.Itoa(old.Deployment)
	}
	s, err := r.t.makeStage(doc, name)
	if err != nil {
		return err
	}
	if c := s.Canary; c != nil {
		d.Detail = append(d.Detail, fmt.Sprintf("the canary ends, which had %v%% of the requests at deployment %d", c.Percent, c.Deployment))
	}
	if listed := a.Stage(name); listed != nil {
		s.Owned = s.Owned || r.name != ""
		byHand := r.name == "" && len(listed.Variables) == 0 // PutAPI with a definition that says nothing of the stage
		if !byHand && !maps.Equal(s.Variables, listed.Variables) {
			if d.Action != actionCreate {
				d.Detail = append(d.Detail, differ(variableFacets(s.Variables), variableFacets(listed.Variables))...)
			}
			s.Variables, s.Updated, s.By = maps.Clone(listed.Variables), r.t.now, r.t.change.By
		}
	}
	if err := r.t.serve(ctx, doc, s, number); err != nil {
		return err
	}
	if d.Before == d.After {
		if len(d.Detail) == 0 {
			return nil
		}
		d.Action = actionUpdate
	}
	r.plan.add(d)
	return nil
}

// applyRoot settles which API answers at /: one that says so, and else one that would be the only one of its project.
func (r *attempt) applyRoot(ctx context.Context) error {
	for _, a := range r.snapshot.APIs { // first those that do not want it, since their project may give it to another
		if doc := r.apis[a.Name]; !a.Root && doc.Root {
			doc.Root, doc.RootImplied = false, false
			r.note(a.Name, "root: true -> false")
		}
	}
	for _, a := range r.snapshot.APIs {
		if a.Root {
			return r.giveRoot(ctx, a)
		}
	}
	return nil
}

func (r *attempt) giveRoot(ctx context.Context, a *host.API) error {
	doc := r.apis[a.Name]
	others := []string{}
	for _, name := range r.t.names(kindAPI) {
		if r.apis[name] == nil {
			others = append(others, name)
		}
	}
	granted, err := r.t.takeRoot(ctx, others, a, r.name, r.in.Prune, r.plan)
	if err != nil {
		return err
	}
	if doc.Root != granted || doc.Root && doc.RootImplied != a.RootImplied {
		if doc.Revision > 0 && doc.Root != granted {
			r.note(a.Name, fmt.Sprintf("root: %t -> %t", doc.Root, granted))
		} else if doc.Revision > 0 {
			r.note(a.Name, "root is written, or no longer")
		}
		doc.Root, doc.RootImplied = granted, granted && a.RootImplied
	}
	return nil
}

// takeRoot reports whether an API may answer at /. An explicit root takes it from an implied one, and from what its own project had.
func (t *tx) takeRoot(ctx context.Context, others []string, a *host.API, project string, prune bool, plan *Plan) (bool, error) {
	for _, name := range others {
		other, err := read[apiDoc](ctx, &t.state, kindAPI, name)
		if err != nil {
			return false, err
		}
		own := project != "" && other.Project == project // it is an orphan
		switch {
		case !other.Root || own && prune:
		case a.RootImplied:
			if !own {
				return false, nil
			}
			fallthrough
		case own || other.RootImplied:
			other.Root, other.RootImplied = false, false
			if err := t.putAPI(name, other); err != nil {
				return false, err
			}
			plan.add(Difference{Action: actionUpdate, Kind: string(kindAPI), Name: name, Detail: []string{"root: true -> false"}})
			plan.warn("the API %s no longer answers at /: %s does", name, a.Name)
		default:
			return false, taken(a.Pos, "the API %q answers at / already, and says root: true too: one API of a host can", name)
		}
	}
	return true, nil
}

// note adds a line to what the plan says of an API.
func (r *attempt) note(api, detail string) {
	for i := range r.plan.Changes {
		if d := &r.plan.Changes[i]; d.Kind == string(kindAPI) && d.Name == api {
			d.Detail = append(d.Detail, detail)
			return
		}
	}
	r.plan.add(Difference{Action: actionUpdate, Kind: string(kindAPI), Name: api, Detail: []string{detail}})
}

// writeAPIs writes the APIs of the definition, without the stages that it no longer lists when these are to go.
func (r *attempt) writeAPIs(ctx context.Context) error {
	for _, a := range r.snapshot.APIs {
		doc := r.apis[a.Name]
		for _, name := range doc.stageNames() {
			s := doc.stage(name)
			if !s.Owned || a.Stage(name) != nil {
				continue
			}
			d := Difference{Action: actionDelete, Kind: "stage", Name: a.Name + "/" + name, Before: "deployment " + strconv.Itoa(s.Deployment)}
			if !r.in.Prune {
				r.plan.Orphans = append(r.plan.Orphans, d)
				continue
			}
			doc.removeStage(name)
			r.plan.add(d)
		}
		if err := r.t.putAPI(a.Name, doc); err != nil {
			return err
		}
	}
	return nil
}

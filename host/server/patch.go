package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
)

// A patch is a composed snapshot in which parts that do not work have been replaced by what served before, or by a refusal where nothing
// did: so that one bad part does not stop the others.
type patch struct {
	composed *catalog.Composition
	before   *host.Snapshot // what serves now; nil for nothing
	snapshot *host.Snapshot // composed, patched
	reasons  []reason
}

// A reason says why a part was replaced.
type reason struct {
	part *catalog.Part
	err  error
}

func (r reason) attrs() []any {
	attrs := []any{r.part.Kind, r.part.Name, "number", r.part.Number}
	if len(r.part.Stages) > 0 {
		attrs = append(attrs, "stages", r.part.Stages)
	}
	return append(attrs, "error", r.err)
}

func newPatch(composed *catalog.Composition, before *host.Snapshot) *patch {
	snapshot := *composed.Snapshot
	return &patch{composed: composed, before: before, snapshot: &snapshot}
}

// changed gives the patched snapshot a revision of its own.
func (p *patch) changed() { p.snapshot.Revision = definition.Revision(p.snapshot) }

// replace takes a part out that does not work for the reason err.
func (p *patch) replace(part *catalog.Part, err error) {
	p.reasons = append(p.reasons, reason{part, err})
	if part.Kind == "function" {
		p.replaceFunction(part, err)
	} else {
		p.replaceAPI(part)
	}
	p.changed()
}

// replaceFunction puts a version in the place whose calls fail: what points at it stays whole, and its other versions serve.
func (p *patch) replaceFunction(part *catalog.Part, err error) {
	why := fmt.Errorf("version %d of function %s: %w", part.Number, part.Name, err)
	digest := sha256.Sum256([]byte(why.Error()))
	broken := &host.Function{Name: part.Name, Version: part.Number, Plugin: host.PluginConfig{
		Name: part.Name, Runtime: host.RuntimeJS, Isolation: host.IsolationPooled,
		Limits: host.Limits{Timeout: host.Default(host.DefaultFunctionTimeout), Concurrency: host.Default(1), MaxResult: host.Default[int64](host.DefaultMaxResult)},
		Source: &host.Source{Name: part.Name, Runtime: host.RuntimeJS, Digest: hex.EncodeToString(digest[:]),
			Load: func(context.Context) ([]byte, []byte, error) { return nil, nil, why }},
	}}
	if was := p.was(part.Name, part.Number); was != nil { // a secret is gone: the version as it was still works
		broken = was
	}
	p.snapshot.Functions = append(slices.Clone(p.snapshot.Functions), broken)
}

// was is a version of a function as it serves now, nil when it does not.
func (p *patch) was(name string, version int) *host.Function {
	if p.before == nil {
		return nil
	}
	for _, f := range p.before.Functions {
		if f.Name == name && f.Version == version {
			return f
		}
	}
	return nil
}

// replaceAPI takes a deployment's API out, also where it is a canary, and puts what served its stages before in its place.
func (p *patch) replaceAPI(part *catalog.Part) {
	p.snapshot.APIs = slices.Clone(p.snapshot.APIs)
	for i, a := range p.snapshot.APIs {
		p.snapshot.APIs[i] = withoutCanary(a, part)
	}
	p.snapshot.APIs = slices.DeleteFunc(p.snapshot.APIs, func(a *host.API) bool { return sameDeployment(a, part) })
	for _, name := range part.Stages {
		if stage, canary := stageName(name); !canary {
			p.snapshot.APIs = append(p.snapshot.APIs, p.stageBefore(part, stage))
		}
	}
}

// sameDeployment reports whether an API of the patched snapshot is the part's, or a copy of it without canaries.
func sameDeployment(a *host.API, part *catalog.Part) bool {
	return a.Name == part.Name && len(a.Stages) > 0 && a.Stages[0].Deployment == part.Number
}

// withoutCanary returns an API whose stages send nothing to the part.
func withoutCanary(a *host.API, part *catalog.Part) *host.API {
	if a.Name != part.Name || !slices.ContainsFunc(a.Stages, func(s *host.Stage) bool { return leadsTo(s, part) }) {
		return a
	}
	out := *a
	out.Stages = nil
	for _, stage := range a.Stages {
		if leadsTo(stage, part) {
			plain := *stage
			plain.Canary = nil
			stage = &plain
		}
		out.Stages = append(out.Stages, stage)
	}
	return &out
}

func leadsTo(s *host.Stage, part *catalog.Part) bool {
	return s.Canary != nil && s.Canary.Stage.Deployment == part.Number
}

// canaryMark ends the name of a part's stage where the part is that stage's canary.
const canaryMark = " (canary)"

func stageName(name string) (stage string, canary bool) {
	if n := len(name) - len(canaryMark); n > 0 && name[n:] == canaryMark {
		return name[:n], true
	}
	return name, false
}

// stageBefore is an API with one stage, as it serves now; or one that answers 503 when the stage has never served on this host.
func (p *patch) stageBefore(part *catalog.Part, stage string) *host.API {
	if p.before != nil {
		for _, a := range p.before.APIs {
			if s := a.Stage(stage); a.Name == part.Name && s != nil {
				adopted := p.adopt(a, s)
				if part.API != nil {
					adopted.Root, adopted.DefaultEndpoint = part.API.Root, part.API.DefaultEndpoint
				}
				return adopted
			}
		}
	}
	return &host.API{
		Name: part.Name, Protocol: host.ProtocolHTTP, DefaultEndpoint: true, Root: part.API != nil && part.API.Root,
		Stages: []*host.Stage{{Name: stage}},
		Routes: []*host.Route{{
			Key: host.DefaultRoute, Timeout: host.Default(host.DefaultRouteTimeout), MaxBody: host.Default[int64](host.DefaultMaxBody),
			IdleTimeout: host.Default(host.DefaultStreamIdle), MaxDuration: host.Default(host.DefaultMaxDuration),
			Integration: host.IntegrationConfig{Type: host.IntegrationMock, Mock: &host.MockResponse{Status: 503,
				Header: host.Header{{Name: "Content-Type", Value: "application/json"}}, Body: `{"message":"Service Unavailable"}`}},
		}},
	}
}

// adopt takes a stage of what serves now over, with the upstreams and functions that it needs. Upstreams get names of their own, since
// the names of the new state may mean others.
func (p *patch) adopt(a *host.API, stage *host.Stage) *host.API {
	out := *a
	plain := *stage
	plain.Canary = nil
	out.Stages, out.Routes = []*host.Stage{&plain}, slices.Clone(a.Routes)
	for i, r := range out.Routes {
		switch r.Integration.Type {
		case host.IntegrationUpstream:
			moved := *r
			moved.Integration.Upstream = p.adoptUpstream(r.Integration.Upstream)
			out.Routes[i] = &moved
		case host.IntegrationFunction:
			p.adoptFunction(r.Integration.Function, r.Integration.Qualifier)
		}
	}
	return &out
}

func (p *patch) adoptUpstream(name string) string {
	i := slices.IndexFunc(p.before.Upstreams, func(u *host.Upstream) bool { return u.Name == name })
	if i < 0 {
		return name
	}
	was := p.before.Upstreams[i]
	for n := 0; ; n++ {
		moved := *was
		if n > 0 {
			moved.Name = was.Name + " (before " + strconv.Itoa(n) + ")"
		}
		j := slices.IndexFunc(p.snapshot.Upstreams, func(u *host.Upstream) bool { return u.Name == moved.Name })
		if j < 0 {
			p.snapshot.Upstreams = append(slices.Clone(p.snapshot.Upstreams), &moved)
			return moved.Name
		}
		if reflect.DeepEqual(p.snapshot.Upstreams[j], &moved) {
			return moved.Name
		}
	}
}

// adoptFunction keeps what a name means now where the new state does not know it any more.
func (p *patch) adoptFunction(name, qualifier string) {
	if _, err := p.snapshot.Resolve(name, qualifier); err == nil {
		return
	}
	was, err := p.before.Resolve(name, qualifier)
	if err != nil {
		return
	}
	for _, f := range []*host.Function{was.First, was.Second} {
		if f != nil && !slices.ContainsFunc(p.snapshot.Functions, func(g *host.Function) bool { return g.Name == name && g.Version == f.Version }) {
			p.snapshot.Functions = append(slices.Clone(p.snapshot.Functions), f)
		}
	}
	for _, alias := range p.before.Aliases {
		if alias.Function == name && alias.Name == was.Alias {
			p.snapshot.Aliases = append(slices.Clone(p.snapshot.Aliases), alias)
		}
	}
}

// parts tells what of the composed state serves once the patched snapshot does.
func (p *patch) parts() []admin.Part { return tell(p.composed, p.snapshot, p.why) }

// refused tells what serves when the snapshot as a whole was refused: what served before.
func (p *patch) refused(before *host.Snapshot, err error) []admin.Part {
	if before == nil {
		before = &host.Snapshot{}
	}
	return tell(p.composed, before, func(part *catalog.Part) string {
		if why := p.why(part); why != "" {
			return why
		}
		return err.Error()
	})
}

func (p *patch) why(part *catalog.Part) string {
	for _, r := range p.reasons {
		if r.part == part {
			return r.err.Error()
		}
	}
	return ""
}

// tell says of each part what should serve and what does.
func tell(composed *catalog.Composition, serving *host.Snapshot, why func(*catalog.Part) string) []admin.Part {
	parts := []admin.Part{}
	for i := range composed.Parts {
		part := &composed.Parts[i]
		if part.Kind == "function" {
			told := admin.Part{Function: part.Name, Desired: part.Number, Reason: why(part)}
			if told.Reason == "" {
				told.Applied = part.Number
			}
			parts = append(parts, told)
			continue
		}
		for _, name := range part.Stages {
			stage, canary := stageName(name)
			told := admin.Part{API: part.Name, Stage: stage, Canary: canary, Desired: part.Number, Applied: deploymentOf(serving, part.Name, stage, canary)}
			if told.Applied != told.Desired || why(part) != "" {
				told.Reason = why(part)
			}
			parts = append(parts, told)
		}
	}
	return parts
}

// deploymentOf is the deployment that a stage, or its canary, serves; 0 for none.
func deploymentOf(s *host.Snapshot, api, stage string, canary bool) int {
	for _, a := range s.APIs {
		found := a.Stage(stage)
		switch {
		case a.Name != api || found == nil:
		case !canary:
			return found.Deployment
		case found.Canary != nil:
			return found.Canary.Stage.Deployment
		}
	}
	return 0
}

package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	before   *host.Snapshot           // what serves now; nil for nothing
	failed   map[*host.Function]error // those of before whose code cannot be opened
	snapshot *host.Snapshot           // composed, patched
	reasons  []*reason
}

// A reason says why a part was replaced.
type reason struct {
	part    *catalog.Part
	err     error
	applied int // the version of a function that serves in its place; 0 for none
}

func (r *reason) attrs() []any {
	attrs := []any{r.part.Kind, r.part.Name, "number", r.part.Number}
	if len(r.part.Stages) > 0 {
		attrs = append(attrs, "stages", r.part.Stages)
	}
	return append(attrs, "error", r.err)
}

// newPatch takes out what could not be composed.
func newPatch(composed *catalog.Composition, before *host.Snapshot, failed map[*host.Function]error) *patch {
	snapshot := *composed.Snapshot
	p := &patch{composed: composed, before: before, failed: failed, snapshot: &snapshot}
	for i := range composed.Parts {
		if part := &composed.Parts[i]; part.Err != nil {
			p.replace(part, part.Err)
		}
	}
	return p
}

// replace takes a part out that does not work for the reason err.
func (p *patch) replace(part *catalog.Part, err error) {
	r := &reason{part: part, err: err}
	p.reasons = append(p.reasons, r)
	if part.Kind == "function" {
		r.applied = p.replaceFunction(part, err)
	} else {
		p.replaceAPI(part)
		p.keepDomains(part)
	}
	p.snapshot.Revision = definition.Revision(p.snapshot) // one of its own
}

// passing reports whether a part may work soon without a change: the store could not be reached.
func (p *patch) passing() bool {
	return slices.ContainsFunc(p.reasons, func(r *reason) bool {
		return errors.Is(r.err, host.Unavailable) || errors.Is(r.err, host.Timeout)
	})
}

// brokenRef marks the versions that stand in for those that cannot serve.
const brokenRef = "(cannot serve)"

// replaceFunction replaces a version by itself as it served before: a secret is gone, and the version as it was still works. One that did
// not serve is replaced by one whose calls fail, and aliases stay where they were. It returns the version that serves.
func (p *patch) replaceFunction(part *catalog.Part, err error) (applied int) {
	same := func(f *host.Function) bool { return f.Name == part.Name && f.Version == part.Number }
	p.snapshot.Functions = slices.DeleteFunc(slices.Clone(p.snapshot.Functions), same)
	if was := p.was(part.Name, part.Number); was != nil {
		p.snapshot.Functions = append(p.snapshot.Functions, was)
		return part.Number
	}
	p.snapshot.Functions = append(p.snapshot.Functions, broken(part, err))
	p.snapshot.Aliases = slices.Clone(p.snapshot.Aliases)
	for i, alias := range p.snapshot.Aliases {
		if alias.Function != part.Name || alias.Version != part.Number && alias.Second != part.Number {
			continue
		}
		held := p.aliasBefore(alias)
		if held == nil && alias.Version != part.Number { // the other version works
			held = &host.Alias{Function: alias.Function, Name: alias.Name, Version: alias.Version}
		}
		if held != nil {
			p.snapshot.Aliases[i] = held
			if applied == 0 || alias.Name == host.AliasLive {
				applied = held.Version
			}
		}
	}
	return applied
}

// broken is a version whose calls fail for the reason err.
func broken(part *catalog.Part, err error) *host.Function {
	why := fmt.Errorf("version %d of function %s: %w", part.Number, part.Name, err)
	digest := sha256.Sum256([]byte(why.Error()))
	return &host.Function{Name: part.Name, Version: part.Number, URL: part.Fn != nil && part.Fn.URL, Plugin: host.PluginConfig{
		Name: part.Name, Ref: brokenRef, Runtime: host.RuntimeJS, Isolation: host.IsolationPooled,
		Limits: host.Limits{Timeout: host.Default(host.DefaultFunctionTimeout), Concurrency: host.Default(1), MaxResult: host.Default[int64](host.DefaultMaxResult)},
		Source: &host.Source{Name: part.Name, Runtime: host.RuntimeJS, Digest: hex.EncodeToString(digest[:]),
			Load: func(context.Context) ([]byte, []byte, error) { return nil, nil, why }},
	}}
}

// was is a version of a function as it serves now, nil when it does not.
func (p *patch) was(name string, version int) *host.Function {
	if p.before == nil {
		return nil
	}
	for _, f := range p.before.Functions {
		if f.Name == name && f.Version == version && f.Plugin.Ref != brokenRef && p.failed[f] == nil {
			return f
		}
	}
	return nil
}

// aliasBefore is an alias as it serves now, and its versions are added to those of the patched snapshot. It is nil when they do not serve.
func (p *patch) aliasBefore(alias *host.Alias) *host.Alias {
	if p.before == nil {
		return nil
	}
	i := slices.IndexFunc(p.before.Aliases, func(a *host.Alias) bool { return a.Function == alias.Function && a.Name == alias.Name })
	if i < 0 {
		return nil
	}
	held := p.before.Aliases[i]
	for _, number := range []int{held.Version, held.Second} {
		if number != 0 && p.was(held.Function, number) == nil {
			return nil
		}
	}
	p.keepVersion(p.was(held.Function, held.Version))
	p.keepVersion(p.was(held.Function, held.Second))
	return held
}

// keepVersion adds a version that is not there, nil for none.
func (p *patch) keepVersion(f *host.Function) {
	if f != nil && !slices.ContainsFunc(p.snapshot.Functions, func(g *host.Function) bool { return g.Name == f.Name && g.Version == f.Version }) {
		p.snapshot.Functions = append(slices.Clone(p.snapshot.Functions), f)
	}
}

// replaceAPI takes a deployment's API out, also where it is a canary, and puts what served its stages before in its place.
func (p *patch) replaceAPI(part *catalog.Part) {
	p.snapshot.APIs = slices.Clone(p.snapshot.APIs)
	for i, a := range p.snapshot.APIs {
		p.snapshot.APIs[i] = withoutCanary(a, part)
	}
	var before []*host.API
	for _, name := range part.Stages {
		if stage, canary := stageName(name); !canary {
			before = append(before, p.stageBefore(part, stage))
		}
	}
	if len(before) > 0 { // else it is a canary alone, whose deployment other stages may serve
		p.snapshot.APIs = slices.DeleteFunc(p.snapshot.APIs, func(a *host.API) bool { return sameDeployment(a, part) })
	}
	p.snapshot.APIs = append(p.snapshot.APIs, before...)
}

// keepDomains gives the stages of a part, which could not be composed, the mappings of domains that lead to them now.
func (p *patch) keepDomains(part *catalog.Part) {
	if p.before == nil {
		return
	}
	p.snapshot.Domains = slices.Clone(p.snapshot.Domains)
	for _, was := range p.before.Domains {
		i := slices.IndexFunc(p.snapshot.Domains, func(d *host.Domain) bool { return d.Name == was.Name })
		if i < 0 {
			continue
		}
		now := *p.snapshot.Domains[i]
		for _, m := range was.Mappings {
			taken := slices.ContainsFunc(now.Mappings, func(o host.DomainMapping) bool { return o.Path == m.Path })
			if m.API == part.Name && slices.Contains(part.Stages, m.Stage) && !taken {
				now.Mappings = append(slices.Clone(now.Mappings), m)
			}
		}
		p.snapshot.Domains[i] = &now
	}
}

// sameDeployment reports whether an API of the patched snapshot is the part's, or a copy of it without canaries; and not another part's stage
// that still serves what it served before.
func sameDeployment(a *host.API, part *catalog.Part) bool {
	return a.Name == part.Name && len(a.Stages) > 0 && a.Stages[0].Deployment == part.Number && slices.Contains(part.Stages, a.Stages[0].Name)
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
	p.keepVersion(was.First)
	p.keepVersion(was.Second)
	for _, alias := range p.before.Aliases {
		if alias.Function == name && alias.Name == was.Alias {
			p.snapshot.Aliases = append(slices.Clone(p.snapshot.Aliases), alias)
		}
	}
}

// parts tells what of the composed state serves once the patched snapshot does.
func (p *patch) parts() []admin.Part { return p.tell(p.snapshot, nil) }

// refused tells what serves when the snapshot as a whole was refused: what served before.
func (p *patch) refused(err error) []admin.Part {
	if p.before == nil {
		return p.tell(&host.Snapshot{}, err)
	}
	return p.tell(p.before, err)
}

// tell says of each part what should serve and what of a snapshot does. err is why nothing new does, nil when it does.
func (p *patch) tell(serving *host.Snapshot, err error) []admin.Part {
	parts := []admin.Part{}
	for i := range p.composed.Parts {
		part := &p.composed.Parts[i]
		replaced := &reason{part: part, err: err}
		if j := slices.IndexFunc(p.reasons, func(r *reason) bool { return r.part == part }); j >= 0 {
			replaced = p.reasons[j]
		}
		if part.Kind == "function" {
			parts = append(parts, p.tellFunction(replaced, err))
			continue
		}
		for _, name := range part.Stages {
			stage, canary := stageName(name)
			told := admin.Part{API: part.Name, Stage: stage, Canary: canary, Desired: part.Number, Applied: deploymentOf(serving, part.Name, stage, canary)}
			switch {
			case replaced.err != nil:
				told.Reason = replaced.err.Error()
			case told.Applied != told.Desired:
				told.Reason = "the stage serves what it served before, without a canary"
			}
			parts = append(parts, told)
		}
	}
	return parts
}

// tellFunction is tell for a version that was replaced, or not when it has no error.
func (p *patch) tellFunction(replaced *reason, whole error) admin.Part {
	told := admin.Part{Function: replaced.part.Name, Desired: replaced.part.Number, Applied: replaced.applied}
	if replaced.err == nil {
		told.Applied = told.Desired
		return told
	}
	told.Reason = replaced.err.Error()
	if whole != nil && p.was(told.Function, told.Desired) != nil {
		told.Applied = told.Desired
	}
	return told
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

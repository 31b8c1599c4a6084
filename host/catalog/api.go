package catalog

import (
	"cmp"
	"context"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// The beginning of all ARNs. There is one region and one account.
const arnGateway = "arn:postern:apigateway:local:000000000000:/apis/"

// An apiDoc is an API as it is kept.
type apiDoc struct {
	meta
	Protocol        host.Protocol   `json:"protocol"`
	Root            bool            `json:"root,omitempty"`        // answers at /
	RootImplied     bool            `json:"rootImplied,omitempty"` // which its definition does not say
	DefaultEndpoint bool            `json:"defaultEndpoint"`
	Head            definitionDoc   `json:"head"`
	Last            int             `json:"last"`                  // the highest number that a deployment ever had
	Deployments     []deploymentDoc `json:"deployments,omitempty"` // by number
	Stages          []stageDoc      `json:"stages,omitempty"`      // by name
}

// A definitionDoc is a definition of an API: where it is, and what it needs.
type definitionDoc struct {
	Bundle    string      `json:"bundle"` // the digest of the bundle that has it
	Digest    string      `json:"digest"` // of what it does, and its code
	Functions []reference `json:"functions,omitempty"`
	Secrets   []string    `json:"secrets,omitempty"`   // of the store
	Files     []string    `json:"files,omitempty"`     // secrets of the project
	Variables []string    `json:"variables,omitempty"` // of the stage, that its routes read
}

// A reference names a function, and a version or alias of it; "" is the alias live.
type reference struct {
	Name      string `json:"name"`
	Qualifier string `json:"qualifier,omitempty"`
}

// A deploymentDoc is a deployment as it is kept.
type deploymentDoc struct {
	definitionDoc
	Number      int       `json:"number"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	By          string    `json:"by,omitempty"`
}

// A stageDoc is a stage as it is kept.
type stageDoc struct {
	Name       string            `json:"name"`
	Deployment int               `json:"deployment"`
	Variables  map[string]string `json:"variables,omitempty"`
	Canary     *Canary           `json:"canary,omitempty"`
	AutoDeploy bool              `json:"autoDeploy,omitempty"`
	Owned      bool              `json:"owned,omitempty"` // a definition of the API's project has listed it
	History    []Move            `json:"history,omitempty"`
	Updated    time.Time         `json:"updated"`
	By         string            `json:"by,omitempty"`
}

func (a *apiDoc) deployment(number int) *deploymentDoc {
	for i := range a.Deployments {
		if a.Deployments[i].Number == number {
			return &a.Deployments[i]
		}
	}
	return nil
}

func (a *apiDoc) stage(name string) *stageDoc {
	for i := range a.Stages {
		if a.Stages[i].Name == name {
			return &a.Stages[i]
		}
	}
	return nil
}

func (a *apiDoc) stageNames() []string {
	names := make([]string, len(a.Stages))
	for i, s := range a.Stages {
		names[i] = s.Name
	}
	return names
}

// pointers names the stages that point at a deployment; a canary's is "prod (canary)".
func (a *apiDoc) pointers(number int) []string {
	var names []string
	for _, s := range a.Stages {
		if s.Deployment == number {
			names = append(names, s.Name)
		}
		if s.Canary != nil && s.Canary.Deployment == number {
			names = append(names, s.Name+canaryLabel)
		}
	}
	return names
}

const canaryLabel = " (canary)"

// putAPI writes an API with what follows from it: who uses what, and that deployments which nothing points at are forgotten beyond
// Options.Keep.
func (t *tx) putAPI(name string, a *apiDoc) error {
	t.forgetDeployments(a)
	a.Uses, a.Bundles = nil, []string{a.Head.Bundle}
	a.uses("the API "+name, &a.Head)
	for i := range a.Deployments {
		d := &a.Deployments[i]
		a.Bundles = append(a.Bundles, d.Bundle)
		for _, stage := range a.pointers(d.Number) {
			a.uses("the stage "+stage+" of the API "+name, &d.definitionDoc)
		}
	}
	a.Bundles = unique(a.Bundles)
	return t.put(kindAPI, name, a)
}

func (a *apiDoc) uses(from string, d *definitionDoc) {
	for _, f := range d.Functions {
		a.Uses = append(a.Uses, use{Kind: string(kindFunction), Name: f.Name, Qualifier: f.Qualifier, From: from})
	}
	for _, s := range d.Secrets {
		a.Uses = append(a.Uses, use{Kind: "secret", Name: s, From: from})
	}
}

// forgetDeployments drops the oldest deployments that nothing points at, so that Options.Keep of these stay.
func (t *tx) forgetDeployments(a *apiDoc) {
	keep := t.catalog.opts.Keep
	if keep == 0 {
		return
	}
	spare := 0
	for _, d := range a.Deployments {
		if len(a.pointers(d.Number)) == 0 {
			spare++
		}
	}
	a.Deployments = slices.DeleteFunc(a.Deployments, func(d deploymentDoc) bool {
		drop := spare > keep && len(a.pointers(d.Number)) == 0
		if drop {
			spare--
		}
		return drop
	})
}

var readVariable = regexp.MustCompile(`\$\{stageVariables\.([A-Za-z0-9_]+)\}`)

// definitionOf describes an API of a bundle.
func definitionOf(p *parsedBundle, a *host.API) definitionDoc {
	d := definitionDoc{Bundle: p.digest, Digest: apiDigest(p, a)}
	for _, r := range a.Routes {
		c := &r.Integration
		if c.Type == host.IntegrationFunction {
			d.Functions = append(d.Functions, reference{c.Function, c.Qualifier})
		}
		text := c.URI + " " + c.Path
		if c.Service != nil {
			text += " " + c.Service.Action + " " + c.Service.Path
		}
		for _, m := range readVariable.FindAllStringSubmatch(text, -1) {
			d.Variables = append(d.Variables, m[1])
		}
	}
	for s := range definition.Secrets(&host.Snapshot{APIs: []*host.API{a}}) {
		switch {
		case s.Store != "":
			d.Secrets = append(d.Secrets, s.Store)
		case s.File != "":
			d.Files = append(d.Files, path.Clean(s.File))
		}
	}
	for _, auth := range a.Authorizers {
		if auth.Function != "" {
			d.Functions = append(d.Functions, reference{auth.Function, auth.Qualifier})
		}
	}
	for _, u := range usedUpstreams(p.snapshot, a) {
		if u.TLS.KeyFile.Value != "" {
			d.Files = append(d.Files, path.Clean(u.TLS.KeyFile.Value))
		}
	}
	slices.SortFunc(d.Functions, reference.compare)
	d.Functions = slices.Compact(d.Functions)
	d.Secrets, d.Files, d.Variables = unique(d.Secrets), unique(d.Files), unique(d.Variables)
	return d
}

// apiDigest is a digest of what an API does: of its definition, its code and the upstreams that it uses, but not of its stages, of where
// it answers, of positions, and of the values of secrets.
func apiDigest(p *parsedBundle, a *host.API) string {
	alone := *a
	alone.Stages, alone.Root, alone.RootImplied, alone.DefaultEndpoint = nil, false, false, false
	return definition.Revision(&host.Snapshot{APIs: []*host.API{&alone}, Upstreams: usedUpstreams(p.snapshot, a)})
}

// usedUpstreams returns the upstreams that an API's routes name.
func usedUpstreams(s *host.Snapshot, a *host.API) []*host.Upstream {
	used := map[string]bool{}
	for _, r := range a.Routes {
		used[r.Integration.Upstream] = true
	}
	var list []*host.Upstream
	for _, u := range s.Upstreams {
		if used[u.Name] {
			list = append(list, u)
		}
	}
	return list
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// show is the API as the admin API has it.
func (a *apiDoc) show(name string) API {
	out := API{
		Name: name, ID: name, ARN: arnGateway + name, Protocol: a.Protocol, Project: a.Project, Root: a.Root, Revision: a.Revision,
		Digest: a.Head.Digest, Stages: make([]Stage, len(a.Stages)), Created: a.Created, Updated: a.Updated,
	}
	for i := range a.Stages {
		out.Stages[i] = a.Stages[i].show(name)
	}
	if n := len(a.Deployments); n > 0 {
		out.Deployment = a.Deployments[n-1].Number
	}
	return out
}

func (s *stageDoc) show(api string) Stage {
	return Stage{
		API: api, Name: s.Name, ARN: arnGateway + api + "/stages/" + s.Name, Deployment: s.Deployment, Variables: s.Variables,
		Canary: s.Canary, AutoDeploy: s.AutoDeploy, History: s.History, Updated: s.Updated, By: s.By,
	}
}

// APIs lists all APIs.
func (c *Catalog) APIs(ctx context.Context) ([]API, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	list := []API{}
	for _, name := range s.names(kindAPI) {
		a, err := read[apiDoc](ctx, s, kindAPI, name)
		if err != nil {
			return nil, err
		}
		list = append(list, a.show(name))
	}
	return list, nil
}

// API returns one API.
func (c *Catalog) API(ctx context.Context, name string) (API, error) {
	s, err := c.state(ctx)
	if err != nil {
		return API{}, err
	}
	a, err := read[apiDoc](ctx, s, kindAPI, name)
	if err != nil {
		return API{}, err
	}
	return a.show(name), nil
}

// full is the reference with the qualifier that it means.
func (r reference) full() reference { return reference{r.Name, cmp.Or(r.Qualifier, host.AliasLive)} }

func (r reference) compare(other reference) int {
	return cmp.Or(strings.Compare(r.Name, other.Name), strings.Compare(r.Qualifier, other.Qualifier))
}

// reachable refuses a function, version or alias that is not there.
func (t *tx) reachable(ctx context.Context, f reference) error {
	doc, err := read[functionDoc](ctx, &t.state, kindFunction, f.Name)
	if err != nil {
		return err
	}
	_, err = doc.number(f.Name, f.Qualifier)
	return err
}

// domainsTo tells which mappings of domains lead to a stage of an API, or to any with "".
func (t *tx) domainsTo(ctx context.Context, project, api, stage string) ([]string, error) {
	if project == "" || !t.has(kindProject, project) {
		return nil, nil // only a project has domains, and only for its own
	}
	p, err := read[projectDoc](ctx, &t.state, kindProject, project)
	if err != nil {
		return nil, err
	}
	var from []string
	for _, d := range p.Domains {
		for _, m := range d.Mappings {
			if m.API == api && (stage == "" || m.Stage == stage) {
				from = append(from, "the domain "+d.Name+" "+m.Path)
			}
		}
	}
	return from, nil
}

// newAPI begins an API that is not there.
func (t *tx) newAPI(ctx context.Context, name string) (*apiDoc, error) {
	last, err := t.lastNumber(ctx, kindAPI, name)
	return &apiDoc{Last: last}, err
}

// deleteAPI deletes an API that no domain leads to, whoever owns it.
func (t *tx) deleteAPI(ctx context.Context, name string, a *apiDoc) error {
	t.delete(kindAPI, name)
	return t.retire(ctx, kindAPI, name, a.Last)
}

// DeleteAPI deletes an API with its stages and deployments.
func (c *Catalog) DeleteAPI(ctx context.Context, name string, change Change) error {
	op := "delete the API " + strconv.Quote(abridged(name))
	_, err := c.change(ctx, change, func(ctx context.Context, t *tx) error {
		a, err := read[apiDoc](ctx, &t.state, kindAPI, name)
		if err != nil {
			return err
		}
		if err := t.expect(kindAPI, name, &a.meta); err != nil {
			return err
		}
		if err := t.owned(kindAPI, name, &a.meta); err != nil {
			return err
		}
		from, err := t.domainsTo(ctx, a.Project, name, "")
		if err != nil {
			return err
		}
		if len(from) > 0 {
			return inUse(op, from)
		}
		return t.deleteAPI(ctx, name, a)
	})
	return within(op, err)
}

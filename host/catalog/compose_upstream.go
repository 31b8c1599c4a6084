package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// An upstreamUse is an upstream of one deployment, with the integrations that name it.
type upstreamUse struct {
	owner        string // the project, or "api NAME" of an API without one
	api          string
	number       int // of the deployment; 0 for a head
	made         time.Time
	upstream     *host.Upstream
	digest       string
	integrations []*host.IntegrationConfig
}

// useUpstreams remembers the upstreams of a composed API, with the values of their keys.
func (k *composer) useUpstreams(ctx context.Context, p *parsedBundle, doc *apiDoc, name string, d *definitionDoc, a *host.API) error {
	var uses []*upstreamUse
	for _, u := range usedUpstreams(p.snapshot, a) {
		use := &upstreamUse{owner: cmp.Or(doc.Project, "api "+name), api: name, made: doc.Updated}
		for i := range doc.Deployments {
			if &doc.Deployments[i].definitionDoc == d {
				use.number, use.made = doc.Deployments[i].Number, doc.Deployments[i].Created
			}
		}
		copied := *u
		copied.Targets = slices.Clone(u.Targets)
		if file := u.TLS.KeyFile.Value; file != "" {
			key, err := k.fileSecret(ctx, doc.Project, file)
			if err != nil {
				return &host.Error{Op: "the key of the upstream " + u.Name, Kind: host.KindOf(err), Err: err}
			}
			copied.TLS.Key = key
		}
		use.upstream, use.digest = &copied, definition.Revision(&host.Snapshot{Upstreams: []*host.Upstream{&copied}})
		for _, r := range a.Routes {
			if r.Integration.Upstream == u.Name {
				use.integrations = append(use.integrations, &r.Integration)
			}
		}
		uses = append(uses, use)
	}
	k.upstreams = append(k.upstreams, uses...)
	return nil
}

// nameUpstreams gives upstreams names that tell them apart over all projects and deployments, and returns each once. One that is the only
// one of its name keeps it; else it is project/name, and project/name@api/deployment where an older deployment's is not the newest's.
func (k *composer) nameUpstreams() []*host.Upstream {
	byName := map[string][]*upstreamUse{}
	for _, use := range k.upstreams {
		byName[use.upstream.Name] = append(byName[use.upstream.Name], use)
	}
	var list []*host.Upstream
	for _, name := range sortedKeys(byName) {
		uses := byName[name]
		if alike(uses) {
			list = append(list, share(uses, name))
			continue
		}
		byOwner := map[string][]*upstreamUse{}
		for _, use := range uses {
			byOwner[use.owner] = append(byOwner[use.owner], use)
		}
		for _, owner := range sortedKeys(byOwner) {
			list = append(list, nameOwned(owner+"/"+name, byOwner[owner])...)
		}
	}
	slices.SortFunc(list, func(a, b *host.Upstream) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// nameOwned names the upstreams of one name and project. Those of the newest deployment have the plain name.
func nameOwned(name string, uses []*upstreamUse) []*host.Upstream {
	slices.SortFunc(uses, func(a, b *upstreamUse) int {
		return cmp.Or(b.made.Compare(a.made), strings.Compare(a.api, b.api), b.number-a.number)
	})
	var order []string
	byDigest := map[string][]*upstreamUse{}
	for _, use := range uses {
		if byDigest[use.digest] == nil {
			order = append(order, use.digest)
		}
		byDigest[use.digest] = append(byDigest[use.digest], use)
	}
	var list []*host.Upstream
	for i, digest := range order {
		same := byDigest[digest]
		full := name
		if i > 0 {
			full = fmt.Sprintf("%s@%s/%d", name, same[0].api, same[0].number)
		}
		list = append(list, share(same, full))
	}
	return list
}

func alike(uses []*upstreamUse) bool {
	return !slices.ContainsFunc(uses, func(u *upstreamUse) bool { return u.digest != uses[0].digest })
}

// share makes one upstream of equal ones, and points their integrations at it.
func share(uses []*upstreamUse, name string) *host.Upstream {
	for _, use := range uses {
		for _, c := range use.integrations {
			c.Upstream = name
		}
	}
	uses[0].upstream.Name = name
	return uses[0].upstream
}

package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// applyDomains makes the project's domains those of the definition. One that it no longer has stays until Prune.
func (r *attempt) applyDomains(context.Context) error {
	next := domainsOf(r.snapshot)
	for _, old := range r.project.Domains {
		if slices.ContainsFunc(next, func(d domainDoc) bool { return d.Name == old.Name }) {
			continue
		}
		d := Difference{Action: actionDelete, Kind: "domain", Name: old.Name}
		if r.in.Prune {
			r.plan.add(d)
			continue
		}
		r.plan.Orphans = append(r.plan.Orphans, d)
		next = append(next, old)
	}
	for _, d := range next {
		i := slices.IndexFunc(r.project.Domains, func(o domainDoc) bool { return o.Name == d.Name })
		if i < 0 {
			r.plan.add(Difference{Action: actionCreate, Kind: "domain", Name: d.Name})
		} else if detail := differ(r.project.Domains[i].facets(), d.facets()); len(detail) > 0 {
			r.plan.add(Difference{Action: actionUpdate, Kind: "domain", Name: d.Name, Detail: detail})
		}
	}
	slices.SortFunc(next, func(a, b domainDoc) int { return strings.Compare(a.Name, b.Name) })
	r.project.Domains = next
	return nil
}

func domainsOf(s *host.Snapshot) []domainDoc {
	var list []domainDoc
	for _, d := range s.Domains {
		doc := domainDoc{Name: d.Name}
		for _, m := range d.Mappings {
			doc.Mappings = append(doc.Mappings, mappingDoc{m.Path, m.API, m.Stage})
		}
		list = append(list, doc)
	}
	return list
}

func (d domainDoc) facets() facets {
	var f facets
	for _, m := range d.Mappings {
		f.add("", m.Path, m.API+"/"+m.Stage)
	}
	return f
}

// ownHost reports whether a domain is among the hosts that APIs and functions have by their names.
func (c *Catalog) ownHost(domain string) bool {
	return strings.HasSuffix(domain, ".execute-api."+c.opts.Domain) || strings.HasSuffix(domain, ".function."+c.opts.Domain)
}

// removeAPIs deletes the APIs that the definition no longer has, or tells them.
func (r *attempt) removeAPIs(ctx context.Context) error {
	owned, err := r.t.ownedBy(ctx, kindAPI, r.name)
	if err != nil {
		return err
	}
	for _, name := range owned {
		if r.apis[name] != nil {
			continue
		}
		doc, err := read[apiDoc](ctx, &r.t.state, kindAPI, name)
		if err != nil {
			return err
		}
		d := Difference{Action: actionDelete, Kind: string(kindAPI), Name: name, Before: short(doc.Head.Digest)}
		for _, s := range doc.Stages {
			d.Detail = append(d.Detail, fmt.Sprintf("stage %s, at deployment %d", s.Name, s.Deployment))
		}
		if !r.in.Prune {
			r.plan.Orphans = append(r.plan.Orphans, d)
			continue
		}
		if err := r.t.deleteAPI(ctx, name, doc); err != nil {
			return err
		}
		r.plan.add(d)
	}
	return nil
}

// removeFunctions deletes the functions that the definition no longer has, or tells them.
func (r *attempt) removeFunctions(ctx context.Context) error {
	owned, err := r.t.ownedBy(ctx, kindFunction, r.name)
	if err != nil {
		return err
	}
	var gone []string
	for _, name := range owned {
		if slices.ContainsFunc(r.snapshot.Functions, func(f *host.Function) bool { return f.Name == name }) {
			continue
		}
		gone = append(gone, name)
		d := Difference{Action: actionDelete, Kind: string(kindFunction), Name: name}
		if r.in.Prune {
			r.plan.add(d)
		} else {
			r.plan.Orphans = append(r.plan.Orphans, d)
		}
	}
	if !r.in.Prune {
		return nil
	}
	return r.t.deleteFunctions(ctx, gone)
}

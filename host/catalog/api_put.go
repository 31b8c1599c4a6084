package catalog

import (
	"context"
	"fmt"
	"path"
	"strconv"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// PutAPI creates or replaces the head of an API that no project owns: the definition has that one API, and the upstreams that it uses.
// Stages with AutoDeploy get it at once; a new API gets the stages of the definition, deployed. Input.Stage deploys that stage alone.
func (c *Catalog) PutAPI(ctx context.Context, name string, in Input, change Change) (API, error) {
	op := "put the API " + strconv.Quote(abridged(name))
	if err := in.check(); err != nil {
		return API{}, within(op, err)
	}
	a := &application{catalog: c, in: in, checked: map[string]bool{}}
	var out API
	_, err := c.change(ctx, change, func(ctx context.Context, t *tx) error {
		r := &attempt{application: a, t: t, plan: &Plan{}, project: &projectDoc{}, apis: map[string]*apiDoc{}}
		if err := r.understand(ctx); err != nil {
			return err
		}
		if err := r.alone(name); err != nil {
			return err
		}
		if err := r.keepBundle(ctx); err != nil {
			return err
		}
		doc, err := r.putHead(ctx, name)
		if err != nil {
			return err
		}
		if err := t.putAPI(name, doc); err != nil {
			return err
		}
		if err := t.checkNew(ctx, r.changed, nil, a.checked); err != nil {
			return err
		}
		out = doc.show(name)
		return nil
	})
	return out, within(op, err)
}

// alone refuses a definition with more than one API and its upstreams: the rest would belong to a project.
func (r *attempt) alone(name string) error {
	s := r.snapshot
	var errs definition.Errors
	refused := func(pos host.Position, at, message, hint string) {
		errs = append(errs, &definition.Error{Pos: pos, Path: at, Rule: definition.RuleConflict, Message: message, Hint: hint})
	}
	for _, a := range s.APIs {
		if a.Name != name {
			refused(a.Pos, definition.KeyPath("apis", a.Name), fmt.Sprintf("the definition of the API %q has the API %q", name, a.Name), "apply it as a project")
		}
	}
	for _, f := range s.Functions {
		refused(f.Pos, definition.KeyPath("functions", f.Name), "functions are not part of an API", "upload it, or apply the definition as a project")
	}
	for _, d := range s.Domains {
		refused(d.Pos, definition.KeyPath("domains", d.Name), "only a project has domains", "apply the definition as a project")
	}
	for secret, at := range definition.Secrets(s) {
		if secret.File != "" {
			refused(secret.Pos, at, "only a project has files with secrets", "put the secret into the store, and write {store: NAME}")
		}
	}
	for _, u := range s.Upstreams {
		if file := u.TLS.KeyFile; file.Value != "" {
			refused(file.Pos, definition.KeyPath("upstreams", u.Name)+".tls.key", "only a project has files with keys, as "+path.Clean(file.Value), "apply the definition as a project")
		}
	}
	if len(errs) > 0 {
		errs.Sort()
		r.bundle.lines(errs)
		return errs
	}
	if r.parsedAPI(name) == nil {
		return refuse(host.Invalid, "", "the definition does not have the API %q", name)
	}
	return nil
}

func (r *attempt) parsedAPI(name string) *host.API {
	return (&parsedBundle{snapshot: r.snapshot}).api(name)
}

// putHead makes the definition the head, and deploys it where that is due.
func (r *attempt) putHead(ctx context.Context, name string) (*apiDoc, error) {
	a, t := r.parsedAPI(name), r.t
	created := !t.has(kindAPI, name)
	var doc *apiDoc
	var err error
	if created {
		doc, err = t.newAPI(ctx, name)
	} else {
		doc, err = read[apiDoc](ctx, &t.state, kindAPI, name)
	}
	if err != nil {
		return nil, err
	}
	if err := t.expect(kindAPI, name, &doc.meta); err != nil {
		return nil, err
	}
	if err := t.owned(kindAPI, name, &doc.meta); err != nil {
		return nil, err
	}
	if next := definitionOf(r.parsed, a); !t.isHead(ctx, doc, next, name) {
		doc.Head = next
		r.changed = []string{name}
	}
	doc.Protocol, doc.DefaultEndpoint, r.apis[name] = a.Protocol, a.DefaultEndpoint, doc
	var stages []string
	for _, s := range a.Stages {
		if created && r.in.Stage == "" {
			stages = append(stages, s.Name)
		}
	}
	for _, s := range doc.Stages {
		if s.AutoDeploy && r.in.Stage == "" {
			stages = append(stages, s.Name)
		}
	}
	if r.in.Stage != "" {
		stages = []string{r.in.Stage}
	}
	if err := r.applyStages(ctx, a, doc, stages); err != nil {
		return nil, err
	}
	if !a.Root {
		doc.Root, doc.RootImplied = false, false
		return doc, nil
	}
	return doc, r.giveRoot(ctx, a)
}

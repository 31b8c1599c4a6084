package catalog

import (
	"context"
	"regexp"
	"time"

	"github.com/postern/postern/host"
)

// A projectDoc is a project as it is kept.
type projectDoc struct {
	meta
	Bundle  string                `json:"bundle"` // digest
	Message string                `json:"message,omitempty"`
	Applied time.Time             `json:"applied"` // when an apply last changed something
	Domains []domainDoc           `json:"domains,omitempty"`
	Secrets map[string]fileSecret `json:"secrets,omitempty"` // by file
}

// A domainDoc is a domain as it is kept. Its mappings lead to stages of the project's own APIs.
type domainDoc struct {
	Name     string       `json:"name"`
	Mappings []mappingDoc `json:"mappings,omitempty"` // by path
}

type mappingDoc struct {
	Path  string `json:"path"`
	API   string `json:"api"`
	Stage string `json:"stage"`
}

var projectName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

const arnProject = "arn:postern:postern:local:000000000000:project/"

// Projects lists all projects.
func (c *Catalog) Projects(ctx context.Context) ([]Project, error) {
	s, err := c.state(ctx)
	if err != nil {
		return nil, err
	}
	list := []Project{}
	for _, name := range s.names(kindProject) {
		p, err := read[projectDoc](ctx, s, kindProject, name)
		if err != nil {
			return nil, err
		}
		shown, err := p.show(ctx, s, name)
		if err != nil {
			return nil, err
		}
		list = append(list, shown)
	}
	return list, nil
}

// Project returns a project and what was applied last, without the values of secrets.
func (c *Catalog) Project(ctx context.Context, name string) (Project, *Bundle, error) {
	s, err := c.state(ctx)
	if err != nil {
		return Project{}, nil, err
	}
	p, err := read[projectDoc](ctx, s, kindProject, name)
	if err != nil {
		return Project{}, nil, err
	}
	bundle, err := readDocument[Bundle](ctx, s, "bundle of the project "+name, p.Bundle)
	if err != nil {
		return Project{}, nil, err
	}
	shown, err := p.show(ctx, s, name)
	return shown, bundle, err
}

func (p *projectDoc) show(ctx context.Context, s *state, name string) (Project, error) {
	out := Project{
		Name: name, ARN: arnProject + name, Revision: p.Revision, Digest: p.Bundle,
		APIs: []string{}, Functions: []string{}, Domains: []string{}, Applied: p.Applied, By: p.By, Message: p.Message,
	}
	for _, d := range p.Domains {
		out.Domains = append(out.Domains, d.Name)
	}
	apis, err := s.ownedBy(ctx, kindAPI, name)
	out.APIs = append(out.APIs, apis...)
	if err != nil {
		return out, err
	}
	functions, err := s.ownedBy(ctx, kindFunction, name)
	out.Functions = append(out.Functions, functions...)
	return out, err
}

// ownedBy names the resources of a kind that a project owns.
func (s *state) ownedBy(ctx context.Context, k kind, project string) ([]string, error) {
	var names []string
	for _, name := range s.names(k) {
		m, err := s.meta(ctx, k, name)
		if err != nil {
			return nil, err
		}
		if m.Project == project {
			names = append(names, name)
		}
	}
	return names, nil
}

// Apply makes a project what its definition says. A definition that is wrong is a definition.Errors. What another project owns, or a
// domain or root that is taken, has Kind Conflict. What the definition no longer has stays, and is told as an orphan, until Prune.
// Change.Force takes over what no project owns.
func (c *Catalog) Apply(ctx context.Context, project string, in Input, change Change) (*Plan, error) {
	op := "apply the project " + abridged(project)
	if !projectName.MatchString(project) {
		return nil, refuse(host.Invalid, op, "the project's name must be letters, digits, _ and -, at most 64")
	}
	if err := in.check(); err != nil {
		return nil, within(op, err)
	}
	a := &application{catalog: c, name: project, in: in, sealed: map[string][]byte{}, checked: map[string]bool{}}
	var plan *Plan
	revision, err := c.change(ctx, change, func(ctx context.Context, t *tx) (err error) {
		plan, err = a.run(ctx, t)
		return err
	})
	if err != nil {
		return nil, within(op, err)
	}
	plan.Revision = revision
	return plan, nil
}

func (in *Input) check() error {
	if in.Stage != "" && !stagePattern.MatchString(in.Stage) {
		return refuse(host.Invalid, "", "the stage's name %q must be $default, or letters, digits, _ and -, at most 128", abridged(in.Stage))
	}
	for file, value := range in.Secrets {
		if len(value) > maxSecret {
			return refuse(host.TooLarge, "", "the secret of the file %q has %d bytes, and %d are the most", abridged(file), len(value), maxSecret)
		}
	}
	return in.Bundle.check()
}

// DeleteProject deletes a project and all that it owns. Conflict while something of others points at it.
func (c *Catalog) DeleteProject(ctx context.Context, name string, change Change) error {
	_, err := c.change(ctx, change, func(ctx context.Context, t *tx) error {
		p, err := read[projectDoc](ctx, &t.state, kindProject, name)
		if err != nil {
			return err
		}
		if err := t.expect(kindProject, name, &p.meta); err != nil {
			return err
		}
		apis, err := t.ownedBy(ctx, kindAPI, name)
		if err != nil {
			return err
		}
		for _, api := range apis {
			a, err := read[apiDoc](ctx, &t.state, kindAPI, api)
			if err != nil {
				return err
			}
			if err := t.deleteAPI(ctx, api, a); err != nil {
				return err
			}
		}
		functions, err := t.ownedBy(ctx, kindFunction, name)
		if err != nil {
			return err
		}
		if err := t.deleteFunctions(ctx, functions); err != nil {
			return err
		}
		t.delete(kindProject, name)
		return nil
	})
	return within("delete the project "+abridged(name), err)
}

// deleteFunctions deletes functions that may point at each other.
func (t *tx) deleteFunctions(ctx context.Context, names []string) error {
	docs := map[string]*functionDoc{}
	for _, name := range names {
		doc, err := read[functionDoc](ctx, &t.state, kindFunction, name)
		if err != nil {
			return err
		}
		docs[name] = doc
	}
	for _, name := range names {
		t.delete(kindFunction, name)
	}
	for _, name := range names {
		if err := t.deleteFunction(ctx, name, docs[name]); err != nil {
			return err
		}
	}
	return nil
}

package catalog

import "context"

func (c *Catalog) Projects(ctx context.Context) ([]Project, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) Project(ctx context.Context, name string) (Project, *Bundle, error) {
	panic("catalog: not written yet")
}

// Apply makes a project what its definition says. A definition that is wrong is a definition.Errors. What another project owns, or a
// domain or root that is taken, has Kind Conflict. Names of an API that some stage still serves are not taken away without Prune.
func (c *Catalog) Apply(ctx context.Context, project string, in Input, change Change) (*Plan, error) {
	panic("catalog: not written yet")
}

// DeleteProject deletes a project and all that it owns. Conflict while something of others points at it.
func (c *Catalog) DeleteProject(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

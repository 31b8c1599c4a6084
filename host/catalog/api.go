package catalog

import "context"

func (c *Catalog) APIs(ctx context.Context) ([]API, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) API(ctx context.Context, name string) (API, error) {
	panic("catalog: not written yet")
}

// PutAPI creates or replaces the head of an API that no project owns: the definition has that one API. Stages with AutoDeploy get it at
// once; a new API gets the stages of the definition, deployed.
func (c *Catalog) PutAPI(ctx context.Context, name string, in Input, change Change) (API, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) DeleteAPI(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

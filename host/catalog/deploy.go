package catalog

import "context"

func (c *Catalog) Deployments(ctx context.Context, api string) ([]Deployment, error) {
	panic("catalog: not written yet")
}

// Deploy makes a deployment of the API's head, and points the stage at it, which is made if it is not there. "" makes a deployment
// alone. A head that is deployed already is not copied again.
func (c *Catalog) Deploy(ctx context.Context, api, stage, description string, change Change) (Deployment, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) DeleteDeployment(ctx context.Context, api string, number int, change Change) error {
	panic("catalog: not written yet")
}

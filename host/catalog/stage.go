package catalog

import "context"

// PutStage creates or replaces a stage: deployment 0 is the one it has, or else the newest.
func (c *Catalog) PutStage(ctx context.Context, api string, stage Stage, change Change) (Stage, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) DeleteStage(ctx context.Context, api, stage string, change Change) error {
	panic("catalog: not written yet")
}

// RollbackStage points a stage at the deployment before, or at a certain one; a canary ends.
func (c *Catalog) RollbackStage(ctx context.Context, api, stage string, to int, change Change) (Stage, error) {
	panic("catalog: not written yet")
}

// SetCanary begins or changes a stage's canary; nil ends it. PromoteCanary makes it the stage.
func (c *Catalog) SetCanary(ctx context.Context, api, stage string, canary *Canary, change Change) (Stage, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) PromoteCanary(ctx context.Context, api, stage string, change Change) (Stage, error) {
	panic("catalog: not written yet")
}

package catalog

import "context"

// SetAlias points an alias at a version, or at two; it is made if it is not there. Pointing it where it points changes nothing.
func (c *Catalog) SetAlias(ctx context.Context, function, alias string, version, second int, weight float64, change Change) (Alias, error) {
	panic("catalog: not written yet")
}

// RollbackAlias returns to the version before, and ends a second version's share if there is one instead. Conflict when there is none.
func (c *Catalog) RollbackAlias(ctx context.Context, function, alias string, change Change) (Alias, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) DeleteAlias(ctx context.Context, function, alias string, change Change) error {
	panic("catalog: not written yet")
}

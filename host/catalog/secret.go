package catalog

import (
	"context"

	"github.com/postern/postern/host"
)

// secretsKey is above the documents of the secrets.
const secretsKey host.Key = "secrets"

func (c *Catalog) Secrets(ctx context.Context) ([]Secret, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) PutSecret(ctx context.Context, name string, value []byte, change Change) (Secret, error) {
	panic("catalog: not written yet")
}

func (c *Catalog) DeleteSecret(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

package admin

import (
	"slices"

	"github.com/postern/postern/host/catalog"
)

func (c *call) listSecrets() (*reply, error) {
	secrets, err := c.Catalog.Secrets(c.r.Context())
	if err != nil {
		return nil, err
	}
	secrets = slices.DeleteFunc(secrets, func(s catalog.Secret) bool { return !fits(c.query.Get("project"), s.Project) })
	return pageByName(c, secrets, func(s catalog.Secret) string { return s.Name })
}

// putSecret keeps the body as it is, a newline at its end too.
func (c *call) putSecret() (*reply, error) {
	value, err := c.readBody()
	if err != nil {
		return nil, err
	}
	if len(value) == 0 {
		return nil, malformed("the body is empty, and should be the secret's value")
	}
	s, err := c.Catalog.PutSecret(c.r.Context(), c.r.PathValue("secret"), value, c.change)
	return &reply{body: s, rev: s.Rev}, err
}

func (c *call) deleteSecret() (*reply, error) {
	return &reply{}, c.Catalog.DeleteSecret(c.r.Context(), c.r.PathValue("secret"), c.change)
}

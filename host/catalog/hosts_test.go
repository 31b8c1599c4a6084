package catalog

import (
	"testing"

	"github.com/postern/postern/host"
)

// TestOwnHostsAreNotDomains: a domain that is an API's or function's own host would make the snapshot of the whole host one that cannot serve.
func TestOwnHostsAreNotDomains(t *testing.T) {
	c := newCatalog(t)
	c.opts.Domain = "example.com"
	applyText(t, c, "one", "apis: {orders: {routes: {GET /: {integration: {mock: {status: 200}}}}}}\n")
	const other = "apis: {other: {routes: {GET /: {integration: {mock: {status: 200}}}}}}\n"
	for _, domain := range []string{"orders.execute-api.example.com", "later.execute-api.example.com", "greet.function.example.com"} {
		_, err := c.Apply(t.Context(), "two", inputOf(t, c, other+"domains: {"+domain+": {/: other/$default}}\n", nil), Change{})
		wantKind(t, err, host.Conflict, domain, "postern.yaml:2")
	}
	applyText(t, c, "two", other+"domains: {api.example.com: {/: other/$default}, execute-api.example.com: {/: other/$default}, a.execute-api.example.org: {/: other/$default}}\n")

	c.opts.Domain = "example.org" // the host was started with another base domain
	composed, err := c.Compose(t.Context())
	if err != nil || len(composed.Snapshot.Domains) != 2 {
		t.Errorf("%+v, %v", composed, err)
	}
}

package catalog

import (
	"context"

	"github.com/postern/postern/host"
)

// A Composition is the state made into what a host can run. Its parts are those that can fail alone.
type Composition struct {
	Revision uint64
	Snapshot *host.Snapshot // with every part that could be composed
	Parts    []Part         // of the snapshot, and those that could not be composed
}

// A Part is one deployment of an API that stages serve, or one version of a function that something points at.
type Part struct {
	Kind   string // "api" or "function"
	Name   string
	Stages []string       // of an api: that serve it; a canary's is "prod (canary)"
	Number int            // the deployment or version
	API    *host.API      // of Kind api; nil when Err is set
	Fn     *host.Function // of Kind function; nil when Err is set
	Err    error          // why it could not be composed: a secret that is not there, a blob that is lost
}

// Compose makes the state into a snapshot. Code is loaded by Source.Load when it is needed. An error means that the state as a whole
// could not be read; what fails in a part is told there.
func (c *Catalog) Compose(ctx context.Context) (*Composition, error) {
	panic("catalog: not written yet")
}

// ComposeVersion is Compose for one version of a function, which nothing needs to point at.
func (c *Catalog) ComposeVersion(ctx context.Context, function string, version int) (*host.Function, error) {
	panic("catalog: not written yet")
}

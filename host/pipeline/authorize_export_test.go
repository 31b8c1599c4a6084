package pipeline

import (
	"context"
	"fmt"

	"github.com/postern/postern/host"
)

// Authorize performs the authorize phase of the route with that key, of the snapshot's first API and its first stage.
func (p *Pipeline) Authorize(ctx context.Context, key string, x *host.Exchange) error {
	def := p.snapshot.APIs[0]
	for r, compiled := range p.apis[def].routes {
		if r.Key != key {
			continue
		}
		x.Match.API, x.Match.Stage, x.Match.Route = def, def.Stages[0], r
		for _, s := range compiled.steps {
			if s.phase == host.PhaseAuthorize {
				_, err := s.handler.Handle(ctx, x)
				return err
			}
		}
	}
	return fmt.Errorf("there is no route %s with an authorizer", key)
}

package pipeline

import (
	"context"
	"encoding/json"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

// A pool is a shared connection pool.
type pool struct{ *upstream.Pool }

// Close closes the idle connections; those in use end with their exchanges.
func (p pool) Close(context.Context) error {
	p.Pool.Close()
	return nil
}

func (b *builder) openPools() {
	b.pools = map[string]pool{}
	b.direct = b.openPool("", upstream.Config{}, host.Position{})
	for _, u := range b.p.snapshot.Upstreams {
		b.pools[u.Name] = b.openPool(u.Name, upstream.Config{Name: u.Name, Targets: targets(u), CA: u.TLS.CA, ServerName: u.TLS.ServerName}, u.Pos)
	}
}

func (b *builder) openPool(name string, cfg upstream.Config, pos host.Position) pool {
	key, err := json.Marshal([]any{name, cfg.Targets, cfg.CA, cfg.ServerName})
	if err != nil {
		panic("pipeline: an upstream does not encode: " + err.Error()) // plain data always does
	}
	p, release, err := b.cfg.Shared.pools.acquire(string(key), func() (pool, error) {
		opened, err := upstream.NewPool(cfg)
		return pool{opened}, err
	})
	if err != nil {
		b.fail(&host.Error{Op: "upstream " + name, Kind: host.Invalid, Pos: pos, Err: err})
		return pool{}
	}
	b.p.releases = append(b.p.releases, release)
	return p
}

func targets(u *host.Upstream) []string {
	urls := make([]string, len(u.Targets))
	for i, t := range u.Targets {
		urls[i] = t.URL
	}
	return urls
}

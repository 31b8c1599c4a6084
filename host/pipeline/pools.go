package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/telemetry"
	"github.com/postern/postern/host/upstream"
)

// A pool is what an httpIntegration sends requests to: an upstream, or whatever their URI names. Pipelines share it.
type pool interface {
	Do(ctx context.Context, req *host.Request, key string) (*host.Response, upstream.Trip, error)
	Close()
}

// A sharedPool is a pool with its metrics.
type sharedPool struct {
	pool
	metrics *telemetry.UpstreamMetrics // nil for the one of URIs
}

// Close ends the pool's health checks and closes its idle connections; those in use end with their exchanges.
func (p sharedPool) Close(context.Context) error {
	p.pool.Close()
	if p.metrics != nil {
		p.metrics.Close()
	}
	return nil
}

// A route to an upstream has the pool, and what a consistent hash goes by.
type upstreamPool struct {
	pool
	hashOn *mapping.Expression // nil for the client's address
}

func (b *builder) openPools() {
	b.pools = map[string]upstreamPool{}
	b.direct = b.acquirePool("", host.Position{}, func() (sharedPool, error) {
		return sharedPool{pool: upstream.NewDirect(upstream.Options{Logger: b.cfg.Telemetry.Logger})}, nil
	})
	if b.anyIssuer() {
		b.insecure = b.acquirePool("any issuer", host.Position{}, func() (sharedPool, error) {
			return sharedPool{pool: upstream.NewDirect(upstream.Options{Logger: b.cfg.Telemetry.Logger, AnyIssuer: true})}, nil
		})
	}
	for _, u := range b.p.snapshot.Upstreams {
		b.pools[u.Name] = upstreamPool{b.acquirePool(poolKey(u), u.Pos, func() (sharedPool, error) {
			return openPool(u, &b.cfg)
		}), b.hashOn(u)}
	}
}

// anyIssuer reports whether an integration takes certificates that nobody has to know.
func (b *builder) anyIssuer() bool {
	for a := range b.p.snapshot.Definitions() {
		if slices.ContainsFunc(a.Routes, func(r *host.Route) bool { return r.Integration.Insecure }) {
			return true
		}
	}
	return false
}

func openPool(u *host.Upstream, cfg *Config) (sharedPool, error) {
	metrics := cfg.Telemetry.Metrics.Upstream(u.Name)
	opened, err := upstream.Open(u, upstream.Options{Logger: cfg.Telemetry.Logger, Metrics: metrics, Idle: cfg.Idle})
	if err != nil {
		metrics.Close()
		return sharedPool{}, err
	}
	return sharedPool{opened, metrics}, nil
}

func (b *builder) acquirePool(key string, pos host.Position, open func() (sharedPool, error)) pool {
	p, release, err := b.cfg.Shared.pools.acquire(key, open)
	if err != nil {
		b.fail(&host.Error{Op: "open the pool", Kind: host.Invalid, Pos: pos, Err: err})
		return nil
	}
	b.p.releases = append(b.p.releases, release)
	return p.pool
}

func (b *builder) hashOn(u *host.Upstream) *mapping.Expression {
	if u.HashOn.Value == "" {
		return nil
	}
	e, err := mapping.ParseExpression(u.HashOn.Value)
	if err != nil {
		b.fail(badExpression(u.HashOn, "upstreams."+u.Name+".hashOn", err))
		return nil
	}
	return &e
}

// badExpression is the definition's own error of an expression that names nothing.
func badExpression(e host.Setting[string], path string, err error) error {
	out := &definition.Error{Pos: e.Pos, Path: path, Rule: definition.RuleInvalidValue, Message: err.Error()}
	var unknown *mapping.UnknownVariable
	if errors.As(err, &unknown) {
		out.Message, out.Hint = fmt.Sprintf("%q is nothing that a request has", e.Value), "$context has authorizer.{name}, "+strings.Join(unknown.Known, ", ")
		if best := definition.Nearest(unknown.Name, unknown.Known); best != "" {
			out.Hint = fmt.Sprintf("did you mean %q?", "$context."+best)
		}
	}
	return out
}

// key is what a consistent hash goes by: the client's address, also where a request lacks what the definition names.
func (u *upstreamPool) key(x *host.Exchange) string {
	if u.hashOn != nil {
		if value, ok := u.hashOn.Value(x); ok {
			return value
		}
	}
	return x.Request.Peer.Addr.String()
}

// poolKey tells upstreams apart: equal keys share connections and what is known of the targets' health. It is a hash because a private
// key is in it. Positions are not: an edit elsewhere in the file must not forget which targets are down.
func poolKey(u *host.Upstream) string {
	text, err := json.Marshal(u)
	var plain any
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err == nil {
		dropPositions(plain)
		text, err = json.Marshal([]any{plain, u.TLS.Key.Reveal()}) // which hides itself from the first
	}
	if err != nil {
		panic(fmt.Sprintf("pipeline: an upstream does not encode: %v", err)) // plain data always does
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// dropPositions removes where things stand from a decoded definition.
func dropPositions(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "Pos")
		for _, inner := range v {
			dropPositions(inner)
		}
	case []any:
		for _, inner := range v {
			dropPositions(inner)
		}
	}
}

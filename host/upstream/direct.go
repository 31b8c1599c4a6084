package upstream

import (
	"context"
	"sync"
	"time"

	"github.com/postern/postern/host"
)

// unusedAfter is how long a Direct keeps what it knows of an origin that nobody asks.
const unusedAfter = 10 * time.Minute

// Direct sends requests to whatever their Scheme and Host say. Each origin has a Pool of its own with every setting at its default, so
// that its name is looked up again as an upstream's is. It is safe for concurrent use.
type Direct struct {
	opts Options

	mu      sync.Mutex
	origins map[string]*origin
}

type origin struct {
	pool *Pool
	used time.Time
}

// NewDirect makes a Direct.
func NewDirect(opts Options) *Direct {
	return &Direct{opts: opts, origins: map[string]*origin{}}
}

// Do sends req to its Scheme and Host. All else is as for Pool.Do; key has no meaning.
func (d *Direct) Do(ctx context.Context, req *host.Request, key string) (*host.Response, Trip, error) {
	p, err := d.pool(req)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, Trip{}, err
	}
	return p.Do(ctx, req, key)
}

// pool returns the pool of an origin. Those of others are closed when nobody asked them for a while: origins come and go
// with stage variables.
func (d *Direct) pool(req *host.Request) (*Pool, error) {
	if _, err := targetURL(req); err != nil {
		return nil, failed(req, host.Invalid, CauseInvalidRequest, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now, name := time.Now(), req.Scheme+"://"+req.Host
	if o := d.origins[name]; o != nil {
		o.used = now
		return o.pool, nil
	}
	p, err := Open(&host.Upstream{Name: name, Targets: []host.Target{{URL: name}}}, d.opts)
	if err != nil {
		return nil, failed(req, host.Invalid, CauseInvalidRequest, err)
	}
	for other, o := range d.origins {
		if now.Sub(o.used) > unusedAfter && o.pool.idle() {
			delete(d.origins, other)
			o.pool.Close()
		}
	}
	d.origins[name] = &origin{p, now}
	return p, nil
}

// Close closes every pool. See Pool.Close.
func (d *Direct) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, o := range d.origins {
		delete(d.origins, name)
		o.pool.Close()
	}
}

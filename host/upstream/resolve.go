package upstream

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/postern/postern/host"
)

// maxAddresses bounds the endpoints that one name can make.
const maxAddresses = 64

// A look-up that failed is tried again after a second, then two, then every four.
const firstRetry, lastRetry = time.Second, 4 * time.Second

// keepResolved looks a target's name up until ctx ends. What the last good look-up found stays while later ones fail, even where they
// say that there is no such name: a broken zone takes nothing down.
func (p *Pool) keepResolved(ctx context.Context, t *target) {
	refresh := orDefault(p.def.DNSRefresh.Value, host.DefaultDNSRefresh)
	retry, failing := firstRetry, false
	for first := true; ; first = false {
		addresses, err := p.lookUp(ctx, t)
		if ctx.Err() != nil {
			return
		}
		p.resolved(t, addresses, err, first)
		wait := jitter(refresh)
		if err != nil {
			wait, retry = min(retry, wait), min(2*retry, lastRetry)
			if !failing {
				p.opts.Logger.Warn("upstream name not resolved", "upstream", p.def.Name, "name", t.name, "error", err.Error())
			}
		} else {
			retry = firstRetry
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// lookUp returns the addresses of a target, in order. They are of one family: the one that the resolver puts first, since it
// knows which of them this machine has a route to (RFC 6724, section 5).
func (p *Pool) lookUp(ctx context.Context, t *target) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.dialer.Timeout)
	defer cancel()
	resolver := cmp.Or(p.opts.Resolver, net.DefaultResolver)
	found, err := resolver.LookupNetIP(ctx, "ip", t.name)
	if err == nil && len(found) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, a := range found {
		if a.Unmap().Is4() == found[0].Unmap().Is4() {
			addresses = append(addresses, net.JoinHostPort(a.Unmap().String(), t.port))
		}
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	return addresses[:min(len(addresses), maxAddresses)], nil
}

// resolved takes the result of a look-up in.
func (p *Pool) resolved(t *target, addresses []string, err error, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if first {
		p.pending--
	}
	if err == nil {
		p.place(t, addresses)
		return
	}
	p.unknown = err
	p.announce()
}

// place makes addresses the endpoints of a target. Those that stay keep health and connections; those that vanished are retired.
func (p *Pool) place(t *target, addresses []string) {
	next := make([]*endpoint, 0, len(p.endpoints)+len(addresses))
	have := map[string]*endpoint{}
	for _, e := range p.endpoints {
		if e.target != t {
			next = append(next, e)
			continue
		}
		have[e.addr] = e
	}
	for _, addr := range addresses {
		e := have[addr]
		if e == nil {
			e = p.newEndpoint(t, addr)
			if len(have) > 0 {
				p.opts.Logger.Info("upstream address found", "upstream", p.def.Name, "target", e.name)
			}
		}
		delete(have, addr)
		e.weight = float64(t.weight) / float64(len(addresses))
		next = append(next, e)
	}
	for _, gone := range have {
		p.opts.Logger.Info("upstream address gone", "upstream", p.def.Name, "target", gone.name)
		gone.retire()
	}
	p.endpoints = next
	p.announce()
}

// announce wakes those that wait for an endpoint.
func (p *Pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

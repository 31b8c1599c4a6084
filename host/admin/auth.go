package admin

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/sigv4"
)

// devName is who every caller of an open API is, in histories.
const devName = "dev"

// A caller is who sent a request.
type caller struct {
	By      string // "" for nobody in particular
	Role    access.Role
	Expires *time.Time // nil for never
}

// authenticate finds out who calls, and refuses who may not. Nothing of the body has been looked at before. That a listener is on loopback
// is not enough to go without a token: a web page may have bound a name of its own to it.
func (c *call) authenticate() error {
	if c.Open {
		c.who = caller{By: devName, Role: access.Admin}
		return nil
	}
	if c.op.public || c.op.local && c.Loopback && ownName(c.r.Host) {
		return nil
	}
	from := addressOf(c.r)
	// A signature that leaves out the body's hash is as good as the way that it came by.
	p, err := c.Access.Authenticate(c.r, from, c.r.TLS != nil || from.IsLoopback())
	login(c.r, err == nil)
	if err != nil {
		return c.unauthenticated(err, from)
	}
	c.who = caller{By: p.By(), Role: p.Role, Expires: optionalTime(p.Expires)}
	return access.Allow(p, c.op.action)
}

// unauthenticated completes the error of a login with what its response needs.
func (c *call) unauthenticated(err error, from netip.Addr) error {
	var throttle *access.Throttle
	var f *fault
	switch {
	case errors.As(err, &throttle):
		f = faultf(host.Throttled, 0, "%w", err)
		f.retryAfter = int((throttle.Wait + time.Second - 1) / time.Second)
	case errors.Is(err, host.Unauthenticated):
		f = faultf(host.Unauthenticated, 0, "%s", detail(err))
		f.challenge = `Bearer realm="postern"`
		f.lambda = string(sigv4.CodeOf(err))
		if c.r.Header.Get("Authorization") == "" {
			f.lambda = string(sigv4.MissingToken)
		} else {
			c.recordLogin(from, f)
		}
	default:
		return limitError(err) // the store does not answer, or the body of a signed request cannot be read
	}
	return f
}

// addressOf is the address that a request came from. Forwarded headers are not believed: whoever sends a request can write them.
func addressOf(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero address for what is not a network's
	return from.Addr().Unmap()
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

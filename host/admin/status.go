package admin

import (
	"net/http"

	"github.com/postern/postern/spec"
)

func (c *call) health() (*reply, error) {
	return &reply{body: map[string]string{"status": "ok"}}, nil
}

func (c *call) pluginHealth() (*reply, error) {
	health, code := healthOf(c.Gateway.Plugins())
	return &reply{status: code, body: health}, nil
}

func (c *call) plugins() (*reply, error) {
	return &reply{body: List[Plugin]{Items: nonNil(c.Gateway.Plugins())}}, nil
}

func (c *call) readiness() (*reply, error) {
	now := c.Gateway.Status()
	code := http.StatusOK
	if !now.Ready {
		code = http.StatusServiceUnavailable
	}
	return &reply{status: code, body: map[string]any{"ready": now.Ready, "revision": now.Revision, "reason": now.Reason}}, nil
}

func (c *call) metrics() (*reply, error) {
	c.Metrics.ServeHTTP(c.w, c.r)
	return nil, nil
}

func (c *call) root() (*reply, error) {
	return &reply{body: c.wholeStatus()}, nil
}

// wholeStatus is the status with how the store is.
func (c *call) wholeStatus() Status {
	status := c.Gateway.Status()
	status.Store = "ok"
	if err := c.Gateway.StoreHealth(c.r.Context()); err != nil {
		status.Store = err.Error()
	}
	return status
}

func (c *call) openAPI() (*reply, error) {
	c.w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	_, _ = c.w.Write(spec.AdminOpenAPI)                  // the client left, and nobody is there to be told
	return nil, nil
}

func (c *call) whoami() (*reply, error) {
	return &reply{body: Whoami{By: c.who.By, Role: c.who.Role.String(), Expires: c.who.Expires}}, nil
}

func (c *call) status() (*reply, error) {
	view, err := c.Catalog.View(c.r.Context())
	if err != nil {
		return nil, err
	}
	return &reply{body: FullStatus{Status: c.wholeStatus(), State: view.Revision, Parts: nonNil(c.Gateway.Parts())}}, nil
}

func (c *call) parts() (*reply, error) {
	kept := []Part{}
	for _, p := range c.Gateway.Parts() {
		if fits(c.query.Get("api"), p.API) && fits(c.query.Get("stage"), p.Stage) && fits(c.query.Get("function"), p.Function) {
			kept = append(kept, p)
		}
	}
	return &reply{body: List[Part]{Items: kept}}, nil
}

// fits reports whether a value is the one that was asked for, if one was.
func fits(asked, value string) bool { return asked == "" || asked == value }

// nonNil makes an absent list an empty one, which JSON shows as [].
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

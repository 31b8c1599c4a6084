package pipeline

import (
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// A cors answers preflights and marks responses of one http API, as Amazon's HTTP APIs do: the gateway
// answers a preflight itself, even where no route takes OPTIONS, and replaces the backend's CORS headers
// (API Gateway developer guide, "Configure CORS for HTTP APIs"). The status 204 is not documented.
type cors struct {
	origins     []string
	methods     string
	headers     string
	expose      string
	maxAge      string
	credentials bool
}

func newCORS(c *host.CORS) *cors {
	if c == nil {
		return nil
	}
	out := &cors{origins: c.AllowOrigins, methods: strings.Join(c.AllowMethods, ","), headers: strings.Join(c.AllowHeaders, ","),
		expose: strings.Join(c.ExposeHeaders, ","), credentials: c.AllowCredentials}
	if c.MaxAge > 0 {
		out.maxAge = strconv.FormatInt(int64(c.MaxAge.Seconds()), 10)
	}
	return out
}

// preflight returns the answer to a CORS preflight (Fetch standard, section 3.2.2), nil to any other request.
func (c *cors) preflight(r *host.Request) *host.Response {
	if c == nil || r.Method != "OPTIONS" || !r.Header.Has("Origin") || !r.Header.Has("Access-Control-Request-Method") {
		return nil
	}
	return &host.Response{Status: 204}
}

// mark sets the CORS headers of a response, and removes those of the backend.
func (c *cors) mark(r *host.Request, resp *host.Response, preflight bool) {
	if c == nil {
		return
	}
	resp.Header = slices.DeleteFunc(resp.Header, func(f host.Field) bool {
		const prefix = "access-control-"
		return len(f.Name) > len(prefix) && strings.EqualFold(f.Name[:len(prefix)], prefix)
	})
	origin := r.Header.Get("Origin")
	allowed := c.allow(origin)
	if allowed != "*" {
		resp.Header.Add("Vary", "Origin")
	}
	if origin == "" || allowed == "" {
		return
	}
	resp.Header.Add("Access-Control-Allow-Origin", allowed)
	if c.credentials {
		resp.Header.Add("Access-Control-Allow-Credentials", "true")
	}
	if !preflight {
		addUnlessEmpty(resp, "Access-Control-Expose-Headers", c.expose)
		return
	}
	addUnlessEmpty(resp, "Access-Control-Allow-Methods", c.methods)
	addUnlessEmpty(resp, "Access-Control-Allow-Headers", c.headers)
	addUnlessEmpty(resp, "Access-Control-Max-Age", c.maxAge)
}

func addUnlessEmpty(resp *host.Response, name, value string) {
	if value != "" {
		resp.Header.Add(name, value)
	}
}

// allow returns what Access-Control-Allow-Origin should say to origin: "*", the origin itself, or "".
func (c *cors) allow(origin string) string {
	for _, pattern := range c.origins {
		switch pattern {
		case "*":
			return "*"
		case "https://*", "http://*":
			if strings.HasPrefix(origin, strings.TrimSuffix(pattern, "*")) {
				return origin
			}
		default:
			if strings.EqualFold(pattern, origin) {
				return origin
			}
		}
	}
	return ""
}

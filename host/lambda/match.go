package lambda

import (
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// What follows also holds for a function's own URL, where an exchange has neither API nor stage nor route: it looks
// like the $default route of the $default stage.

func apiID(x *host.Exchange) string {
	if x.Match.API == nil {
		return domainPrefix(x)
	}
	return x.Match.API.Name
}

func stage(x *host.Exchange) string {
	if x.Match.Stage == nil {
		return host.DefaultStage
	}
	return x.Match.Stage.Name
}

func routeKey(x *host.Exchange) string {
	if x.Match.Route == nil {
		return host.DefaultRoute
	}
	return x.Match.Route.Key
}

// resource is the route's path as it was written.
func resource(x *host.Exchange) string {
	if x.Match.Route == nil || x.Match.Route.Pattern == "" {
		return host.DefaultRoute
	}
	return x.Match.Route.Pattern
}

func authorized(x *host.Exchange) bool {
	return x.Match.Route != nil && x.Match.Route.Authorizer != nil
}

// domainPrefix is the first label of the domain.
func domainPrefix(x *host.Exchange) string {
	prefix, _, _ := strings.Cut(x.Match.Domain, ".")
	return prefix
}

// stagePath is the path with the stage's segment or a domain's base path (reference 1.6). Requests below /_postern/ look like those
// to the API's own host, so that a function need not know how it was reached.
func stagePath(x *host.Exchange) string {
	base := x.Match.BasePath
	if strings.HasPrefix(base, "/_postern/") {
		base = ""
		if s := stage(x); s != host.DefaultStage {
			base = "/" + s
		}
	}
	return base + x.Match.Path
}

// mappedPath is the path without the stage's segment but with a domain's base path (reference 1.6, format 1.0).
func mappedPath(x *host.Exchange) string {
	if !x.Match.Mapped {
		return x.Match.Path
	}
	return x.Match.BasePath + x.Match.Path
}

func pathParameters(ps []pair, x *host.Exchange) []pair {
	for _, p := range x.Match.Params {
		ps = append(ps, pair{p.Name, host.Unescape(p.Value)})
	}
	return ps
}

func stageVariables(ps []pair, x *host.Exchange) []pair {
	if x.Match.Stage == nil {
		return ps
	}
	for k, v := range x.Match.Stage.Variables {
		ps = append(ps, pair{k, v})
	}
	slices.SortFunc(ps, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return ps
}

// cookies returns the cookies of a request one by one (RFC 6265, section 4.2.1).
func cookies(h host.Header) []string {
	var list []string
	for _, f := range h {
		if !strings.EqualFold(f.Name, "cookie") {
			continue
		}
		for rest, more := f.Value, true; more; {
			var c string
			c, rest, more = strings.Cut(rest, ";")
			if c = strings.TrimSpace(c); c != "" {
				list = append(list, c)
			}
		}
	}
	return list
}

package catalog

import (
	"maps"
	"slices"

	"github.com/postern/postern/host"
)

// copyAPI copies an API with everything below it that can be changed. Sources are shared: they are immutable.
func copyAPI(a *host.API) *host.API {
	out := *a
	if a.CORS != nil {
		cors := *a.CORS
		out.CORS = &cors
	}
	authorizers := map[*host.Authorizer]*host.Authorizer{}
	out.Authorizers = copyEach(a.Authorizers, func(x *host.Authorizer) *host.Authorizer {
		c := *x
		c.Plugin = copyPlugin(x.Plugin)
		authorizers[x] = &c
		return &c
	})
	out.Filters = copyEach(a.Filters, copyFilter)
	out.Routes = copyEach(a.Routes, func(r *host.Route) *host.Route {
		c := *r
		c.Authorizer = authorizers[r.Authorizer]
		c.Filters = copyEach(r.Filters, copyFilter)
		c.Mappings = copyEach(r.Mappings, copyMapping)
		c.Responses = copyEach(r.Responses, func(rule host.ResponseRule) host.ResponseRule {
			rule.Mappings = copyEach(rule.Mappings, copyMapping)
			return rule
		})
		if m := r.Integration.Mock; m != nil {
			mock := *m
			mock.Header = slices.Clone(m.Header)
			c.Integration.Mock = &mock
		}
		return &c
	})
	out.Stages = copyEach(a.Stages, func(s *host.Stage) *host.Stage {
		c := *s
		c.Variables = maps.Clone(s.Variables)
		return &c
	})
	return &out
}

// copyEach keeps nil as it is.
func copyEach[T any](list []T, one func(T) T) []T {
	if list == nil {
		return nil
	}
	out := make([]T, len(list))
	for i, x := range list {
		out[i] = one(x)
	}
	return out
}

func copyFilter(f *host.Filter) *host.Filter {
	c := *f
	c.Plugin = copyPlugin(f.Plugin)
	return &c
}

func copyMapping(m host.Mapping) host.Mapping {
	m.Plugin = copyPlugin(m.Plugin)
	return m
}

func copyPlugin(p host.PluginConfig) host.PluginConfig {
	p.Env = maps.Clone(p.Env)
	p.Secrets = slices.Clone(p.Secrets)
	return p
}

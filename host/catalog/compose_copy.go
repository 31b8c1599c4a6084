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
		for _, list := range []*[]string{&cors.AllowOrigins, &cors.AllowMethods, &cors.AllowHeaders, &cors.ExposeHeaders} {
			*list = slices.Clone(*list)
		}
		out.CORS = &cors
	}
	authorizers := map[*host.Authorizer]*host.Authorizer{}
	out.Authorizers = copyEach(a.Authorizers, func(x *host.Authorizer) *host.Authorizer {
		c := *x
		c.Plugin, c.IdentitySources = copyPlugin(x.Plugin), slices.Clone(x.IdentitySources)
		authorizers[x] = &c
		return &c
	})
	out.Filters = copyEach(a.Filters, copyFilter)
	accesses := map[*host.ServiceAccess]*host.ServiceAccess{}
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
		c.Integration.Service = copyService(r.Integration.Service, accesses)
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

// copyService copies a call of a service, and the access to it once for all that share it. What else a rest API has is text, and is
// shared with what was parsed: nothing changes it.
func copyService(call *host.ServiceCall, accesses map[*host.ServiceAccess]*host.ServiceAccess) *host.ServiceCall {
	if call == nil {
		return nil
	}
	c := *call
	if call.Access != nil && accesses[call.Access] == nil {
		access := *call.Access
		accesses[call.Access] = &access
	}
	c.Access = accesses[call.Access]
	return &c
}

func copyMapping(m host.Mapping) host.Mapping {
	m.Plugin = copyPlugin(m.Plugin)
	return m
}

func copyPlugin(p host.PluginConfig) host.PluginConfig {
	p.Env = maps.Clone(p.Env)
	p.Secrets, p.Egress = slices.Clone(p.Secrets), slices.Clone(p.Egress)
	return p
}

package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// apiFacets lists the settings of an API that make its digest, in the words of postern.yaml. upstreams are those that it uses.
func apiFacets(a *host.API) facets {
	var f facets
	f.add("", "protocol", string(a.Protocol))
	if c := a.CORS; c != nil {
		f.add("cors", "allowOrigins", strings.Join(c.AllowOrigins, ", "))
		f.add("cors", "allowMethods", strings.Join(c.AllowMethods, ", "))
		f.add("cors", "allowHeaders", strings.Join(c.AllowHeaders, ", "))
		f.add("cors", "exposeHeaders", strings.Join(c.ExposeHeaders, ", "))
		f.add("cors", "maxAge", c.MaxAge.String())
		f.add("cors", "allowCredentials", strconv.FormatBool(c.AllowCredentials))
	}
	for _, auth := range a.Authorizers {
		scope := "authorizer " + auth.Name
		f.add(scope, "function", strings.TrimSuffix(auth.Function+"@"+auth.Qualifier, "@"))
		if auth.Function == "" {
			f.plugin(scope, "", &auth.Plugin)
		}
		f.add(scope, "type", strings.ToLower(auth.Type))
		f.add(scope, "identityValidationExpression", auth.Validation)
		f.add(scope, "identitySources", strings.Join(auth.IdentitySources, ", "))
		f.add(scope, "resultTTL", auth.ResultTTL.Value.String())
		f.add(scope, "payloadFormatVersion", auth.PayloadFormat)
	}
	f.filters("", a.Filters)
	f.rest(a.REST)
	for _, r := range a.Routes {
		f.route(r)
	}
	order := make([]string, len(a.Routes))
	for i, r := range a.Routes {
		order[i] = r.Key
	}
	f.add("", "order of the routes", strings.Join(order, ", "))
	return f
}

func (f *facets) route(r *host.Route) {
	scope := "route " + r.Key
	if r.Authorizer != nil {
		f.add(scope, "authorizer", r.Authorizer.Name)
	}
	f.filters(scope, r.Filters)
	f.add(scope, "timeout", r.Timeout.Value.String())
	f.add(scope, "idleTimeout", r.IdleTimeout.Value.String())
	f.add(scope, "maxDuration", r.MaxDuration.Value.String())
	f.add(scope, "maxBody", sizeText(r.MaxBody.Value))
	f.add(scope, "streaming", strconv.FormatBool(r.Streaming))
	f.method(scope, r.REST)
	f.mappings(scope, "mapping ", r.Mappings)
	f.integration(scope, &r.Integration)
	for i, rule := range r.Responses {
		name := fmt.Sprintf("response %d ", i+1)
		f.add(scope, name+"match", rule.Match)
		if rule.Status != 0 {
			f.add(scope, name+"status", strconv.Itoa(rule.Status))
		}
		f.parameters(scope, name+"parameter ", rule.Parameters)
		f.add(scope, name+"contentHandling", rule.ContentHandling)
		f.mappings(scope, name+"mapping ", rule.Mappings)
	}
}

func (f *facets) filters(scope string, filters []*host.Filter) {
	for i, filter := range filters {
		name := fmt.Sprintf("filter %d", i+1)
		if scope == "" {
			f.plugin(name, "", &filter.Plugin)
		} else {
			f.plugin(scope, name+" ", &filter.Plugin)
		}
	}
}

func (f *facets) integration(scope string, c *host.IntegrationConfig) {
	target := ""
	switch c.Type {
	case host.IntegrationFunction:
		target = c.Function
		if c.Qualifier != "" {
			target += "@" + c.Qualifier
		}
	case host.IntegrationHTTP:
		target = c.URI
	case host.IntegrationUpstream:
		target = c.Upstream
	case host.IntegrationMock:
		if c.Mock == nil {
			break // the mapping chooses
		}
		target = fmt.Sprintf("status %d", c.Mock.Status)
		f.add(scope, "mock body", c.Mock.Body)
		for _, field := range c.Mock.Header {
			f.add(scope, "mock header "+field.Name, field.Value)
		}
	case host.IntegrationService:
		target = f.service(scope, c.Service)
	}
	f.add(scope, "integration", strings.TrimSpace(string(c.Type)+" "+target))
	f.add(scope, "integration path", c.Path)
	f.add(scope, "integration method", c.Method)
	f.add(scope, "integration payloadFormatVersion", c.PayloadFormat)
	f.add(scope, "integration passthroughBehavior", c.Passthrough)
	f.parameters(scope, "integration parameter ", c.Parameters)
	f.add(scope, "integration contentHandling", c.ContentHandling)
	if c.Proxy {
		f.add(scope, "integration proxy", "true")
	}
	if c.Insecure {
		f.add(scope, "integration tlsConfig insecureSkipVerification", "true")
	}
	if c.Timeout.Value != 0 {
		f.add(scope, "integration timeout", c.Timeout.Value.String())
	}
}

// plugin lists the settings of a plugin, with prefix before their names where several stand in one scope.
func (f *facets) plugin(scope, prefix string, p *host.PluginConfig) {
	f.add(scope, prefix+"plugin", p.Ref)
	if p.Source != nil {
		f.add(scope, prefix+"code", fmt.Sprintf("%.6s", p.Source.Digest))
		f.add(scope, prefix+"source map", fmt.Sprintf("%.6s", p.Source.MapDigest))
	}
	f.add(scope, prefix+"runtime", p.Runtime)
	f.add(scope, prefix+"abi", p.ABI)
	f.add(scope, prefix+"timeout", p.Limits.Timeout.Value.String())
	if p.Limits.Memory.Value != 0 {
		f.add(scope, prefix+"memory", sizeText(p.Limits.Memory.Value))
	}
	f.add(scope, prefix+"concurrency", strconv.Itoa(p.Limits.Concurrency.Value))
	f.add(scope, prefix+"maxResult", sizeText(p.Limits.MaxResult.Value))
	f.limits(scope, prefix+"limits.", &p.Limits)
	f.add(scope, prefix+"isolation", string(p.Isolation))
	f.add(scope, prefix+"onError", string(p.OnError.Mode))
	if p.OnError.Status != 0 {
		f.add(scope, prefix+"onError status", strconv.Itoa(p.OnError.Status))
	}
	f.add(scope, prefix+"onError body", p.OnError.Body)
	f.add(scope, prefix+"kv", p.KV)
	for _, name := range sortedKeys(p.Env) {
		f.add(scope, prefix+"env "+name, strconv.Quote(p.Env[name]))
	}
	for _, s := range p.Secrets {
		f.add(scope, prefix+"secret "+s.Name, secretOrigin(s))
	}
	f.add(scope, prefix+"egress", strings.Join(p.Egress, ", "))
	f.add(scope, prefix+"config", string(p.Config))
}

// limits lists those under the key limits.
func (f *facets) limits(scope, prefix string, l *host.Limits) {
	if l.Fuel.Value != 0 { // goja has none
		f.add(scope, prefix+"fuel", strconv.FormatInt(l.Fuel.Value, 10))
	}
	if l.HostCalls.Value != 0 { // scripts and commands have none
		f.add(scope, prefix+"hostCalls", strconv.FormatInt(l.HostCalls.Value, 10))
	}
	f.add(scope, prefix+"fetches", strconv.FormatInt(l.Fetches.Value, 10))
	f.add(scope, prefix+"fetchBytes", sizeText(l.FetchBytes.Value))
	f.add(scope, prefix+"logLines", strconv.FormatInt(l.LogLines.Value, 10))
	f.add(scope, prefix+"logBytes", sizeText(l.LogBytes.Value))
	f.add(scope, prefix+"headers", strconv.FormatInt(l.Headers.Value, 10))
	f.add(scope, prefix+"headerBytes", sizeText(l.HeaderBytes.Value))
	f.add(scope, prefix+"kvBytes", sizeText(l.KVBytes.Value))
}

// secretOrigin says where a secret's value comes from.
func secretOrigin(s host.Secret) string {
	switch {
	case s.Env != "":
		return "env " + s.Env
	case s.Store != "":
		return "store " + s.Store
	}
	return "file " + s.File
}

// functionFacets lists the settings of a function.
func functionFacets(fn *host.Function) facets {
	var f facets
	f.plugin("", "", &fn.Plugin)
	f.add("", "url", strconv.FormatBool(fn.URL))
	f.add("", "async.retries", strconv.Itoa(fn.Async.Retries.Value))
	f.add("", "async.maxAge", fn.Async.MaxAge.Value.String())
	f.add("", "async.deadLetter", fn.Async.DeadLetter)
	return f
}

// upstreamFacets lists the settings of an upstream.
func upstreamFacets(u *host.Upstream) facets {
	var f facets
	targets := make([]string, len(u.Targets))
	for i, t := range u.Targets {
		targets[i] = fmt.Sprintf("%s (weight %d)", t.URL, t.Weight)
	}
	f.add("", "targets", strings.Join(targets, ", "))
	f.add("", "timeout", u.Timeout.Value.String())
	f.add("", "connectTimeout", u.ConnectTimeout.Value.String())
	f.add("", "idleTimeout", u.IdleTimeout.Value.String())
	f.add("", "balance", string(u.Balance))
	f.add("", "hashOn", u.HashOn.Value)
	f.add("", "maxConnections", strconv.Itoa(u.MaxConnections.Value))
	f.add("", "maxRequests", strconv.Itoa(u.MaxRequests.Value))
	f.add("", "dnsRefresh", u.DNSRefresh.Value.String())
	f.add("", "proxyProtocol", strconv.Itoa(u.ProxyProtocol))
	if h := u.HealthCheck; h != nil {
		f.add("", "healthCheck", fmt.Sprintf("%s every %s, timeout %s, status %s, healthy %d, unhealthy %d", h.Path, h.Interval, h.Timeout, h.Status, h.Healthy, h.Unhealthy))
	}
	if e := u.Ejection; e != nil {
		f.add("", "ejection", fmt.Sprintf("failures %d, for %s, max %d", e.Failures, e.For, e.Max))
	}
	if r := u.Retries; r != nil {
		f.add("", "retries", fmt.Sprintf("attempts %d, on %s, backoff %s, budget %d", r.Attempts, strings.Join(r.On, " "), r.Backoff, r.Budget))
	}
	if b := u.Breaker; b != nil {
		f.add("", "circuitBreaker", fmt.Sprintf("failures %d, for %s", b.Failures, b.For))
	}
	f.add("", "tls.ca", file(u.TLS.CAFile.Value, u.TLS.CA))
	f.add("", "tls.cert", file(u.TLS.CertFile.Value, u.TLS.Cert))
	f.add("", "tls.key", u.TLS.KeyFile.Value)
	f.add("", "tls.serverName", u.TLS.ServerName)
	return f
}

// file names a file with its content's digest.
func file(name string, content []byte) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%s (%.6s)", name, digestOf(content))
}

// variableFacets lists the variables of a stage.
func variableFacets(variables map[string]string) facets {
	var f facets
	for _, name := range sortedKeys(variables) {
		f = append(f, facet{"", "variable " + name, strconv.Quote(variables[name])})
	}
	return f
}

// sizeText writes bytes in the largest unit that leaves nothing over.
func sizeText(n int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package template

import (
	"context"
	"strings"

	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/tree"
)

// variables are $context.
type variables struct {
	run        *run
	identity   *silentRecord
	authorizer *record
	whole      *tree.Map
}

// contextKeys are the keys that $context has of a request without an authorizer, in this order (reference 1.5.1 [REC]).
var contextKeys = [...]string{"resourceId", "resourcePath", "httpMethod", "extendedRequestId", "requestTime", "path", "accountId", "protocol",
	"requestOverride", "stage", "domainPrefix", "requestTimeEpoch", "requestId", "identity", "domainName", "deploymentId", "responseOverride", "apiId"}

// identityKeys are those of $context.identity (reference 1.5.1 [REC]). Most have no value, as there is no IAM.
var identityKeys = [...]string{"cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "sourceIp", "principalOrgId", "accessKey",
	"cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "userAgent", "user"}

// Get returns a variable of the first level.
func (c *variables) Get(name string) (any, bool) {
	x := c.run.in.Exchange
	switch name {
	case "identity":
		return c.identityRecord(), true
	case "authorizer":
		if a := c.authorizerRecord(); a != nil {
			return a, true
		}
		return nil, false
	case "requestOverride":
		return &c.run.overrides.request, true
	case "responseOverride":
		return &c.run.overrides.response, true
	case "requestTimeEpoch":
		return x.Started.UnixMilli(), true
	case "isCanaryRequest":
		if c.run.template.opts.Canary {
			return true, true
		}
		if s := x.Match.Stage; s != nil && s.Canary != nil {
			return false, true
		}
		return nil, false
	case "status", "routeKey": // of access logs, and of http APIs
		return nil, false
	}
	if strings.Contains(name, ".") {
		return nil, false
	}
	text, ok := mapping.RESTContextValue(x, name)
	if !ok {
		return nil, false
	}
	return text, true
}

// Call has nothing: what a map has is the map's.
func (*variables) Call(context.Context, string, []any) (any, bool, error) { return nil, false, nil }

// Map has what keySet shows.
func (c *variables) Map() *tree.Map {
	if c.whole != nil {
		return c.whole
	}
	c.whole = &tree.Map{}
	for _, name := range contextKeys {
		v, _ := c.Get(name)
		c.whole.Put(name, v)
	}
	for _, name := range [...]string{"authorizer", "isCanaryRequest"} {
		if v, ok := c.Get(name); ok {
			c.whole.Put(name, v)
		}
	}
	return c.whole
}

func (c *variables) identityRecord() *silentRecord {
	if c.identity == nil {
		c.identity = &silentRecord{record{one: c.identityValue, build: func() *tree.Map {
			m := &tree.Map{}
			for _, name := range identityKeys {
				value, _ := c.identityValue(name)
				m.Put(name, value)
			}
			return m
		}}}
	}
	return c.identity
}

func (c *variables) identityValue(name string) (any, bool) {
	if text, ok := mapping.RESTContextValue(c.run.in.Exchange, "identity."+name); ok {
		return text, true
	}
	return nil, false
}

// authorizerRecord has what an authorizer said, always as text, and is nil where there was none. Claims have members, and no text themselves
// (API Gateway developer guide: "Calling $context.authorizer.claims returns null").
func (c *variables) authorizerRecord() *record {
	p := &c.run.in.Exchange.Principal
	if c.authorizer != nil || p.ID == "" && len(p.Context) == 0 {
		return c.authorizer
	}
	claims, _ := p.Context["claims"].(map[string]any)
	one := func(name string) (any, bool) {
		if name == "claims" && claims != nil {
			return &silentRecord{record{build: func() *tree.Map { return authorizerTexts(claims) }}}, true
		}
		if text, ok := mapping.RESTContextValue(c.run.in.Exchange, "authorizer."+name); ok {
			return text, true
		}
		return nil, false
	}
	c.authorizer = &record{one: one, build: func() *tree.Map {
		m := authorizerTexts(p.Context)
		if v, _ := one("claims"); claims != nil {
			m.Put("claims", v)
		}
		if _, said := m.Get("principalId"); !said && p.ID != "" {
			m.Put("principalId", p.ID)
		}
		return m
	}}
	return c.authorizer
}

func authorizerTexts(values map[string]any) *tree.Map {
	m := &tree.Map{}
	for _, name := range sortedKeys(values) {
		if text, ok := mapping.AuthorizerText(values[name]); ok {
			m.Put(name, text)
		}
	}
	return m
}

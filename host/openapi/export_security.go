package openapi

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// securitySchemes are the authorizers.
func (e *exporter) securitySchemes() *document.Node {
	authorizers := e.api.Get("authorizers")
	if authorizers == nil || len(authorizers.Members) == 0 {
		return nil
	}
	schemes := document.NewObject(authorizers.Pos)
	for _, m := range authorizers.Members {
		schemes.Set(m.Key, m.Pos, e.securityScheme(&m))
	}
	return schemes
}

// securityScheme writes an authorizer. For one that is a plugin it names a function, so that API Gateway lets nobody in before there is one.
func (e *exporter) securityScheme(m *document.Member) *document.Node {
	function := textOf(m.Value, "function")
	if function == "" {
		function = shorter(m.Key, maxFunctionName)
		e.find(Different, m.Pos, "authorizer", "the authorizer "+document.Quote(m.Key)+" is a plugin: API Gateway calls a Lambda function of the name "+document.Quote(function)+" in its place, and lets nobody in until there is one")
	}
	auth, scheme := document.NewObject(m.Pos), document.NewObject(m.Pos)
	text(scheme, "type", m.Pos, "apiKey")
	a := authorizerOf(e.protocol, m.Value)
	name, in := "Unused", "header" // as API Gateway exports what is more than one header
	if len(a.sources) == 1 {
		if header, ok := strings.CutPrefix(a.sources[0], "method.request.header."); ok {
			name = header
		} else if header, ok := strings.CutPrefix(a.sources[0], "$request.header."); ok {
			name = header
		}
	}
	text(scheme, "name", m.Pos, name)
	text(scheme, "in", m.Pos, in)
	text(scheme, extension+"authtype", m.Pos, "custom")
	text(auth, "type", m.Pos, a.kind)
	text(auth, "authorizerUri", m.Pos, e.invocationARN(function, false))
	if len(a.sources) > 0 && a.kind != "token" {
		text(auth, "identitySource", m.Pos, strings.Join(a.sources, ","))
	}
	if a.validation != "" && a.kind == "token" {
		text(auth, "identityValidationExpression", m.Pos, a.validation)
	}
	if a.ttl%1e9 == 0 {
		auth.Set("authorizerResultTtlInSeconds", m.Pos, document.NewInteger(m.Pos, a.ttl/1e9))
	}
	if e.protocol == host.ProtocolHTTP {
		text(auth, "authorizerPayloadFormatVersion", m.Pos, a.format)
		if a.format == "2.0" {
			auth.Set("enableSimpleResponses", m.Pos, document.NewBool(m.Pos, true))
		}
	}
	scheme.Set(extension+"authorizer", m.Pos, auth)
	return scheme
}

const maxFunctionName = 64 // letters (Lambda API reference, "CreateFunction")

func shorter(s string, most int) string { return s[:min(len(s), most)] }

// What an authorizer is, with all that its definition leaves out.
type settledAuthorizer struct {
	kind       string   // token or request
	sources    []string // as API Gateway has them for the protocol
	validation string
	format     string
	ttl        int64 // nanoseconds
}

// authorizerOf settles an authorizer as package definition does.
func authorizerOf(p host.Protocol, n *document.Node) settledAuthorizer {
	a := settledAuthorizer{kind: "request", validation: textOf(n, "identityValidationExpression"), format: "2.0"}
	if f := textOf(n, "payloadFormatVersion"); f != "" {
		a.format = f
	}
	if sources := n.Get("identitySources"); sources != nil {
		for _, s := range sources.Items {
			a.sources = append(a.sources, s.Text)
		}
	}
	if p == host.ProtocolREST {
		for i, s := range a.sources {
			a.sources[i] = strings.TrimPrefix(s, "$")
			if strings.HasPrefix(s, "$request.") {
				a.sources[i] = "method." + a.sources[i]
			}
		}
		a.format = "1.0"
		one := len(a.sources) == 1 && strings.HasPrefix(a.sources[0], "method.request.header.")
		if kind := textOf(n, "type"); kind == "token" || kind == "" && one {
			a.kind = "token"
		}
		if a.kind == "token" && len(a.sources) == 0 {
			a.sources = []string{"method.request.header.Authorization"}
		}
	}
	if len(a.sources) > 0 {
		a.ttl = int64(host.DefaultResultTTL)
	}
	if ttl, ok := durationOf(n.Get("resultTTL")); ok {
		a.ttl = ttl
	}
	return a
}

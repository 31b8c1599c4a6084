package openapi

import (
	"strings"

	"github.com/postern/postern/host/document"
)

// httpIntegration writes the integration of a route of an HTTP API, or returns nil where API Gateway has none like it.
func (e *exporter) httpIntegration(r *exportedRoute) *document.Node {
	from := r.node.Get("integration")
	n := document.NewObject(r.pos)
	kind := strings.ToUpper(textOf(from, "type"))
	switch {
	case from.Get("mock") != nil, kind == "MOCK":
		e.find(Unsupported, r.pos, "integration", "HTTP APIs of API Gateway have no mocks: it cannot serve the operation")
		return nil
	case from.Get("upstream") != nil:
		e.find(Unsupported, from.Member("upstream").Pos, "integration", "API Gateway has no upstreams: it cannot serve the operation until it has an integration with a URI")
		return nil
	case from.Get("function") != nil:
		e.function(n, from.Member("function"), "aws_proxy", r)
		n.Set("uri", r.pos, document.NewText(r.pos, e.functionARN(textOf(from, "function")))) // HTTP APIs name functions alone
		text(n, "payloadFormatVersion", r.pos, payloadFormatOf(from))
	case from.Get("subtype") != nil:
		subtype := from.Member("subtype")
		text(n, "type", subtype.Pos, "aws_proxy")
		text(n, "integrationSubtype", subtype.Pos, subtype.Value.Text)
		text(n, "payloadFormatVersion", subtype.Pos, "1.0")
		e.find(Different, subtype.Pos, "credentials", "API Gateway calls a service in the name of an IAM role: add credentials with the ARN of one to the integration")
	case strings.HasPrefix(kind, "AWS"):
		e.aws(n, from, "AWS_PROXY", r)
		text(n, "payloadFormatVersion", r.pos, payloadFormatOf(from))
	case from.Get("http") != nil:
		e.uri(n, from.Member("http"), "http_proxy")
		e.sent(n, from, r)
	default:
		e.uri(n, from.Member("uri"), "http_proxy")
		e.sent(n, from, r)
	}
	text(n, "connectionType", r.pos, "INTERNET")
	for _, m := range from.Members {
		switch m.Key {
		case "parameters":
			n.Set("requestParameters", m.Pos, m.Value)
		case "timeout":
			e.timeout(n, &m)
		}
	}
	e.httpRules(n, r)
	return n
}

// sent writes what is sent to a URI.
func (e *exporter) sent(n, from *document.Node, r *exportedRoute) {
	text(n, "httpMethod", r.pos, httpMethod(from))
	text(n, "payloadFormatVersion", r.pos, "1.0")
}

// payloadFormatOf is the format of a function's event in an HTTP API.
func payloadFormatOf(integration *document.Node) string {
	if f := textOf(integration, "payloadFormatVersion"); f != "" {
		return f
	}
	return "2.0"
}

// httpRules writes what is mapped of responses. API Gateway selects by a status, not by an expression, and maps no bodies.
func (e *exporter) httpRules(n *document.Node, r *exportedRoute) {
	if m := r.node.Get("request").Member("mapping"); m != nil {
		e.find(Unsupported, m.Pos, "mapping", "HTTP APIs of API Gateway map no bodies: export an API of the protocol rest, or let a function do it")
	}
	rules := r.node.Member("responses")
	if rules == nil {
		return
	}
	all := document.NewObject(rules.Pos)
	for _, rule := range rules.Value.Items {
		pattern, parameters := textOf(rule, "match"), rule.Get("parameters")
		if m := rule.Member("mapping"); m != nil {
			e.find(Unsupported, m.Pos, "mapping", "HTTP APIs of API Gateway map no bodies: export an API of the protocol rest, or let a function do it")
		}
		if !literalStatus.MatchString(pattern) {
			e.find(Different, rule.Pos, "responses", "API Gateway maps the responses of one status, not of all that an expression matches: it passes these on as they are")
			continue
		}
		mapped := document.NewObject(rule.Pos)
		if parameters != nil {
			mapped.Members = append(mapped.Members, parameters.Members...)
		}
		if status := rule.Member("status"); status != nil && mapped.Get("overwrite:statuscode") == nil {
			text(mapped, "overwrite:statuscode", status.Pos, status.Value.Text)
		}
		if all.Get(pattern) == nil && len(mapped.Members) > 0 {
			all.Set(pattern, rule.Pos, mapped)
		}
	}
	if len(all.Members) > 0 {
		n.Set("responseParameters", rules.Pos, all)
	}
}

// httpResponses says that the operation answers, which OpenAPI wants.
func (e *exporter) httpResponses(r *exportedRoute) {
	response, responses := document.NewObject(r.pos), document.NewObject(r.pos)
	text(response, "description", r.pos, "Default response for "+r.key)
	responses.Set("default", r.pos, response)
	r.out.Set("responses", r.pos, responses)
}

package definition

import (
	"errors"
	"maps"
	"slices"

	"github.com/postern/postern/host"
)

// longForm decodes the form with Amazon's names.
func (b *builder) longForm(a *host.API, r *routeDef, c *host.IntegrationConfig) {
	def := &r.Integration
	kind := def.Type.Value
	c.Pos = def.Type.pos
	c.Proxy = a.Protocol == host.ProtocolREST && (kind == "HTTP_PROXY" || kind == "AWS_PROXY")
	b.onlyKeys(def, "type")
	if def.Subtype.written() && kind != "AWS_PROXY" {
		b.add(def.Subtype.place, RuleConflict, "subtype is for the type AWS_PROXY").Hint = "write type: AWS_PROXY"
	}
	if def.PayloadFormat.written() && kind != "AWS" && kind != "AWS_PROXY" {
		b.add(def.PayloadFormat.place, RuleConflict, `"payloadFormatVersion" means nothing beside the type `+kind).Hint = "remove it"
	}
	switch kind {
	case "HTTP", "HTTP_PROXY":
		b.longHTTP(a, def, c)
	case "MOCK":
		b.longMock(a, def, c)
	case "AWS", "AWS_PROXY":
		b.longAWS(a, def, c)
	default: // the schema has refused it
		return
	}
	if at := r.Request.Mapping.place; kind == "HTTP_PROXY" || kind == "AWS_PROXY" {
		if !at.written() {
			at = r.Responses.place
		}
		if at.written() && !def.onlyParameters(r) {
			e := b.add(at, RuleConflict, "an integration of type "+kind+" passes everything on as it is")
			if e.Hint = "write type: " + kind[:len(kind)-len("_PROXY")]; kind == "AWS_PROXY" && a.Protocol != host.ProtocolREST {
				e.Hint = "remove it, or write function: with the name of the function"
			}
		}
	}
}

// onlyParameters reports whether all that is done beside an integration is to map parameters of responses, as proxies allow.
func (d *integrationDef) onlyParameters(r *routeDef) bool {
	return !r.Request.Mapping.written() && !slices.ContainsFunc(r.Responses.items, func(rule responseRuleDef) bool {
		return rule.Mapping.written() || !rule.Parameters.written()
	})
}

func (b *builder) longHTTP(a *host.API, def *integrationDef, c *host.IntegrationConfig) {
	c.Type, c.URI = host.IntegrationHTTP, def.URI.Value
	if !def.URI.written() {
		b.needs(def, "uri", "")
		return
	}
	c.Pos = def.URI.pos
	b.uri(a, def.URI)
	if a.Protocol == host.ProtocolREST && !def.Method.written() && !def.HTTPMethod.written() {
		b.needs(def, "method", "add method: GET, or ANY for the client's")
	}
}

// longMock decodes MOCK, which on rest APIs answers what its request's mapping says.
func (b *builder) longMock(a *host.API, def *integrationDef, c *host.IntegrationConfig) {
	c.Type = host.IntegrationMock
	nothing := map[string]place{"uri": def.URI.place}
	if a.Protocol == host.ProtocolREST {
		c.Method = ""
	} else {
		c.Mock = &host.MockResponse{Status: 200}
		nothing["method"], nothing["httpMethod"] = def.Method.place, def.HTTPMethod.place
	}
	for _, key := range sortedKeys(nothing) {
		if at := nothing[key]; at.written() {
			b.add(at, RuleConflict, "a MOCK integration sends nothing").Hint = "remove it"
		}
	}
}

func (b *builder) longAWS(a *host.API, def *integrationDef, c *host.IntegrationConfig) {
	switch {
	case a.Protocol != host.ProtocolREST && def.Type.Value == "AWS":
		b.add(def.Type.place, RuleConflict, "integrations of type AWS are of REST APIs").Hint = "write type: AWS_PROXY, with the ARN of a function or with a subtype; or protocol: rest"
	case def.Subtype.written() && a.Protocol != host.ProtocolREST:
		if def.URI.written() {
			b.add(def.URI.place, RuleConflict, "the integration has subtype and uri").Hint = "keep one of them"
		}
		b.subtype(def, c)
	case def.URI.written():
		b.arn(a, def, c)
	default:
		b.needs(def, "uri", "add uri: arn:aws:apigateway:us-east-1:sqs:action/SendMessage, for example")
	}
}

// needs reports a key that the long form needs.
func (b *builder) needs(def *integrationDef, key, hint string) {
	b.add(place{def.Type.pos, KeyPath(def.path, key)}, RuleRequired, "an integration of type "+def.Type.Value+" has no "+quote(key)).Hint = hint
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// causeText is what an error says below what was tried.
func causeText(err error) string {
	var e *host.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

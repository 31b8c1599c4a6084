package openapi

import (
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// schemasAt begins references to schemas.
func (e *exporter) schemasAt() string {
	if e.version == swagger2 {
		return "#/definitions/"
	}
	return "#/components/schemas/"
}

// components writes models and authorizers.
func (e *exporter) components() {
	schemas, schemes := e.schemas(), e.securitySchemes()
	if e.version == swagger2 {
		if schemes != nil {
			e.root.Set("securityDefinitions", schemes.Pos, schemes)
		}
		if schemas != nil {
			e.root.Set("definitions", schemas.Pos, schemas)
		}
		return
	}
	components := document.NewObject(e.api.Pos)
	if schemas != nil {
		components.Set("schemas", schemas.Pos, schemas)
	}
	if schemes != nil {
		components.Set("securitySchemes", schemes.Pos, schemes)
	}
	if len(components.Members) > 0 {
		e.root.Set("components", components.Pos, components)
	}
}

// schemas are the models, and those of the ones that always exist that routes name.
func (e *exporter) schemas() *document.Node {
	schemas := document.NewObject(e.api.Pos)
	if models := e.api.Get("models"); models != nil {
		schemas.Pos = models.Pos
		for _, m := range models.Members {
			schemas.Set(m.Key, m.Pos, e.schema(m.Value, m.Key))
		}
	}
	if routes := e.api.Get("routes"); routes != nil {
		for _, r := range routes.Members {
			e.always(schemas, r.Value.Get("request").Get("models"))
		}
	}
	if len(schemas.Members) == 0 {
		return nil
	}
	return schemas
}

// always adds models that always exist where they are named, as API Gateway exports them.
func (e *exporter) always(schemas, named *document.Node) {
	if named == nil {
		return
	}
	for _, m := range named.Members {
		name := m.Value.Text
		if schemas.Get(name) != nil || !slices.Contains(alwaysModels, name) {
			continue
		}
		schema := document.NewObject(m.Pos)
		text(schema, "title", m.Pos, name+" Schema")
		text(schema, "type", m.Pos, "object")
		if name == "Error" {
			message, properties := document.NewObject(m.Pos), document.NewObject(m.Pos)
			text(message, "type", m.Pos, "string")
			properties.Set("message", m.Pos, message)
			schema.Set("properties", m.Pos, properties)
		}
		schemas.Set(name, m.Pos, schema)
	}
}

// schema writes a model, with references as the document has them.
func (e *exporter) schema(n *document.Node, model string) *document.Node {
	switch n.Shape {
	case document.List:
		list := document.NewList(n.Pos)
		for _, item := range n.Items {
			list.Items = append(list.Items, e.schema(item, model))
		}
		return list
	case document.Object:
		object := document.NewObject(n.Pos)
		for _, m := range n.Members {
			switch {
			case m.Key == "$ref" && m.Value.Shape == document.Text:
				text(object, m.Key, m.Pos, e.schemaRef(m.Value.Text, model))
			case e.version == openapi31 && exclusiveOf[m.Key] != "" && isTrue(m.Value) && n.Get(exclusiveOf[m.Key]) != nil:
				object.Set(m.Key, m.Pos, n.Get(exclusiveOf[m.Key])) // as later drafts of JSON Schema have it
			case e.version == openapi31 && isExclusive(n, m.Key):
			default:
				object.Set(m.Key, m.Pos, e.schema(m.Value, model))
			}
		}
		return object
	}
	return n
}

// exclusiveOf has the bounds that draft 4 of JSON Schema makes exclusive by true.
var exclusiveOf = map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}

// isExclusive reports whether a bound is written as an exclusive one.
func isExclusive(schema *document.Node, bound string) bool {
	for exclusive, of := range exclusiveOf {
		if of == bound && isTrue(schema.Get(exclusive)) {
			return true
		}
	}
	return false
}

// schemaRef writes a reference of a model to one, or to a part of one, as a pointer into the document.
func (e *exporter) schemaRef(ref, model string) string {
	if at := amazonModel.FindString(ref); at != "" {
		name, inside, _ := strings.Cut(ref[len(at):], "#")
		return e.schemasAt() + name + inside
	}
	if inside, ok := strings.CutPrefix(ref, "#"); ok {
		return e.schemasAt() + model + inside
	}
	return ref
}

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

package openapi

import (
	"fmt"
	"net/url"
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
		if e.version != openapi31 {
			e.hoist(models)
		}
		for _, m := range models.Members {
			e.model(schemas, &m)
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

// hoist gives names of their own to the definitions within models: schemas of OpenAPI 3.0 and 2.0 have none, and those of the document are flat.
func (e *exporter) hoist(models *document.Node) {
	e.hoisted = map[string]string{}
	taken := map[string]bool{}
	for _, m := range models.Members {
		taken[m.Key] = true
	}
	for _, m := range models.Members {
		definitions := m.Value.Get("definitions")
		if definitions == nil {
			continue
		}
		for _, d := range definitions.Members {
			base := shorter(m.Key+notInModelName.ReplaceAllString(d.Key, ""), maxModelName)
			name := base
			for i := 2; taken[name] || slices.Contains(alwaysModels, name); i++ {
				name = fmt.Sprintf("%s%d", base, i)
			}
			taken[name] = true
			e.hoisted[m.Key+"/definitions/"+d.Key] = name
		}
	}
}

const maxModelName = 120 // letters; a number may follow

// model writes a model, and the definitions in it.
func (e *exporter) model(schemas *document.Node, m *document.Member) {
	schema := withoutDraft(m.Value)
	definitions := schema.Get("definitions")
	if e.version != openapi31 && definitions != nil && definitions.Shape == document.Object {
		flat := *schema
		flat.Members = slices.DeleteFunc(slices.Clone(schema.Members), func(m document.Member) bool { return m.Key == "definitions" })
		schema = &flat
	} else {
		definitions = nil
	}
	schemas.Set(m.Key, m.Pos, e.schema(schema, m.Key))
	e.keywords(m.Key, schema, m.Pos)
	if definitions == nil {
		return
	}
	for _, d := range definitions.Members {
		name := e.hoisted[m.Key+"/definitions/"+d.Key]
		schemas.Set(name, d.Pos, e.schema(d.Value, m.Key))
		e.keywords(name, d.Value, d.Pos)
	}
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

// withoutDraft leaves out that a model is of draft 4, which all are.
func withoutDraft(n *document.Node) *document.Node {
	if d := n.Get("$schema"); d == nil || !strings.HasPrefix(strings.TrimPrefix(d.Text, "http://json-schema.org/draft-04/schema"), "#") {
		return n
	}
	out := document.NewObject(n.Pos)
	out.Members = slices.DeleteFunc(slices.Clone(n.Members), func(m document.Member) bool { return m.Key == "$schema" })
	return out
}

// notInOpenAPI30 are the keywords of draft 4 that schemas of OpenAPI 3.0 and 2.0 do not have (OpenAPI 3.0.4, section 4.7.24).
var notInOpenAPI30 = []string{"$schema", "additionalItems", "definitions", "dependencies", "id", "patternProperties"}

// keywords names those of a model that OpenAPI does not have.
func (e *exporter) keywords(model string, schema *document.Node, pos host.Position) {
	if e.version == openapi31 {
		return
	}
	var found []string
	eachSchema(schema, func(schema *document.Node) {
		for _, m := range schema.Members {
			list := m.Value.Shape == document.List && (m.Key == "items" || m.Key == "type")
			if (list || slices.Contains(notInOpenAPI30, m.Key)) && !slices.Contains(found, m.Key) {
				found = append(found, m.Key)
			}
		}
	})
	if len(found) > 0 {
		e.find(Different, pos, "model", "the model "+document.Quote(model)+" has what schemas of OpenAPI 3.0 and 2.0 do not have, and tools may refuse: "+strings.Join(found, ", "))
	}
}

// eachSchema calls f for a schema and those in it.
func eachSchema(n *document.Node, f func(*document.Node)) {
	if n == nil || n.Shape != document.Object {
		return
	}
	f(n)
	for _, m := range n.Members {
		switch m.Key {
		case "not", "additionalProperties", "additionalItems", "items", "allOf", "anyOf", "oneOf":
			eachSchema(m.Value, f)
			for _, item := range m.Value.Items {
				eachSchema(item, f)
			}
		case "properties", "patternProperties", "definitions":
			for _, inner := range m.Value.Members {
				eachSchema(inner.Value, f)
			}
		}
	}
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
		return e.schemasAt() + e.place(name+inside)
	}
	if inside, ok := strings.CutPrefix(ref, "#"); ok {
		return e.schemasAt() + e.place(model+inside)
	}
	return ref
}

// unescape reads a token of a pointer in a URI (RFC 6901, section 6).
func unescape(token string) string {
	if unescaped, err := url.PathUnescape(token); err == nil {
		token = unescaped
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
}

// place is where a part of a model stands among the schemas.
func (e *exporter) place(part string) string {
	tokens := strings.SplitN(part, "/", 4)
	if len(tokens) >= 3 {
		if name := e.hoisted[strings.Join(tokens[:2], "/")+"/"+unescape(tokens[2])]; name != "" {
			return strings.Join(append([]string{name}, tokens[3:]...), "/")
		}
	}
	return part
}

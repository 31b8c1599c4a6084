package openapi

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// modelBase begins the URL by which models refer to each other, whatever the API's identifier was.
const modelBase = "https://apigateway.amazonaws.com/restapis/-/models/"

var (
	notInModelName = regexp.MustCompile(`[^A-Za-z0-9]+`)
	// amazonModel is how models refer to each other at Amazon; their host may have a region.
	amazonModel = regexp.MustCompile(`^https://apigateway(?:\.[a-z0-9-]+)?\.amazonaws\.com/restapis/[^/]+/models/`)
)

// alwaysModels exist in every REST API, and are what API Gateway makes them.
var alwaysModels = []string{"Empty", "Error"}

// models makes a model of each schema that has a name, as API Gateway does. Without its extensions nothing validates bodies, and there are none.
func (r *reader) models() {
	if r.opts.Protocol != host.ProtocolREST || !r.amazon {
		return
	}
	at, key := r.root, "definitions"
	if r.version != swagger2 {
		at, key = r.root.Get("components"), "schemas"
	}
	schemas := at.Get(key)
	if !r.is(schemas, document.Object, key) {
		return
	}
	for _, m := range schemas.Members { // all names first, since schemas refer to each other
		r.modelNames[m.Key] = r.modelName(m.Key)
	}
	for _, m := range schemas.Members {
		if name := r.modelNames[m.Key]; !slices.Contains(alwaysModels, name) {
			if name != m.Key {
				r.find(Different, m.Pos, "model", fmt.Sprintf("the schema %s becomes the model %s: names of models are letters and digits", document.Quote(m.Key), name))
			}
			r.model(name, m.Pos, m.Value)
		}
	}
}

// modelName makes a name of letters and digits that no other model has.
func (r *reader) modelName(text string) string {
	base := notInModelName.ReplaceAllString(text, "")
	if base == "" {
		base = "Model"
	}
	if len(base) > 120 {
		base = base[:120]
	}
	name := base
	for i := 2; ; i++ {
		if !r.taken[name] {
			r.taken[name] = true
			return name
		}
		name = fmt.Sprintf("%s%d", base, i)
	}
}

// model adds a model.
func (r *reader) model(name string, pos host.Position, schema *document.Node) {
	if !r.is(schema, document.Object, name) {
		return
	}
	models := r.api.Get("models")
	if models == nil {
		models = document.NewObject(pos)
		r.api.Set("models", pos, models)
	}
	models.Set(name, pos, r.schema(schema))
}

// schema returns a JSON Schema of draft 4, with references as models write them.
func (r *reader) schema(n *document.Node) *document.Node {
	switch n.Shape {
	case document.List:
		list := document.NewList(n.Pos)
		for _, item := range n.Items {
			list.Items = append(list.Items, r.schema(item))
		}
		return list
	case document.Object:
		object := document.NewObject(n.Pos)
		for _, m := range n.Members {
			if m.Key == "$ref" && m.Value.Shape == document.Text {
				object.Set(m.Key, m.Pos, r.schemaRef(m.Value))
			} else if !r.draft4(object, n, m) {
				object.Set(m.Key, m.Pos, r.schema(m.Value))
			}
		}
		return object
	}
	return n
}

// draft4 writes what OpenAPI 3.1 says in the words of later drafts of JSON Schema as draft 4 has it, and reports whether there was something to write.
func (r *reader) draft4(into, schema *document.Node, m document.Member) bool {
	if r.version != openapi31 {
		return false
	}
	number := m.Value.Shape == document.Integer || m.Value.Shape == document.Number
	switch bound := map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}[m.Key]; {
	case bound != "" && number && schema.Get(bound) == nil:
		into.Set(bound, m.Pos, m.Value)
		into.Set(m.Key, m.Pos, document.NewBool(m.Pos, true))
	case m.Key == "const" && schema.Get("enum") == nil:
		into.Set("enum", m.Pos, document.NewList(m.Pos, m.Value))
	case m.Key == "$defs" && schema.Get("definitions") == nil:
		into.Set("definitions", m.Pos, r.schema(m.Value))
	default:
		return false
	}
	return true
}

// schemaRef writes a reference to a named schema as one to its model.
func (r *reader) schemaRef(ref *document.Node) *document.Node {
	for _, prefix := range []string{"#/definitions/", "#/components/schemas/"} {
		rest, ok := strings.CutPrefix(ref.Text, prefix)
		if !ok {
			continue
		}
		token, inside, deeper := strings.Cut(rest, "/")
		if unescaped, err := url.PathUnescape(token); err == nil {
			token = unescaped
		}
		name, known := r.modelNames[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
		if !known {
			if prefix == "#/definitions/" && r.version != swagger2 {
				return ref // within the schema itself
			}
			r.pointer(ref) // says what is wrong
			return ref
		}
		if deeper {
			inside = "#/" + inside
		}
		return document.NewText(ref.Pos, modelBase+name+inside)
	}
	switch at := amazonModel.FindString(ref.Text); {
	case at != "":
		return document.NewText(ref.Pos, modelBase+ref.Text[len(at):])
	case strings.HasPrefix(ref.Text, "#"):
		return ref
	}
	r.pointer(ref) // which refuses it
	return ref
}

// modelOf returns the name of the model that a schema of an operation is, which becomes one if it has no name.
func (r *reader) modelOf(schema *document.Node, fallback string) (string, bool) {
	if !r.is(schema, document.Object, "schema") {
		return "", false
	}
	if ref := schema.Get("$ref"); ref != nil {
		if name, ok := strings.CutPrefix(r.schemaRef(ref).Text, modelBase); ok && !strings.Contains(name, "#") {
			return name, true
		}
		if r.pointer(ref) == nil {
			return "", false
		}
	}
	at := schema.Pos.String()
	name, known := r.byRef[at]
	if !known {
		name = r.modelName(fallback)
		r.byRef[at] = name
		r.model(name, schema.Pos, schema)
	}
	return name, true
}

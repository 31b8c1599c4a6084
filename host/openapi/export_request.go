package openapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// usedParameter is how mappings name a parameter of the request.
var usedParameter = regexp.MustCompile(`^method\.request\.(?:multivalue)?(header|path|querystring)\.([A-Za-z0-9._$-]+)$`)

// restRequest writes what the method of a REST API takes.
func (e *exporter) restRequest(r *exportedRoute) {
	declared := r.node.Get("request").Get("parameters")
	parameters := document.NewList(r.pos)
	seen := map[string]bool{}
	add := func(place, name string, required bool, pos host.Position) {
		if key := place + "." + name; !seen[key] {
			seen[key] = true
			parameters.Items = append(parameters.Items, e.parameter(place, name, required, pos))
		}
	}
	if declared != nil {
		for _, m := range declared.Members {
			if parts := usedParameter.FindStringSubmatch(m.Key); parts != nil {
				add(parts[1], parts[2], isTrue(m.Value), m.Pos)
			}
		}
	}
	for _, name := range pathParameters(r.path) {
		add("path", name, true, r.pos)
	}
	if mapped := r.node.Get("integration").Get("parameters"); mapped != nil && declared == nil { // API Gateway maps what the method declares
		for _, m := range mapped.Members {
			if parts := usedParameter.FindStringSubmatch(m.Value.Text); parts != nil && parts[1] != "path" {
				add(parts[1], parts[2], false, m.Pos)
			}
		}
	}
	e.body(r, parameters)
	if len(parameters.Items) > 0 {
		r.out.Set("parameters", r.pos, parameters)
	}
}

// pathParameters writes those that the path has.
func (e *exporter) pathParameters(r *exportedRoute) {
	parameters := document.NewList(r.pos)
	for _, name := range pathParameters(r.path) {
		parameters.Items = append(parameters.Items, e.parameter("path", name, true, r.pos))
	}
	if len(parameters.Items) > 0 {
		r.out.Set("parameters", r.pos, parameters)
	}
}

func (e *exporter) parameter(place, name string, required bool, pos host.Position) *document.Node {
	p := document.NewObject(pos)
	text(p, "name", pos, name)
	if place == "querystring" {
		place = "query"
	}
	text(p, "in", pos, place)
	p.Set("required", pos, document.NewBool(pos, required || place == "path"))
	e.typed(p, pos)
	return p
}

// typed says that a parameter or header field is text.
func (e *exporter) typed(n *document.Node, pos host.Position) {
	if e.version == swagger2 {
		text(n, "type", pos, "string")
		return
	}
	schema := document.NewObject(pos)
	text(schema, "type", pos, "string")
	n.Set("schema", pos, schema)
}

// body writes the models of bodies.
func (e *exporter) body(r *exportedRoute, parameters *document.Node) {
	models := r.node.Get("request").Member("models")
	if models == nil || len(models.Value.Members) == 0 {
		return
	}
	schema := func(name string, pos host.Position) *document.Node {
		n := document.NewObject(pos)
		text(n, "$ref", pos, e.schemasAt()+name)
		return n
	}
	if e.version != swagger2 {
		content, body := document.NewObject(models.Pos), document.NewObject(models.Pos)
		for _, m := range models.Value.Members {
			media := document.NewObject(m.Pos)
			media.Set("schema", m.Pos, schema(m.Value.Text, m.Value.Pos))
			content.Set(mediaRange(m.Key), m.Pos, media)
		}
		body.Set("content", models.Pos, content)
		body.Set("required", models.Pos, document.NewBool(models.Pos, true))
		r.out.Set("requestBody", models.Pos, body)
		return
	}
	first, consumes := models.Value.Members[0], document.NewList(models.Pos) // Swagger has one model for all media types
	for _, m := range models.Value.Members {
		if m.Value.Text == first.Value.Text {
			consumes.Items = append(consumes.Items, document.NewText(m.Pos, mediaRange(m.Key)))
		} else {
			e.find(Different, m.Pos, "model", "Swagger 2.0 has one model for the bodies of all media types: API Gateway does not validate those of "+m.Key)
		}
	}
	p := document.NewObject(models.Pos)
	text(p, "in", models.Pos, "body")
	text(p, "name", models.Pos, first.Value.Text)
	p.Set("required", models.Pos, document.NewBool(models.Pos, true))
	p.Set("schema", models.Pos, schema(first.Value.Text, first.Value.Pos))
	parameters.Items = append(parameters.Items, p)
	r.out.Set("consumes", models.Pos, consumes)
}

// mediaRange is a media type of a definition as OpenAPI has it.
func mediaRange(mediaType string) string {
	if mediaType == "$default" {
		return "*/*"
	}
	return mediaType
}

// The validators that a document may have, by what they validate.
var validatorNames = map[string]string{"parameters": "params-only", "body": "body-only", "parameters,body": "all"}

// validator names what is validated.
func (e *exporter) validator(r *exportedRoute) {
	from := r.node.Get("request").Member("validate")
	if from == nil {
		return
	}
	var what []string
	for _, key := range []string{"parameters", "body"} {
		if slices.ContainsFunc(from.Value.Items, func(n *document.Node) bool { return n.Text == key }) {
			what = append(what, key)
		}
	}
	name := validatorNames[strings.Join(what, ",")]
	if name == "" {
		return
	}
	text(r.out, extension+"request-validator", from.Pos, name)
	all := e.root.Get(extension + "request-validators")
	if all == nil {
		all = document.NewObject(from.Pos)
		e.root.Set(extension+"request-validators", from.Pos, all)
	}
	v := document.NewObject(from.Pos)
	v.Set("validateRequestParameters", from.Pos, document.NewBool(from.Pos, slices.Contains(what, "parameters")))
	v.Set("validateRequestBody", from.Pos, document.NewBool(from.Pos, slices.Contains(what, "body")))
	all.Set(name, from.Pos, v)
}

// restResponses writes what the method answers: what it declares or, without that, what its responses need, since API Gateway wants them declared.
func (e *exporter) restResponses(r *exportedRoute) {
	if declared := r.node.Get("methodResponses"); declared != nil {
		r.statuses, r.headers = nil, nil
		for _, m := range declared.Members {
			r.declare(m.Key, nil)
			if headers := m.Value.Get("headers"); headers != nil {
				for _, h := range headers.Items {
					r.headers[m.Key] = append(r.headers[m.Key], h.Text)
				}
			}
		}
	}
	if len(r.statuses) == 0 {
		r.declare("200", nil)
	}
	responses := document.NewObject(r.pos)
	for _, status := range r.statuses {
		response := document.NewObject(r.pos)
		text(response, "description", r.pos, status+" response")
		if names := r.headers[status]; len(names) > 0 {
			headers := document.NewObject(r.pos)
			for _, name := range names {
				h := document.NewObject(r.pos)
				e.typed(h, r.pos)
				headers.Set(name, r.pos, h)
			}
			response.Set("headers", r.pos, headers)
		}
		responses.Set(status, r.pos, response)
	}
	r.out.Set("responses", r.pos, responses)
	e.produces(r)
}

// produces lists the media types that responses are made in, which Swagger has.
func (e *exporter) produces(r *exportedRoute) {
	if e.version != swagger2 {
		return
	}
	list := document.NewList(r.pos)
	rules := r.node.Get("responses")
	if rules == nil {
		return
	}
	for _, rule := range rules.Items {
		mappings := rule.Get("mapping")
		if mappings == nil {
			continue
		}
		for _, m := range mappings.Members {
			if !slices.ContainsFunc(list.Items, func(n *document.Node) bool { return n.Text == m.Key }) && m.Key != "$default" {
				list.Items = append(list.Items, document.NewText(m.Pos, m.Key))
			}
		}
	}
	if len(list.Items) > 0 {
		r.out.Set("produces", r.pos, list)
	}
}

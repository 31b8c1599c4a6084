package openapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// restOperation makes a route of a REST API.
func (r *reader) restOperation(o *operation) {
	m := o.node.Member(extension + "integration")
	switch {
	case m != nil && m.Value.Shape != document.Null:
		if n := r.deref(m.Value); r.is(n, document.Object, m.Key) {
			r.restIntegration(o, n, m.Pos)
		}
	case o.node.Get(own).Get("integration") != nil:
	case r.amazon:
		r.unsupported(o.pos, "integration", "the operation has no "+extension+"integration, so that API Gateway would not deploy it either")
		return
	default:
		r.plainIntegration(o)
	}
	request := document.NewObject(o.pos)
	r.parameters(o, request)
	r.bodies(o, request)
	r.validator(o, request)
	if own := o.route.Get("request"); own != nil { // the integration's templates
		request.Members = append(request.Members, own.Members...)
	}
	if len(request.Members) > 0 {
		o.route.Set("request", request.Pos, request)
	}
	r.methodResponses(o)
}

// parameters declares what the method has: an operation's parameters come before those of its path.
func (r *reader) parameters(o *operation, request *document.Node) {
	declared := document.NewObject(o.pos)
	seen := map[string]bool{}
	declare := func(key string, pos host.Position, required bool) {
		if !seen[key] {
			seen[key] = true
			declared.Members = append(declared.Members, document.Member{Key: key, Pos: pos, Value: document.NewBool(pos, required)})
		}
	}
	add := func(list *document.Node) {
		if !r.is(list, document.List, "parameters") {
			return
		}
		for _, item := range list.Items {
			p := r.deref(item)
			if !r.is(p, document.Object, "parameters") {
				continue
			}
			key, in, ok := r.parameterKey(p)
			if !ok {
				continue
			}
			required := p.Get("required")
			if required == nil || r.is(required, document.Bool, "required") {
				declare(key, p.Pos, in == "path" || required != nil && required.Scalar == true)
			}
		}
	}
	add(o.node.Get("parameters"))
	add(o.item.Get("parameters"))
	if !slices.ContainsFunc(declared.Members, func(m document.Member) bool { return !strings.HasPrefix(m.Key, "method.request.path.") }) {
		return // OpenAPI wants those of the path named; they are there anyway, and say nothing of others
	}
	for _, name := range pathParameters(o.path) { // they are there, said or not
		if parameterName.MatchString(name) {
			declare("method.request.path."+name, o.pos, true)
		}
	}
	request.Set("parameters", declared.Pos, declared)
}

// parameterKey returns the name of a parameter as mappings have it, and where it stands; not of those that API Gateway does not know, which is told of
// documents for it: of others nothing is validated.
func (r *reader) parameterKey(p *document.Node) (key, in string, ok bool) {
	in, name := r.textOf(p, "in"), r.textOf(p, "name")
	switch in {
	case "header", "path":
		key = "method.request." + in + "." + name
	case "query":
		key = "method.request.querystring." + name
	case "body":
		return "", in, false // see bodies
	case "cookie", "formData":
		if r.amazon {
			r.find(Different, p.Pos, "parameter", fmt.Sprintf("%s %s is not validated: API Gateway has no parameters in %s", in, document.Quote(name), in))
		}
		return "", in, false
	default:
		r.wrong(p.Pos, document.RuleInvalidValue, "a parameter is in header, query, path, cookie, body or formData, not in "+document.Quote(in), "")
		return "", in, false
	}
	if ok = parameterName.MatchString(name); !ok && r.amazon {
		r.find(Different, p.Pos, "parameter", "the name "+document.Quote(name)+" is none that mappings can have: the parameter is passed on, and not validated")
	}
	return key, in, ok
}

var parameterName = regexp.MustCompile(`^[A-Za-z0-9._$-]+$`)

// bodies sets the models of the request's body by media type.
func (r *reader) bodies(o *operation, request *document.Node) {
	if !r.amazon {
		return
	}
	models := document.NewObject(o.pos)
	if r.version == swagger2 {
		r.swaggerBody(o, models)
	} else if body := r.deref(o.node.Get("requestBody")); r.is(body, document.Object, "requestBody") {
		if content := body.Get("content"); r.is(content, document.Object, "content") {
			for _, m := range content.Members {
				r.bodyModel(o, models, m.Key, m.Pos, m.Value.Get("schema"))
			}
		}
	}
	if len(models.Members) > 0 {
		request.Set("models", models.Pos, models)
	}
}

func (r *reader) swaggerBody(o *operation, models *document.Node) {
	for _, list := range []*document.Node{o.node.Get("parameters"), o.item.Get("parameters")} {
		if list == nil || list.Shape != document.List {
			continue
		}
		for _, item := range list.Items {
			p := r.quietly(item)
			if p.Get("in") == nil || p.Get("in").Text != "body" {
				continue
			}
			for _, mediaType := range r.consumes(o) {
				r.bodyModel(o, models, mediaType, p.Pos, p.Get("schema"))
			}
			return
		}
	}
}

// quietly dereferences what has been before: its errors are told.
func (r *reader) quietly(n *document.Node) *document.Node {
	told := len(r.errs)
	n = r.deref(n)
	r.errs = r.errs[:told]
	return n
}

// maxMediaTypes is how many media types an operation may take: the document's list stands for each of them.
const maxMediaTypes = 100

// consumes are the media types that an operation of Swagger 2.0 takes.
func (r *reader) consumes(o *operation) []string {
	list := o.node.Get("consumes")
	if list == nil {
		list = r.root.Get("consumes")
	}
	if list != nil && len(list.Items) > maxMediaTypes {
		r.wrong(list.Pos, document.RuleTooLarge, fmt.Sprintf("an operation takes at most %d media types", maxMediaTypes), "")
	} else if types := r.texts(list, "consumes"); len(types) > 0 {
		return types
	}
	return []string{"application/json"}
}

func (r *reader) texts(list *document.Node, what string) []string {
	if !r.is(list, document.List, what) {
		return nil
	}
	var texts []string
	for _, item := range list.Items {
		if r.is(item, document.Text, what) {
			texts = append(texts, item.Text)
		}
	}
	return texts
}

func (r *reader) bodyModel(o *operation, models *document.Node, mediaType string, pos host.Position, schema *document.Node) {
	if schema == nil {
		return
	}
	mediaType, _, _ = strings.Cut(mediaType, ";")
	if strings.Contains(mediaType, "*") {
		mediaType = "$default"
	}
	fallback := strings.ToLower(o.method) + o.path
	if id := o.node.Get("operationId"); id != nil {
		fallback = id.Text
	}
	if name, ok := r.modelOf(schema, fallback+"Model"); ok {
		r.text(models, strings.TrimSpace(mediaType), pos, name)
	}
}

// validator sets what is validated.
func (r *reader) validator(o *operation, request *document.Node) {
	m := o.node.Member(extension + "request-validator")
	if m == nil {
		m = r.root.Member(extension + "request-validator")
	}
	if m == nil || !r.is(m.Value, document.Text, m.Key) || m.Value.Text == "" {
		return
	}
	validators := r.root.Get(extension + "request-validators")
	v := validators.Get(m.Value.Text)
	if v == nil {
		r.wrong(m.Value.Pos, document.RuleUnknownReference, "there is no validator "+document.Quote(m.Value.Text)+" in "+extension+"request-validators", r.suggestKey(m.Value.Text, validators))
		return
	}
	list := document.NewList(v.Pos)
	for key, what := range map[string]string{"validateRequestParameters": "parameters", "validateRequestBody": "body"} {
		if on := v.Get(key); r.is(on, document.Bool, key) && on.Scalar == true {
			list.Items = append(list.Items, document.NewText(v.Pos, what))
		}
	}
	slices.SortFunc(list.Items, func(a, b *document.Node) int { return strings.Compare(b.Text, a.Text) })
	if len(list.Items) > 0 {
		request.Set("validate", m.Pos, list)
	}
}

// statusCode is a status as OpenAPI writes it; ranges such as 2XX and default are none.
var statusCode = regexp.MustCompile(`^[1-5][0-9][0-9]$`)

// methodResponses declares what the method may answer, where responses are selected.
func (r *reader) methodResponses(o *operation) {
	responses := o.node.Get("responses")
	if o.route.Get("responses") == nil || !r.is(responses, document.Object, "responses") {
		return
	}
	all := document.NewObject(responses.Pos)
	for _, m := range responses.Members {
		response := r.deref(m.Value)
		if !statusCode.MatchString(m.Key) || !r.is(response, document.Object, m.Key) {
			continue
		}
		declared := document.NewObject(m.Pos)
		if headers := response.Get("headers"); r.is(headers, document.Object, "headers") {
			names := document.NewList(headers.Pos)
			for _, h := range headers.Members {
				names.Items = append(names.Items, document.NewText(h.Pos, h.Key))
			}
			if len(names.Items) > 0 {
				declared.Set("headers", headers.Pos, names)
			}
		}
		all.Set(m.Key, m.Pos, declared)
	}
	if len(all.Members) > 0 {
		o.route.Set("methodResponses", responses.Pos, all)
	}
}

package cloudformation

import (
	"maps"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// method makes an operation of a method.
func (t *template) method(a *api, r *resource) {
	t.notes(r, map[string]note{
		"RestApiId": plain, "ResourceId": plain, "HttpMethod": plain, "OperationName": plain, "AuthorizationType": plain, "AuthorizerId": plain, "AuthorizationScopes": plain,
		"ApiKeyRequired": plain, "RequestParameters": plain, "RequestModels": plain, "RequestValidatorId": plain, "MethodResponses": plain, "Integration": plain,
	})
	path, ok := t.path(r)
	verb := t.text(r, "HttpMethod")
	if !ok || verb == nil {
		if verb == nil {
			t.wrong(r.pos, document.RuleRequired, r.id+" has no HttpMethod", "")
		}
		return
	}
	op := t.operation(a, path, verb.Text, r.pos)
	if op == nil {
		return
	}
	t.methodSecurity(a, r, op)
	if t.isTrue(t.get(r, "ApiKeyRequired"), "ApiKeyRequired") {
		t.require(a, op, "api_key", r.pos)
	}
	t.methodRequest(a, r, op)
	t.methodResponses(r, op)
	if integration := t.shaped(r, "Integration", document.Object); integration != nil {
		op.Set(extension+"integration", integration.Pos, t.integration(integration))
	}
}

// path is the path of a method's resource.
func (t *template) path(r *resource) (string, bool) {
	id, path := t.text(r, "ResourceId"), ""
	if id == nil {
		t.wrong(r.pos, document.RuleRequired, r.id+" has no ResourceId", "")
		return "", false
	}
	for range maxDepth {
		if strings.HasSuffix(id.Text, rootResource) {
			if path == "" {
				path = "/"
			}
			return path, true
		}
		parent := t.byID[id.Text]
		if parent == nil || parent.kind != typeResource {
			t.find(openapi.Unsupported, id.Pos, r.kind, r.id+" belongs to the resource "+document.Quote(id.Text)+", which this template does not have")
			return "", false
		}
		parent.used = true
		part := t.text(parent, "PathPart")
		if part == nil {
			t.wrong(parent.pos, document.RuleRequired, parent.id+" has no PathPart", "")
			return "", false
		}
		path = "/" + part.Text + path
		if id = t.text(parent, "ParentId"); id == nil {
			t.wrong(parent.pos, document.RuleRequired, parent.id+" has no ParentId", "")
			return "", false
		}
	}
	t.wrong(r.pos, document.RuleConflict, "the resources above "+r.id+" go in a circle", "")
	return "", false
}

// methodSecurity says who may call.
func (t *template) methodSecurity(a *api, r *resource, op *document.Node) {
	kind := t.text(r, "AuthorizationType")
	if kind == nil {
		return
	}
	switch strings.ToUpper(kind.Text) {
	case "NONE":
	case "AWS_IAM":
		t.require(a, op, "sigv4", kind.Pos)
	default:
		name := "the authorizer of " + r.id // nothing that exists: the operation is left out
		if id := t.text(r, "AuthorizerId"); id != nil {
			name = id.Text
		}
		t.require(a, op, name, kind.Pos)
	}
	if scopes := t.shaped(r, "AuthorizationScopes", document.List); scopes != nil && op.Get("security") != nil {
		op.Get("security").Items[0].Members[0].Value = scopes
	}
}

// require adds a security scheme to what an operation asks for. One that the document has not gets a scheme that nothing can meet.
func (t *template) require(a *api, op *document.Node, name string, pos host.Position) {
	schemes := t.schemes(a, pos)
	switch {
	case schemes.Get(name) != nil:
	case name == "api_key":
		schemes.Set(name, pos, t.scheme(pos, "x-api-key", "", nil))
	case name == "sigv4":
		schemes.Set(name, pos, t.scheme(pos, "Authorization", "awsSigv4", nil))
	default:
		t.find(openapi.Unsupported, pos, "authorizer", document.Quote(name)+" is no authorizer of this template: what needs it is left out")
		schemes.Set(name, pos, t.scheme(pos, "Authorization", "custom", nil))
	}
	requirement := object(pos, name, document.NewList(pos))
	if list := op.Get("security"); list != nil && list.Shape == document.List {
		if len(list.Items) > 0 && len(list.Items[0].Members) > 0 { // both, not one of them
			list.Items[0].Set(name, pos, document.NewList(pos))
			return
		}
		list.Items = append(list.Items, requirement)
		return
	}
	op.Set("security", pos, document.NewList(pos, requirement))
}

// methodRequest declares parameters and models.
func (t *template) methodRequest(a *api, r *resource, op *document.Node) {
	if params := t.shaped(r, "RequestParameters", document.Object); params != nil {
		for _, m := range params.Members {
			t.declare(op, m.Key, t.isTrue(m.Value, m.Key), m.Pos)
		}
	}
	if models := t.shaped(r, "RequestModels", document.Object); models != nil {
		for _, m := range models.Members {
			if t.is(m.Value, document.Text, m.Key) {
				t.bodyModel(a, op, m.Key, m.Value)
			}
		}
	}
	if v := t.text(r, "RequestValidatorId"); v != nil {
		op.Set(extension+"request-validator", v.Pos, v)
	}
}

// declare adds a parameter by its name in mappings: method.request.querystring.page.
func (t *template) declare(op *document.Node, name string, required bool, pos host.Position) {
	parts := strings.SplitN(name, ".", 4)
	if len(parts) != 4 || parts[0] != "method" || parts[1] != "request" {
		t.wrong(pos, document.RuleInvalidValue, document.Quote(name)+" is no parameter of a method", "write method.request.header.NAME, or .querystring. or .path.")
		return
	}
	p := document.NewObject(pos)
	in := parts[2]
	if in == "querystring" {
		in = "query"
	}
	set(p, "in", pos, in)
	set(p, "name", pos, parts[3])
	p.Set("required", pos, document.NewBool(pos, required || in == "path"))
	p.Set("schema", pos, object(pos, "type", document.NewText(pos, "string")))
	list := op.Get("parameters")
	if list == nil {
		list = document.NewList(pos)
		op.Set("parameters", pos, list)
	}
	list.Items = append(list.Items, p)
}

// bodyModel says which model a body has.
func (t *template) bodyModel(a *api, op *document.Node, mediaType string, name *document.Node) {
	schemas, ref := t.schemas(a, name.Pos)
	if schemas.Get(name.Text) == nil {
		if name.Text != "Empty" && name.Text != "Error" {
			t.wrong(name.Pos, document.RuleUnknownReference, "there is no model "+document.Quote(name.Text), document.Suggest(name.Text, keys(schemas)))
			return
		}
		schemas.Set(name.Text, name.Pos, object(name.Pos, "type", document.NewText(name.Pos, "object")))
	}
	schema := object(name.Pos, "$ref", document.NewText(name.Pos, ref+name.Text))
	if a.doc.Get("swagger") != nil {
		p := object(name.Pos, "in", document.NewText(name.Pos, "body"))
		set(p, "name", name.Pos, name.Text)
		p.Set("schema", name.Pos, schema)
		if list := op.Get("parameters"); list != nil {
			list.Items = append(list.Items, p)
		} else {
			op.Set("parameters", name.Pos, document.NewList(name.Pos, p))
		}
		return
	}
	content := t.child(t.child(op, "requestBody", name.Pos), "content", name.Pos)
	content.Set(mediaType, name.Pos, object(name.Pos, "schema", schema))
}

// methodResponses declares what a method may answer.
func (t *template) methodResponses(r *resource, op *document.Node) {
	list := t.shaped(r, "MethodResponses", document.List)
	all := document.NewObject(r.pos)
	op.Set("responses", r.pos, all)
	if list == nil {
		return
	}
	for _, item := range list.Items {
		status := item.Get("StatusCode")
		if !t.is(item, document.Object, "MethodResponses") || !t.is(status, document.Text, "StatusCode") {
			continue
		}
		response := object(item.Pos, "description", document.NewText(item.Pos, status.Text))
		if params := item.Get("ResponseParameters"); t.is(params, document.Object, "ResponseParameters") && len(params.Members) > 0 {
			headers := document.NewObject(params.Pos)
			for _, m := range params.Members {
				headers.Set(strings.TrimPrefix(m.Key, "method.response.header."), m.Pos, object(m.Pos, "schema", object(m.Pos, "type", document.NewText(m.Pos, "string"))))
			}
			response.Set("headers", params.Pos, headers)
		}
		all.Set(status.Text, status.Pos, response)
	}
}

// integrationNames are the properties of an integration, as OpenAPI's extension has them.
var integrationNames = map[string]string{
	"Type": "type", "IntegrationHttpMethod": "httpMethod", "Uri": "uri", "Credentials": "credentials", "RequestParameters": "requestParameters", "RequestTemplates": "requestTemplates",
	"PassthroughBehavior": "passthroughBehavior", "ContentHandling": "contentHandling", "CacheKeyParameters": "cacheKeyParameters", "CacheNamespace": "cacheNamespace",
	"TimeoutInMillis": "timeoutInMillis", "ConnectionType": "connectionType", "ConnectionId": "connectionId", "IntegrationTarget": "integrationTarget",
	"ResponseTransferMode": "responseTransferMode", "TlsConfig": "tlsConfig",
}

// integration writes an integration as OpenAPI's extension has it.
func (t *template) integration(n *document.Node) *document.Node {
	made := document.NewObject(n.Pos)
	for _, m := range rename(made, n, integrationNames) {
		if m.Key == "IntegrationResponses" {
			if t.is(m.Value, document.List, m.Key) {
				made.Set("responses", m.Pos, t.integrationResponses(m.Value))
			}
			continue
		}
		t.find(openapi.Unsupported, m.Pos, m.Key, "this property of an integration is not known here"+hint(document.Suggest(m.Key, slices.Collect(maps.Keys(integrationNames)))))
	}
	if tls := made.Get("tlsConfig"); t.is(tls, document.Object, "TlsConfig") {
		renamed := document.NewObject(tls.Pos)
		for _, m := range rename(renamed, tls, map[string]string{"InsecureSkipVerification": "insecureSkipVerification", "ServerNameToVerify": "serverNameToVerify"}) {
			renamed.Set(m.Key, m.Pos, m.Value)
		}
		made.Set("tlsConfig", tls.Pos, renamed)
	}
	return made
}

func (t *template) integrationResponses(list *document.Node) *document.Node {
	all := document.NewObject(list.Pos)
	for _, item := range list.Items {
		if !t.is(item, document.Object, "IntegrationResponses") {
			continue
		}
		pattern := "default"
		if p := item.Get("SelectionPattern"); t.is(p, document.Text, "SelectionPattern") && p.Text != "" {
			pattern = p.Text
		}
		if all.Get(pattern) != nil {
			t.wrong(item.Pos, document.RuleConflict, "two responses are selected by "+document.Quote(pattern), "remove one of them")
			continue
		}
		response := document.NewObject(item.Pos)
		rename(response, item, map[string]string{"StatusCode": "statusCode", "ResponseParameters": "responseParameters", "ResponseTemplates": "responseTemplates", "ContentHandling": "contentHandling"})
		all.Set(pattern, item.Pos, response)
	}
	return all
}

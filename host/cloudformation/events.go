package cloudformation

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// noKey marks an operation that needs no API key although the others of its API do; it is gone before the document is read.
const noKey = "x-postern-no-key"

// events adds the operations that functions of SAM are called by.
func (t *template) events() {
	for _, r := range t.of(typeServerlessFunction) {
		events := r.props.Get("Events")
		if !t.is(events, document.Object, "Events") {
			continue
		}
		for i := range events.Members {
			t.event(r, &events.Members[i])
		}
	}
}

func (t *template) event(r *resource, m *document.Member) {
	event := m.Value
	if isExpression(event) {
		event = t.eval(event)
	}
	kind := t.eval(event.Get("Type"))
	if !t.is(event, document.Object, m.Key) || !t.is(kind, document.Text, "Type") {
		if kind == nil {
			t.wrong(m.Pos, document.RuleRequired, "the event "+m.Key+" has no Type", "")
		}
		return
	}
	if kind.Text != "Api" && kind.Text != "HttpApi" {
		t.find(openapi.Unsupported, m.Pos, "event", r.id+" is not called by the event "+m.Key+" of type "+kind.Text+": only requests to APIs call functions here")
		return
	}
	props := t.eval(event.Get("Properties"))
	if props == nil {
		props = document.NewObject(m.Pos)
	}
	switch {
	case !t.is(props, document.Object, "Properties"):
	case kind.Text == "Api":
		t.apiEvent(r, m, props)
	default:
		t.httpEvent(r, m, props)
	}
}

// eventAPI returns the API of an event: the one that it names, or the one that SAM makes for all that name none.
func (t *template) eventAPI(props *document.Node, key, implicit string, pos host.Position) *api {
	id := props.Get(key)
	if id != nil && t.is(id, document.Text, key) {
		if a := t.apiByID[id.Text]; a != nil {
			return a
		}
		t.find(openapi.Unsupported, id.Pos, "event", "the API "+document.Quote(id.Text)+" is not in this template")
		return nil
	}
	if a := t.apiByID[implicit]; a != nil {
		return a
	}
	kind, protocol := typeServerlessAPI, host.ProtocolREST
	if implicit == implicitHTTP {
		kind, protocol = typeServerlessHTTPAPI, host.ProtocolHTTP
	}
	made := &resource{id: implicit, kind: kind, pos: pos, props: document.NewObject(pos), generated: true}
	made.props = t.withGlobals(made.props, t.root.Get("Globals").Get(strings.TrimPrefix(kind, "AWS::Serverless::")), 0)
	t.byID[implicit] = made
	return t.samAPI(made, protocol)
}

// eventOperation adds the operation of an event; nil where it is not to be made.
func (t *template) eventOperation(a *api, path, method string, m *document.Member) *document.Node {
	if a.managed {
		return t.operation(a, path, method, m.Pos)
	}
	key := strings.ToLower(method)
	if key == "any" {
		key = anyMethod
	}
	if a.doc.Get("paths").Get(path).Get(key) == nil {
		t.find(openapi.Different, m.Pos, "event", strings.ToUpper(method)+" "+path+" is not in the API's DefinitionBody, so that it calls nothing, at AWS neither")
	}
	return nil
}

// apiEvent adds an operation of a REST API.
func (t *template) apiEvent(r *resource, m *document.Member, props *document.Node) {
	path, method := props.Get("Path"), props.Get("Method")
	if !t.is(path, document.Text, "Path") || !t.is(method, document.Text, "Method") {
		if path == nil || method == nil {
			t.wrong(m.Pos, document.RuleRequired, "the event "+m.Key+" needs Path and Method", "")
		}
		return
	}
	a := t.eventAPI(props, "RestApiId", implicitREST, m.Pos)
	if a == nil {
		return
	}
	defer t.in(a)()
	op := t.eventOperation(a, path.Text, method.Text, m)
	if op == nil {
		return
	}
	integration := object(m.Pos, "type", document.NewText(m.Pos, "aws_proxy"))
	set(integration, "httpMethod", m.Pos, "POST")
	set(integration, "uri", m.Pos, t.invocation(t.arn(r, m.Pos)))
	op.Set("responses", m.Pos, document.NewObject(m.Pos))
	op.Set(extension+"integration", m.Pos, integration)
	for _, p := range props.Members {
		switch p.Key {
		case "Path", "Method", "RestApiId", "Stage":
		case "Auth":
			t.eventAuth(a, op, p.Value)
		case "RequestParameters":
			t.eventParameters(op, p.Value)
		case "RequestModel":
			t.eventModel(a, op, p.Value)
		case "TimeoutInMillis":
			integration.Set("timeoutInMillis", p.Pos, p.Value)
		case "ResponseTransferMode":
			integration.Set("responseTransferMode", p.Pos, p.Value)
		default:
			t.find(openapi.Unsupported, p.Pos, p.Key, "this property of an event is not known here")
		}
	}
}

// eventAuth says who may call one operation.
func (t *template) eventAuth(a *api, op, auth *document.Node) {
	if !t.is(auth, document.Object, "Auth") {
		return
	}
	for _, m := range auth.Members {
		switch m.Key {
		case "Authorizer":
			if t.is(m.Value, document.Text, m.Key) {
				t.samRequire(a, op, m.Value)
			}
		case "ApiKeyRequired":
			if t.isTrue(m.Value, m.Key) {
				t.require(a, op, "api_key", m.Pos)
			} else {
				op.Set(noKey, m.Pos, m.Value)
			}
		case "AuthorizationScopes":
			if len(m.Value.Items) > 0 {
				t.find(openapi.Unsupported, m.Pos, "scopes", "scopes are not checked here")
			}
		case "ResourcePolicy":
			t.find(policy.verdict, m.Pos, policy.subject, policy.message)
		case "InvokeRole", "OverrideApiAuth":
			t.find(credentials.verdict, m.Pos, credentials.subject, credentials.message)
		default:
			t.find(openapi.Unsupported, m.Pos, m.Key, "this property of Auth is not known here")
		}
	}
}

// eventParameters declares parameters: names, or objects of a name and what it needs.
func (t *template) eventParameters(op, list *document.Node) {
	if !t.is(list, document.List, "RequestParameters") {
		return
	}
	for _, item := range list.Items {
		if item.Shape != document.Object {
			t.declare(op, item.Text, false, item.Pos)
			continue
		}
		for _, m := range item.Members {
			t.declare(op, m.Key, t.isTrue(m.Value.Get("Required"), "Required"), m.Pos)
			if caches := m.Value.Get("Caching"); caches != nil && t.isTrue(caches, "Caching") {
				t.find(caching.verdict, m.Pos, caching.subject, caching.message)
			}
		}
	}
}

// eventModel says which model the body has, and what is validated (SAM developer guide, "RequestModel").
func (t *template) eventModel(a *api, op, n *document.Node) {
	name := n.Get("Model")
	if !t.is(n, document.Object, "RequestModel") || !t.is(name, document.Text, "Model") {
		return
	}
	t.bodyModel(a, op, "application/json", name)
	body, params := t.isTrue(n.Get("ValidateBody"), "ValidateBody"), t.isTrue(n.Get("ValidateParameters"), "ValidateParameters")
	if !body && !params {
		return
	}
	validator := "body-only"
	switch {
	case body && params:
		validator = "params-and-body"
	case params:
		validator = "params-only"
	}
	v := object(n.Pos, "validateRequestBody", document.NewBool(n.Pos, body))
	v.Set("validateRequestParameters", n.Pos, document.NewBool(n.Pos, params))
	t.child(a.doc, extension+"request-validators", n.Pos).Set(validator, n.Pos, v)
	set(op, extension+"request-validator", n.Pos, validator)
}

// httpEvent adds an operation of an HTTP API.
func (t *template) httpEvent(r *resource, m *document.Member, props *document.Node) {
	a := t.eventAPI(props, "ApiId", implicitHTTP, m.Pos)
	if a == nil {
		return
	}
	defer t.in(a)()
	key, path, method := host.DefaultRoute, props.Get("Path"), props.Get("Method")
	switch {
	case path == nil && method == nil:
	case !t.is(path, document.Text, "Path"), method != nil && !t.is(method, document.Text, "Method"):
		if path == nil {
			t.wrong(m.Pos, document.RuleRequired, "the event "+m.Key+" has a Method and no Path", "")
		}
		return
	default:
		key = "ANY " + path.Text
		if method != nil {
			key = strings.ToUpper(strings.TrimPrefix(strings.ToLower(method.Text), extension)) + " " + path.Text
			key = strings.Replace(key, "ANY-METHOD ", "ANY ", 1)
		}
	}
	var op *document.Node
	if a.managed {
		op = t.routeOperation(a, key, m.Pos)
	} else if path != nil {
		op = t.eventOperation(a, path.Text, strings.Fields(key)[0], m)
	}
	if op == nil {
		return
	}
	integration := object(m.Pos, "type", document.NewText(m.Pos, "aws_proxy"))
	set(integration, "httpMethod", m.Pos, "POST")
	set(integration, "uri", m.Pos, t.invocation(t.arn(r, m.Pos)))
	set(integration, "payloadFormatVersion", m.Pos, "2.0")
	op.Set("responses", m.Pos, document.NewObject(m.Pos))
	op.Set(extension+"integration", m.Pos, integration)
	for _, p := range props.Members {
		switch p.Key {
		case "Path", "Method", "ApiId":
		case "Auth":
			t.eventAuth(a, op, p.Value)
		case "PayloadFormatVersion":
			integration.Set("payloadFormatVersion", p.Pos, p.Value)
		case "TimeoutInMillis":
			integration.Set("timeoutInMillis", p.Pos, p.Value)
		case "RouteSettings":
			t.routeSettings(p.Value)
		default:
			t.find(openapi.Unsupported, p.Pos, p.Key, "this property of an event is not known here")
		}
	}
}

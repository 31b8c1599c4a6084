package cloudformation

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// httpAPI makes an HTTP API.
func (t *template) httpAPI(r *resource) {
	if kind := t.text(r, "ProtocolType"); kind != nil && strings.EqualFold(kind.Text, "WEBSOCKET") {
		t.find(openapi.Unsupported, r.pos, "WebSocket API", r.id+" is not read: write an API of protocol websocket, whose route keys are the same")
		t.drop(r, "ApiId")
		return
	}
	a := t.newAPI(r, host.ProtocolHTTP)
	defer t.in(a)()
	t.notes(r, map[string]note{
		"Name": plain, "ProtocolType": plain, "Body": plain, "BodyS3Location": plain, "BasePath": plain, "Description": plain, "Version": plain, "Tags": plain, "FailOnWarnings": plain,
		"RouteSelectionExpression": plain, "DisableSchemaValidation": plain, "CorsConfiguration": plain, "Target": plain, "RouteKey": plain, "CredentialsArn": credentials, "IpAddressType": endpoint,
		"ApiKeySelectionExpression": plain, "DisableExecuteApiEndpoint": {openapi.Different, "endpoint", "domains are not read, so that the address of the API itself stays"},
	})
	t.body(a, "Body", "BodyS3Location")
	if cors := t.shaped(r, "CorsConfiguration", document.Object); cors != nil {
		t.cors(a, cors)
	}
	if target := t.text(r, "Target"); target != nil {
		t.quickCreate(a, r, target)
	}
}

var credentials = note{openapi.Different, "credentials", "no role is assumed: functions need none"}

// drop marks what belongs to an API that is not read: one finding is enough for all of it.
func (t *template) drop(api *resource, property string) {
	api.used = true
	for _, r := range t.resources {
		if strings.HasPrefix(r.kind, "AWS::ApiGatewayV2::") && r.props.Get(property) != nil {
			if id := t.text(r, property); id != nil && id.Text == api.id {
				r.used, r.kind = true, "dropped"
			}
		}
	}
}

// cors writes a CORS configuration as OpenAPI's extension has it.
func (t *template) cors(a *api, n *document.Node) {
	made := document.NewObject(n.Pos)
	for _, m := range rename(made, n, map[string]string{
		"AllowOrigins": "allowOrigins", "AllowMethods": "allowMethods", "AllowHeaders": "allowHeaders", "ExposeHeaders": "exposeHeaders", "MaxAge": "maxAge", "AllowCredentials": "allowCredentials",
	}) {
		t.find(openapi.Unsupported, m.Pos, m.Key, "this property of CORS is not known here")
	}
	a.doc.Set(extension+"cors", n.Pos, made)
}

// quickCreate adds the one route of an API that is made with its target.
func (t *template) quickCreate(a *api, r *resource, target *document.Node) {
	key := host.DefaultRoute
	if v := t.text(r, "RouteKey"); v != nil {
		key = v.Text
	}
	op := t.routeOperation(a, key, r.pos)
	if op == nil {
		return
	}
	integration := document.NewObject(target.Pos)
	set(integration, "payloadFormatVersion", target.Pos, "2.0")
	if strings.HasPrefix(target.Text, "arn:") {
		set(integration, "type", target.Pos, "aws_proxy")
		set(integration, "httpMethod", target.Pos, "POST")
	} else {
		set(integration, "payloadFormatVersion", target.Pos, "1.0")
		set(integration, "type", target.Pos, "http_proxy")
		set(integration, "httpMethod", target.Pos, "ANY")
	}
	integration.Set("uri", target.Pos, target)
	op.Set(extension+"integration", target.Pos, integration)
	if len(a.stages.Members) == 0 {
		a.stages.Set(host.DefaultRoute, r.pos, document.NewObject(r.pos))
	}
}

// routeOperation adds the operation of a route key.
func (t *template) routeOperation(a *api, key string, pos host.Position) *document.Node {
	if key == host.DefaultRoute {
		op := t.operation(a, "/"+host.DefaultRoute, "any", pos)
		if op != nil {
			op.Set("isDefaultRoute", pos, document.NewBool(pos, true))
		}
		return op
	}
	method, path, ok := strings.Cut(key, " ")
	if !ok {
		t.wrong(pos, document.RuleInvalidValue, document.Quote(key)+" is no route key of an HTTP API", "write METHOD /path, or $default")
		return nil
	}
	return t.operation(a, strings.TrimSpace(path), method, pos)
}

// routeV2 makes an operation of a route.
func (t *template) routeV2(a *api, r *resource) {
	t.notes(r, map[string]note{
		"ApiId": plain, "RouteKey": plain, "Target": plain, "AuthorizationType": plain, "AuthorizerId": plain, "AuthorizationScopes": plain, "OperationName": plain, "ApiKeyRequired": keysNote,
		"RequestParameters": {openapi.Unsupported, "RequestParameters", "only routes of WebSocket APIs have these"}, "RequestModels": {openapi.Unsupported, "RequestModels", "only routes of WebSocket APIs have these"},
	})
	key := t.text(r, "RouteKey")
	if key == nil {
		t.wrong(r.pos, document.RuleRequired, r.id+" has no RouteKey", "")
		return
	}
	op := t.routeOperation(a, key.Text, r.pos)
	if op == nil {
		return
	}
	t.routeSecurity(a, r, op)
	target := t.text(r, "Target")
	if target == nil {
		t.find(openapi.Unsupported, r.pos, "integration", "the route "+key.Text+" has no Target")
		return
	}
	integration := t.byID[strings.TrimPrefix(target.Text, "integrations/")]
	if integration == nil || integration.kind != typeIntegrationV2 {
		t.wrong(target.Pos, document.RuleUnknownReference, document.Quote(target.Text)+" is no integration of this template", "write integrations/ and a Ref of the integration")
		return
	}
	integration.used = true
	op.Set(extension+"integration", integration.pos, t.integrationV2(integration))
}

func (t *template) routeSecurity(a *api, r *resource, op *document.Node) {
	kind := t.text(r, "AuthorizationType")
	if kind == nil || strings.EqualFold(kind.Text, "NONE") {
		return
	}
	if strings.EqualFold(kind.Text, "AWS_IAM") {
		t.require(a, op, "sigv4", kind.Pos)
		return
	}
	name := "the authorizer of " + r.id
	if id := t.text(r, "AuthorizerId"); id != nil {
		name = id.Text
	}
	t.require(a, op, name, kind.Pos)
	if scopes := t.shaped(r, "AuthorizationScopes", document.List); scopes != nil {
		op.Get("security").Items[0].Members[0].Value = scopes
	}
}

// integrationV2Names are the properties of an integration of an HTTP API, as OpenAPI's extension has them.
var integrationV2Names = map[string]string{
	"IntegrationType": "type", "IntegrationUri": "uri", "IntegrationMethod": "httpMethod", "PayloadFormatVersion": "payloadFormatVersion", "IntegrationSubtype": "integrationSubtype",
	"RequestParameters": "requestParameters", "CredentialsArn": "credentials", "ConnectionType": "connectionType", "ConnectionId": "connectionId", "TimeoutInMillis": "timeoutInMillis",
	"PassthroughBehavior": "passthroughBehavior", "ContentHandlingStrategy": "contentHandling", "RequestTemplates": "requestTemplates",
}

func (t *template) integrationV2(r *resource) *document.Node {
	made := document.NewObject(r.pos)
	evaluated := t.eval(r.props)
	for _, m := range rename(made, evaluated, integrationV2Names) {
		switch m.Key {
		case "ApiId", "Description":
		case "ResponseParameters":
			made.Set("responseParameters", m.Pos, t.responseParametersV2(m.Value))
		case "TlsConfig":
			made.Set("tlsConfig", m.Pos, m.Value)
			t.find(openapi.Unsupported, m.Pos, "TlsConfig", "certificates are checked for the name in the URI")
		case "TemplateSelectionExpression":
			t.find(openapi.Unsupported, m.Pos, m.Key, "only WebSocket APIs have these")
		default:
			t.find(openapi.Unsupported, m.Pos, m.Key, "this property of an integration is not known here"+hint(document.Suggest(m.Key, keys(evaluated))))
		}
	}
	return made
}

// responseParametersV2 writes {"200": {ResponseParameters: [{Destination, Source}]}} as {"200": {destination: source}}.
func (t *template) responseParametersV2(n *document.Node) *document.Node {
	all := document.NewObject(n.Pos)
	for _, m := range members(n) {
		list := m.Value
		if m.Value.Shape == document.Object {
			list = m.Value.Get("ResponseParameters")
		}
		if !t.is(list, document.List, "ResponseParameters") {
			continue
		}
		one := document.NewObject(m.Pos)
		for _, item := range list.Items {
			to, from := item.Get("Destination"), item.Get("Source")
			if t.is(to, document.Text, "Destination") && t.is(from, document.Text, "Source") {
				one.Set(to.Text, to.Pos, from)
			}
		}
		all.Set(m.Key, m.Pos, one)
	}
	return all
}

// authorizerV2 makes a security scheme of an authorizer of an HTTP API.
func (t *template) authorizerV2(a *api, r *resource) {
	names := map[string]string{
		"AuthorizerUri": "authorizerUri", "AuthorizerCredentialsArn": "authorizerCredentials", "IdentitySource": "identitySource", "AuthorizerPayloadFormatVersion": "authorizerPayloadFormatVersion",
		"EnableSimpleResponses": "enableSimpleResponses", "AuthorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
	}
	auth := document.NewObject(r.pos)
	for _, m := range rename(auth, t.eval(r.props), names) {
		switch m.Key {
		case "ApiId", "Name":
		case "AuthorizerType":
			if t.is(m.Value, document.Text, m.Key) {
				set(auth, "type", m.Value.Pos, strings.ToLower(m.Value.Text))
			}
		case "JwtConfiguration":
			made := document.NewObject(m.Value.Pos)
			rename(made, m.Value, map[string]string{"Issuer": "issuer", "Audience": "audience"})
			auth.Set("jwtConfiguration", m.Pos, made)
		case "IdentityValidationExpression":
			t.find(openapi.Unsupported, m.Pos, m.Key, "only REST APIs have this")
		default:
			t.find(openapi.Unsupported, m.Pos, m.Key, "this property of an authorizer is not known here")
		}
	}
	if list := auth.Get("identitySource"); list != nil && list.Shape == document.List {
		auth.Set("identitySource", list.Pos, t.joined(list, ","))
	}
	t.schemes(a, r.pos).Set(r.id, r.pos, t.scheme(r.pos, "Authorization", "", auth))
}

// joined writes a list of texts as one.
func (t *template) joined(list *document.Node, by string) *document.Node {
	var texts []string
	for _, item := range list.Items {
		if t.is(item, document.Text, "list") {
			texts = append(texts, item.Text)
		}
	}
	return document.NewText(list.Pos, strings.Join(texts, by))
}

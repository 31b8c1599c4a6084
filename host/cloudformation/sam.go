package cloudformation

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// The names of the APIs that SAM makes for events that name none.
const (
	implicitREST = "ServerlessRestApi"
	implicitHTTP = "ServerlessHttpApi"
)

// samREST and samHTTP say what becomes of the properties of SAM's APIs (SAM developer guide, "AWS::Serverless::Api" and "AWS::Serverless::HttpApi").
var (
	samREST = map[string]note{
		"Name": plain, "StageName": plain, "DefinitionBody": plain, "DefinitionUri": plain, "Auth": plain, "BinaryMediaTypes": plain, "MinimumCompressionSize": plain, "Cors": plain, "Variables": plain,
		"GatewayResponses": plain, "Models": plain, "OpenApiVersion": plain, "Description": plain, "Tags": plain, "PropagateTags": plain, "FailOnWarnings": plain, "Mode": plain,
		"AlwaysDeploy": plain, "MergeDefinitions": plain, "MethodSettings": plain, "CacheClusterEnabled": caching, "CacheClusterSize": plain, "AccessLogSetting": logs, "TracingEnabled": tracing,
		"CanarySetting": canary, "EndpointConfiguration": endpoint, "ApiKeySourceType": keysNote, "Domain": domain, "Policy": policy, "SecurityPolicy": endpoint, "EndpointAccessMode": endpoint,
		"DisableExecuteApiEndpoint": {openapi.Different, "endpoint", "domains are not read, so that the address of the API itself stays"},
	}
	samHTTP = map[string]note{
		"Name": plain, "StageName": plain, "DefinitionBody": plain, "DefinitionUri": plain, "Auth": plain, "CorsConfiguration": plain, "StageVariables": plain, "DefaultRouteSettings": plain,
		"RouteSettings": plain, "Description": plain, "Tags": plain, "PropagateTags": plain, "FailOnWarnings": plain, "AccessLogSettings": logs, "Domain": domain,
		"DisableExecuteApiEndpoint": {openapi.Different, "endpoint", "domains are not read, so that the address of the API itself stays"},
	}
)

// samAPI makes an API of SAM.
func (t *template) samAPI(r *resource, protocol host.Protocol) *api {
	a := t.newAPI(r, protocol)
	defer t.in(a)()
	t.body(a, "DefinitionBody", "DefinitionUri")
	stage := t.text(r, "StageName")
	if stage == nil {
		stage = document.NewText(r.pos, defaultStage(protocol))
		if protocol == host.ProtocolREST && r.id != implicitREST {
			t.wrong(r.pos, document.RuleRequired, r.id+" has no StageName", "")
		}
	}
	if protocol == host.ProtocolHTTP {
		t.notes(r, samHTTP)
		t.addStage(a, stage, t.get(r, "StageVariables"))
		t.routeSettings(t.get(r, "DefaultRouteSettings"))
		for _, m := range members(t.get(r, "RouteSettings")) {
			t.routeSettings(m.Value)
		}
		t.samHTTPCors(a)
	} else {
		t.notes(r, samREST)
		t.addStage(a, stage, t.get(r, "Variables"))
		if settings := t.shaped(r, "MethodSettings", document.List); settings != nil {
			for _, item := range settings.Items {
				t.stageSettings(item, map[string]note{"HttpMethod": plain, "ResourcePath": plain})
			}
		}
		t.samSettings(a)
	}
	t.samAuth(a)
	return a
}

// samSettings makes extensions of what SAM writes otherwise.
func (t *template) samSettings(a *api) {
	t.bodies(a)
	for _, m := range members(t.shaped(a.res, "Models", document.Object)) {
		schemas, _ := t.schemas(a, m.Pos)
		schemas.Set(m.Key, m.Pos, m.Value)
	}
	for _, m := range members(t.shaped(a.res, "GatewayResponses", document.Object)) {
		g := document.NewObject(m.Pos)
		rename(g, m.Value, map[string]string{"StatusCode": "statusCode", "ResponseTemplates": "responseTemplates"})
		params := document.NewObject(m.Pos)
		for property, in := range map[string]string{"Headers": "header", "Paths": "path", "QueryStrings": "querystring"} {
			for _, p := range members(m.Value.Get("ResponseParameters").Get(property)) {
				params.Set("gatewayresponse."+in+"."+p.Key, p.Pos, p.Value)
			}
		}
		if len(params.Members) > 0 {
			g.Set("responseParameters", params.Pos, params)
		}
		t.child(a.doc, extension+"gateway-responses", m.Pos).Set(m.Key, m.Pos, g)
	}
}

// samAuth makes security schemes of an API's authorizers.
func (t *template) samAuth(a *api) {
	auth := t.shaped(a.res, "Auth", document.Object)
	for _, m := range members(auth) {
		switch m.Key {
		case "Authorizers":
			for i := range members(m.Value) {
				t.samAuthorizer(a, &m.Value.Members[i])
			}
		case "DefaultAuthorizer", "AddDefaultAuthorizerToCorsPreflight", "AddApiKeyRequiredToCorsPreflight", "ApiKeyRequired", "EnableIamAuthorizer", "InvokeRole":
		case "ResourcePolicy":
			t.find(policy.verdict, m.Pos, policy.subject, policy.message)
		case "UsagePlan":
			t.find(keysNote.verdict, m.Pos, keysNote.subject, keysNote.message)
		default:
			t.find(openapi.Unsupported, m.Pos, m.Key, "this property of Auth is not known here")
		}
	}
}

// samAuthorizer makes a security scheme of one authorizer.
func (t *template) samAuthorizer(a *api, m *document.Member) {
	n := m.Value
	if !t.is(n, document.Object, m.Key) {
		return
	}
	auth, header := document.NewObject(m.Pos), "Authorization"
	identity := n.Get("Identity")
	switch {
	case n.Get("UserPoolArn") != nil:
		set(auth, "type", m.Pos, "cognito_user_pools")
	case n.Get("JwtConfiguration") != nil:
		set(auth, "type", m.Pos, "jwt")
		auth.Set("jwtConfiguration", n.Pos, n.Get("JwtConfiguration"))
		if source := n.Get("IdentitySource"); source != nil {
			auth.Set("identitySource", source.Pos, source)
		}
	case t.is(n.Get("FunctionArn"), document.Text, "FunctionArn"):
		arn := n.Get("FunctionArn")
		set(auth, "authorizerUri", arn.Pos, t.invocation(arn.Text))
		kind := "request"
		if payload := n.Get("FunctionPayloadType"); a.protocol == host.ProtocolREST && (payload == nil || strings.EqualFold(payload.Text, "TOKEN")) {
			kind = "token"
		}
		set(auth, "type", arn.Pos, kind)
		rename(auth, n, map[string]string{"AuthorizerPayloadFormatVersion": "authorizerPayloadFormatVersion", "EnableSimpleResponses": "enableSimpleResponses", "FunctionInvokeRole": "authorizerCredentials"})
		header = t.samIdentity(a, auth, identity, kind)
	default:
		t.wrong(m.Pos, document.RuleRequired, "the authorizer "+m.Key+" has no FunctionArn", "")
		set(auth, "type", m.Pos, "cognito_user_pools") // nothing can meet it
	}
	if scopes := n.Get("AuthorizationScopes"); scopes != nil && len(scopes.Items) > 0 {
		t.find(openapi.Unsupported, scopes.Pos, "scopes", "scopes are not checked here")
	}
	t.schemes(a, m.Pos).Set(m.Key, m.Pos, t.scheme(m.Pos, header, "custom", auth))
}

// samIdentity sets where an authorizer finds who calls, and returns the header field that has it.
func (t *template) samIdentity(a *api, auth, identity *document.Node, kind string) string {
	pos := auth.Pos
	if identity != nil && !t.is(identity, document.Object, "Identity") {
		return "Authorization"
	}
	if ttl := identity.Get("ReauthorizeEvery"); ttl != nil {
		auth.Set("authorizerResultTtlInSeconds", ttl.Pos, ttl)
	}
	if kind == "token" {
		header := "Authorization"
		if v := identity.Get("Header"); t.is(v, document.Text, "Header") {
			header = v.Text
		}
		if v := identity.Get("ValidationExpression"); v != nil {
			auth.Set("identityValidationExpression", v.Pos, v)
		}
		set(auth, "identitySource", pos, "method.request.header."+header)
		return header
	}
	begin := map[string]string{"Headers": "method.request.header.", "QueryStrings": "method.request.querystring.", "StageVariables": "stageVariables.", "Context": "context."}
	if a.protocol == host.ProtocolHTTP {
		begin = map[string]string{"Headers": "$request.header.", "QueryStrings": "$request.querystring.", "StageVariables": "$stageVariables.", "Context": "$context."}
	}
	var sources []string
	for _, property := range []string{"Headers", "QueryStrings", "StageVariables", "Context"} {
		if list := identity.Get(property); t.is(list, document.List, property) {
			for _, item := range list.Items {
				if t.is(item, document.Text, property) {
					sources = append(sources, begin[property]+item.Text)
				}
			}
		}
	}
	if len(sources) > 0 {
		set(auth, "identitySource", pos, strings.Join(sources, ", "))
	}
	return "Authorization"
}

// samHTTPCors writes CorsConfiguration, which may be true for all origins.
func (t *template) samHTTPCors(a *api) {
	n := t.get(a.res, "CorsConfiguration")
	switch {
	case n == nil:
	case n.Shape == document.Object:
		t.cors(a, n)
	case t.isTrue(n, "CorsConfiguration"):
		a.doc.Set(extension+"cors", n.Pos, object(n.Pos, "allowOrigins", document.NewList(n.Pos, document.NewText(n.Pos, "*"))))
	}
}

// finishSAM adds what SAM adds to every path: preflights, and the authorizer that operations have by default.
func (t *template) finishSAM(a *api) {
	if a.res.kind != typeServerlessAPI && a.res.kind != typeServerlessHTTPAPI {
		return
	}
	defer t.in(a)()
	auth := t.get(a.res, "Auth")
	preflights := a.protocol == host.ProtocolREST && a.res.props.Get("Cors") != nil
	var cors *document.Node
	if preflights {
		cors = t.get(a.res, "Cors")
		preflights = cors != nil && !(cors.Shape == document.Bool && cors.Scalar == false)
	}
	for _, path := range members(a.doc.Get("paths")) {
		if path.Value.Shape != document.Object || strings.HasPrefix(path.Key, "x-") {
			continue
		}
		preflight := preflights && path.Value.Get("options") == nil
		if preflight {
			t.preflight(path.Value, cors, a)
		}
		for _, m := range path.Value.Members {
			if isOperation(m.Key) && m.Value.Shape == document.Object {
				t.defaultAuth(a, m, auth, preflight && m.Key == "options")
			}
		}
	}
}

func isOperation(key string) bool {
	switch key {
	case "get", "put", "post", "delete", "options", "head", "patch", anyMethod:
		return true
	}
	return false
}

// defaultAuth gives an operation the authorizer that it has unless it says otherwise.
func (t *template) defaultAuth(a *api, op document.Member, auth *document.Node, preflight bool) {
	if preflight {
		if added := auth.Get("AddDefaultAuthorizerToCorsPreflight"); added != nil && !t.isTrue(added, "AddDefaultAuthorizerToCorsPreflight") {
			return
		}
	}
	if name := auth.Get("DefaultAuthorizer"); t.is(name, document.Text, "DefaultAuthorizer") && op.Value.Get("security") == nil {
		t.samRequire(a, op.Value, name)
	}
	if required := auth.Get("ApiKeyRequired"); required != nil && !preflight && t.isTrue(required, "ApiKeyRequired") && op.Value.Get(noKey) == nil {
		t.require(a, op.Value, "api_key", required.Pos)
	}
	removeMember(op.Value, noKey)
}

// samRequire adds an authorizer to an operation by its name in SAM.
func (t *template) samRequire(a *api, op, name *document.Node) {
	switch name.Text {
	case noAuthorizer:
		op.Set("security", name.Pos, document.NewList(name.Pos))
	case "AWS_IAM":
		t.require(a, op, "sigv4", name.Pos)
	default:
		t.require(a, op, name.Text, name.Pos)
	}
}

func removeMember(n *document.Node, key string) {
	for i := range n.Members {
		if n.Members[i].Key == key {
			n.Members = append(n.Members[:i], n.Members[i+1:]...)
			return
		}
	}
}

// preflight adds the mock that answers preflights of a path (SAM developer guide, "CorsConfiguration").
func (t *template) preflight(item, cors *document.Node, a *api) {
	values := map[string]*document.Node{"AllowOrigin": cors}
	if cors.Shape == document.Object {
		values = map[string]*document.Node{}
		for _, m := range cors.Members {
			values[m.Key] = m.Value
		}
	}
	if values["AllowMethods"] == nil {
		values["AllowMethods"] = document.NewText(cors.Pos, "'"+strings.Join(allowedMethods(item), ",")+"'")
	}
	if v := values["AllowCredentials"]; v != nil && t.isTrue(v, "AllowCredentials") {
		values["AllowCredentials"] = document.NewText(v.Pos, "'true'")
	} else {
		delete(values, "AllowCredentials")
	}
	params, headers := document.NewObject(cors.Pos), document.NewObject(cors.Pos)
	for _, h := range [][2]string{{"AllowOrigin", "Allow-Origin"}, {"AllowHeaders", "Allow-Headers"}, {"AllowMethods", "Allow-Methods"}, {"MaxAge", "Max-Age"}, {"AllowCredentials", "Allow-Credentials"}} {
		if v := values[h[0]]; t.is(v, document.Text, h[0]) {
			name := "Access-Control-" + h[1]
			set(params, "method.response.header."+name, v.Pos, v.Text)
			headers.Set(name, v.Pos, object(v.Pos, "schema", object(v.Pos, "type", document.NewText(v.Pos, "string"))))
		}
	}
	response := object(cors.Pos, "statusCode", document.NewText(cors.Pos, "200"))
	response.Set("responseParameters", cors.Pos, params)
	response.Set("responseTemplates", cors.Pos, object(cors.Pos, "application/json", document.NewText(cors.Pos, "{}\n")))
	integration := object(cors.Pos, "type", document.NewText(cors.Pos, "mock"))
	integration.Set("requestTemplates", cors.Pos, object(cors.Pos, "application/json", document.NewText(cors.Pos, "{\n  \"statusCode\" : 200\n}\n")))
	integration.Set("responses", cors.Pos, object(cors.Pos, "default", response))
	op := object(cors.Pos, extension+"integration", integration)
	declared := object(cors.Pos, "description", document.NewText(cors.Pos, "the preflight's answer"))
	declared.Set("headers", cors.Pos, headers)
	op.Set("responses", cors.Pos, object(cors.Pos, "200", declared))
	item.Set("options", cors.Pos, op)
}

// allowedMethods are those of a path, as SAM lists them.
func allowedMethods(item *document.Node) []string {
	if item.Get(anyMethod) != nil {
		return []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
	}
	var methods []string
	for _, name := range []string{"delete", "get", "head", "options", "patch", "post", "put"} {
		if item.Get(name) != nil || name == "options" {
			methods = append(methods, strings.ToUpper(name))
		}
	}
	return methods
}

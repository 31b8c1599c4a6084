package cloudformation

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// apis makes an API of each resource that is one, with what belongs to it.
func (t *template) apis() {
	for _, r := range t.resources {
		switch r.kind {
		case typeRestAPI:
			t.restAPI(r)
		case typeServerlessAPI:
			t.samAPI(r, host.ProtocolREST)
		case typeServerlessHTTPAPI:
			t.samAPI(r, host.ProtocolHTTP)
		case typeAPIV2:
			t.httpAPI(r)
		}
	}
	t.events()
	for kind, read := range map[string]func(*api, *resource){
		typeModel: t.model, typeValidator: t.validator, typeAuthorizer: t.authorizer, typeGatewayResponse: t.gatewayResponse,
	} {
		t.parts(kind, "RestApiId", read)
	}
	t.parts(typeMethod, "RestApiId", t.method)
	t.parts(typeDeployment, "RestApiId", t.deployment)
	t.parts(typeStage, "RestApiId", t.stage)
	t.parts(typeAuthorizerV2, "ApiId", t.authorizerV2)
	t.parts(typeRouteV2, "ApiId", t.routeV2)
	t.parts(typeStageV2, "ApiId", t.stageV2)
	for _, kind := range []string{typeResource, typeIntegrationV2, typeDeploymentV2} { // methods and routes name what they need of these
		for _, r := range t.of(kind) {
			r.used = true
		}
	}
	for _, a := range t.apiList {
		t.finishSAM(a)
	}
}

// parts reads all resources of a type that are part of an API.
func (t *template) parts(kind, property string, read func(*api, *resource)) {
	for _, r := range t.of(kind) {
		a := t.apiOf(r, property)
		if r.used = true; a == nil {
			continue
		}
		leave := t.in(a)
		read(a, r)
		leave()
	}
}

func (t *template) restAPI(r *resource) {
	a := t.newAPI(r, host.ProtocolREST)
	defer t.in(a)()
	t.notes(r, map[string]note{
		"Name": plain, "Description": plain, "Body": plain, "BodyS3Location": plain, "BinaryMediaTypes": plain, "MinimumCompressionSize": plain, "Tags": plain, "FailOnWarnings": plain,
		"Mode": plain, "Parameters": plain, "ApiKeySourceType": keysNote, "EndpointConfiguration": endpoint, "Policy": policy, "SecurityPolicy": endpoint, "EndpointAccessMode": endpoint,
		"CloneFrom":                 {openapi.Unsupported, "CloneFrom", "the API that it is a copy of is not in the template: import its export"},
		"DisableExecuteApiEndpoint": {openapi.Different, "endpoint", "domains are not read, so that the address of the API itself stays"},
	})
	t.body(a, "Body", "BodyS3Location")
	t.bodies(a)
}

// bodies makes extensions of what an API says of all bodies.
func (t *template) bodies(a *api) {
	if types := t.shaped(a.res, "BinaryMediaTypes", document.List); types != nil {
		made := document.NewList(types.Pos)
		for _, item := range types.Items {
			if t.is(item, document.Text, "BinaryMediaTypes") { // image~1png stands for image/png (CloudFormation template reference)
				made.Items = append(made.Items, document.NewText(item.Pos, strings.ReplaceAll(item.Text, "~1", "/")))
			}
		}
		a.doc.Set(extension+"binary-media-types", types.Pos, made)
	}
	if v := t.shaped(a.res, "MinimumCompressionSize", document.Text); v != nil {
		a.doc.Set(extension+"minimum-compression-size", v.Pos, v)
	}
}

// body takes the OpenAPI document that an API has in the template, or as a file beside it.
func (t *template) body(a *api, inline, elsewhere string) {
	var doc *document.Node
	uri := t.get(a.res, elsewhere)
	if asset := a.res.asset(elsewhere); asset != nil {
		uri = asset
	}
	switch {
	case a.res.props.Get(inline) != nil:
		doc = t.get(a.res, inline)
	case uri == nil:
		return
	case uri.Shape == document.Text && !strings.Contains(uri.Text, "://"):
		doc = t.file(uri)
	default:
		t.find(openapi.Unsupported, uri.Pos, elsewhere, "the document is in S3, which is not read: download it, and name the file")
	}
	a.managed = false
	if a.unread = !t.is(doc, document.Object, inline); a.unread {
		return
	}
	if doc.Get("info") == nil {
		info := object(doc.Pos, "title", document.NewText(doc.Pos, a.name))
		doc.Set("info", doc.Pos, info)
	}
	a.doc = doc
	t.asExported(a)
}

// asExported writes what SAM writes its own way into documents as API Gateway exports it: the default route, and that an operation needs no authorizer.
func (t *template) asExported(a *api) {
	paths := a.doc.Get("paths")
	for i := range members(paths) {
		path := &paths.Members[i]
		if path.Key == host.DefaultRoute && a.protocol == host.ProtocolHTTP {
			path.Key = "/" + host.DefaultRoute
		}
		for _, op := range members(path.Value) {
			list := op.Value.Get("security")
			if list == nil || list.Shape != document.List || t.schemes(a, a.doc.Pos).Get(noAuthorizer) != nil {
				continue
			}
			for _, requirement := range list.Items {
				if len(requirement.Members) == 1 && requirement.Members[0].Key == noAuthorizer {
					list.Items = nil
					break
				}
			}
		}
	}
}

// noAuthorizer is what SAM calls the authorizer of an operation that anyone may call.
const noAuthorizer = "NONE"

// model adds a schema under the name of a model.
func (t *template) model(a *api, r *resource) {
	t.notes(r, map[string]note{"RestApiId": plain, "Name": plain, "Schema": plain, "ContentType": plain, "Description": plain})
	schema := t.json(t.get(r, "Schema"), r.id)
	if schema == nil {
		schema = document.NewObject(r.pos)
	}
	if !t.is(schema, document.Object, "Schema") {
		return
	}
	schemas, _ := t.schemas(a, r.pos)
	schemas.Set(t.modelName(r), r.pos, schema)
}

// modelName is what methods call a model.
func (t *template) modelName(r *resource) string {
	if name, known := t.names[r.id]; known {
		return name
	}
	t.names[r.id] = r.id
	t.names[r.id] = t.textOr(r, "Name", r.id)
	return t.names[r.id]
}

// json is a value that may also be written as text that holds it in JSON.
func (t *template) json(n *document.Node, what string) *document.Node {
	if n == nil || n.Shape != document.Text {
		return n
	}
	parsed, err := document.Parse("schema.json", []byte(n.Text), Limits())
	if err != nil {
		t.wrong(n.Pos, document.RuleInvalidValue, document.Quote(what)+" is not JSON: "+strings.TrimPrefix(strings.SplitN(err.Error(), "\n", 2)[0], "schema.json:"), "")
		return nil
	}
	return t.at(parsed, n.Pos)
}

// at gives all of a tree one place: that of the text in which it was.
func (t *template) at(n *document.Node, pos host.Position) *document.Node {
	n.Pos = pos
	for _, item := range n.Items {
		t.at(item, pos)
	}
	for i := range n.Members {
		n.Members[i].Pos = pos
		t.at(n.Members[i].Value, pos)
	}
	return n
}

func (t *template) validator(a *api, r *resource) {
	t.notes(r, map[string]note{"RestApiId": plain, "Name": plain, "ValidateRequestBody": plain, "ValidateRequestParameters": plain})
	v := document.NewObject(r.pos)
	for key, property := range map[string]string{"validateRequestBody": "ValidateRequestBody", "validateRequestParameters": "ValidateRequestParameters"} {
		v.Set(key, r.pos, document.NewBool(r.pos, t.isTrue(t.get(r, property), property)))
	}
	t.child(a.doc, extension+"request-validators", r.pos).Set(r.id, r.pos, v)
}

func (t *template) gatewayResponse(a *api, r *resource) {
	t.notes(r, map[string]note{"RestApiId": plain, "ResponseType": plain, "StatusCode": plain, "ResponseParameters": plain, "ResponseTemplates": plain})
	kind := t.text(r, "ResponseType")
	if kind == nil {
		t.wrong(r.pos, document.RuleRequired, r.id+" has no ResponseType", "")
		return
	}
	g := document.NewObject(r.pos)
	for property, key := range map[string]string{"StatusCode": "statusCode", "ResponseParameters": "responseParameters", "ResponseTemplates": "responseTemplates"} {
		if v := t.get(r, property); v != nil {
			g.Set(key, v.Pos, v)
		}
	}
	t.child(a.doc, extension+"gateway-responses", r.pos).Set(kind.Text, kind.Pos, g)
}

// authorizer makes a security scheme of an authorizer, under its name in the template.
func (t *template) authorizer(a *api, r *resource) {
	t.notes(r, map[string]note{
		"RestApiId": plain, "Name": plain, "Type": plain, "AuthorizerUri": plain, "AuthorizerCredentials": plain, "IdentitySource": plain, "IdentityValidationExpression": plain,
		"AuthorizerResultTtlInSeconds": plain, "ProviderARNs": plain, "AuthType": plain,
	})
	auth := document.NewObject(r.pos)
	for property, key := range map[string]string{
		"AuthorizerUri": "authorizerUri", "AuthorizerCredentials": "authorizerCredentials", "IdentitySource": "identitySource", "ProviderARNs": "providerARNs",
		"IdentityValidationExpression": "identityValidationExpression", "AuthorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
	} {
		if v := t.get(r, property); v != nil {
			auth.Set(key, v.Pos, v)
		}
	}
	kind := t.text(r, "Type")
	if kind == nil {
		t.wrong(r.pos, document.RuleRequired, r.id+" has no Type", "write TOKEN or REQUEST")
		return
	}
	set(auth, "type", kind.Pos, strings.ToLower(kind.Text))
	header := "Authorization"
	if source := auth.Get("identitySource"); t.is(source, document.Text, "IdentitySource") {
		if name, ok := strings.CutPrefix(source.Text, "method.request.header."); ok {
			header = name
		}
	}
	t.schemes(a, r.pos).Set(r.id, r.pos, t.scheme(r.pos, header, "custom", auth))
}

// scheme is a security scheme as API Gateway writes one.
func (t *template) scheme(pos host.Position, header, authType string, authorizer *document.Node) *document.Node {
	s := document.NewObject(pos)
	set(s, "type", pos, "apiKey")
	set(s, "name", pos, header)
	set(s, "in", pos, "header")
	if authType != "" {
		set(s, extension+"authtype", pos, authType)
	}
	if authorizer != nil {
		s.Set(extension+"authorizer", authorizer.Pos, authorizer)
	}
	return s
}

package definition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// maxCompressionSize is the largest threshold from which responses are compressed, in bytes (API Gateway: "must be between 0 and
// 10485760").
const maxCompressionSize = 10485760

// responseTypes are the gateway responses that there are.
var responseTypes = []string{
	string(host.AccessDenied), string(host.APIConfigurationError), string(host.AuthorizerConfiguration), string(host.AuthorizerFailure),
	string(host.BadRequestParameters), string(host.BadRequestBody), string(host.Default4XX), string(host.Default5XX), string(host.ExpiredToken),
	string(host.IntegrationFailure), string(host.IntegrationTimeout), string(host.InvalidAPIKey), string(host.InvalidSignature),
	string(host.MissingAuthenticationToken), string(host.QuotaExceeded), string(host.RequestTooLarge), string(host.ResourceNotFound),
	string(host.ThrottledResponse), string(host.UnauthorizedResponse), string(host.UnsupportedMediaType), string(host.WAFFiltered),
}

// rest decodes what rest APIs have besides, and is nil on others.
func (b *builder) rest(a *host.API, def *apiDef) *host.REST {
	if a.Protocol != host.ProtocolREST {
		b.only(host.ProtocolREST, map[string]place{
			"binaryMediaTypes": def.BinaryMediaTypes.place, "minimumCompressionSize": def.MinimumCompression.place,
			"models": def.Models.place, "gatewayResponses": def.GatewayResponses.place,
		})
		return nil
	}
	if def.CORS.written() {
		b.add(def.CORS.place, RuleConflict, "REST APIs have no \"cors\"").Hint = "answer OPTIONS by a route with a mock, and set the header fields in responses and gatewayResponses"
	}
	r := &host.REST{
		BinaryMediaTypes:   stringsOf(&def.BinaryMediaTypes),
		MinimumCompression: b.size(def.MinimumCompression, -1, 0, maxCompressionSize),
		Models:             b.models(&def.Models),
	}
	for i := range def.GatewayResponses.entries {
		r.GatewayResponses = append(r.GatewayResponses, b.gatewayResponse(&def.GatewayResponses.entries[i]))
	}
	sortByName(r.GatewayResponses, func(g *host.GatewayResponse) string { return string(g.Type) })
	return r
}

// only reports keys that APIs of one protocol have, where it is another.
func (b *builder) only(p host.Protocol, keys map[string]place) {
	names := map[host.Protocol]string{host.ProtocolREST: "REST", host.ProtocolHTTP: "HTTP"}
	for _, key := range sortedKeys(keys) {
		if at := keys[key]; at.written() {
			b.add(at, RuleConflict, fmt.Sprintf("%q is a key of %s APIs", key, names[p])).Hint = "remove it, or write protocol: " + string(p)
		}
	}
}

func (b *builder) gatewayResponse(e *entry[gatewayResponseDef]) *host.GatewayResponse {
	def := &e.Value
	if !slices.Contains(responseTypes, e.Key) {
		b.add(e.place, RuleInvalidValue, quote(e.Key)+" is no type of a gateway response").Hint = b.suggest(e.Key, responseTypes)
	}
	g := &host.GatewayResponse{
		Type: host.ResponseType(e.Key), Status: int(def.Status.Value), Parameters: b.parameters(&def.Parameters, gatewayTargets), Pos: e.pos,
	}
	for i := range def.Templates.entries {
		t := &def.Templates.entries[i]
		g.Templates = append(g.Templates, host.GatewayTemplate{MediaType: t.Key, Text: t.Value.Value})
	}
	return g
}

// alwaysModels exist in every rest API.
var alwaysModels = []string{"Empty", "Error"}

// method decodes what a route of a rest API has besides, and is nil on others.
func (b *builder) method(a *host.API, def *routeDef) *host.Method {
	req := &def.Request
	if a.Protocol != host.ProtocolREST {
		b.only(host.ProtocolREST, map[string]place{
			"parameters": req.Parameters.place, "models": req.Models.place, "validate": req.Validate.place, "methodResponses": def.MethodResponses.place,
		})
		return nil
	}
	m := &host.Method{}
	for i := range req.Parameters.entries {
		e := &req.Parameters.entries[i]
		if p, ok := methodParameter(e.Key); ok { // the schema has refused others
			p.Required = e.Value.Value
			m.Parameters = append(m.Parameters, p)
		}
	}
	known := slices.Clone(alwaysModels)
	for _, model := range a.REST.Models {
		known = append(known, model.Name)
	}
	for i := range req.Models.entries {
		e := &req.Models.entries[i]
		if name := e.Value; name.written() && !slices.Contains(known, name.Value) {
			b.unknown(name.place, fmt.Sprintf("the API %q has no model %s", a.Name, quote(name.Value)), name.Value, known)
		}
		m.Models = append(m.Models, host.MethodModel{MediaType: e.Key, Model: e.Value.Value})
	}
	for _, v := range req.Validate.items {
		m.ValidateParameters = m.ValidateParameters || v.Value == "parameters"
		m.ValidateBody = m.ValidateBody || v.Value == "body"
	}
	for i := range def.MethodResponses.entries {
		e := &def.MethodResponses.entries[i]
		status, _ := strconv.Atoi(e.Key) // the schema has refused what is none
		m.Responses = append(m.Responses, host.MethodResponse{Status: status, Headers: stringsOf(&e.Value.Headers)})
	}
	return m
}

// methodParameter reads method.request.PLACE.NAME.
func methodParameter(text string) (host.MethodParameter, bool) {
	parts := strings.SplitN(text, ".", 4)
	if len(parts) < 4 || parts[0] != "method" || parts[1] != "request" {
		return host.MethodParameter{}, false
	}
	return host.MethodParameter{In: host.ParameterPlace(parts[2]), Name: parts[3]}, true
}

// answers checks rules of a rest API against what the method may answer.
func (b *builder) answers(m *host.Method, rules *list[responseRuleDef]) {
	for i := range rules.items {
		def := &rules.items[i]
		if m.Responses == nil || !def.Status.written() {
			continue
		}
		status := int(def.Status.Value)
		at := slices.IndexFunc(m.Responses, func(r host.MethodResponse) bool { return r.Status == status })
		if at < 0 {
			b.add(def.Status.place, RuleUnknownReference, fmt.Sprintf("methodResponses has no %d", status)).Hint = fmt.Sprintf("add %q: {} to it", strconv.Itoa(status))
			continue
		}
		for j := range def.Parameters.entries {
			e := &def.Parameters.entries[j]
			name, ok := strings.CutPrefix(e.Key, "method.response.header.")
			if ok && !slices.ContainsFunc(m.Responses[at].Headers, func(h string) bool { return strings.EqualFold(h, name) }) {
				b.add(e.place, RuleUnknownReference, fmt.Sprintf("methodResponses has no header %s for %d", quote(name), status)).Hint = "add it to headers there"
			}
		}
	}
}

// resources checks that the routes of a rest API make one tree of resources: below each, one variable at most.
func (b *builder) resources(d *dict[routeDef]) {
	type child struct{ segment, key string }
	variables := map[string]child{}
	for i := range d.entries {
		e := &d.entries[i]
		_, pattern, _ := strings.Cut(e.Key, " ")
		if !strings.HasPrefix(pattern, "/") {
			continue // told as what it is
		}
		if problem, _ := pathProblem(pattern); problem != "" {
			continue
		}
		if pattern != "/" && strings.HasSuffix(pattern, "/") {
			b.add(e.place, RuleInvalidValue, "the route key "+quote(e.Key)+" ends with a slash, which REST APIs ignore").Hint = "write " + quote(strings.TrimRight(e.Key, "/"))
			continue
		}
		segments := strings.Split(pattern[1:], "/")
		for n, segment := range segments {
			if !strings.HasPrefix(segment, "{") {
				continue
			}
			parent := "/" + strings.Join(segments[:n], "/")
			first, known := variables[parent]
			if !known {
				variables[parent] = child{segment, e.Key}
			} else if first.segment != segment {
				b.add(e.place, RuleConflict, fmt.Sprintf("%s has %s below %s, where %s has %s", quote(e.Key), segment, parent, quote(first.key), first.segment)).
					Hint = "in a REST API, one variable may stand below a resource: give them the same name"
				break
			}
		}
	}
}

package definition

import (
	"regexp"
	"slices"

	"github.com/postern/postern/host"
)

// A targets says which targets parameter mappings may have in one place.
type targets struct {
	pattern *regexp.Regexp
	says    string
}

const parameterNames = `[A-Za-z0-9._$-]+`

// The targets of parameter mappings (API Gateway developer guide, "Parameter mapping" of REST APIs, and of HTTP APIs).
var (
	requestTargets     = targets{regexp.MustCompile(`^integration\.request\.(header|path|querystring)\.` + parameterNames + `$`), "integration.request.header.NAME, integration.request.path.NAME or integration.request.querystring.NAME"}
	responseTargets    = targets{regexp.MustCompile(`^method\.response\.header\.` + parameterNames + `$`), "method.response.header.NAME"}
	gatewayTargets     = targets{regexp.MustCompile(`^gatewayresponse\.header\.` + parameterNames + `$`), "gatewayresponse.header.NAME"}
	requestOperations  = targets{regexp.MustCompile(`^((append|overwrite|remove):(header|querystring)\.` + parameterNames + `|overwrite:path)$`), "append:, overwrite: or remove: with header.NAME or querystring.NAME, or overwrite:path"}
	responseOperations = targets{regexp.MustCompile(`^((append|overwrite|remove):header\.` + parameterNames + `|overwrite:statuscode)$`), "append:, overwrite: or remove: with header.NAME, or overwrite:statuscode"}
	anyTarget          = targets{regexp.MustCompile(``), ""}
)

// parameters returns parameter mappings in the order of the file. Their sources are checked where they are compiled.
func (b *builder) parameters(d *dict[val[string]], t targets) []host.ParameterMapping {
	var all []host.ParameterMapping
	for i := range d.entries {
		e := &d.entries[i]
		if !t.pattern.MatchString(e.Key) {
			problem := b.add(e.place, RuleInvalidValue, quote(e.Key)+" is no target of a mapping here: it must be "+t.says)
			if slices.Contains([]string{"append", "overwrite", "remove"}, e.Key) { // within braces, the colon ends the key
				problem.Hint = "put the key in quotes: " + quote(e.Key+":header.NAME")
			}
			continue
		}
		all = append(all, host.ParameterMapping{Target: e.Key, Source: e.Value.Value, Pos: e.pos})
	}
	return all
}

// requestParameters are those of the request to an integration.
func (b *builder) requestParameters(a *host.API, def *integrationDef) []host.ParameterMapping {
	switch {
	case def.Subtype.written():
		return b.parameters(&def.Parameters, anyTarget)
	case a.Protocol == host.ProtocolREST:
		return b.parameters(&def.Parameters, requestTargets)
	}
	return b.parameters(&def.Parameters, requestOperations)
}

// responseParameters are those of the response to the client.
func (b *builder) responseParameters(a *host.API, def *responseRuleDef) []host.ParameterMapping {
	if a.Protocol == host.ProtocolREST {
		return b.parameters(&def.Parameters, responseTargets)
	}
	return b.parameters(&def.Parameters, responseOperations)
}

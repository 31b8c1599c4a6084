package pipeline

import (
	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/parameter"
)

func compileRequestParameters(r *host.Route) (requestParameters, error) {
	var declared []host.MethodParameter
	if r.REST != nil {
		declared = r.REST.Parameters
	}
	compiled, err := parameter.CompileRequest(r.Integration.Parameters, declared)
	return compiled.Override, err
}

func compileResponseParameters(rule *host.ResponseRule) (responseParameters, error) {
	compiled, err := parameter.CompileResponse(rule.Parameters)
	return compiled.Header, err
}

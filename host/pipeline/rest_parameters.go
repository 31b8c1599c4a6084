package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/parameter"
	"github.com/postern/postern/host/rest"
)

// compileRequestParameters refuses, besides what is no mapping, those of fields that would fail whenever they are used (reference 1.4.4).
func compileRequestParameters(r *host.Route) (requestParameters, error) {
	var declared []host.MethodParameter
	if r.REST != nil {
		declared = r.REST.Parameters
	}
	compiled, err := parameter.CompileRequest(r.Integration.Parameters, declared)
	errs := []error{err, mustNotBuffer(r, compiled)}
	for _, m := range r.Integration.Parameters {
		name, ok := strings.CutPrefix(m.Target, "integration.request.header.")
		if ok && !rest.TypeOf(&r.Integration).IsLegalTarget(name) {
			errs = append(errs, &host.Error{Op: "parameter mapping " + m.Target, Kind: host.Invalid, Pos: m.Pos, Err: fmt.Errorf("the header field %s cannot be mapped here", name)})
		}
	}
	return func(x *host.Exchange, body func() ([]byte, error)) (host.Override, error) {
		return compiled.Override(visible(x), body)
	}, errors.Join(errs...)
}

// visible is an exchange as mappings see it: without the fields that rest APIs keep from them (reference 1.4.6).
func visible(x *host.Exchange) *host.Exchange {
	h := rest.Visible(x.Request.Header)
	if len(h) == len(x.Request.Header) {
		return x
	}
	seen, r := *x, *x.Request
	r.Header = h
	seen.Request = &r
	return &seen
}

func compileResponseParameters(rule *host.ResponseRule) (responseParameters, error) {
	compiled, err := parameter.CompileResponse(rule.Parameters)
	return compiled.Header, err
}

package rest

import (
	"errors"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/parameter"
)

// gatewayTarget stands before the name of the header field that a gateway response's mapping sets.
const gatewayTarget = "gatewayresponse.header."

// gatewayHeaders are the mappings of a gateway response, each by itself: one that fails must not take the others with it.
type gatewayHeaders []*parameter.Response

// compileGatewayHeaders reads the mappings of a gateway response. The error has Kind Invalid and the mapping's position.
func compileGatewayHeaders(def *host.GatewayResponse) (gatewayHeaders, error) {
	var list gatewayHeaders
	for _, p := range def.Parameters {
		name := strings.TrimPrefix(p.Target, gatewayTarget)
		if host.IsConnectionField(name) || !Type("").IsLegalTarget(name) {
			return nil, &host.Error{Op: "gateway response " + string(def.Type) + ": " + p.Target, Kind: host.Invalid, Pos: p.Pos,
				Err: errors.New("the header is the gateway's own")}
		}
		h, err := parameter.CompileGateway([]host.ParameterMapping{p})
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

// set sets the fields in h. One whose value cannot be a field's is left out: a client may have sent it.
func (g gatewayHeaders) set(h host.Header, x *host.Exchange) host.Header {
	for _, m := range g {
		fields, err := m.Header(x, nil, nil)
		if err != nil {
			continue
		}
		for _, f := range fields {
			h.Set(f.Name, f.Value)
		}
	}
	return h
}

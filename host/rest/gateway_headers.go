package rest

import "github.com/postern/postern/host"

type gatewayHeaders []string

func compileGatewayHeaders(def *host.GatewayResponse) (gatewayHeaders, error) { return nil, nil }
func (gatewayHeaders) set(h host.Header, vars *gatewayVariables) host.Header  { return h }

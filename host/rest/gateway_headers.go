package rest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// gatewayTarget stands before the name of the header field that a gateway response's mapping sets.
const gatewayTarget = "gatewayresponse.header."

// gatewayHeaders are the header fields of a gateway response, in the order of the file.
type gatewayHeaders []gatewayHeader

// A gatewayHeader is one field and where its value comes from.
type gatewayHeader struct {
	name   string
	source gatewaySource
	text   string // the name of what is there, or the literal
}

type gatewaySource uint8

const (
	gatewayLiteral gatewaySource = iota
	gatewayRequestHeader
	gatewayRequestPath
	gatewayRequestQuery
	gatewayFromContext
	gatewayFromStage
)

// gatewaySources are the sources that end in a name (reference 1.11).
var gatewaySources = [...]struct {
	prefix string
	source gatewaySource
}{
	{"method.request.header.", gatewayRequestHeader},
	{"method.request.path.", gatewayRequestPath},
	{"method.request.querystring.", gatewayRequestQuery},
	{"context.", gatewayFromContext},
	{"stageVariables.", gatewayFromStage},
}

// compileGatewayHeaders reads the mappings of a gateway response. The error has Kind Invalid and the mapping's position, or the response's.
func compileGatewayHeaders(def *host.GatewayResponse) (gatewayHeaders, error) {
	var list gatewayHeaders
	for _, p := range def.Parameters {
		h, err := parseGatewayHeader(p)
		if err == nil && slices.ContainsFunc(list, func(o gatewayHeader) bool { return strings.EqualFold(o.name, h.name) }) {
			err = errors.New("the header is there twice")
		}
		if err != nil {
			pos := p.Pos
			if pos.IsZero() {
				pos = def.Pos
			}
			return nil, &host.Error{Op: "gateway response " + string(def.Type) + ": " + p.Target, Kind: host.Invalid, Pos: pos, Err: err}
		}
		list = append(list, h)
	}
	return list, nil
}

func parseGatewayHeader(p host.ParameterMapping) (gatewayHeader, error) {
	name, ok := strings.CutPrefix(p.Target, gatewayTarget)
	if !ok || !host.IsToken(name) {
		return gatewayHeader{}, fmt.Errorf("the target is not %sNAME", gatewayTarget)
	}
	if host.IsConnectionField(name) || !Type("").IsLegalTarget(name) {
		return gatewayHeader{}, fmt.Errorf("the header %s is the gateway's own", name)
	}
	if len(p.Source) >= 2 && p.Source[0] == '\'' && strings.HasSuffix(p.Source, "'") {
		h := gatewayHeader{name: name, text: p.Source[1 : len(p.Source)-1]}
		if !host.IsFieldValue(h.text) {
			return gatewayHeader{}, errors.New("the text has a control character")
		}
		return h, nil
	}
	for _, s := range gatewaySources {
		if rest, ok := strings.CutPrefix(p.Source, s.prefix); ok && rest != "" {
			return gatewayHeader{name, s.source, rest}, nil
		}
	}
	return gatewayHeader{}, fmt.Errorf("the source %.100q is none of method.request.{header,path,querystring}.NAME, context.NAME, stageVariables.NAME and 'text'", p.Source)
}

// set sets the fields in h. One without a value is left out, and so is one whose value cannot be a field's: a client may have sent it.
func (g gatewayHeaders) set(h host.Header, vars *gatewayVariables) host.Header {
	for _, f := range g {
		if value := f.value(vars); value != "" && host.IsFieldValue(value) {
			h.Set(f.name, value)
		}
	}
	return h
}

// value returns the last value where there are several, path parameters as they came, and query parameters decoded (reference 1.4.4).
func (f *gatewayHeader) value(vars *gatewayVariables) string {
	switch f.source {
	case gatewayRequestHeader:
		return lastHeader(vars.x.Request, f.text)
	case gatewayRequestPath:
		value, _ := vars.x.Match.Param(f.text)
		return value
	case gatewayRequestQuery:
		value, _ := QueryValue(vars.x.Request.Query(), f.text)
		return value
	case gatewayFromContext:
		return vars.context(f.text)
	case gatewayFromStage:
		return vars.stage(f.text)
	}
	return f.text
}

// lastHeader is the last value of a header field that rest APIs see.
func lastHeader(r *host.Request, name string) string {
	if !IsVisible(name) {
		return ""
	}
	values := r.Header.Values(name)
	if len(values) > 0 {
		return values[len(values)-1]
	}
	if strings.EqualFold(name, "Host") { // which is not among the fields
		return r.Host
	}
	return ""
}

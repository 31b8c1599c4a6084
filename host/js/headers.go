package js

import (
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/postern/postern/host"
)

// headerName(name) is a field name in lower case; one that is no token (RFC 9110, section 5.6.2) throws.
func (in *instance) headerName(fc goja.FunctionCall) goja.Value {
	name := fc.Argument(0).String()
	if !host.IsToken(name) {
		in.throw("Invalid header name " + strconv.Quote(name))
	}
	return in.rt.ToValue(strings.ToLower(name))
}

// headerValue(value) is a field value without white space around it (RFC 9110, section 5.5).
func (in *instance) headerValue(fc goja.FunctionCall) goja.Value {
	value := strings.Trim(fc.Argument(0).String(), "\t\n\r ")
	if strings.ContainsAny(value, "\x00\r\n") {
		in.throw("Invalid header value")
	}
	return in.rt.ToValue(value)
}

func (in *instance) isToken(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(host.IsToken(fc.Argument(0).String()))
}

// isConnectionField(name) reports whether the gateway sets a field, never a plugin.
func (in *instance) isConnectionField(fc goja.FunctionCall) goja.Value {
	return in.rt.ToValue(host.IsConnectionField(fc.Argument(0).String()))
}

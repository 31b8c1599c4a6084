package mapping

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// restContextNames are the variables of $context that rest APIs have beside those of http APIs (reference 1.5.1), but for
// authorizer.claims.N. What a variable describes may not exist here, such as a web application firewall: then it has no value.
var restContextNames = [...]string{"awsEndpointRequestId", "deploymentId", "error.message", "error.messageString", "error.validationErrorString",
	"identity.accessKey", "identity.accountId", "identity.apiKey", "identity.apiKeyId", "identity.caller", "identity.clientCert.clientCertPem",
	"identity.clientCert.issuerDN", "identity.clientCert.serialNumber", "identity.clientCert.subjectDN", "identity.clientCert.validity.notAfter",
	"identity.clientCert.validity.notBefore", "identity.cognitoAuthenticationProvider", "identity.cognitoAuthenticationType",
	"identity.cognitoIdentityId", "identity.cognitoIdentityPoolId", "identity.principalOrgId", "identity.user", "identity.userArn",
	"isCanaryRequest", "resourceId", "wafResponseCode", "webaclArn"}

// RESTContextNames returns all variables of $context that rest APIs have, without the prefix, but for authorizer.N and the overrides.
func RESTContextNames() []string {
	names := append([]string(nil), restContextNames[:]...)
	for _, name := range contextNames {
		if name != "routeKey" {
			names = append(names, name)
		}
	}
	return names
}

// RESTContextValue is ContextValue with the semantics of rest APIs: protocol is always HTTP/1.1, extendedRequestId is not the request's id,
// and there are resourceId, deploymentId and what an error tells the client (reference 1.5.1 [REC], 1.11). The messages of errors are
// those that a host.Disclosure has; the default of an error's type is not known here.
func RESTContextValue(x *host.Exchange, name string) (string, bool) {
	text := ""
	switch name {
	case "awsEndpointRequestId":
		if x.Response != nil {
			text = endpointRequestID(x.Response.Header)
		}
	case "deploymentId":
		if s := x.Match.Stage; s != nil && s.Deployment > 0 {
			text = strconv.Itoa(s.Deployment)
		}
	case "error.message":
		text = disclosure(x).Message
	case "error.messageString":
		if text = disclosure(x).Message; text != "" {
			text = quoteJSON(text)
		}
	case "error.validationErrorString":
		text = disclosure(x).Validation
	case "extendedRequestId":
		text = ExtendedRequestID(x.ID)
	case "isCanaryRequest":
		if s := x.Match.Stage; s != nil && s.Canary != nil {
			text = "false"
		}
	case "protocol":
		text = "HTTP/1.1"
	case "resourceId":
		text = ResourceID(x)
	case "routeKey":
	default:
		return ContextValue(x, name)
	}
	return text, text != ""
}

// ExtendedRequestID is host.ExtendedRequestID.
func ExtendedRequestID(id string) string { return host.ExtendedRequestID(id) }

// ResourceID is that of the exchange's match.
func ResourceID(x *host.Exchange) string { return x.Match.ResourceID() }

// endpointRequestID is what an AWS service called the request.
func endpointRequestID(h host.Header) string {
	for _, name := range [...]string{"x-amzn-RequestId", "x-amz-request-id"} {
		if id := h.Get(name); id != "" {
			return id
		}
	}
	return ""
}

func disclosure(x *host.Exchange) host.Disclosure {
	var d *host.Disclosure
	if errors.As(x.Err, &d) {
		return *d
	}
	return host.Disclosure{}
}

func quoteJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

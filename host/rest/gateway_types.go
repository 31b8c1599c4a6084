package rest

import (
	"errors"

	"github.com/postern/postern/host"
)

// What the client is told that an authorizer's policy refused (reference 1.7, "Implicit deny" and "Explicit Deny"): the Message of a
// host.Disclosure. The first is what an error without one says.
const (
	ImplicitDeny = "User is not authorized to access this resource"
	ExplicitDeny = "User is not authorized to access this resource with an explicit deny"
)

// A gatewayType is what Amazon answers for a type of error when an API has no response of its own (reference 1.11).
type gatewayType struct {
	status    int
	errorType string // x-amzn-ErrorType
	message   string // "" is null
}

const (
	internalError = "InternalServerErrorException"
	internalText  = "Internal server error"
)

// typeTable has every type but DEFAULT_4XX and DEFAULT_5XX, whose status and message follow from the Kind. The reference has no
// x-amzn-ErrorType of EXPIRED_TOKEN, RESOURCE_NOT_FOUND and WAF_FILTERED: theirs are those of their siblings.
func typeTable(t host.ResponseType) (gatewayType, bool) {
	switch t {
	case host.AccessDenied:
		return gatewayType{403, "AccessDeniedException", ImplicitDeny}, true
	case host.APIConfigurationError:
		return gatewayType{500, internalError, internalText}, true
	case host.AuthorizerConfiguration:
		return gatewayType{500, "AuthorizerConfigurationException", ""}, true
	case host.AuthorizerFailure:
		return gatewayType{500, "AuthorizerFailureException", ""}, true
	case host.BadRequestParameters:
		return gatewayType{400, "BadRequestException", "Missing required request parameters"}, true
	case host.BadRequestBody:
		return gatewayType{400, "BadRequestException", "Invalid request body"}, true
	case host.ExpiredToken:
		return gatewayType{403, "ExpiredTokenException", "The security token included in the request is expired"}, true
	case host.IntegrationFailure:
		return gatewayType{504, internalError, "Network error communicating with endpoint"}, true
	case host.IntegrationTimeout:
		return gatewayType{504, internalError, "Endpoint request timed out"}, true
	case host.InvalidAPIKey, host.WAFFiltered:
		return gatewayType{403, "ForbiddenException", "Forbidden"}, true
	case host.InvalidSignature:
		return gatewayType{403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided"}, true
	case host.MissingAuthenticationToken:
		return gatewayType{403, "MissingAuthenticationTokenException", "Missing Authentication Token"}, true
	case host.QuotaExceeded:
		return gatewayType{429, "LimitExceededException", "Limit Exceeded"}, true
	case host.RequestTooLarge:
		return gatewayType{413, "RequestTooLargeException", "Request Too Long"}, true
	case host.ResourceNotFound:
		return gatewayType{404, "NotFoundException", "Not Found"}, true
	case host.ThrottledResponse:
		return gatewayType{429, "TooManyRequestsException", "Too Many Requests"}, true
	case host.UnauthorizedResponse:
		return gatewayType{401, "UnauthorizedException", "Unauthorized"}, true
	case host.UnsupportedMediaType:
		return gatewayType{415, "BadRequestException", "Unsupported Media Type"}, true
	}
	return gatewayType{}, false
}

// typeOfKind is the type of an error without a Code, and what DEFAULT_4XX and DEFAULT_5XX answer for its Kind.
func typeOfKind(k host.Kind) (host.ResponseType, gatewayType) {
	switch k {
	case host.Invalid: // neither its parameters nor its body are known to be what is wrong
		return host.Default4XX, gatewayType{400, "BadRequestException", "Bad Request"}
	case host.Unauthenticated:
		return host.UnauthorizedResponse, gatewayType{}
	case host.Forbidden:
		return host.AccessDenied, gatewayType{}
	case host.NotFound: // behind routing; GatewayType knows a request that no route takes
		return host.ResourceNotFound, gatewayType{}
	case host.Conflict: // Amazon has no such error
		return host.Default4XX, gatewayType{409, "ConflictException", "Conflict"}
	case host.TooLarge: // limits of answers have a Code
		return host.RequestTooLarge, gatewayType{}
	case host.Unsupported:
		return host.UnsupportedMediaType, gatewayType{}
	case host.Throttled:
		return host.ThrottledResponse, gatewayType{}
	case host.BadGateway:
		return host.IntegrationFailure, gatewayType{}
	case host.Timeout:
		return host.IntegrationTimeout, gatewayType{}
	case host.Unavailable: // it passes: clients try a 503 again
		return host.Default5XX, gatewayType{503, "ServiceUnavailableException", "Service Unavailable"}
	}
	// A defect, or a client that left: the second never reads it.
	return host.Default5XX, gatewayType{500, internalError, internalText}
}

// GatewayType returns the type of gateway response that an error selects, which is $context.error.responseType: the first Code in its chain,
// or what its Kind stands for. A request that no route takes is MISSING_AUTHENTICATION_TOKEN (reference 1.3 [REC]). It never returns "".
func GatewayType(x *host.Exchange, err error) host.ResponseType {
	t, _ := outcomeOf(x, err)
	return t
}

// outcomeOf returns an error's type, and what is answered where no definition says otherwise.
func outcomeOf(x *host.Exchange, err error) (host.ResponseType, gatewayType) {
	kind, code := host.KindOf(err), codeOf(err)
	if x.Match.Route == nil && (code == host.ResourceNotFound || code == "" && kind == host.NotFound) {
		code = host.MissingAuthenticationToken
	}
	out, known := typeTable(code)
	if !known {
		if code, out = typeOfKind(kind); out.status == 0 {
			out, _ = typeTable(code)
		}
	}
	if code == host.IntegrationFailure {
		switch {
		case kind == host.Unavailable: // no instance is free; the function itself has not failed
			out.status, out.message = 503, "Service Unavailable"
		case kind != host.BadGateway || isFunction(x): // a function that failed or answered out of contract (reference 1.6 [REC] and 1.16)
			out.status, out.message = 502, internalText
		}
	}
	if d := (*host.Disclosure)(nil); errors.As(err, &d) && d.Message != "" {
		out.message = d.Message
	}
	return code, out
}

// isFunction reports whether a function was asked: there is no network that could have failed.
func isFunction(x *host.Exchange) bool {
	return x.Match.Route != nil && x.Match.Route.Integration.Type == host.IntegrationFunction
}

// codeOf is the first Code in an error's chain, "" for none.
func codeOf(err error) host.ResponseType {
	for e := (*host.Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Code != "" {
			return e.Code
		}
	}
	return ""
}

// validationOf is what validation says of a request, "" for an error of anything else.
func validationOf(err error) string {
	if d := (*host.Disclosure)(nil); errors.As(err, &d) {
		return d.Validation
	}
	return ""
}

// isGatewayType reports whether a definition may have a response of that type.
func isGatewayType(t host.ResponseType) bool {
	_, known := typeTable(t)
	return known || t == host.Default4XX || t == host.Default5XX
}

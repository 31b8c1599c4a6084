package lambda

import (
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

func isREST(x *host.Exchange) bool {
	return x.Match.API != nil && x.Match.API.Protocol == host.ProtocolREST
}

// TokenEvent returns the event of a TOKEN authorizer (reference 1.7, "Input").
func TokenEvent(x *host.Exchange, token string) []byte {
	o := &object{b: append(make([]byte, 0, 256+len(token)+len(x.Match.Path)), '{')}
	o.string("type", host.AuthorizerToken)
	o.string("authorizationToken", token)
	o.string("methodArn", RouteARN(x))
	return append(o.b, '}')
}

// eventREST writes format 1.0 as REST APIs have it (reference 1.6 [REC]): groups that are empty are null, and path parameters stay
// encoded. Events of authorizers have empty objects instead (API Gateway developer guide, "Input to an API Gateway Lambda authorizer").
func eventREST(o *object, x *host.Exchange, authorizer bool) error {
	if authorizer {
		o.string("type", host.AuthorizerRequest)
		o.string("methodArn", RouteARN(x))
	}
	o.string("resource", resource(x))
	o.string("path", restEventPath(x))
	o.string("httpMethod", x.Request.Method)
	group := func(k string, ps []pair, s style) {
		if len(ps) == 0 && !authorizer {
			o.null(k)
			return
		}
		o.members(k, ps, s)
	}
	var buf [64]pair // on the stack: more cost an allocation
	hs := headers(buf[:0], x)
	group("headers", hs, style{compareFold, appendRecased, last})
	group("multiValueHeaders", hs, style{compareFold, appendRecased, list})
	ps := query(buf[:0], restQuery(x.Request.Query()))
	group("queryStringParameters", ps, style{strings.Compare, appendEscaped, last}) // the last value [REC]
	group("multiValueQueryStringParameters", ps, style{strings.Compare, appendEscaped, list})
	if err := contextREST(o, x, authorizer); err != nil {
		return err
	}
	ps = buf[:0]
	for _, p := range x.Match.Params {
		ps = append(ps, pair{p.Name, p.Value}) // as it came (reference 1.3, "Path params" [REC])
	}
	group("pathParameters", ps, style{strings.Compare, appendEscaped, last})
	group("stageVariables", stageVariables(buf[:0], x), style{strings.Compare, appendEscaped, last})
	return nil
}

// contextREST writes the keys that were recorded and no more, but for authorizer, which is there only where the method has one.
func contextREST(o *object, x *host.Exchange, authorizer bool) error {
	o.open("requestContext")
	o.string("accountId", AccountID)
	o.string("apiId", apiID(x))
	if !authorizer && authorized(x) {
		all := stringified(x.Principal.Context)
		all["principalId"] = x.Principal.ID
		principal, err := principalJSON(all)
		if err != nil {
			return err
		}
		o.raw("authorizer", principal)
	}
	if s := x.Match.Stage; s != nil && s.Deployment > 0 {
		o.string("deploymentId", strconv.Itoa(s.Deployment))
	} else {
		o.null("deploymentId")
	}
	o.string("domainName", x.Match.Domain)
	o.string("domainPrefix", domainPrefix(x))
	o.string("extendedRequestId", host.ExtendedRequestID(x.ID))
	o.string("httpMethod", x.Request.Method)
	o.identityREST(x)
	o.string("path", stagePath(x))
	o.string("protocol", "HTTP/1.1") // whatever it is (reference 1.5.1)
	o.string("requestId", x.ID)
	o.time("requestTime", x)
	o.int("requestTimeEpoch", x.Started.UnixMilli())
	o.string("resourceId", x.Match.ResourceID())
	o.string("resourcePath", resource(x))
	o.string("stage", stage(x))
	o.close()
	return nil
}

// identityREST writes who is calling. What is not known is null, and only a caller with AWS credentials has more.
func (o *object) identityREST(x *host.Exchange) {
	text := func(k, v string) {
		if v == "" {
			o.null(k)
			return
		}
		o.string(k, v)
	}
	o.open("identity")
	for _, k := range [...]string{"accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
		"cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId"} {
		o.null(k)
	}
	text("sourceIp", address(x.Request))
	o.null("user")
	text("userAgent", x.Request.Header.Get("User-Agent"))
	o.null("userArn")
	o.close()
}

// restEventPath is the path without the stage's segment but with a domain's base path. Slashes behind those that are too many are left out;
// one at the end is kept (reference 1.3, "Trailing slash" and "Double slashes" [REC]).
func restEventPath(x *host.Exchange) string {
	whole := mappedPath(x)
	return strings.TrimSuffix(whole, x.Match.Path) + restPath(x.Match.Path)
}

// restPath leaves one slash at the start of a path.
func restPath(path string) string {
	for len(path) > 1 && path[0] == '/' && path[1] == '/' {
		path = path[1:]
	}
	return path
}

// restQuery makes a query one whose parameters end at ampersands alone: on rest APIs a semicolon ends one too (reference 1.3, "Query" [REC]).
func restQuery(raw string) string { return strings.ReplaceAll(raw, ";", "&") }

// BodyEncoding says how a request's body stands in the event of a function behind a rest API: in base64 where its media type is one of the
// API's binary media types, else as text (reference 1.4.2 and 1.6).
func BodyEncoding(binaryMediaTypes []string, contentType string) host.BodyEncoding {
	if IsBinary(binaryMediaTypes, contentType) {
		return host.EncodingBase64
	}
	return host.EncodingText
}

// IsBinary reports whether a media type, whose parameters do not count, is among an API's binary media types: as it stands there, or by
// image/* or */*, which is none too. It is for Content-Type, and for the first value of Accept (reference 1.4.2 and 1.6, "Binary out").
func IsBinary(binaryMediaTypes []string, value string) bool {
	value, _, _ = strings.Cut(value, ",")
	value, _, _ = strings.Cut(value, ";")
	value = strings.TrimSpace(value)
	major, _, _ := strings.Cut(value, "/")
	for _, m := range binaryMediaTypes {
		prefix, wild := strings.CutSuffix(m, "/*")
		if strings.EqualFold(m, value) || wild && (prefix == "*" || strings.EqualFold(prefix, major)) {
			return true
		}
	}
	return false
}

// BodyIsText reports whether a carrier that puts a body into an event's JSON puts it there as text, and not in base64.
func BodyIsText(encoding host.BodyEncoding, contentType string, body []byte) bool {
	switch encoding {
	case host.EncodingText:
		return true
	case host.EncodingBase64:
		return false
	}
	return IsText(contentType, body)
}

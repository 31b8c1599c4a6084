// Package lambda speaks the Lambda formats: it writes the events that functions and authorizers get, and reads
// what they answer (API Gateway developer guide, "Working with AWS Lambda proxy integrations for HTTP APIs" and "Control access
// to HTTP APIs with AWS Lambda authorizers"). It is pure and its readers are fuzzed.
//
// Events hold everything but body and isBase64Encoded: bodies travel beside the JSON as bytes, and the carriers that
// must put them into it do so. Whatever an event says of the path is undecoded, but for pathParameters, which http APIs
// decode. Headers that concern the connection alone are left out, and X-Forwarded-* is believed from trusted proxies only.
package lambda

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// The payload formats.
const (
	Format1 = "1.0"
	Format2 = "2.0"
)

// AccountID stands where an event has an account: Postern has none.
const AccountID = "000000000000"

const clf = "02/Jan/2006:15:04:05 -0700"

// FunctionEvent returns the proxy event of a request, in a format. Format 1.0 is that of the API's protocol: rest APIs have another than
// http APIs.
func FunctionEvent(x *host.Exchange, format string) ([]byte, error) {
	return event(x, format, nil, false)
}

// AuthorizerEvent returns the event of a REQUEST authorizer, in a format. Identity holds the values of the authorizer's
// identity sources, in their order; events of rest APIs do not have them.
func AuthorizerEvent(x *host.Exchange, format string, identity []string) ([]byte, error) {
	return event(x, format, identity, true)
}

func event(x *host.Exchange, format string, identity []string, authorizer bool) ([]byte, error) {
	size := 1024 + 4*len(x.Request.Target)
	for _, f := range x.Request.Header {
		size += len(f.Name) + len(f.Value) + 6
	}
	if format == Format1 {
		size *= 2
	}
	o := &object{b: append(make([]byte, 0, size), '{')}
	var err error
	switch {
	case format == Format1 && isREST(x):
		err = eventREST(o, x, authorizer)
	case format == Format1:
		err = event1(o, x, identity, authorizer)
	case format == Format2:
		err = event2(o, x, identity, authorizer)
	default:
		err = fmt.Errorf("there is no payload format %q", format)
	}
	if err != nil {
		return nil, &host.Error{Op: "event", Kind: host.Internal, Code: host.APIConfigurationError, Err: err}
	}
	return append(o.b, '}'), nil
}

// event2 writes format 2.0 (reference 1.6). Groups that are empty are left out.
func event2(o *object, x *host.Exchange, identity []string, authorizer bool) error {
	o.string("version", Format2)
	if authorizer {
		o.string("type", "REQUEST")
		o.string("routeArn", RouteARN(x))
		if len(identity) > 0 {
			o.strings("identitySource", identity...)
		}
	}
	path := stagePath(x)
	o.string("routeKey", routeKey(x))
	o.string("rawPath", path)
	o.string("rawQueryString", x.Request.Query())
	if cs := cookies(x.Request.Header); len(cs) > 0 {
		o.strings("cookies", cs...)
	}
	var buf [64]pair // on the stack: more cost an allocation
	hs := slices.DeleteFunc(headers(buf[:0], x), func(p pair) bool { return compareFold(p.name, "cookie") == 0 })
	o.members("headers", hs, style{compareFold, appendLower, joined})
	if ps := query(buf[:0], x.Request.Query()); len(ps) > 0 {
		o.members("queryStringParameters", ps, style{strings.Compare, appendEscaped, joined})
	}
	if err := context2(o, x, path, authorizer); err != nil {
		return err
	}
	if ps := pathParameters(buf[:0], x); len(ps) > 0 {
		o.members("pathParameters", ps, style{strings.Compare, appendEscaped, last})
	}
	if ps := stageVariables(buf[:0], x); len(ps) > 0 {
		o.members("stageVariables", ps, style{strings.Compare, appendEscaped, last})
	}
	return nil
}

func context2(o *object, x *host.Exchange, path string, authorizer bool) error {
	o.open("requestContext")
	o.string("accountId", AccountID)
	o.string("apiId", apiID(x))
	if !authorizer && authorized(x) {
		principal, err := principalJSON(x.Principal.Context)
		if err != nil {
			return err
		}
		o.open("authorizer")
		o.raw("lambda", principal)
		o.close()
	}
	o.string("domainName", x.Match.Domain)
	o.string("domainPrefix", domainPrefix(x))
	o.open("http")
	o.string("method", x.Request.Method)
	o.string("path", path)
	o.string("protocol", x.Request.Peer.Protocol)
	o.string("sourceIp", address(x.Request))
	o.string("userAgent", x.Request.Header.Get("User-Agent"))
	o.close()
	o.string("requestId", x.ID)
	o.string("routeKey", routeKey(x))
	o.string("stage", stage(x))
	o.time("time", x)
	o.int("timeEpoch", x.Started.UnixMilli())
	o.close()
	return nil
}

// event1 writes format 1.0 as HTTP APIs have it (reference 1.6). Groups that are empty are null [REC].
func event1(o *object, x *host.Exchange, identity []string, authorizer bool) error {
	o.string("version", Format1)
	if authorizer {
		o.string("type", "REQUEST")
		o.string("methodArn", RouteARN(x))
		if token := strings.Join(identity, ","); token == "" {
			o.null("identitySource")
			o.null("authorizationToken")
		} else {
			o.string("identitySource", token)
			o.string("authorizationToken", token)
		}
	}
	o.string("resource", resource(x))
	o.string("path", mappedPath(x))
	o.string("httpMethod", x.Request.Method)
	var buf [64]pair
	hs := headers(buf[:0], x)
	o.members("headers", hs, style{compareFold, appendRecased, last})
	o.members("multiValueHeaders", hs, style{compareFold, appendRecased, list})
	ps := query(buf[:0], x.Request.Query())
	o.group("queryStringParameters", ps, last)
	o.group("multiValueQueryStringParameters", ps, list)
	if err := context1(o, x, authorizer); err != nil {
		return err
	}
	o.group("pathParameters", pathParameters(buf[:0], x), last)
	o.group("stageVariables", stageVariables(buf[:0], x), last)
	return nil
}

// group writes pairs as an object, or null for none.
func (o *object) group(k string, ps []pair, value func([]byte, []pair) []byte) {
	if len(ps) == 0 {
		o.null(k)
		return
	}
	o.members(k, ps, style{strings.Compare, appendEscaped, value})
}

func context1(o *object, x *host.Exchange, authorizer bool) error {
	o.open("requestContext")
	o.string("accountId", AccountID)
	o.string("apiId", apiID(x))
	switch {
	case authorizer:
	case authorized(x):
		all := make(map[string]any, len(x.Principal.Context)+1)
		for k, v := range x.Principal.Context {
			all[k] = v
		}
		all["principalId"] = x.Principal.ID
		principal, err := principalJSON(all)
		if err != nil {
			return err
		}
		o.raw("authorizer", principal)
	default:
		o.raw("authorizer", `{"claims":null,"scopes":null}`)
	}
	o.string("domainName", x.Match.Domain)
	o.string("domainPrefix", domainPrefix(x))
	o.string("extendedRequestId", x.ID)
	o.string("httpMethod", x.Request.Method)
	o.open("identity")
	for _, k := range [...]string{"accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
		"cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId"} {
		o.null(k)
	}
	o.string("sourceIp", address(x.Request))
	o.null("user")
	o.string("userAgent", x.Request.Header.Get("User-Agent"))
	o.null("userArn")
	o.close()
	o.string("path", stagePath(x))
	o.string("protocol", x.Request.Peer.Protocol)
	o.string("requestId", x.ID)
	o.time("requestTime", x)
	o.int("requestTimeEpoch", x.Started.UnixMilli())
	o.null("resourceId")
	o.string("resourcePath", resource(x))
	o.string("stage", stage(x))
	o.close()
	return nil
}

// time writes when the request came, in the common log format.
func (o *object) time(k string, x *host.Exchange) {
	o.key(k)
	o.b = append(x.Started.UTC().AppendFormat(append(o.b, '"'), clf), '"')
}

func principalJSON(m map[string]any) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("the authorizer's context: %w", err)
	}
	return string(b), nil
}

// appendRecased appends a name as it came, but for the two that are re-cased (reference 1.4.6, "Lambda proxy event" [REC]).
func appendRecased(b []byte, name string) []byte {
	for _, known := range [...]string{"Authorization", "User-Agent"} {
		if len(name) == len(known) && strings.EqualFold(name, known) {
			name = known
		}
	}
	return appendEscaped(b, name)
}

package rest

import (
	"iter"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

// A Type is a kind of integration, in Amazon's words: header fields and bodies are treated by it.
type Type string

// The types.
const (
	TypeHTTP      Type = "HTTP"       // what is mapped goes to a server
	TypeHTTPProxy Type = "HTTP_PROXY" // all goes to a server
	TypeAWS       Type = "AWS"        // what is mapped goes to a function, or to an AWS service
	TypeAWSProxy  Type = "AWS_PROXY"  // all goes to a function, as an event
	TypeMock      Type = "MOCK"       // nothing is sent
)

// TypeOf returns an integration's type.
func TypeOf(c *host.IntegrationConfig) Type {
	switch c.Type {
	case host.IntegrationMock:
		return TypeMock
	case host.IntegrationService:
		return TypeAWS
	case host.IntegrationFunction:
		if c.Proxy {
			return TypeAWSProxy
		}
		return TypeAWS
	}
	if c.Proxy {
		return TypeHTTPProxy
	}
	return TypeHTTP
}

// IsProxy reports whether all of a request goes to the integration, and all of its response to the client.
func (t Type) IsProxy() bool { return t == TypeHTTPProxy || t == TypeAWSProxy }

// SelectMapping returns the mapping for a request's body by its Content-Type, or nil for a body that passes as it is. It fails with Kind
// Unsupported where it may not pass either, which is a 415 (reference 1.4.1 [GUIDE]). A proxy has no mappings, and lets all pass.
func SelectMapping(route *host.Route, contentType string) (*host.Mapping, error) {
	if TypeOf(&route.Integration).IsProxy() {
		return nil, nil
	}
	chosen, found := mapping.SelectMapping(route.Mappings, contentType)
	if _, err := mapping.Passthrough(route.Integration.Passthrough, len(route.Mappings) > 0, found); err != nil {
		return nil, err
	}
	return chosen, nil
}

// methodOverride is the header field whose method a rest API routes by (reference 1.3).
const methodOverride = "X-HTTP-Method-Override"

// RoutingMethod returns the method that a rest API routes a request by: that of X-HTTP-Method-Override, else the request's own (reference
// 1.3). What is no name of a method does not count, nor does the field of a CONNECT, which asks for another protocol.
func RoutingMethod(r *host.Request) string {
	const longest = 32
	if m := r.Header.Get(methodOverride); len(m) <= longest && host.IsToken(m) && r.Method != "CONNECT" {
		return m
	}
	return r.Method
}

// QueryParams yields the parameters of a rest API's query in order, decoded as forms are. They are parted by & and by ; (reference 1.3,
// "Query" [REC]).
func QueryParams(query string) iter.Seq2[string, string] {
	return host.QueryParams(strings.ReplaceAll(query, ";", "&"))
}

// QueryValue returns the last value of a parameter of a rest API's query, and whether there is one (reference 1.3, "Query" [REC]). Case counts.
func QueryValue(query, name string) (value string, found bool) {
	for n, v := range QueryParams(query) {
		if n == name {
			value, found = v, true
		}
	}
	return value, found
}

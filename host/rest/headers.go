package rest

import (
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// The header fields that are treated apart (reference 1.4.6, "Header treatment", and 1.4.4 for the targets).

func isInvisible(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te", "transfer-encoding",
		"trailer", "upgrade", "www-authenticate":
		return true
	}
	return false
}

// isNotProxied is of what HTTP_PROXY forwards only where it is mapped.
func isNotProxied(name string) bool {
	switch strings.ToLower(name) {
	case "host", "content-encoding", "via":
		return true
	}
	return isInvisible(name)
}

// isRemapped is of all integrations, isRemappedMapped besides of those that are no proxies.
func isRemapped(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "content-length", "date", "server":
		return true
	}
	return false
}

func isRemappedMapped(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "content-md5", "expect", "host", "max-forwards", "proxy-authenticate", "trailer", "upgrade", "user-agent", "www-authenticate":
		return true
	}
	return false
}

// IsVisible reports whether a header field of a request is there for mappings, validation, authorizers and functions of a rest API
// (reference 1.4.6, "dropped from every incoming request" [REC]).
func IsVisible(name string) bool { return !isInvisible(name) }

// Visible returns a request's header without the fields that rest APIs never see: h itself where there is none of them.
func Visible(h host.Header) host.Header {
	return without(h, func(f host.Field) bool { return isInvisible(f.Name) })
}

// without returns a header without some fields. It does not change h, and is h where no field goes.
func without(h host.Header, drop func(host.Field) bool) host.Header {
	if !slices.ContainsFunc(h, drop) {
		return h
	}
	kept := make(host.Header, 0, len(h))
	for _, f := range h {
		if !drop(f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// IsLegalTarget reports whether a parameter mapping or an override may set that header field of what is sent. One that does so all the same
// fails when it is used, also where the integration ignores it, as AWS_PROXY does (reference 1.4.4, "Targets that are illegal" [REC]).
func (t Type) IsLegalTarget(name string) bool {
	switch strings.ToLower(name) {
	case "content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id":
		return false
	case "authorization", "connection", "expect", "proxy-authenticate", "te":
		return t != TypeAWS && t != TypeAWSProxy
	}
	return true
}

// RemapResponse returns the header of a response as a client may see it, and does not change h. It is given the integration's header where that
// is a proxy, and else the one that the method's mappings made. Fields that the gateway keeps for itself are called x-amzn-Remapped-NAME;
// Transfer-Encoding is dropped, and Via from HTTP_PROXY (reference 1.4.6 [REC], Via [LS]). Since that takes Content-Length away, the caller
// sets the one of the body that is sent, if it wants one.
//
// Content-Encoding stays, although another emulator drops it from HTTP_PROXY: the body has that coding still, and compression goes by it
// (reference 1.15).
func RemapResponse(t Type, h host.Header) host.Header {
	out := make(host.Header, 0, len(h)+4)
	for _, f := range h {
		switch {
		case strings.EqualFold(f.Name, "Transfer-Encoding"), t == TypeHTTPProxy && strings.EqualFold(f.Name, "Via"):
			continue
		case strings.EqualFold(f.Name, "x-amzn-RequestId"):
			f.Name = "x-amzn-remapped-x-amzn-requestid" // as it was recorded
		case isRemapped(f.Name), !t.IsProxy() && isRemappedMapped(f.Name):
			f.Name = "x-amzn-Remapped-" + f.Name
		}
		out = append(out, f)
	}
	return out
}

// Stamp adds to a response what every one of a rest API's has: x-amzn-RequestId and x-amz-apigw-id; and X-Amzn-Trace-Id where it came from an
// integration of type AWS, AWS_PROXY or HTTP (reference 1.4.6, "added to every REST response" [REC, LS]). t is "" for gateway responses.
func Stamp(h *host.Header, x *host.Exchange, t Type) {
	h.Set("x-amzn-RequestId", x.ID)
	h.Set("x-amz-apigw-id", host.ExtendedRequestID(x.ID))
	if t == TypeAWS || t == TypeAWSProxy || t == TypeHTTP {
		h.Set(host.TraceField, x.AmazonTrace())
	}
}

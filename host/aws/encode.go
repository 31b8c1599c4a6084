package aws

import (
	"net/url"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// A param is one parameter of a query, decoded.
type param struct{ name, value string }

// merge returns the parameters of a call's own query, and those that mappings made, which replace the ones of their name.
func merge(own, mapped string) []param {
	var params, later []param
	for name, value := range host.QueryParams(mapped) {
		later = append(later, param{name, value})
	}
	for name, value := range host.QueryParams(own) {
		if !slices.ContainsFunc(later, func(p param) bool { return p.name == name }) {
			params = append(params, param{name, value})
		}
	}
	return append(params, later...)
}

// encodeQuery encodes what is signed and what is sent alike.
func encodeQuery(params []param) string {
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(encode(p.name) + "=" + encode(p.value))
	}
	return b.String()
}

// encode leaves only the unreserved characters of RFC 3986, section 2.3, as they are.
func encode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// encodePath encodes each segment the one way that signatures know. At S3, slashes within a key are slashes.
func (c *Client) encodePath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = encode(host.Unescape(segment))
		if c.call.Service == "s3" && (i > 1 || c.call.Subdomain != "") {
			segments[i] = strings.ReplaceAll(segments[i], "%2F", "/")
		}
	}
	return strings.Join(segments, "/")
}

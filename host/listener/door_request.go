package listener

import (
	"net/http"
	"strconv"
	"strings"
)

// object refuses a request that, well formed as it may be, means different things to different readers. The status is 0 for
// one that does not. It holds for every version of HTTP.
func object(r *http.Request) (status int, reason Reason, detail string) {
	if why := badRequest(r); why != "" {
		return http.StatusBadRequest, ReasonMalformed, why
	}
	// net/http is content with an Expect that has the one word somewhere. RFC 9110, section 10.1.1.
	if expect := r.Header["Expect"]; len(expect) > 1 || len(expect) == 1 && !strings.EqualFold(expect[0], "100-continue") {
		return http.StatusExpectationFailed, ReasonUnsupported, "Expect: " + strings.Join(expect, ", ")
	}
	return 0, "", ""
}

func badRequest(r *http.Request) string {
	for i := range len(r.Method) {
		if class[r.Method[i]]&isToken == 0 {
			return "the method is not a token" // which HTTP/2 and 3 do not show by themselves
		}
	}
	if r.Header[pseudoProtocol] != nil && r.Method != http.MethodConnect {
		return ":protocol without CONNECT" // RFC 8441, section 4
	}
	if lengths, ok := r.Header["Content-Length"]; ok { // RFC 9110, section 8.6
		if n, err := strconv.ParseUint(lengths[0], 10, 63); len(lengths) > 1 || err != nil || int64(n) != r.ContentLength {
			return "Content-Length is not a number"
		}
	}
	if why := badTarget(r.RequestURI); why != "" {
		return why
	}
	if why := badAuthority(r); why != "" {
		return why
	}
	if r.RequestURI == "*" && r.Method != http.MethodOptions {
		return "the target * of " + r.Method // RFC 9112, section 3.2.4
	}
	for _, value := range r.Header["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "host", "content-length", "transfer-encoding": // RFC 9110, section 7.6.1: never fields meant for all recipients
				return "Connection names " + strings.TrimSpace(name)
			}
		}
	}
	if r.Method == http.MethodTrace && r.ContentLength != 0 {
		return "TRACE with a body" // RFC 9110, section 9.3.8
	}
	return ""
}

// badTarget looks for what RFC 3986 lets stand in no URI, and of that for what readers are known to differ about. The rest,
// such as braces and bars, browsers send in queries.
func badTarget(target string) string {
	query := false
	for i := range len(target) {
		switch b := target[i]; {
		case b <= ' ' || b == 0x7f:
			return "a space or control character in the target"
		case b > 0x7f:
			return "octets outside ASCII in the target"
		case b == '#':
			return "a fragment in the target"
		case b == '?':
			query = true
		case b == '\\' && !query:
			return "a backslash in the path"
		}
	}
	return ""
}

// badAuthority checks the one host that counts: that of an absolute form or :authority, else the Host field (RFC 9112,
// section 3.2; RFC 9113, section 8.3.1).
func badAuthority(r *http.Request) string {
	if scheme, rest, ok := strings.Cut(r.RequestURI, "://"); ok && !strings.HasPrefix(r.RequestURI, "/") && r.Method != http.MethodConnect {
		if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return "a target of a scheme that is not HTTP"
		}
		authority := rest
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			authority = rest[:i]
		}
		if authority != r.Host {
			return "a target whose authority is not a plain host and port" // RFC 9110, section 4.2.4: no user information
		}
	}
	if r.Host == "" && !r.ProtoAtLeast(1, 1) {
		return ""
	}
	if !validAuthority(r.Host) {
		return "the host is not a host and port"
	}
	if fields, ok := r.Header["Host"]; ok && r.ProtoMajor > 1 {
		for _, field := range fields {
			if !strings.EqualFold(field, r.Host) {
				return "Host and :authority differ"
			}
		}
		delete(r.Header, "Host")
	}
	return ""
}

// validAuthority is host [":" port] of RFC 3986, section 3.2.2, without percent-encoding, which no host name needs.
func validAuthority(a string) bool {
	name, port := a, ""
	if strings.HasPrefix(a, "[") {
		end := strings.IndexByte(a, ']')
		if end < 0 || strings.Trim(a[1:end], "0123456789abcdefABCDEF:.") != "" || !strings.Contains(a[:end], ":") {
			return false
		}
		name, port = a[:end+1], a[end+1:]
	} else if i := strings.IndexByte(a, ':'); i >= 0 {
		name, port = a[:i], a[i:]
	}
	if name == "" || port != "" && (port[0] != ':' || strings.Trim(port[1:], "0123456789") != "" || len(port) > len(":65535")) {
		return false
	}
	if name[0] == '[' {
		return true
	}
	for i := range len(name) {
		if b := name[i]; class[b]&isToken == 0 || strings.IndexByte("#%^`|", b) >= 0 {
			return false
		}
	}
	return true
}

// hopByHop are the fields that end here: Connection, and what it names (RFC 9110, section 7.6.1). Were they to go on, a client
// could name a field that the gateway adds, and so take it off the request on its way to the upstream.
func hopByHop(h http.Header) map[string]bool {
	values, ok := h["Connection"]
	if !ok {
		return nil
	}
	ends := map[string]bool{"Connection": true}
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			switch name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name {
			case "Te", "Upgrade": // have a meaning for the next hop, which is found out further on
			default:
				ends[name] = true
			}
		}
	}
	return ends
}

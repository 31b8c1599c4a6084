package upstream

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// maxVia is how often a request may have passed here before it is taken for a loop.
const maxVia = 10

// pseudonym stands for this gateway in Via (RFC 9110, section 7.6.3).
const pseudonym = "postern"

// Forward makes out.Header what a proxy may send on. in is what arrived; out is what is sent, with the header fields
// that arrived or those that a mapping left. out.Header's memory is not changed: it may be in's.
//
// A field Host of out is one that was mapped, and becomes its Authority. Hop-by-hop fields go (RFC 9110, section 7.6.1), except "TE: trailers". X-Forwarded-For, -Host, -Proto, -Port and
// Forwarded (RFC 7239) are set anew, or continued where in.Peer is trusted. Via is continued. A request that has been
// here more than ten times is refused with Kind BadGateway; 508 would say it better, but belongs to WebDAV (RFC 5842).
func Forward(in, out *host.Request) error {
	f := forwarding{in: in, trusted: in.Peer.Trusted}
	src := out.Header
	dst := make(host.Header, 0, len(src)+6)
	for _, field := range src {
		name := http.CanonicalHeaderKey(field.Name)
		switch name {
		case "Connection":
			f.named += "," + field.Value
		case "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Transfer-Encoding", "Upgrade",
			"Content-Length":
		case "Host": // of a mapping: what a client sends is in.Host
			out.Authority = field.Value
		case "Te":
			if hasToken(field.Value, "trailers") {
				dst.Set("Te", "trailers")
			}
		case "Trailer":
			if out.Trailer != nil {
				dst = append(dst, field)
			}
		case "Via":
			f.via = joined(f.via, field.Value)
		case "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto":
			f.keep(name, field.Value)
		default:
			dst = append(dst, host.Field{Name: name, Value: field.Value})
		}
	}
	if f.named != "" {
		for name := range strings.SplitSeq(f.named, ",") {
			if name = strings.TrimSpace(name); !strings.EqualFold(name, "te") {
				dst.Del(name)
			}
		}
	}
	if passes(f.via) > maxVia {
		return failed(out, host.BadGateway, CauseLoop, errors.New("the request goes round in a loop: it has been here "+strconv.Itoa(passes(f.via))+" times"))
	}
	out.Header = f.appendTo(dst)
	return nil
}

// forwarding collects what earlier proxies said.
type forwarding struct {
	in                           *host.Request
	trusted                      bool
	named, via, forwarded, addr  string
	forwardedHost, forwardedPort string
}

func (f *forwarding) keep(name, value string) {
	if !f.trusted {
		return
	}
	switch name {
	case "Forwarded":
		f.forwarded = joined(f.forwarded, value)
	case "X-Forwarded-For":
		f.addr = joined(f.addr, value)
	case "X-Forwarded-Host":
		f.forwardedHost = value
	case "X-Forwarded-Port":
		f.forwardedPort = value
	}
}

// appendTo adds our own words. All of them that are new share one string.
func (f *forwarding) appendTo(h host.Header) host.Header {
	in := f.in
	var room [256]byte
	b := append(room[:0], "for="...)
	from := len(b)
	remote := in.Peer.Remote.Addr()
	v6 := remote.Is6()
	if v6 {
		b = append(b, `"[`...)
		from = len(b)
	}
	if remote.IsValid() {
		b = remote.WithZone("").AppendTo(b)
	} else {
		b = append(b, "unknown"...)
	}
	to := len(b)
	if v6 {
		b = append(b, `]"`...)
	}
	b = append(b, ";host="...)
	b = appendValue(b, in.Host)
	b = append(b, ";proto="...)
	b = append(b, in.Scheme...)
	element := string(b)

	forwardedHost := in.Host
	if f.forwardedHost != "" {
		forwardedHost = f.forwardedHost
	}
	return append(h,
		host.Field{Name: "X-Forwarded-For", Value: joined(f.addr, element[from:to])},
		host.Field{Name: "X-Forwarded-Host", Value: forwardedHost},
		host.Field{Name: "X-Forwarded-Port", Value: f.port()},
		host.Field{Name: "X-Forwarded-Proto", Value: in.Scheme},
		host.Field{Name: "Forwarded", Value: joined(f.forwarded, element)},
		host.Field{Name: "Via", Value: joined(f.via, via(in.Peer.Protocol))})
}

// port is the one that the client used, as far as we know.
func (f *forwarding) port() string {
	if f.forwardedPort != "" {
		return f.forwardedPort
	}
	if p := f.in.Peer.Local.Port(); p != 0 {
		return strconv.Itoa(int(p))
	}
	if f.in.Scheme == "https" {
		return "443"
	}
	return "80"
}

func via(protocol string) string {
	switch protocol {
	case "HTTP/2.0":
		return "2.0 " + pseudonym
	case "HTTP/1.0":
		return "1.0 " + pseudonym
	}
	return "1.1 " + pseudonym
}

// passes counts our own entries in Via.
func passes(via string) int {
	n := 0
	for via != "" {
		var entry string
		entry, via, _ = strings.Cut(via, ",")
		_, by, _ := strings.Cut(strings.TrimSpace(entry), " ")
		if by == pseudonym {
			n++
		}
	}
	return n
}

func joined(list, element string) string {
	if list == "" {
		return element
	}
	return list + ", " + element
}

func hasToken(list, token string) bool {
	for element := range strings.SplitSeq(list, ",") {
		element, _, _ = strings.Cut(element, ";")
		if strings.EqualFold(strings.TrimSpace(element), token) {
			return true
		}
	}
	return false
}

// appendValue adds a token, or a quoted string where it is none (RFC 7239, section 4).
func appendValue(b []byte, v string) []byte {
	if v != "" && strings.IndexFunc(v, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_')
	}) < 0 {
		return append(b, v...)
	}
	b = append(b, '"')
	for i := range len(v) {
		if v[i] == '"' || v[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, v[i])
	}
	return append(b, '"')
}

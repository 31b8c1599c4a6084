package listener

import (
	"net/netip"
	"strings"

	"github.com/postern/postern/host"
)

// believe takes the client's address and scheme from the forwarded headers, if the other end is a trusted proxy. The
// addresses are walked from the right, where the nearest proxy wrote, as long as what they name is trusted: the first
// that is not is the client. The Host is left as it came.
func believe(r *host.Request, trusted []netip.Prefix) {
	if !contains(trusted, r.Peer.Addr) {
		return
	}
	r.Peer.Trusted = true
	hops, scheme := r.Header.Values("X-Forwarded-For"), lastElement(r.Header.Get("X-Forwarded-Proto"))
	parse := parseHop
	if hops == nil {
		hops, parse = r.Header.Values("Forwarded"), parseForwarded
		if scheme == "" && len(hops) > 0 {
			scheme = parameter(lastElement(hops[len(hops)-1]), "proto")
		}
	}
	if s := strings.ToLower(scheme); s == "http" || s == "https" {
		r.Scheme = s
	}
	for i := len(hops) - 1; i >= 0; i-- {
		list := hops[i]
		for more := true; more; {
			cut := strings.LastIndexByte(list, ',')
			element := list[cut+1:]
			addr, ok := parse(strings.TrimSpace(element))
			if !ok {
				return // obfuscated or nonsense: what stands left of it is nobody's word
			}
			r.Peer.Addr = addr
			if !contains(trusted, addr) {
				return
			}
			if more = cut >= 0; more {
				list = list[:cut]
			}
		}
	}
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func lastElement(list string) string {
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

// parseHop reads an element of X-Forwarded-For: an address, with a port here and there.
func parseHop(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = ap.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// parseForwarded reads the for parameter of an element of Forwarded (RFC 7239, section 4).
func parseForwarded(s string) (netip.Addr, bool) { return parseHop(parameter(s, "for")) }

func parameter(element, name string) string {
	for pair := range strings.SplitSeq(element, ";") {
		k, v, _ := strings.Cut(pair, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

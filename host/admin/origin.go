package admin

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// localCaller refuses what no program on this machine would send to an API that asks for no token: a request to a name that is not this
// machine's (a page whose name was bound anew to 127.0.0.1 sends its own), and one that a web page sent (browsers say so in Origin and
// Sec-Fetch-Site, and a page cannot take that back).
func localCaller(r *http.Request) error {
	if !localHost(r) {
		return faultf(host.Forbidden, 0, "the Host %.80q is not this machine's: this API has no token, and answers on localhost and loopback addresses, at its own port", r.Host)
	}
	site := r.Header.Values("Sec-Fetch-Site")
	if len(site) > 1 || len(site) == 1 && site[0] != "same-origin" && site[0] != "none" {
		return faultf(host.Forbidden, 0, "a web page of another origin sent this")
	}
	origin := r.Header.Values("Origin")
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	if len(origin) > 1 || len(origin) == 1 && !strings.EqualFold(origin[0], scheme+r.Host) {
		return faultf(host.Forbidden, 0, "a web page of the origin %.80q sent this", origin[0])
	}
	return nil
}

// localHost reports whether a request is addressed to this machine by a name that nobody can bind to another, and to the port that it came by.
func localHost(r *http.Request) bool {
	name, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]"), "80"
		if r.TLS != nil {
			port = "443"
		}
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		own, err := netip.ParseAddrPort(local.String())
		if err != nil || port != strconv.Itoa(int(own.Port())) {
			return false
		}
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// ownName reports whether the Host of a request to a loopback listener can be no web page's: an address, or a name of this machine. The
// port may be any, as of a tunnel.
func ownName(authority string) bool {
	name, _, err := net.SplitHostPort(authority)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(authority, "["), "]")
	}
	if _, err := netip.ParseAddr(name); err == nil || strings.EqualFold(name, "localhost") {
		return true
	}
	machine, err := os.Hostname()
	return err == nil && strings.EqualFold(name, machine)
}

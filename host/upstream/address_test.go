package upstream

import (
	"net/netip"
	"testing"
)

// What is on the Internet is no special address, also next to those that are.
func TestPublicAddresses(t *testing.T) {
	for _, addr := range []string{"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"223.255.255.255", "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00::1", "::ffff:8.8.8.8"} {
		if isSpecial(netip.MustParseAddr(addr)) {
			t.Errorf("%s may not be reached by name", addr)
		}
	}
	for _, addr := range []string{"fe80::1%eth0", "::ffff:127.0.0.1", "fd00:ec2::254%1"} {
		if !isSpecial(netip.MustParseAddr(addr)) {
			t.Errorf("%s may be reached by name", addr)
		}
	}
}

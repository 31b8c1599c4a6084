package web

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// parseHost parses a domain, an IPv4 address in any of the ways that browsers read, or an IPv6 address in brackets.
func parseHost(text string, isSpecial bool) (string, error) {
	if strings.HasPrefix(text, "[") {
		inside, ok := strings.CutSuffix(text[1:], "]")
		addr, err := netip.ParseAddr(inside)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", errURL
		}
		if addr.Is4In6() {
			b := addr.As16()
			return "[::ffff:" + strconv.FormatUint(uint64(b[12])<<8|uint64(b[13]), 16) + ":" + strconv.FormatUint(uint64(b[14])<<8|uint64(b[15]), 16) + "]", nil
		}
		return "[" + addr.String() + "]", nil
	}
	if !isSpecial {
		if strings.ContainsAny(text, "\x00\t\n\r #/:<>?@[\\]^|") {
			return "", errURL
		}
		return percentEncode(text, inOpaque), nil
	}
	domain := PercentDecode(text)
	if !utf8.ValidString(domain) {
		return "", errURL
	}
	ascii, err := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.VerifyDNSLength(false)).ToASCII(domain)
	if err != nil || ascii == "" && text != "" || strings.ContainsFunc(ascii, forbiddenInDomain) {
		return "", errURL
	}
	return parseIPv4(ascii)
}

func forbiddenInDomain(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("#/:<>?@[\\]^|%", r)
}

// parseIPv4 returns host as it is unless its last label is a number.
func parseIPv4(host string) (string, error) {
	parts := strings.Split(host, ".")
	if len(parts) > 1 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	last := parts[len(parts)-1]
	if _, err := ipv4Number(last); err != nil && (last == "" || strings.Trim(last, "0123456789") != "") {
		return host, nil
	}
	if len(parts) > 4 {
		return "", errURL
	}
	var addr uint64
	for i, part := range parts {
		n, err := ipv4Number(part)
		if err != nil {
			return "", errURL
		}
		if i < len(parts)-1 {
			if n > 255 {
				return "", errURL
			}
			addr |= n << (8 * (3 - i))
			continue
		}
		if n >= 1<<(8*(5-len(parts))) {
			return "", errURL
		}
		addr |= n
	}
	return netip.AddrFrom4([4]byte{byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr)}).String(), nil
}

func ipv4Number(s string) (uint64, error) {
	lower := strings.ToLower(s)
	switch {
	case s == "":
		return 0, errURL
	case lower == "0x":
		return 0, nil
	case strings.HasPrefix(lower, "0x"):
		return strconv.ParseUint(lower[2:], 16, 33)
	case len(s) > 1 && s[0] == '0':
		return strconv.ParseUint(s[1:], 8, 33)
	}
	return strconv.ParseUint(s, 10, 33)
}

// Hostname is the host without its port.
func (u *URL) Hostname() string {
	if u.host == nil {
		return ""
	}
	return *u.host
}

// Hostport is the host with a port that is not the default of its scheme.
func (u *URL) Hostport() string {
	if u.port == "" {
		return u.Hostname()
	}
	return u.Hostname() + ":" + u.port
}

package listener

import "strings"

const (
	isToken = 1 << iota // RFC 9110, section 5.6.2
	isValue             // section 5.5: visible, space, tab, and octets above ASCII
)

// class says where a byte may stand.
var class = func() (t [256]byte) {
	for b := range 256 {
		if b == '\t' || b >= ' ' && b != 0x7f {
			t[b] |= isValue
		}
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b < 0x80 && strings.IndexByte("!#$%&'*+-.^_`|~", byte(b)) >= 0 {
			t[b] |= isToken
		}
	}
	return t
}()

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

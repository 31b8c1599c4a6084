package listener

import "strings"

// maxAuthority is how long an authority may be: the longest name of DNS, in its dotted form, and a port.
const maxAuthority = 253 + len(":65535")

// target reads the request target. Of an absolute form it keeps the authority: net/http takes that for the host and forgets the Host
// field, where another reader may do it the other way round.
func (w *wire) target(b byte) {
	switch {
	case b == ' ' && w.step != stepTarget:
		w.step, w.at = stepVersion, 0
	case b <= ' ' || b == 0x7f:
		w.fault = "the request line is not METHOD SP target SP HTTP/1.1 CRLF"
	case w.step == stepTarget:
		w.step, w.n = stepScheme, 0
		w.scheme(b)
	case w.step == stepScheme:
		w.scheme(b)
	case w.step == stepAuthority:
		w.authority(b)
	}
}

// scheme looks for "http://" and "https://".
func (w *wire) scheme(b byte) {
	w.collect(lower(b))
	switch begun := string(w.word[:w.n]); {
	case begun == "http://":
		w.step, w.head.defaultPort = stepAuthority, ":80"
	case begun == "https://":
		w.step, w.head.defaultPort = stepAuthority, ":443"
	case !strings.HasPrefix("http://", begun) && !strings.HasPrefix("https://", begun):
		w.step = stepTargetOn
	}
}

func (w *wire) authority(b byte) {
	switch h := &w.head; {
	case b == '/' || b == '?' || b == '#':
		w.step = stepTargetOn
	case len(h.authority) >= maxAuthority:
		w.fault = "the target's authority is too long"
	default:
		h.authority += string(rune(lower(b)))
	}
}

// besideAuthority keeps the Host beside an absolute target, and of a longer one enough to tell that it differs.
func (w *wire) besideAuthority(b byte) {
	if h := &w.head; w.field == fieldHost && h.defaultPort != "" && len(h.host) <= maxAuthority {
		h.host += string(rune(lower(b)))
	}
}

// oneAuthority reports whether an absolute target and Host name the same (RFC 9112, section 3.2: they are identical). A scheme's
// default port may be left out.
func (h *head) oneAuthority() bool {
	if h.defaultPort == "" || h.hosts == 0 {
		return true
	}
	plain := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, h.defaultPort), ":") }
	return plain(h.authority) == plain(strings.TrimRight(h.host, " \t"))
}

package web

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The percent-encode sets of url.spec.whatwg.org, section 1.3: what is escaped beside controls and non-ASCII.
const (
	inOpaque       = ""
	inFragment     = " \"<>`"
	inQuery        = " \"#<>"
	inSpecialQuery = inQuery + "'"
	inPath         = inQuery + "?^`{}"
	inUserinfo     = inPath + "/:;=@[\\]|"
)

const upperHex = "0123456789ABCDEF"

func percentEncode(s, set string) string {
	clean := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || strings.IndexByte(set, c) >= 0 {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || strings.IndexByte(set, c) >= 0 {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// PercentDecode undoes the escapes of text, and leaves what is none.
func PercentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, low := unhex(s[i+1]), unhex(s[i+2]); high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// Set sets one part (url.spec.whatwg.org, section 6.1) and reports whether it could.
func (u *URL) Set(name, value string) bool {
	hasHost := u.host != nil && *u.host != "" && u.scheme != "file"
	switch name {
	case "protocol":
		scheme, _, ok := splitScheme(strings.TrimSuffix(value, ":") + ":")
		if !ok || special(scheme) != special(u.scheme) || scheme == "file" || u.scheme == "file" {
			return false
		}
		u.scheme = scheme
		return u.setPort(u.port) == nil
	case "username", "password":
		if !hasHost {
			return false
		}
		if name == "username" {
			u.username = percentEncode(value, inUserinfo)
		} else {
			u.password = percentEncode(value, inUserinfo)
		}
		return true
	case "host", "hostname":
		if u.opaque != nil {
			return false
		}
		value = u.hostPart(value)
		if strings.Contains(value, "@") {
			return false
		}
		copied := *u
		if name == "hostname" || !strings.Contains(value[strings.LastIndexByte(value, ']')+1:], ":") {
			host, err := parseHost(value, special(u.scheme))
			if err != nil || host == "" && special(u.scheme) {
				return false
			}
			u.host = &host
			return true
		}
		if copied.setHostPort(value) != nil {
			return false
		}
		*u = copied
		return true
	case "port":
		digits := len(value) - len(strings.TrimLeft(value, "0123456789"))
		return hasHost && (value == "" || digits > 0) && u.setPort(value[:digits]) == nil
	case "pathname":
		if u.opaque != nil {
			return false
		}
		u.path = nil
		if value != "" && (value[0] == '/' || value[0] == '\\' && special(u.scheme)) {
			value = value[1:]
		}
		u.addPath(value)
		return true
	case "search":
		u.setQuery(strings.TrimPrefix(value, "?"), value != "")
		return true
	case "hash":
		u.fragment = nil
		if value != "" {
			f := percentEncode(strings.TrimPrefix(value, "#"), inFragment)
			u.fragment = &f
		}
		return true
	}
	return false
}

// hostPart is what of a value that is given to host or hostname comes before a path, a query or a fragment.
func (u *URL) hostPart(value string) string {
	stop := "/?#"
	if special(u.scheme) {
		stop += `\`
	}
	if i := strings.IndexAny(value, stop); i >= 0 {
		return value[:i]
	}
	return value
}

func formEscape(b *strings.Builder, s string) {
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('+')
		case '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z', strings.IndexByte("*-._", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
}

// Record is what the prelude keeps of a URL.
func (u *URL) Record() []string {
	return []string{u.Href(), u.scheme + ":", u.username, u.password, u.Hostport(), u.Hostname(), u.port, u.Pathname(), u.Search(), u.Hash(), u.Origin()}
}

// DecodeForm yields the pairs of application/x-www-form-urlencoded (url.spec.whatwg.org, section 5.1).
func DecodeForm(text string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for part := range strings.SplitSeq(text, "&") {
			if part == "" {
				continue
			}
			name, value, _ := strings.Cut(strings.ReplaceAll(part, "+", " "), "=")
			if !yield(RepairUTF8([]byte(PercentDecode(name))), RepairUTF8([]byte(PercentDecode(value)))) {
				return
			}
		}
	}
}

// EncodeForm appends one pair (url.spec.whatwg.org, section 5.2).
func EncodeForm(b *strings.Builder, name, value string) {
	if b.Len() > 0 {
		b.WriteByte('&')
	}
	formEscape(b, name)
	b.WriteByte('=')
	formEscape(b, value)
}

// IsIdentifier tells whether the first character of text may be in a name of JavaScript, or begin one.
func IsIdentifier(text string, first bool) bool {
	r, _ := utf8.DecodeRuneInString(text)
	begins := r == '$' || r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) || unicode.Is(unicode.Other_ID_Start, r)
	goesOn := r == '\u200c' || r == '\u200d' || unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue)
	return begins || goesOn && !first
}

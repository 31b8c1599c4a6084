package jetstream

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// maxKey bounds a key as a subject, in bytes: NATS refuses control lines of more than 4 KiB, which hold a subject twice.
const maxKey = 1024

const upperHex = "0123456789ABCDEF"

// encodeKey writes a key in the alphabet of NATS's keys: segments become tokens, and what is not a letter, a digit, - or _
// becomes =XX. It is reversible, and two keys never become one.
func encodeKey(key host.Key) (string, error) {
	bad := func(why string) (string, error) {
		return "", &host.Error{Op: "key " + short(string(key)), Kind: host.Invalid, Err: fmt.Errorf("%s", why)}
	}
	if key == "" {
		return bad("a key is not empty")
	}
	var b strings.Builder
	for i, segment := range strings.Split(string(key), "/") {
		if segment == "" {
			return bad("a segment of a key is not empty")
		}
		if i > 0 {
			b.WriteByte('.')
		}
		if strings.IndexByte(segment, 0) >= 0 {
			return bad("a key has no NUL")
		}
		encodeToken(&b, segment)
	}
	if b.Len() > maxKey {
		return bad(fmt.Sprintf("the key is %d bytes as a subject, at most %d are kept; letters, digits, - and _ count one, other bytes three",
			b.Len(), maxKey))
	}
	return b.String(), nil
}

func encodeToken(b *strings.Builder, segment string) {
	for i := range len(segment) {
		if c := segment[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'=', upperHex[c>>4], upperHex[c&15]})
		}
	}
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// decodeKey is encodeKey's inverse. What encodeKey does not write is not a key of ours.
func decodeKey(subject string) (host.Key, bool) {
	var b strings.Builder
	for i := 0; i < len(subject); i++ {
		switch c := subject[i]; {
		case c == '.':
			b.WriteByte('/')
		case plain(c):
			b.WriteByte(c)
		case c == '=' && i+2 < len(subject):
			hi, lo := strings.IndexByte(upperHex, subject[i+1]), strings.IndexByte(upperHex, subject[i+2])
			if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", false
		}
	}
	return host.Key(b.String()), true
}

// short makes a name fit for a message.
func short(name string) string {
	if utf8.RuneCountInString(name) > 80 {
		name = string([]rune(name)[:77]) + "..."
	}
	return fmt.Sprintf("%q", name)
}

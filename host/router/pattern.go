package router

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// A kind says what a segment of a pattern matches. Lower kinds take precedence.
type kind uint8

const (
	literal kind = iota
	param
	greedy
)

// A segment is one part of a pattern between slashes.
type segment struct {
	kind kind
	text string // a literal's octets, percent-decoded; a parameter's name
}

// String returns the segment as explain shows it.
func (s segment) String() string {
	switch s.kind {
	case param:
		return "{" + s.text + "}"
	case greedy:
		return "{" + s.text + "+}"
	default:
		return fmt.Sprintf("literal %q", s.text)
	}
}

// parsePattern splits a path pattern. A trailing slash is an empty literal at the end.
func parsePattern(pattern string) ([]segment, error) {
	rest, ok := strings.CutPrefix(pattern, "/")
	if !ok {
		return nil, errors.New("a path must start with /")
	}
	var segs []segment
	for more := true; more; {
		var text string
		text, rest, more = strings.Cut(rest, "/")
		seg, err := parseSegment(text)
		if err != nil {
			return nil, err
		}
		if seg.kind == greedy && more {
			return nil, fmt.Errorf("{%s+} must be the last segment", seg.text)
		}
		if text == "" && more {
			return nil, errors.New("a segment within the path is empty")
		}
		if seg.kind != literal && slices.ContainsFunc(segs, func(s segment) bool { return s.kind != literal && s.text == seg.text }) {
			return nil, fmt.Errorf("the parameter {%s} stands twice", seg.text)
		}
		segs = append(segs, seg)
	}
	return segs, nil
}

func parseSegment(text string) (segment, error) {
	inner, ok := strings.CutPrefix(text, "{")
	if !ok {
		return parseLiteral(text)
	}
	inner, ok = strings.CutSuffix(inner, "}")
	if !ok {
		return segment{}, fmt.Errorf("%q: a parameter must be a whole segment, as {name}", text)
	}
	k := param
	if name, plus := strings.CutSuffix(inner, "+"); plus {
		k, inner = greedy, name
	}
	if !validName(inner) {
		return segment{}, fmt.Errorf("%q: a parameter's name has letters, digits and ._$- only", text)
	}
	return segment{k, inner}, nil
}

func parseLiteral(text string) (segment, error) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '{' || c == '}':
			return segment{}, fmt.Errorf("%q: a parameter must be a whole segment, as {name}", text)
		case c <= ' ' || c == 0x7f || c == '?' || c == '#':
			return segment{}, fmt.Errorf("%q: %q cannot stand in a path, percent-encode it", text, c)
		case c == '%' && !host.IsEscape(text, i):
			return segment{}, fmt.Errorf("%q: %% must be followed by two hexadecimal digits", text)
		}
	}
	return segment{literal, string(host.AppendUnescaped(nil, text))}, nil
}

// validName holds parameters to the names that API Gateway takes.
func validName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && !strings.ContainsRune("._$-", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// lookup finds a segment of a request's path, whichever of its octets came percent-encoded.
func lookup[V any](m map[string]V, seg string) (V, bool) {
	if strings.IndexByte(seg, '%') < 0 {
		v, ok := m[seg]
		return v, ok
	}
	var buf [128]byte // on the stack: longer segments cost an allocation
	b := host.AppendUnescaped(buf[:0], seg)
	v, ok := m[string(b)]
	return v, ok
}

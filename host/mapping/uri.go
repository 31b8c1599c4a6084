package mapping

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// A URI is a template of where an integration's requests go: an absolute http or https URI, or a path at an upstream. It may hold
// ${stageVariables.name} anywhere and {name} of a path parameter after the authority. It is immutable.
type URI struct {
	text   string
	isPath bool
	parts  []part
	fixed  *layout // of a template without stage variables
}

// A part is literal text, a stage variable or a path parameter.
type part struct {
	kind   partKind
	text   string // the text, or the name
	greedy bool   // written {name+}
}

type partKind uint8

const (
	textPart partKind = iota
	variablePart
	paramPart
)

// A layout is a template whose stage variables are filled in, taken apart.
type layout struct {
	scheme, authority string // "" of a path
	path, query       []part // texts and parameters
}

const variablePrefix = "${stageVariables."

// ParseURI reads the template of an absolute http or https URI. Its error has Kind Invalid: braces that do not match, parameters within
// the authority, text that no URI holds, and what is not absolute, as far as stage variables do not hide it.
func ParseURI(template string) (*URI, error) { return parseTemplate(template, false) }

// ParsePath reads the template of a path and query, which starts with /, for a target that is known otherwise. Its errors are ParseURI's.
func ParsePath(template string) (*URI, error) { return parseTemplate(template, true) }

func parseTemplate(template string, isPath bool) (*URI, error) {
	u := &URI{text: template, isPath: isPath}
	err := u.parse(template)
	if err == nil && len(u.Variables()) == 0 {
		u.fixed, err = layOut(u.parts, isPath)
	}
	if err != nil {
		return nil, &host.Error{Op: "URI " + template, Kind: host.Invalid, Err: err}
	}
	return u, nil
}

// String returns the template.
func (u *URI) String() string { return u.text }

// Params returns the names of the path parameters in the template, each once.
func (u *URI) Params() []string { return u.names(paramPart) }

// Variables returns the names of the stage variables in the template, each once.
func (u *URI) Variables() []string { return u.names(variablePart) }

func (u *URI) names(kind partKind) []string {
	var names []string
	for _, p := range u.parts {
		if p.kind == kind && !slices.Contains(names, p.text) {
			names = append(names, p.text)
		}
	}
	return names
}

func (u *URI) parse(rest string) error {
	before := "" // what was read, with a letter for each that is no text
	for rest != "" {
		i := strings.IndexAny(rest, "{}$")
		if i < 0 {
			i = len(rest)
		}
		if i > 0 {
			u.parts = append(u.parts, part{kind: textPart, text: rest[:i]})
			before += rest[:i]
			rest = rest[i:]
			continue
		}
		p, n, err := parsePart(rest)
		if err != nil {
			return err
		}
		if p.kind == paramPart && !u.isPath && !pathBegun(before) {
			return fmt.Errorf("{%s} stands before the path: a parameter cannot name a host", p.text)
		}
		before += "v"
		u.parts = append(u.parts, p)
		rest = rest[n:]
	}
	return nil
}

// parsePart reads what starts with {, } or $, and how long it is.
func parsePart(s string) (part, int, error) {
	if name, ok := strings.CutPrefix(s, variablePrefix); ok {
		name, _, ok = strings.Cut(name, "}")
		if !ok || !isName(name) {
			return part{}, 0, fmt.Errorf("%q is no stage variable, as ${stageVariables.name}", s)
		}
		return part{kind: variablePart, text: name}, len(variablePrefix) + len(name) + 1, nil
	}
	switch {
	case strings.HasPrefix(s, "${"):
		return part{}, 0, fmt.Errorf("%q: only ${stageVariables.name} can stand here", s)
	case s[0] == '$':
		return part{kind: textPart, text: "$"}, 1, nil
	case s[0] == '}':
		return part{}, 0, errors.New("} without {")
	}
	inner, _, ok := strings.Cut(s[1:], "}")
	name, greedy := strings.CutSuffix(inner, "+")
	if !ok || !isName(name) {
		return part{}, 0, fmt.Errorf("%q is no parameter, as {name}", s)
	}
	return part{paramPart, name, greedy}, len(inner) + 2, nil
}

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		if !alphanumeric(s[i]) && strings.IndexByte("._$-", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// pathBegun reports whether an authority before s's end is over.
func pathBegun(s string) bool {
	if _, after, ok := strings.Cut(s, "://"); ok {
		s = after
	}
	return strings.ContainsAny(s, "/?")
}

// fill returns the template's layout with a stage's variables; an undefined one is empty (reference 1.4, "Stage vars in URI").
func (u *URI) fill(stage *host.Stage) (*layout, error) {
	if u.fixed != nil {
		return u.fixed, nil
	}
	parts := slices.Clone(u.parts)
	for i, p := range parts {
		if p.kind == variablePart {
			parts[i] = part{kind: textPart}
			if stage != nil {
				parts[i].text = stage.Variables[p.text]
			}
		}
	}
	return layOut(parts, u.isPath)
}

// layOut takes texts and parameters apart into scheme, authority, path and query.
func layOut(parts []part, isPath bool) (*layout, error) {
	parts = merge(parts)
	l := &layout{}
	switch {
	case isPath && (len(parts) == 0 || !strings.HasPrefix(parts[0].text, "/")):
		return nil, errors.New("the path does not start with /")
	case !isPath:
		if err := l.cutAuthority(parts); err != nil {
			return nil, err
		}
	}
	for _, p := range parts {
		if err := l.place(p); err != nil {
			return nil, err
		}
	}
	return l, l.checkPath()
}

// cutAuthority takes scheme and authority off the first part, which must hold all of them.
func (l *layout) cutAuthority(parts []part) error {
	if len(parts) == 0 || parts[0].kind != textPart {
		return errors.New("not an absolute http, https or h2c URI")
	}
	scheme, rest, ok := strings.Cut(parts[0].text, "://")
	l.scheme = strings.ToLower(scheme)
	if !ok || l.scheme != "http" && l.scheme != "https" && l.scheme != "h2c" {
		return fmt.Errorf("%q is not an absolute http, https or h2c URI", parts[0].text)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 && len(parts) > 1 {
		return fmt.Errorf("{%s} stands before the path: a parameter cannot name a host", parts[1].text)
	}
	if end < 0 {
		end = len(rest)
	}
	l.authority = rest[:end]
	if parts[0].text = rest[end:]; !strings.HasPrefix(parts[0].text, "/") {
		parts[0].text = "/" + parts[0].text
	}
	return checkAuthority(l.authority)
}

// merge joins texts that follow one another, so that an escape or a mark may begin in one and end in the next.
func merge(parts []part) []part {
	var merged []part
	for _, p := range parts {
		if n := len(merged); n > 0 && p.kind == textPart && merged[n-1].kind == textPart {
			merged[n-1].text += p.text
		} else if p.kind != textPart || p.text != "" {
			merged = append(merged, p)
		}
	}
	return merged
}

// place appends a part to path or query.
func (l *layout) place(p part) error {
	if p.kind == textPart {
		if err := checkText(p.text); err != nil {
			return err
		}
		if l.query == nil {
			path, query, cut := strings.Cut(p.text, "?")
			l.path = append(l.path, part{kind: textPart, text: path})
			if cut {
				l.query = []part{{kind: textPart, text: query}}
			}
			return nil
		}
	}
	if l.query != nil {
		l.query = append(l.query, p)
	} else {
		l.path = append(l.path, p)
	}
	return nil
}

func checkText(s string) error {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '#':
			return errors.New("a fragment is not sent")
		case c == '%' && !host.IsEscape(s, i):
			return fmt.Errorf("%q: %% must be followed by two hexadecimal digits", s)
		case !alphanumeric(c) && c != '%' && strings.IndexByte(inPath+"?[]|", c) < 0:
			return fmt.Errorf("%q: %q must be percent-encoded", s, c)
		}
	}
	return nil
}

// checkPath refuses a path that climbs by itself.
func (l *layout) checkPath() error {
	var path []byte
	for _, p := range l.path {
		if p.kind == textPart {
			path = append(path, p.text...)
		} else {
			path = append(path, 'x')
		}
	}
	if Climbs(string(path)) {
		return errors.New("the path has a segment . or ..")
	}
	return nil
}

// checkAuthority takes a host name, an IPv4 address or an IPv6 address in brackets, with a port or without (RFC 3986,
// section 3.2). User names are refused: their place is a secret.
func checkAuthority(authority string) error {
	name, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		name, port = authority[:i], authority[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
			return fmt.Errorf("%q has no port between 1 and 65535", authority)
		}
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(inner, "]") || !addr.Is6() || addr.Zone() != "" {
			return fmt.Errorf("%q is no IPv6 address", name)
		}
		return nil
	}
	for i := 0; i < len(name); i++ {
		if !alphanumeric(name[i]) && strings.IndexByte("-._", name[i]) < 0 {
			return fmt.Errorf("%q is no host name", name)
		}
	}
	if name == "" {
		return errors.New("the host is empty")
	}
	return nil
}

package web

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A URL is a URL as browsers have it (url.spec.whatwg.org, section 4). net/url follows RFC 3986, which
// differs in what matters for security: backslashes, white space, dots that are escaped, numbers as hosts.
type URL struct {
	scheme             string // without the colon
	username, password string
	host               *string // nil when there is none
	port               string
	path               []string
	opaque             *string // the path of a URL like mailto:, instead of path
	query, fragment    *string
}

var errURL = errors.New("invalid URL")

func special(scheme string) bool {
	_, ok := defaultPort(scheme)
	return ok
}

func defaultPort(scheme string) (string, bool) {
	switch scheme {
	case "http", "ws":
		return "80", true
	case "https", "wss":
		return "443", true
	case "ftp":
		return "21", true
	case "file":
		return "", true
	}
	return "", false
}

// ParseURL parses text, against base if it is relative and base is not nil.
func ParseURL(text string, base *URL) (*URL, error) {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	text = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(text)
	u := &URL{}
	if text, fragment, ok := cut(text, '#'); ok {
		f := percentEncode(fragment, inFragment)
		u.fragment = &f
		return u, u.parse(text, base)
	}
	return u, u.parse(text, base)
}

func cut(s string, c byte) (before, after string, found bool) {
	return strings.Cut(s, string(rune(c)))
}

func (u *URL) parse(text string, base *URL) error {
	scheme, rest, ok := splitScheme(text)
	if !ok {
		return u.relative(text, base)
	}
	u.scheme = scheme
	if special(scheme) {
		if base != nil && base.scheme == scheme && !hasSlashes(rest, 1) && scheme != "file" {
			return u.relative(rest, base)
		}
		if scheme == "file" {
			return u.file(rest, base)
		}
		return u.authority(strings.TrimLeft(rest, `/\`))
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		return u.authority(after)
	}
	if strings.HasPrefix(rest, "/") {
		return u.pathAndQuery(rest)
	}
	path, query, hasQuery := cut(rest, '?')
	opaque := percentEncode(path, inOpaque)
	u.opaque = &opaque
	u.setQuery(query, hasQuery)
	return nil
}

func splitScheme(text string) (scheme, rest string, ok bool) {
	for i, c := range []byte(text) {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		case i > 0 && c == ':':
			return strings.ToLower(text[:i]), text[i+1:], true
		default:
			return "", "", false
		}
	}
	return "", "", false
}

func hasSlashes(s string, n int) bool {
	if len(s) < n {
		return false
	}
	for i := range n {
		if s[i] != '/' && s[i] != '\\' {
			return false
		}
	}
	return true
}

// relative resolves text against base.
func (u *URL) relative(text string, base *URL) error {
	if base == nil {
		return errURL
	}
	u.scheme = base.scheme
	if base.opaque != nil {
		if text != "" || u.fragment == nil {
			return errURL
		}
		fragment := u.fragment
		*u = *base
		u.fragment = fragment
		return nil
	}
	if u.scheme == "file" {
		return u.file(text, base)
	}
	slash := func(i int) bool { return len(text) > i && (text[i] == '/' || text[i] == '\\' && special(u.scheme)) }
	if slash(0) && slash(1) {
		rest := text[2:]
		if special(u.scheme) {
			rest = strings.TrimLeft(rest, `/\`)
		}
		return u.authority(rest)
	}
	u.username, u.password, u.host, u.port = base.username, base.password, base.host, base.port
	return u.relativePath(text, base, slash(0))
}

func (u *URL) relativePath(text string, base *URL, absolute bool) error {
	path, query, hasQuery := cut(text, '?')
	switch {
	case absolute:
	case path == "":
		u.path = slices.Clone(base.path)
		if !hasQuery {
			u.query = base.query
			return nil
		}
	default:
		u.path = slices.Clone(base.path)
		u.climb()
	}
	if path != "" {
		if absolute {
			path = path[1:]
		}
		u.addPath(path)
	}
	u.setQuery(query, hasQuery)
	return nil
}

func (u *URL) file(rest string, base *URL) error {
	empty := ""
	u.host = &empty
	switch {
	case hasSlashes(rest, 2):
		rest = rest[2:]
		end := strings.IndexAny(rest, `/\?`)
		if end < 0 {
			end = len(rest)
		}
		if isDrive(rest[:end]) {
			return u.pathAndQuery(rest)
		}
		host, err := parseHost(rest[:end], true)
		if err != nil {
			return err
		}
		if host != "localhost" {
			u.host = &host
		}
		return u.pathAndQuery(rest[end:])
	case base != nil && base.scheme == "file":
		u.host = base.host
		if hasSlashes(rest, 1) && !startsWithDrive(rest[1:]) && len(base.path) > 0 && isDrive(base.path[0]) {
			u.path = []string{base.path[0]}
		}
		if startsWithDrive(rest) {
			return u.pathAndQuery(rest)
		}
		return u.relativePath(rest, base, hasSlashes(rest, 1))
	}
	return u.pathAndQuery(rest)
}

// isDrive reports whether s is a Windows drive letter with its colon or bar.
func isDrive(s string) bool {
	return len(s) == 2 && 'a' <= s[0]|0x20 && s[0]|0x20 <= 'z' && (s[1] == ':' || s[1] == '|')
}

func startsWithDrive(s string) bool {
	return len(s) >= 2 && isDrive(s[:2]) && (len(s) == 2 || strings.IndexByte(`/\?#`, s[2]) >= 0)
}

// climb goes up one segment; the drive of a file URL stays (url.spec.whatwg.org, "shorten a url's path").
func (u *URL) climb() {
	if n := len(u.path); n > 0 && !(u.scheme == "file" && n == 1 && isDrive(u.path[0])) {
		u.path = u.path[:n-1]
	}
}

// authority parses [user[:password]@]host[:port], and what follows.
func (u *URL) authority(rest string) error {
	stop := "/?"
	if special(u.scheme) {
		stop = `/\?`
	}
	end := strings.IndexAny(rest, stop)
	if end < 0 {
		end = len(rest)
	}
	auth, after := rest[:end], rest[end:]
	if at := strings.LastIndexByte(auth, '@'); at >= 0 {
		user, password, _ := cut(auth[:at], ':')
		u.username, u.password = percentEncode(user, inUserinfo), percentEncode(password, inUserinfo)
		if auth = auth[at+1:]; auth == "" {
			return errURL
		}
	}
	if err := u.setHostPort(auth); err != nil {
		return err
	}
	return u.pathAndQuery(after)
}

func (u *URL) setHostPort(text string) error {
	host, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		host, port = text[:i], text[i+1:]
	}
	if host == "" && (special(u.scheme) || port != "" || u.username != "" || u.password != "") {
		return errURL
	}
	parsed, err := parseHost(host, special(u.scheme))
	if err != nil {
		return err
	}
	u.host = &parsed
	return u.setPort(port)
}

func (u *URL) setPort(port string) error {
	if port == "" {
		u.port = ""
		return nil
	}
	if strings.Trim(port, "0123456789") != "" {
		return errURL
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return errURL
	}
	u.port = strconv.FormatUint(n, 10)
	if standard, _ := defaultPort(u.scheme); u.port == standard {
		u.port = ""
	}
	return nil
}

func (u *URL) pathAndQuery(rest string) error {
	path, query, hasQuery := cut(rest, '?')
	if path != "" {
		if path[0] == '/' || path[0] == '\\' && special(u.scheme) {
			path = path[1:]
		}
		u.addPath(path)
	} else if special(u.scheme) {
		u.path = []string{""}
	}
	u.setQuery(query, hasQuery)
	return nil
}

func (u *URL) setQuery(query string, has bool) {
	u.query = nil
	if !has {
		return
	}
	set := inQuery
	if special(u.scheme) {
		set = inSpecialQuery
	}
	q := percentEncode(query, set)
	u.query = &q
}

// addPath appends segments; dots, also escaped, are resolved as they come.
func (u *URL) addPath(path string) {
	if special(u.scheme) {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case "..":
			u.climb()
			if last {
				u.path = append(u.path, "")
			}
		case ".":
			if last {
				u.path = append(u.path, "")
			}
		default:
			if u.scheme == "file" && len(u.path) == 0 && isDrive(segment) {
				segment = segment[:1] + ":"
			}
			u.path = append(u.path, percentEncode(segment, inPath))
		}
	}
}

// Pathname is the path.
func (u *URL) Pathname() string {
	if u.opaque != nil {
		return *u.opaque
	}
	var b strings.Builder
	for _, s := range u.path {
		b.WriteString("/" + s)
	}
	return b.String()
}

// Search is the query behind its ?, or nothing.
func (u *URL) Search() string {
	if u.query == nil || *u.query == "" {
		return ""
	}
	return "?" + *u.query
}

// Hash is the fragment behind its #, or nothing.
func (u *URL) Hash() string {
	if u.fragment == nil || *u.fragment == "" {
		return ""
	}
	return "#" + *u.fragment
}

// Origin is scheme, host and port, or null for what has no origin.
func (u *URL) Origin() string {
	if special(u.scheme) && u.scheme != "file" {
		return u.scheme + "://" + u.Hostport()
	}
	if u.scheme == "blob" && u.opaque != nil {
		if inner, err := ParseURL(*u.opaque, nil); err == nil && (inner.scheme == "http" || inner.scheme == "https") {
			return inner.Origin()
		}
	}
	return "null"
}

// Href is the whole URL as the parser writes it.
func (u *URL) Href() string {
	var b strings.Builder
	b.WriteString(u.scheme + ":")
	if u.host != nil {
		b.WriteString("//")
		if u.username != "" || u.password != "" {
			b.WriteString(u.username)
			if u.password != "" {
				b.WriteString(":" + u.password)
			}
			b.WriteString("@")
		}
		b.WriteString(u.Hostport())
	} else if u.opaque == nil && len(u.path) > 1 && u.path[0] == "" {
		b.WriteString("/.") // or the path would read as a host
	}
	b.WriteString(u.Pathname())
	if u.query != nil {
		b.WriteString("?" + *u.query)
	}
	if u.fragment != nil {
		b.WriteString("#" + *u.fragment)
	}
	return b.String()
}

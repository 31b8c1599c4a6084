package mapping

import (
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

// A Target is where a request goes.
type Target struct {
	Scheme string // "http", "https" or "h2c"; "" of a template that is a path
	Host   string // with port, as the template has it; "" of a template that is a path
	Path   string // path and query, starting with /
}

// Expand fills a template in for a request: stage variables, path parameters, whose value an override replaces, and at the end
// query, which may be empty, joined with & to a query of the template's own.
//
// Parameters are undecoded values. They stay escaped or become so, and cannot leave their segment unless they are greedy in the route or
// in the template; in a template's query they cannot leave their value. Values that are empty, or would make a segment . or .. however
// often a server decodes it or splits it at backslashes, have Kind Invalid. A template that is no absolute URI once its variables are
// filled in, or holds a parameter that the route has not, has Kind Internal and Code APIConfigurationError.
func (u *URI) Expand(x *host.Exchange, query string, overrides map[string]string) (Target, error) {
	l, err := u.fill(x.Match.Stage)
	if err != nil {
		return Target{}, u.fail(host.Internal, err)
	}
	e := expansion{exchange: x, overrides: overrides, b: make([]byte, 0, len(u.text)+len(x.Request.Target)+16)}
	for _, p := range l.path {
		if err := e.add(p, false); err != nil {
			return Target{}, u.fail(e.kind, err)
		}
	}
	end := len(e.b)
	if l.query != nil || query != "" {
		e.b = append(e.b, '?')
	}
	begin := len(e.b)
	for _, p := range l.query {
		if err := e.add(p, true); err != nil {
			return Target{}, u.fail(e.kind, err)
		}
	}
	if query != "" {
		if n := len(e.b); n > begin && e.b[n-1] != '&' {
			e.b = append(e.b, '&')
		}
		e.b = appendEscaped(e.b, query, inQuery)
	}
	t := Target{Scheme: l.scheme, Host: l.authority, Path: string(e.b)}
	if path := t.Path[:end]; Climbs(path) {
		return Target{}, u.fail(host.Invalid, fmt.Errorf("the path %q climbs", path))
	}
	return t, nil
}

func (u *URI) fail(kind host.Kind, err error) error {
	e := &host.Error{Op: "URI " + u.text, Kind: kind, Err: err}
	if kind == host.Internal {
		e.Code = host.APIConfigurationError
	}
	return e
}

// An expansion is one filling of a template.
type expansion struct {
	exchange  *host.Exchange
	overrides map[string]string
	b         []byte
	kind      host.Kind // of the error that add returned
}

// add appends a part of the path or the query.
func (e *expansion) add(p part, query bool) error {
	if p.kind == textPart {
		e.b = append(e.b, p.text...)
		return nil
	}
	value, ok := e.overrides[p.text]
	if !ok {
		value, ok = e.exchange.Match.Param(p.text)
	}
	switch {
	case !ok:
		e.kind = host.Internal
		return fmt.Errorf("{%s} has no value: it is no parameter of the route's, and what is mapped to it, if anything is, is missing or empty", p.text)
	case value == "": // would make another resource of it: /orders/{id} is not /orders/
		e.kind = host.Invalid
		return fmt.Errorf("the parameter {%s} is empty", p.text)
	case query:
		e.b = appendEscaped(e.b, value, unreserved)
	case p.greedy || e.greedy(p.text):
		e.b = appendEscaped(e.b, value, inPath)
	default:
		e.b = appendEscaped(e.b, value, inSegment)
	}
	return nil
}

// greedy reports whether the route's own pattern ends in {name+}.
func (e *expansion) greedy(name string) bool {
	if e.exchange.Match.Route == nil {
		return false
	}
	pattern, ok := strings.CutSuffix(e.exchange.Match.Route.Pattern, "+}")
	pattern, same := strings.CutSuffix(pattern, name)
	return ok && same && strings.HasSuffix(pattern, "{")
}

// Climbs reports whether a path has a segment . or .. (RFC 3986, section 5.2.4), as it stands or decoded once or twice: some servers decode
// before they split, some decode again. Some also take a backslash for a slash, and what follows a semicolon for no part of the segment.
func Climbs(path string) bool {
	if strings.IndexByte(path, '.') < 0 && strings.IndexByte(path, '%') < 0 {
		return false
	}
	for range 3 {
		for rest := path; rest != ""; {
			seg := rest
			if i := strings.IndexAny(rest, `/\`); i >= 0 {
				seg, rest = rest[:i], rest[i+1:]
			} else {
				rest = ""
			}
			if seg, _, _ = strings.Cut(seg, ";"); seg == "." || seg == ".." {
				return true
			}
		}
		decoded := host.Unescape(path)
		if decoded == path {
			return false
		}
		path = decoded
	}
	return false
}

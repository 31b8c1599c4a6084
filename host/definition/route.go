package definition

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// methods are those that a route key may have, with ANY for all.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY"}

// routes decodes the routes of an API whose authorizers and stages are there already.
func (b *builder) routes(a *host.API, d *dict[routeDef]) {
	shapes := map[string]*entry[routeDef]{} // the first route of each shape
	for i := range d.entries {
		e := &d.entries[i]
		method, pattern, ok := b.routeKey(a.Protocol, e.place, e.Key)
		if ok {
			shape := shapeOf(method, pattern)
			if same := shapes[shape]; same != nil {
				b.add(e.place, RuleConflict, "this route matches the same requests as "+quote(same.Key)+" "+seen(e.pos, same.pos)).Hint = "remove one of them"
			} else {
				shapes[shape] = e
			}
		}
		r := b.route(a, e)
		r.Method, r.Pattern = method, pattern
		a.Routes = append(a.Routes, r)
	}
	if a.Protocol == host.ProtocolREST {
		b.resources(d)
	}
}

func (b *builder) route(a *host.API, e *entry[routeDef]) *host.Route {
	def := &e.Value
	maxBody := int64(host.DefaultMaxBody)
	if def.Streaming.or(false) {
		maxBody = 0
	}
	r := &host.Route{
		Key:         e.Key,
		Filters:     b.filters(a.Name, &def.Filters),
		Timeout:     b.duration(def.Timeout, host.DefaultRouteTimeout, 1),
		IdleTimeout: b.duration(def.IdleTimeout, host.DefaultStreamIdle, 0),
		MaxDuration: b.duration(def.MaxDuration, host.DefaultMaxDuration, 0),
		MaxBody:     b.size(def.Request.MaxBody, maxBody, 1, anySize),
		Streaming:   def.Streaming.or(false),
		Mappings:    b.mappings(a.Name, &def.Request.Mapping),
		REST:        b.method(a, def),
		Pos:         e.pos,
	}
	if ref := def.Authorizer; ref.written() && ref.Value != "" {
		i := slices.IndexFunc(a.Authorizers, func(x *host.Authorizer) bool { return x.Name == ref.Value })
		if i >= 0 {
			r.Authorizer = a.Authorizers[i]
		} else {
			var known []string
			for _, x := range a.Authorizers {
				known = append(known, x.Name)
			}
			b.unknown(ref.place, fmt.Sprintf("the API %q has no authorizer %s", a.Name, quote(ref.Value)), ref.Value, known)
		}
	}
	for i := range def.Responses.items {
		r.Responses = append(r.Responses, b.responseRule(a, def, &def.Responses.items[i]))
	}
	if r.REST != nil {
		b.answers(r.REST, &def.Responses)
	}
	r.Integration = b.integration(a, def)
	if r.Streaming {
		b.mustNotBuffer(r, def)
	}
	return r
}

func (b *builder) responseRule(a *host.API, route *routeDef, def *responseRuleDef) host.ResponseRule {
	if a.Protocol != host.ProtocolREST {
		b.only(host.ProtocolREST, map[string]place{"contentHandling": def.ContentHandling.place})
	}
	if a.Protocol != host.ProtocolREST || isExpression(def.Match.Value) && !route.Integration.callsFunction() {
		b.statuses(def.Match, "match") // those of rest APIs are Java's, and compiled elsewhere
	}
	return host.ResponseRule{
		Match:           def.Match.Value,
		Status:          int(def.Status.Value),
		Mappings:        b.mappings(a.Name, &def.Mapping),
		Parameters:      b.responseParameters(a, def),
		ContentHandling: def.ContentHandling.Value,
		Pos:             def.pos,
	}
}

// mustNotBuffer reports what needs whole bodies on a route that streams them.
func (b *builder) mustNotBuffer(r *host.Route, def *routeDef) {
	switch {
	case r.REST == nil:
	case r.REST.ValidateBody:
		b.add(def.Request.Validate.place, RuleConflict, "to validate a body needs the whole of it, and this route has streaming: true").Hint = "remove one of them"
	case !r.Integration.Proxy && r.Integration.Type != "":
		b.add(def.Streaming.place, RuleConflict, "a REST API streams through proxies alone, and this integration is none").Hint = "remove streaming, or make the integration a proxy: HTTP_PROXY or AWS_PROXY, without request.mapping"
	}
	found := []*dict[mappingDef]{&def.Request.Mapping}
	for i := range def.Responses.items {
		found = append(found, &def.Responses.items[i].Mapping)
	}
	for _, d := range found {
		if d.written() {
			b.add(d.place, RuleConflict, "a mapping needs the whole body, and this route has streaming: true").Hint = "remove one of them"
		}
	}
}

// statuses checks a regular expression over status codes: it must match one that there can be.
func (b *builder) statuses(v val[string], name string) {
	if v.Value == "" {
		return
	}
	_, err := regexp.Compile(v.Value) // by itself: its own parentheses must match
	var whole *regexp.Regexp
	if err == nil {
		whole, err = regexp.Compile(`^(?:` + v.Value + `)$`)
	}
	if err != nil {
		b.add(v.place, RuleInvalidValue, name+" is not a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	for status := 100; status <= 599; status++ {
		if whole.MatchString(strconv.Itoa(status)) {
			return
		}
	}
	e := b.add(v.place, RuleInvalidValue, name+" "+quote(v.Value)+" matches no status from 100 to 599")
	if e.Hint = `it is a regular expression over the whole code, such as "2\\d\\d"`; statusClass.MatchString(v.Value) {
		e.Hint = `write "` + v.Value[:1] + `\\d\\d", which is a regular expression`
	}
}

// isExpression reports whether a text is a regular expression of Go's.
func isExpression(text string) bool {
	_, err := regexp.Compile(text)
	return err == nil
}

// statusClass is how many write the hundred codes of a class.
var statusClass = regexp.MustCompile(`^[1-5](xx|XX|\*\*?|\.\*\*)?$`)

// shapeOf returns what two routes share that match the same requests: parameters without their names, and
// literals decoded.
func shapeOf(method, pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if m := parameter.FindStringSubmatch(s); m != nil {
			segments[i] = "\x00" + m[2] // NUL is in no literal
		} else if literal, err := url.PathUnescape(s); err == nil {
			segments[i] = literal
		}
	}
	return method + " " + strings.Join(segments, "\x00/")
}

var (
	parameter     = regexp.MustCompile(`\{([^{}+]*)(\+?)\}`)
	parameterName = regexp.MustCompile(`^[A-Za-z0-9._$-]+$`)
)

// routeKey splits "GET /a/{b}" into method and pattern, with "" for ANY, and reports what is wrong with it.
func (b *builder) routeKey(p host.Protocol, at place, key string) (method, pattern string, ok bool) {
	if key == host.DefaultRoute && p == host.ProtocolREST {
		b.add(at, RuleInvalidValue, "REST APIs have no route $default").Hint = `write "ANY /{proxy+}"; what no route matches is answered with 403`
		return "", "", false
	}
	if key == host.DefaultRoute {
		return "", "", true
	}
	problem, hint := "", ""
	method, pattern, found := strings.Cut(key, " ")
	switch {
	case strings.HasPrefix(key, "/"):
		problem, hint = "has no method", "did you mean "+quote("ANY "+key)+"?"
	case !found && strings.HasPrefix(key, "$"):
		problem, hint = "is not a route of an http API", "did you mean \"$default\"?"
		if p == host.ProtocolREST {
			problem, hint = "is not a route of a REST API", keyHint(p)
		}
	case !found || !strings.HasPrefix(strings.TrimLeft(pattern, " "), "/"):
		problem, hint = "is not a method and a path", keyHint(p)
	case pattern[0] == ' ':
		problem, hint = "has more than one space", "write "+quote(method+" "+strings.TrimLeft(pattern, " "))
	case !slices.Contains(methods, method):
		problem, hint = "has the method "+quote(method)+", which routes do not know", b.suggest(method, methods)
		if best := Nearest(method, methods); best != "" {
			hint = "did you mean " + quote(best+" "+pattern) + "?"
		}
	default:
		problem, hint = pathProblem(pattern)
	}
	if problem != "" {
		b.add(at, RuleInvalidValue, "the route key "+quote(key)+" "+problem).Hint = hint
		return "", "", false
	}
	if method == "ANY" {
		method = ""
	}
	return method, pattern, true
}

// keyHint says how routes are written.
func keyHint(p host.Protocol) string {
	if p == host.ProtocolREST {
		return `write it as "GET /orders/{id}" or "ANY /{proxy+}"`
	}
	return `write it as "GET /orders/{id}", or "$default"`
}

// pathProblem says what is wrong with a route's path, which starts with a slash.
func pathProblem(pattern string) (problem, hint string) {
	if pattern == "/" {
		return "", ""
	}
	segments := strings.Split(pattern[1:], "/")
	names := map[string]bool{}
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "" && !last:
			return "has an empty segment", "remove one slash"
		case s == "." || s == "..":
			return "has the segment " + s + ", which no request has", ""
		case !strings.ContainsAny(s, "{}"):
			if bad := strings.IndexFunc(s, notInPath); bad >= 0 {
				return "has a character that a path cannot have: " + quote(s[bad:]), "write it percent-encoded"
			}
			if _, err := url.PathUnescape(s); err != nil {
				return "has a % without two hexadecimal digits", "write %25"
			}
			continue
		}
		m := parameter.FindStringSubmatch(s)
		switch {
		case m == nil || m[0] != s:
			return "has the segment " + quote(s) + "; a parameter is a whole segment", "write {name} or {name+} between slashes"
		case !parameterName.MatchString(m[1]):
			return "has the parameter " + s + ", which has no valid name", "names are letters, digits, and . _ $ -"
		case names[m[1]]:
			return "has the parameter {" + m[1] + "} twice", "give them different names"
		case m[2] == "+" && !last:
			return "has something behind " + s, "a greedy parameter is the last segment"
		}
		names[m[1]] = true
	}
	return "", ""
}

// notInPath reports whether a character ends a path or cannot be sent in one (RFC 3986, section 3.3). Others may be
// written as they are, or percent-encoded.
func notInPath(c rune) bool { return c <= ' ' || c == 0x7f || c == '?' || c == '#' }

package template

import (
	"maps"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

// parameters are what $input.params gives: those of the client's request, in the response's template too (reference 1.5 [REC]). Of a name that
// came more than once the last value counts (reference 1.3 [REC]).
type parameters struct {
	built  *tree.Map
	header *record
	path   *tree.Map
	query  *tree.Map
}

func (p *parameters) all(x *host.Exchange) *tree.Map {
	if p.built == nil {
		p.path, p.query = pathParams(x), queryParams(x)
		p.header = &record{build: func() *tree.Map { return headerParams(x) }, fold: true}
		p.built = &tree.Map{}
		p.built.Put("path", p.path)
		p.built.Put("querystring", p.query)
		p.built.Put("header", p.header)
	}
	return p.built
}

// one returns the first that is not empty of path, query and header, and "" where there is none.
func (p *parameters) one(x *host.Exchange, name string) string {
	if p.built == nil {
		return oneParam(x, name)
	}
	for _, m := range [...]*tree.Map{p.path, p.query} {
		if v, _ := m.Get(name); v != nil && v != "" {
			return asText(v)
		}
	}
	v, _ := p.header.Get(name)
	return asText(v)
}

// oneParam looks a parameter up where no template has asked for the maps.
func oneParam(x *host.Exchange, name string) string {
	if v, _ := x.Match.Param(name); v != "" {
		return v
	}
	value := ""
	for part := range strings.SplitSeq(x.Request.Query(), ";") {
		for n, v := range host.QueryParams(part) {
			if validText(n) == name {
				value = validText(v)
			}
		}
	}
	if value != "" {
		return value
	}
	return headerParam(x, name)
}

func headerParam(x *host.Exchange, name string) string {
	if hidden(strings.ToLower(name)) {
		return ""
	}
	for _, f := range slices.Backward(x.Request.Header) {
		if strings.EqualFold(f.Name, name) {
			return validText(f.Value)
		}
	}
	if strings.EqualFold(name, "Host") {
		return x.Request.Host
	}
	return ""
}

func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// asText is of what was a text, unless the template put something else there.
func asText(v any) string {
	s, _ := v.(string)
	return s
}

// pathParams keeps the escapes: an integration's path gets them as they came (reference 1.3 [REC]).
func pathParams(x *host.Exchange) *tree.Map {
	m := &tree.Map{}
	for _, p := range x.Match.Params {
		m.Put(p.Name, p.Value)
	}
	return m
}

// queryParams splits at semicolons too (reference 1.3 [REC]).
func queryParams(x *host.Exchange) *tree.Map {
	m := &tree.Map{}
	for part := range strings.SplitSeq(x.Request.Query(), ";") {
		for name, value := range host.QueryParams(part) {
			m.Put(validText(name), validText(value))
		}
	}
	return m
}

// headerParams has the names as they came, but looks them up without case: over HTTP/1 their original case is not known.
func headerParams(x *host.Exchange) *tree.Map {
	m := &tree.Map{}
	if x.Request.Host != "" {
		m.Put("Host", x.Request.Host)
	}
	names := make(map[string]string, len(x.Request.Header))
	for _, f := range x.Request.Header {
		lower := strings.ToLower(f.Name)
		if hidden(lower) {
			continue
		}
		if _, ok := names[lower]; !ok {
			names[lower] = f.Name
		}
		m.Put(names[lower], validText(f.Value))
	}
	return m
}

// hidden reports whether a header is dropped from every request before mappings see it (reference 1.4.6 [REC]).
func hidden(lower string) bool {
	switch lower {
	case "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "www-authenticate":
		return true
	}
	return host.IsConnectionField(lower)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

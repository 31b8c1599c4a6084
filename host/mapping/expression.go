// Package mapping moves values between a request and what is plugged into its route: expressions that name a value,
// templates of URIs that hold values, the JSON that mapping plugins get and answer, and the choice of a mapping by media type or
// status. It is pure, and whatever comes from outside is fuzzed.
//
// The semantics are those of HTTP APIs (API Gateway developer guide, "Transform API requests and responses for HTTP APIs"): names of headers
// have no case, several values are joined by commas, and path parameters are decoded unless they go into a URI.
package mapping

import (
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

// An Expression names a value of a request: an identity source, or the value of a parameter mapping.
type Expression struct {
	source source
	name   string
}

type source uint8

const (
	fromHeader source = iota
	fromQuery
	fromPath
	fromParam
	fromContext
	fromStage
)

// The forms of expressions that end in a name, by what stands before it.
var forms = [...]struct {
	prefix string
	source source
}{
	{"$request.header.", fromHeader},
	{"$request.querystring.", fromQuery},
	{"$request.path.", fromParam},
	{"$context.", fromContext},
	{"$stageVariables.", fromStage},
}

// ParseExpression reads $request.header.N, $request.querystring.N, $request.path, $request.path.N, $context.N
// or $stageVariables.N. Its error has Kind Invalid.
func ParseExpression(text string) (Expression, error) {
	fail := func(format string, args ...any) (Expression, error) {
		return Expression{}, &host.Error{Op: "expression " + text, Kind: host.Invalid, Err: fmt.Errorf(format, args...)}
	}
	if text == "$request.path" {
		return Expression{source: fromPath}, nil
	}
	for _, f := range forms {
		name, ok := strings.CutPrefix(text, f.prefix)
		switch {
		case !ok:
			continue
		case name == "":
			return fail("a name is missing after %s", f.prefix)
		case f.source == fromHeader && !host.IsToken(name):
			return fail("%q is no name of a header", name)
		case f.source == fromContext && !knownContext(name):
			return fail("%w", &UnknownVariable{Name: name, Known: contextNames[:]})
		}
		return Expression{f.source, name}, nil
	}
	return fail("none of $request.header.N, $request.querystring.N, $request.path, $request.path.N, $context.N, $stageVariables.N")
}

// An UnknownVariable is the reason of an expression that names what $context has not.
type UnknownVariable struct {
	Name  string
	Known []string // beside authorizer.{name}; not to be written to
}

// Error says which there are.
func (u *UnknownVariable) Error() string {
	return fmt.Sprintf("$context has no %s; it has authorizer.{name} and %s", u.Name, strings.Join(u.Known, ", "))
}

// String returns the expression as it was written.
func (e Expression) String() string {
	if e.source == fromPath {
		return "$request.path"
	}
	for _, f := range forms {
		if f.source == e.source {
			return f.prefix + e.name
		}
	}
	return ""
}

// Value returns the value that a request has, and false when it has none. A value may be empty. Headers and query parameters that
// came more than once are joined by commas; query and path parameters are decoded.
func (e Expression) Value(x *host.Exchange) (string, bool) {
	switch e.source {
	case fromHeader:
		if strings.EqualFold(e.name, "Host") && x.Request.Host != "" { // which is not among the fields
			return x.Request.Host, true
		}
		return join(x.Request.Header.Values(e.name))
	case fromQuery:
		var values []string
		for name, value := range host.QueryParams(x.Request.Query()) {
			if name == e.name {
				values = append(values, value)
			}
		}
		return join(values)
	case fromPath:
		return x.Match.Path, true
	case fromParam:
		value, ok := x.Match.Param(e.name)
		return host.Unescape(value), ok
	case fromContext:
		return ContextValue(x, e.name)
	default:
		if x.Match.Stage == nil {
			return "", false
		}
		value, ok := x.Match.Stage.Variables[e.name]
		return value, ok
	}
}

func join(values []string) (string, bool) { return strings.Join(values, ","), values != nil }

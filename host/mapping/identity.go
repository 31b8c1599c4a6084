package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// An IdentitySource names a value by which an authorizer knows a caller.
type IdentitySource struct {
	expression Expression
	rest       bool // by the rules of rest APIs
}

// restForms are what rest APIs write for the forms of http APIs. Path parameters identify nobody (reference 1.7, "Identity source").
var restForms = [...]struct{ rest, http string }{
	{"method.request.header.", "$request.header."},
	{"method.request.querystring.", "$request.querystring."},
	{"stageVariables.", "$stageVariables."},
	{"context.", "$context."},
}

// ParseIdentitySource reads an identity source of an API's authorizer: $request.header.N, $request.querystring.N, $context.N or
// $stageVariables.N, and on rest APIs also method.request.header.N, method.request.querystring.N, context.N and stageVariables.N. Its error
// has Kind Invalid.
func ParseIdentitySource(text string, protocol host.Protocol) (IdentitySource, error) {
	fail := func(err error) (IdentitySource, error) {
		return IdentitySource{}, &host.Error{Op: "expression " + text, Kind: host.Invalid, Err: err}
	}
	if protocol != host.ProtocolREST {
		e, err := ParseExpression(text)
		return IdentitySource{expression: e}, err
	}
	written := text
	for _, f := range restForms {
		if name, ok := strings.CutPrefix(text, f.rest); ok {
			written = f.http + name
		}
	}
	if name, ok := strings.CutPrefix(written, "$context."); ok {
		if names := RESTContextNames(); !slices.Contains(names, name) {
			return fail(fmt.Errorf("context has no %s; it has %s", name, strings.Join(names, ", ")))
		}
		return IdentitySource{Expression{fromContext, name}, true}, nil
	}
	e, err := ParseExpression(written)
	switch {
	case err == nil && (e.source == fromPath || e.source == fromParam):
		return fail(errors.New("a path identifies nobody: name a header field, a query parameter, a stage variable or the context"))
	case err == nil:
		return IdentitySource{e, true}, nil
	case written != text:
		return fail(errors.Unwrap(err))
	}
	return fail(errors.New("none of method.request.header.N, method.request.querystring.N, context.N, stageVariables.N"))
}

// Header returns the name of the header field that the source is, false for another source.
func (s IdentitySource) Header() (string, bool) {
	return s.expression.name, s.expression.source == fromHeader
}

// Value returns the value that a request has, and false when it has none. A value may be empty. Several of one name are joined by commas:
// who is identified by one alone could hide another from the authorizer.
func (s IdentitySource) Value(x *host.Exchange) (string, bool) {
	if !s.rest {
		return s.expression.Value(x)
	}
	switch s.expression.source {
	case fromContext:
		return RESTContextValue(x, s.expression.name)
	case fromQuery:
		var values []string
		// A semicolon ends a parameter too (reference 1.3, "Query" [REC]).
		for name, value := range host.QueryParams(strings.ReplaceAll(x.Request.Query(), ";", "&")) {
			if name == s.expression.name {
				values = append(values, value)
			}
		}
		return join(values)
	}
	return s.expression.Value(x)
}

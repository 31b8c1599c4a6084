package parameter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/jsonpath"
)

// maxPathBody is how much of a body a path looks into on http APIs, in bytes (reference 1.4.5).
const maxPathBody = 100 << 10

// A text is the value of a mapping of an http API: one expression, or text with ${expressions} in it.
type text struct{ parts []part }

// A part is literal text, or one expression.
type part struct {
	literal string
	value   *expression // nil of literal text
}

// An expression names one value.
type expression struct {
	request  *mapping.Expression // of the request, $context or $stageVariables; nil of what follows
	field    string              // $response.header.N
	body     bool                // $request.body or $response.body
	response bool                // of the response
	path     *jsonpath.Path      // into the body; nil for all of it
}

func parseText(source string, response bool) (*text, error) {
	if strings.HasPrefix(source, "$") && !strings.HasPrefix(source, "${") {
		e, err := parseExpression(source, response)
		return &text{[]part{{value: e}}}, err
	}
	t := &text{}
	for rest := source; rest != ""; {
		before, inner, found := strings.Cut(rest, "${")
		if before != "" {
			t.parts = append(t.parts, part{literal: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(inner, "}")
		if !closed {
			return nil, fmt.Errorf("%q: ${ without }", source)
		}
		e, err := parseExpression("$"+strings.TrimPrefix(name, "$"), response)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, part{value: e})
		rest = after
	}
	if len(t.parts) == 0 {
		return nil, errors.New("the value is empty")
	}
	return t, nil
}

func parseExpression(source string, response bool) (*expression, error) {
	for _, side := range []string{"request", "response"} {
		rest, ok := strings.CutPrefix(source, "$"+side+".body")
		if !ok || rest != "" && !strings.ContainsAny(rest[:1], ".[") {
			continue
		}
		if (side == "response") != response {
			return nil, fmt.Errorf("%s cannot be read here: a mapping reads the body of what it maps", source)
		}
		return bodyExpression(rest, response)
	}
	if name, ok := strings.CutPrefix(source, "$response.header."); ok && response {
		if !host.IsToken(name) {
			return nil, fmt.Errorf("%q is no name of a header field", name)
		}
		return &expression{field: name, response: true}, nil
	}
	e, err := mapping.ParseExpression(source)
	if err != nil {
		return nil, err
	}
	return &expression{request: &e}, nil
}

// bodyExpression reads $request.body or $response.body, and what follows it: a path without .. and filters (reference 1.4.5).
func bodyExpression(path string, response bool) (*expression, error) {
	e := &expression{body: true, response: response}
	if path == "" {
		return e, nil
	}
	if strings.Contains(path, "..") || strings.Contains(strings.ReplaceAll(path, " ", ""), "?(") {
		return nil, fmt.Errorf("%q: neither .. nor filters can stand in the path of a body", path)
	}
	compiled, err := jsonpath.Compile("$" + path)
	e.path = compiled
	return e, err
}

// fixed returns the text where it names no value, and false where it does.
func (t *text) fixed() (string, bool) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.value != nil {
			return "", false
		}
		b.WriteString(p.literal)
	}
	return b.String(), true
}

// hasControl reports whether what stands between the values has a character that no header field can have.
func (t *text) hasControl() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return !host.IsFieldValue(p.literal) })
}

// readsBody reports whether it needs a body.
func (t *text) readsBody() bool {
	return t != nil && slices.ContainsFunc(t.parts, func(p part) bool { return p.value != nil && p.value.body })
}

// expand returns the text with its values. It reports false when all that it has are values, and all of them are missing.
func (t *text) expand(in *reader) (string, bool, error) {
	var b strings.Builder
	found := false
	for _, p := range t.parts {
		if p.value == nil {
			b.WriteString(p.literal)
			found = true
			continue
		}
		value, ok, err := p.value.value(in)
		if err != nil {
			return "", false, err
		}
		found = found || ok
		b.WriteString(value)
	}
	return b.String(), found, nil
}

func (e *expression) value(in *reader) (string, bool, error) {
	switch {
	case e.request != nil:
		value, ok := e.request.Value(in.x)
		return value, ok, nil
	case !e.body:
		values := in.header.Values(e.field)
		return strings.Join(values, ","), values != nil, nil
	}
	if in.body == nil {
		return "", false, nil
	}
	if err := in.loadHTTP(e.path != nil); err != nil {
		return "", false, err
	}
	if e.path == nil {
		return string(in.text), len(in.text) > 0, nil
	}
	if !in.isJSON {
		return "", false, nil
	}
	value, err := e.path.Read(in.decoded, jsonpath.Limits{})
	if errors.Is(err, jsonpath.ErrMissing) || errors.Is(err, host.Invalid) || err == nil && value == nil {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	text, err := textOf(value)
	return text, err == nil, err
}

package parameter

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/jsonpath"
)

// A kind says where the value of a mapping comes from.
type kind uint8

const (
	literal kind = iota
	fromPath
	fromQuery
	fromEveryQuery
	fromHeader
	fromEveryHeader
	fromBody
	fromContext
	fromStage
)

// A source is the right side of a parameter mapping of a rest API (API Gateway developer guide, "Parameter mapping source reference").
type source struct {
	kind kind
	name string         // of the parameter or variable; of a literal, its text
	path *jsonpath.Path // of fromBody; nil for the whole body
	text *message       // of fromBody: what follows errorMessage in the path; nil for other paths
}

// A message is a path into the JSON that the text of a function's errorMessage may be (reference 1.4.3, "Lambda custom errors").
type message struct{ inner *jsonpath.Path }

var nameOf = regexp.MustCompile(`^[a-zA-Z0-9._$-]+$`) // reference 1.4.4

// A side is which values a mapping can read.
type side struct {
	what   string // of a message
	prefix string
	forms  []form
}

type form struct {
	name string
	kind kind
}

var (
	requestSide = side{"a request", "method.request.", []form{{"path", fromPath}, {"querystring", fromQuery},
		{"multivaluequerystring", fromEveryQuery}, {"header", fromHeader}, {"multivalueheader", fromEveryHeader}, {"body", fromBody}}}
	responseSide = side{"a response", "integration.response.", []form{{"header", fromHeader}, {"multivalueheader", fromEveryHeader}, {"body", fromBody}}}
	gatewaySide  = side{"a gateway response", "method.request.", []form{{"path", fromPath}, {"querystring", fromQuery}, {"header", fromHeader}}}
)

func (s *side) parse(text string) (source, error) {
	if inner, ok := strings.CutPrefix(text, "'"); ok {
		if inner, ok = strings.CutSuffix(inner, "'"); ok {
			return source{kind: literal, name: inner}, nil
		}
		return source{}, errors.New("the text has no closing quote")
	}
	if name, ok := strings.CutPrefix(text, "context."); ok {
		return contextSource(name)
	}
	if name, ok := strings.CutPrefix(text, "stageVariables."); ok {
		return source{kind: fromStage, name: name}, checkName(name)
	}
	rest, ok := strings.CutPrefix(text, s.prefix)
	if !ok {
		return source{}, fmt.Errorf("%q is nothing that %s has: write %s…, context.NAME, stageVariables.NAME or 'text'", text, s.what, s.prefix)
	}
	place, name, named := strings.Cut(rest, ".")
	i := slices.IndexFunc(s.forms, func(f form) bool { return f.name == place })
	switch {
	case i < 0 && strings.HasPrefix(rest, "body["):
		return bodySource(strings.TrimPrefix(rest, "body"))
	case i < 0:
		return source{}, fmt.Errorf("%s has no %q", s.what, place)
	case s.forms[i].kind == fromBody && named:
		return bodySource("." + name)
	case s.forms[i].kind == fromBody:
		return source{kind: fromBody}, nil
	}
	return source{kind: s.forms[i].kind, name: name}, checkName(name)
}

func checkName(name string) error {
	if !nameOf.MatchString(name) {
		return fmt.Errorf("%q is no name: it has letters, digits, and . _ $ -", name)
	}
	return nil
}

func contextSource(name string) (source, error) {
	property, authorizer := strings.CutPrefix(name, "authorizer.")
	if known := mapping.RESTContextNames(); authorizer && property != "" || slices.Contains(known, name) {
		return source{kind: fromContext, name: name}, nil
	}
	return source{}, fmt.Errorf("there is no context.%s", name)
}

// bodySource reads the path of a JSON body, which begins with . or [.
func bodySource(path string) (source, error) {
	compiled, err := jsonpath.Compile("$" + path)
	if err != nil {
		return source{}, err
	}
	s := source{kind: fromBody, path: compiled}
	if inner, ok := strings.CutPrefix(path, ".errorMessage"); ok && inner != "" && strings.ContainsAny(inner[:1], ".[") {
		if compiled, err = jsonpath.Compile("$" + inner); err != nil {
			return source{}, err
		}
		s.text = &message{compiled}
	}
	return s, nil
}

var errControl = errors.New("the text has a character that no header field can have")

// invalid is a mapping that cannot be.
func invalid(m host.ParameterMapping, err error) error {
	return &host.Error{Op: "parameter mapping " + m.Target, Kind: host.Invalid, Pos: m.Pos, Err: err}
}

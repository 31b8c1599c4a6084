package template

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/jsonpath"
	"github.com/postern/postern/host/mapping/tree"
	"github.com/postern/postern/host/mapping/vtl"
)

// emptyBody is what a template sees of no body (reference 1.5 [REC]).
const emptyBody = "{}"

// emptyJSON is the text of $input.json where the path finds nothing: that of an empty string, so that what stands around it stays JSON (reference
// 1.5 [LS]).
const emptyJSON = `""`

// A bodyError is of a body that is no JSON, or too much of it.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "the body: " + e.err.Error() }

// An input is $input.
type input struct {
	run      *run
	found    int // items that paths may still make lists of
	decoded  bool
	document any
	broken   error
	text     string
	params   parameters
}

// Get has the body.
func (i *input) Get(name string) (any, bool) {
	if name != "body" {
		return nil, false
	}
	if i.text == "" {
		i.text = bodyText(i.run.in.Body)
	}
	return i.text, true
}

// Call has json, path and params.
func (i *input) Call(_ context.Context, name string, args []any) (any, bool, error) {
	if name == "params" && len(args) == 0 {
		return i.params.all(i.run.in.Exchange), true, nil
	}
	if len(args) != 1 || args[0] == nil {
		return nil, false, nil
	}
	var method func(string) (any, error)
	switch name {
	case "json":
		method = i.json
	case "path":
		method = i.path
	case "params":
		method = func(name string) (any, error) { return i.params.one(i.run.in.Exchange, name), nil }
	default:
		return nil, false, nil
	}
	text, err := vtl.Text(args[0])
	if err != nil {
		return nil, true, err
	}
	v, err := method(text)
	return v, true, err
}

// path returns the values of the document themselves, so that a template may change them; null where there is nothing.
func (i *input) path(text string) (any, error) {
	v, _, err := i.find(text)
	return v, err
}

func (i *input) json(text string) (any, error) {
	v, ok, err := i.find(text)
	if err != nil {
		return nil, err
	}
	if !ok {
		return emptyJSON, nil
	}
	b, err := tree.Encode(v, i.run.template.opts.JSON)
	return string(b), err
}

// find reads a path in the body; false where there is nothing.
func (i *input) find(text string) (any, bool, error) {
	path, err := i.run.template.paths.get(text)
	if err != nil {
		return nil, false, err
	}
	document, err := i.decode()
	if err != nil {
		return nil, false, err
	}
	v, err := path.Read(document, i.run.template.opts.Path)
	if errors.Is(err, jsonpath.ErrMissing) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return v, true, i.charge(path, v)
}

// charge counts the lists that a path makes, which the engine does not see being made. Other lists are the document's own.
func (i *input) charge(path *jsonpath.Path, v any) error {
	list, ok := v.(*tree.List)
	if !ok || path.Definite() && !strings.Contains(path.String(), "(") {
		return nil
	}
	if i.found -= len(list.Items); i.found < 0 {
		return &host.LimitError{Limit: "items that paths find", Value: strconv.Itoa(i.run.template.opts.Found), Origin: "template"}
	}
	return nil
}

// decode reads the body once, for all paths.
func (i *input) decode() (any, error) {
	if !i.decoded {
		i.decoded = true
		body := i.run.in.Body
		if len(body) == 0 {
			body = []byte(emptyBody)
		}
		var err error
		if i.document, err = tree.Decode(body, i.run.template.opts.JSON); err != nil {
			i.broken = &bodyError{err}
		}
	}
	return i.document, i.broken
}

// bodyText has U+FFFD for each byte that is part of no character (reference 1.4.2 [REC]).
func bodyText(body []byte) string {
	switch {
	case len(body) == 0:
		return emptyBody
	case utf8.Valid(body):
		return string(body)
	default:
		return string([]rune(string(body)))
	}
}

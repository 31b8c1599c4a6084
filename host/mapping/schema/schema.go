package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

// Message is what a client is told of a body that does not fit (the gateway response BAD_REQUEST_BODY).
const Message = "Invalid request body"

const (
	draft4    = "http://json-schema.org/draft-04/schema"
	modelHost = "apigateway.amazonaws.com"
	modelBase = "https://" + modelHost + "/restapis/-/models/"

	maxExponent = 400 // of a number, up or down: the library computes with all digits
)

// Limits bound the work on one body, and the models. A field that is zero has its default.
type Limits struct {
	Body  tree.Limits // of a body
	Model tree.Limits // of each model; 400 KiB, 128 levels, 65,536 values
	Steps int         // schemas entered for one body; 250,000: each may leave an error of some hundred bytes
}

func (l Limits) orDefaults() Limits {
	if l.Model.Bytes <= 0 {
		l.Model.Bytes = 400 << 10
	}
	if l.Model.Depth <= 0 {
		l.Model.Depth = 128
	}
	if l.Model.Values <= 0 {
		l.Model.Values = 1 << 16
	}
	if l.Steps <= 0 {
		l.Steps = 250_000
	}
	return l
}

// Models are the compiled models of one API. They may be used by many goroutines at once.
type Models struct {
	documents map[string]any // by name
	limits    Limits
	free      sync.Pool // of *compiled: one is used by one validation at a time, since it counts
}

// A compiled is all models with the count of what they may still do.
type compiled struct {
	schemas map[string]*jsonschema.Schema
	steps   int
}

// Compile compiles models, by their names. The error joins a *host.Error of kind Invalid or TooLarge for each model that is wrong.
func Compile(models map[string][]byte, limits Limits) (*Models, error) {
	m := &Models{documents: map[string]any{}, limits: limits.orDefaults()}
	names := make([]string, 0, len(models))
	for name := range models {
		names = append(names, name)
	}
	slices.Sort(names)
	var errs []error
	for _, name := range names {
		doc, err := m.document(models[name])
		if err != nil {
			errs = append(errs, &host.Error{Op: "model " + name, Kind: host.KindOf(err), Err: err})
			continue
		}
		m.documents[name] = doc
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	c, err := m.compile()
	if err != nil {
		return nil, err
	}
	m.free.Put(c)
	return m, nil
}

// document reads a model as the library wants it.
func (m *Models) document(text []byte) (any, error) {
	v, err := tree.Decode(text, m.limits.Model)
	if err != nil {
		return nil, err
	}
	invalid := func(format string, args ...any) error {
		return &host.Error{Kind: host.Invalid, Err: fmt.Errorf(format, args...)}
	}
	root, ok := v.(*tree.Map)
	if !ok {
		return nil, invalid("a model is an object")
	}
	if draft, ok := root.Get("$schema"); ok && strings.TrimSuffix(fmt.Sprint(draft), "#") != draft4 {
		return nil, invalid("its $schema is %.100v, and models are of %s#", draft, draft4)
	}
	plain, err := plain(v)
	if err != nil {
		return nil, invalid("%w", err)
	}
	return plain, nil
}

// compile compiles all models, each with errors of its own.
func (m *Models) compile() (*compiled, error) {
	c := &compiled{schemas: map[string]*jsonschema.Schema{}}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4)
	compiler.UseLoader(loader{m.documents})
	names := make([]string, 0, len(m.documents))
	for name, doc := range m.documents {
		names = append(names, name)
		if err := compiler.AddResource(modelBase+url.PathEscape(name), doc); err != nil {
			return nil, &host.Error{Op: "model " + name, Kind: host.Invalid, Err: err}
		}
	}
	slices.Sort(names)
	var errs []error
	counted := map[*jsonschema.Schema]bool{}
	for _, name := range names {
		s, err := compiler.Compile(modelBase + url.PathEscape(name))
		if err != nil {
			errs = append(errs, &host.Error{Op: "model " + name, Kind: host.Invalid, Err: plainly(err)})
			continue
		}
		c.count(s, counted)
		c.schemas[name] = s
	}
	return c, errors.Join(errs...)
}

// A loader finds models under the URLs of any API, and nothing else.
type loader struct{ documents map[string]any }

// Load implements jsonschema.URLLoader.
func (l loader) Load(address string) (any, error) {
	refused := fmt.Errorf("it refers to %s, which is no model of this API", strings.ReplaceAll(address, modelBase, ""))
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host != modelHost {
		return nil, refused
	}
	parts := strings.Split(u.Path, "/")
	if len(parts) != 5 || parts[1] != "restapis" || parts[3] != "models" {
		return nil, refused
	}
	if doc, ok := l.documents[parts[4]]; ok {
		return doc, nil
	}
	return nil, refused
}

// plainly says what is wrong with a model in one line, without the URLs that the library knows it by.
func plainly(err error) error {
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) {
		return load.Err
	}
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		err = invalid.Err
	}
	var said []string
	for line := range strings.Lines(strings.ReplaceAll(err.Error(), modelBase, "")) {
		if line = strings.Trim(line, " -\n"); line != "" && !strings.HasPrefix(line, "jsonschema validation failed") {
			said = append(said, line)
		}
	}
	return errors.New(strings.Join(said, "; "))
}

// errSteps is what a validation is ended with that takes too many steps.
type errSteps int

func (e errSteps) Error() string { return fmt.Sprintf("more than %d steps", int(e)) }

// count gives a schema, and all that it leads to, a format that counts. The library asks for the format of a value before it goes on to
// what is in the schema, so that nothing can grow that is not counted.
func (c *compiled) count(s *jsonschema.Schema, counted map[*jsonschema.Schema]bool) {
	if s == nil || counted[s] || strings.HasPrefix(s.Location, draft4) {
		return // the draft's own schema is shared by all, and takes linear time
	}
	counted[s] = true
	counting := &jsonschema.Format{Name: "counted"}
	check := func(any) error { return nil }
	if s.Format != nil {
		counting.Name, check = s.Format.Name, s.Format.Validate
	}
	counting.Validate = func(v any) error {
		if c.steps--; c.steps < 0 {
			panic(errSteps(0))
		}
		return check(v)
	}
	s.Format = counting
	for _, below := range below(s) {
		c.count(below, counted)
	}
}

// below returns the schemas that a schema of draft 4 has in it or refers to.
func below(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat([]*jsonschema.Schema{s.Ref, s.Not}, s.AllOf, s.AnyOf, s.OneOf)
	for _, p := range s.Properties {
		all = append(all, p)
	}
	for _, p := range s.PatternProperties {
		all = append(all, p)
	}
	other := []any{s.AdditionalProperties, s.Items, s.AdditionalItems}
	for _, d := range s.Dependencies {
		other = append(other, d)
	}
	for _, v := range other {
		switch v := v.(type) {
		case *jsonschema.Schema:
			all = append(all, v)
		case []*jsonschema.Schema:
			all = append(all, v...)
		}
	}
	return all
}

// Validate checks a body against a model. An empty body is checked as {}. The error is a *host.Error: Invalid with a *Violation in its chain
// for a body that does not fit, TooLarge where a limit was passed, NotFound where there is no such model.
func (m *Models) Validate(model string, body []byte) error {
	op := "validate the body against model " + model
	if _, ok := m.documents[model]; !ok {
		return &host.Error{Op: op, Kind: host.NotFound, Err: errors.New("there is no such model")}
	}
	if strings.TrimSpace(string(body[:min(len(body), 64)])) == "" && strings.TrimSpace(string(body)) == "" {
		body = []byte("{}")
	}
	v, err := tree.Decode(body, m.limits.Body)
	if err == nil {
		v, err = plain(v)
	}
	if errors.Is(err, host.TooLarge) {
		return &host.Error{Op: op, Kind: host.TooLarge, Code: host.BadRequestBody, Err: err}
	}
	if err != nil {
		return &host.Error{Op: op, Kind: host.Invalid, Code: host.BadRequestBody, Err: &Violation{Problems: []string{notJSON(err)}}}
	}
	return m.check(op, model, v)
}

func notJSON(err error) string {
	var e *host.Error
	if errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	return "the body is not valid JSON: " + err.Error()
}

func (m *Models) check(op, model string, v any) (err error) {
	c, ok := m.free.Get().(*compiled)
	if !ok {
		if c, err = m.compile(); err != nil {
			return &host.Error{Op: op, Kind: host.Internal, Err: err}
		}
	}
	defer m.free.Put(c)
	c.steps = m.limits.Steps
	defer func() {
		switch r := recover().(type) {
		case nil:
		case errSteps:
			err = &host.Error{Op: op, Kind: host.TooLarge, Code: host.BadRequestBody, Err: errSteps(m.limits.Steps)}
		default:
			panic(r)
		}
	}()
	failed := c.schemas[model].Validate(v)
	var invalid *jsonschema.ValidationError
	switch {
	case failed == nil:
		return nil
	case errors.As(failed, &invalid):
		return &host.Error{Op: op, Kind: host.Invalid, Code: host.BadRequestBody, Err: &Violation{Problems: problems(invalid)}}
	}
	return &host.Error{Op: op, Kind: host.Internal, Err: failed}
}

// plain turns a document into what the library takes.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case *tree.Map:
		m := make(map[string]any, v.Len())
		for key, value := range v.All() {
			p, err := plain(value)
			if err != nil {
				return nil, err
			}
			m[key] = p
		}
		return m, nil
	case *tree.List:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			p, err := plain(item)
			if err != nil {
				return nil, err
			}
			list[i] = p
		}
		return list, nil
	case tree.Decimal:
		if at := strings.IndexAny(string(v), "eE"); at >= 0 {
			exponent, err := strconv.Atoi(string(v[at+1:]))
			if err != nil || max(exponent, -exponent) > maxExponent {
				return nil, fmt.Errorf("the number %.40s is out of range", v)
			}
		}
		return json.Number(v), nil
	case int32, int64, float64, *big.Int:
		return json.Number(tree.Append(nil, v)), nil
	}
	return v, nil
}

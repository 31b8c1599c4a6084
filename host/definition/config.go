package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// RuleConfig is the rule of a plugin's configuration that is not as the plugin's schema has it, and of a schema that is none.
const RuleConfig = "config"

// A ConfigSchema says what a plugin takes as its configuration. It is safe for concurrent use.
type ConfigSchema struct {
	schema *schema
	mu     sync.Mutex // guards steps
	steps  int        // that the validation under way may yet take
}

// maxConfigSteps is how many schemas are entered to check one configuration: somebody else's small schema can ask for 2^n of them.
const maxConfigSteps = 250_000

const (
	configSchemaBase = "postern:///" // as where it lies; nothing is there
	configSchemaURL  = configSchemaBase + "config.schema.json"
	draft2020        = "https://json-schema.org/draft/2020-12/schema"
)

// ParseConfigSchema compiles a JSON Schema of draft 2020-12 that refers to nothing outside of itself. It takes formats for assertions. The
// error says in one line what the schema cannot be.
func ParseConfigSchema(data []byte) (*ConfigSchema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil || root == nil {
		return nil, errors.New("it is not an object")
	}
	if draft, ok := root["$schema"]; ok && strings.TrimSuffix(fmt.Sprint(draft), "#") != draft2020 {
		return nil, fmt.Errorf("its $schema is %v, and not %s", draft, draft2020)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(nowhere{})
	if err := c.AddResource(configSchemaURL, doc); err != nil {
		return nil, plainly(err)
	}
	compiled, err := c.Compile(configSchemaURL)
	if err != nil {
		return nil, plainly(err)
	}
	s := &ConfigSchema{schema: &schema{compiled: compiled, root: root}}
	s.count(compiled, map[*jsonschema.Schema]bool{})
	return s, nil
}

// nowhere refuses to load what a schema refers to.
type nowhere struct{}

// Load implements jsonschema.URLLoader.
func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, and must be self-contained", strings.TrimPrefix(url, configSchemaBase))
}

// plainly says what is wrong with a schema without the name that it was compiled by.
func plainly(err error) error {
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) {
		return load.Err
	}
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		err = invalid.Err
	}
	text := strings.ReplaceAll(err.Error(), configSchemaURL, "")
	lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\n' })
	var said []string
	for _, line := range lines {
		if line = strings.TrimLeft(line, " -"); len(lines) == 1 || !strings.HasPrefix(line, "jsonschema ") {
			said = append(said, line)
		}
	}
	return errors.New(strings.Join(said, "; "))
}

// A Text is a definition, or another file of YAML or JSON, that is looked into for places.
type Text struct{ root *document.Node }

// ReadText reads a file. Where it is no object, it has no places.
func ReadText(name string, data []byte) *Text {
	return &Text{(&report{file: name}).readTree(data)}
}

// Config checks the configuration that stands in the text at a path, as functions.f.config. What stands nowhere, and what is empty, is
// checked as an object without keys, at the place otherwise. The error of each violation has the place of its value.
func (t *Text) Config(s *ConfigSchema, path string, otherwise host.Position) Errors {
	r := &report{file: otherwise.File}
	at := spot{at: place{otherwise, path}, key: otherwise, name: "config"}
	if t.root != nil {
		if m := reach(t.root, "", path); m != nil {
			at.node, at.at.pos, at.key = m.Value, m.Value.Pos, m.Pos
		}
	}
	if at.node == nil || at.node.Shape == document.Null {
		at.node = &document.Node{Pos: at.at.pos, Shape: document.Object}
	}
	r.config(s, at)
	return r.errs
}

// reach returns the member that a path leads to, nil where there is none; at is the path of n.
func reach(n *document.Node, at, path string) *document.Member {
	step := func(to string) (here, deeper bool) {
		rest, ok := strings.CutPrefix(path, to)
		return ok && rest == "", ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
	}
	for i := range n.Members {
		m := &n.Members[i]
		to := KeyPath(at, m.Key)
		if here, deeper := step(to); here {
			return m
		} else if deeper {
			return reach(m.Value, to, path)
		}
	}
	for i, item := range n.Items {
		if to := document.IndexPath(at, i); strings.HasPrefix(path, to+".") || strings.HasPrefix(path, to+"[") {
			return reach(item, to, path)
		}
	}
	return nil
}

// errSteps is what a validation is ended with that takes too many steps.
type errSteps struct{}

func (errSteps) Error() string {
	return fmt.Sprintf("its schema asks for more than %d steps", maxConfigSteps)
}

// validate is the library's, within the steps.
func (s *ConfigSchema) validate(v any) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = maxConfigSteps
	defer func() {
		switch r := recover().(type) {
		case nil:
		case errSteps:
			err = r
		default:
			panic(r)
		}
	}()
	return s.schema.compiled.Validate(v)
}

// count gives a schema, and all that it leads to, a format that counts: the library asks for the format of a value before it goes on to
// what is in the schema.
func (s *ConfigSchema) count(at *jsonschema.Schema, counted map[*jsonschema.Schema]bool) {
	if at == nil || counted[at] || strings.HasPrefix(at.Location, "https://json-schema.org/") {
		return // a draft's own schema is shared by all
	}
	counted[at] = true
	counting := &jsonschema.Format{Name: "counted"}
	check := func(any) error { return nil }
	if at.Format != nil {
		counting.Name, check = at.Format.Name, at.Format.Validate
	}
	counting.Validate = func(v any) error {
		if s.steps--; s.steps < 0 {
			panic(errSteps{})
		}
		return check(v)
	}
	at.Format = counting
	fields := reflect.ValueOf(at).Elem()
	for i := range fields.NumField() {
		if fields.Type().Field(i).IsExported() {
			s.countIn(fields.Field(i), counted)
		}
	}
}

// countIn counts the schemas in a value of the library's types.
func (s *ConfigSchema) countIn(v reflect.Value, counted map[*jsonschema.Schema]bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			s.countIn(v.Elem(), counted)
		}
	case reflect.Pointer:
		switch below := v.Interface().(type) {
		case *jsonschema.Schema:
			s.count(below, counted)
		case *jsonschema.DynamicRef:
			if below != nil {
				s.count(below.Ref, counted)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.countIn(v.Index(i), counted)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			s.countIn(v.MapIndex(key), counted)
		}
	}
}

// config reports how a configuration differs from its schema.
func (r *report) config(s *ConfigSchema, at spot) {
	err := s.validate(at.node.Plain())
	var failed *jsonschema.ValidationError
	if err == nil {
		return
	}
	if !errors.As(err, &failed) {
		r.add(at.at, RuleConfig, "config cannot be checked: "+err.Error())
		return
	}
	for _, f := range s.schema.configLeaves(failed, at, nil) {
		r.explainConfig(f)
	}
	for _, e := range r.errs {
		e.Rule = RuleConfig
	}
	r.errs.Sort()
}

// configLeaves collects the errors that have no deeper reason. What fits none of several forms is one error: that it does not fit each of them is
// no reason.
func (s *schema) configLeaves(ve *jsonschema.ValidationError, root spot, into []finding) []finding {
	switch k := ve.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf:
	case *kind.PropertyNames:
		f := finding{spot: root, kind: k, schema: s}
		if holder, ok := root.holder(len(ve.InstanceLocation), k.Property); ok {
			f.spot = holder
			f.at = place{holder.node.Member(k.Property).Pos, KeyPath(holder.at.path, k.Property)}
		}
		return append(into, f)
	default:
		if len(ve.Causes) > 0 {
			for _, cause := range ve.Causes {
				into = s.configLeaves(cause, root, into)
			}
			return into
		}
	}
	part, _ := s.at(ve.SchemaURL)
	return append(into, finding{spot: root.find(ve.InstanceLocation), kind: ve.ErrorKind, schema: s, part: part})
}

// holder finds the first object that has a key so many levels down. Of the place of a name, the library tells no more than its depth.
func (s spot) holder(depth int, key string) (spot, bool) {
	if depth == 0 {
		return s, s.node.Member(key) != nil
	}
	var steps []string
	for i := range s.node.Members {
		steps = append(steps, s.node.Members[i].Key)
	}
	for i := range s.node.Items {
		steps = append(steps, strconv.Itoa(i))
	}
	for _, step := range steps {
		if found, ok := s.find([]string{step}).holder(depth-1, key); ok {
			return found, true
		}
	}
	return s, false
}

// explainConfig turns a finding into errors: in the words that a definition's have, and the schema's own or its library's for the rest.
func (r *report) explainConfig(f finding) {
	own, has := f.part["errorMessage"].(string)
	switch k := f.kind.(type) {
	case *kind.AdditionalProperties, *kind.Required:
		r.explain(f, false)
	case *kind.PropertyNames:
		r.add(f.at, RuleConfig, quote(k.Property)+" is not a name that a key of "+f.name+" may have")
	case *kind.FalseSchema:
		r.add(f.at, RuleConfig, f.name+" may not be there")
	default:
		switch {
		case has:
			r.add(f.at, RuleConfig, f.name+" "+own+not(f.node))
		case isOwnWord(k):
			r.explain(f, false)
		default:
			said := (&jsonschema.ValidationError{SchemaURL: configSchemaURL, ErrorKind: k}).BasicOutput().Error.String()
			r.add(f.at, RuleConfig, f.name+" is not as the plugin's schema has it: "+said)
		}
	}
}

// isOwnWord reports whether explain has words for what any schema may ask.
func isOwnWord(k jsonschema.ErrorKind) bool {
	switch k := k.(type) {
	case *kind.Type:
		return true
	case *kind.Enum:
		for _, want := range k.Want {
			if _, text := want.(string); !text {
				return false
			}
		}
		return true
	}
	return false
}

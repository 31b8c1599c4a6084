package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/postern/postern/host/document"
	"github.com/postern/postern/spec"
)

// A schema is the compiled JSON Schema, and its text for what the library does not tell: the keys that an
// object may have, and the messages beside patterns.
type schema struct {
	compiled *jsonschema.Schema
	root     map[string]any
}

// theSchema compiles the embedded schema when it is first needed, once.
var theSchema = sync.OnceValues(func() (*schema, error) {
	var root map[string]any
	if err := json.Unmarshal(spec.DefinitionSchema, &root); err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(spec.DefinitionSchema))
	if err != nil {
		return nil, err
	}
	id, _ := root["$id"].(string)
	c := jsonschema.NewCompiler()
	if err := c.AddResource(id, doc); err != nil {
		return nil, err
	}
	compiled, err := c.Compile(id)
	if err != nil {
		return nil, err
	}
	return &schema{compiled: compiled, root: root}, nil
})

// at returns the part of the schema that a URL points into, and the name of the definition ($defs/name) that it
// is, if it is one.
func (s *schema) at(url string) (part map[string]any, def string) {
	_, pointer, _ := strings.Cut(url, "#")
	part = s.root
	steps := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if pointer == "" {
		steps = nil
	}
	for _, step := range steps {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		next, ok := part[step].(map[string]any)
		if !ok {
			return nil, ""
		}
		part = next
	}
	if len(steps) == 2 && steps[0] == "$defs" {
		def = steps[1]
	}
	return part, def
}

// A finding is one error of the schema library, with what it is about.
type finding struct {
	spot
	kind   jsonschema.ErrorKind
	schema *schema
	part   map[string]any // of the schema
	def    string         // the definition's name in $defs, or ""
}

// validate checks a tree against the schema and reports every error once, in our words.
func (r *report) validate(root *document.Node) error {
	s, err := theSchema()
	if err != nil {
		return err
	}
	w := nameWalk{report: r, schema: s, patterns: map[string]*regexp.Regexp{}}
	w.walk(root, s.root, place{pos: root.Pos})
	var failed *jsonschema.ValidationError
	if err := s.compiled.Validate(root.Plain()); err != nil && !errors.As(err, &failed) {
		return err
	}
	if failed != nil {
		r.explainAll(s, failed, root)
	}
	r.seen = make(map[place]bool, len(r.errs))
	for _, e := range r.errs {
		r.seen[place{e.Pos, e.Path}] = true
	}
	return nil
}

// explainAll reports what the schema library found.
func (r *report) explainAll(s *schema, failed *jsonschema.ValidationError, root *document.Node) {
	findings := slices.DeleteFunc(s.leaves(failed, whole(root), nil), func(f finding) bool { return r.within(f.at.path) })
	quiet := map[place]bool{} // objects about which one thing is said that makes the others guesses
	for _, f := range findings {
		switch k := f.kind.(type) {
		case *kind.Type:
			quiet[f.at] = true
		case *kind.AdditionalProperties:
			quiet[f.at] = quiet[f.at] || f.def == "integration" || s.anyUnsupported(f.def, k.Properties)
		}
	}
	for _, f := range findings {
		r.explain(f, quiet[f.at])
	}
}

// within reports whether a path lies in something that is refused as a whole.
func (r *report) within(path string) bool {
	return slices.ContainsFunc(r.refused, func(p string) bool {
		rest, inside := strings.CutPrefix(path, p)
		return inside && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// leaves collects the errors that have no deeper reason.
func (s *schema) leaves(ve *jsonschema.ValidationError, root spot, into []finding) []finding {
	switch ve.ErrorKind.(type) {
	case *kind.PropertyNames: // a nameWalk has seen them; the library says the wrong place
		return into
	case *kind.OneOf: // its causes only repeat it
	default:
		if len(ve.Causes) > 0 {
			for _, cause := range ve.Causes {
				into = s.leaves(cause, root, into)
			}
			return into
		}
	}
	part, def := s.at(ve.SchemaURL)
	return append(into, finding{root.find(ve.InstanceLocation), ve.ErrorKind, s, part, def})
}

func (s *schema) anyUnsupported(def string, keys []string) bool {
	for _, key := range keys {
		if _, ok := unsupported[def+"/"+key]; ok {
			return true
		}
	}
	return false
}

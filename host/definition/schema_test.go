package definition

import (
	"bytes"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postern/postern/spec"
)

// shaped tells a test what the generic types of the decoder hold.
type shaped interface {
	holds() (shape string, elem reflect.Type)
}

func (val[T]) holds() (string, reflect.Type)  { return "scalar", reflect.TypeFor[T]() }
func (list[T]) holds() (string, reflect.Type) { return "array", reflect.TypeFor[T]() }
func (dict[T]) holds() (string, reflect.Type) { return "object", reflect.TypeFor[T]() }
func (tree) holds() (string, reflect.Type)    { return "any", nil }

// TestSchemaAndDecoderAgree walks the schema and the decoder's types together: what one knows, the other must.
func TestSchemaAndDecoderAgree(t *testing.T) {
	s, err := theSchema()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	d := drift{T: t, schema: s, used: used}
	d.compare("", s.root, reflect.TypeFor[fileDef]())
	for name := range s.root["$defs"].(map[string]any) {
		if !used[name] {
			t.Errorf("$defs/%s is used by nothing that is decoded", name)
		}
	}
}

type drift struct {
	*testing.T
	schema *schema
	used   map[string]bool
}

func (d drift) resolve(part map[string]any) map[string]any {
	ref, ok := part["$ref"].(string)
	if !ok {
		return part
	}
	part, def := d.schema.at(ref)
	if part == nil {
		d.Fatalf("%s leads nowhere", ref)
	}
	d.used[def] = true
	return part
}

func (d drift) compare(path string, part map[string]any, typ reflect.Type) {
	part = d.resolve(part)
	if names, ok := part["propertyNames"].(map[string]any); ok {
		d.resolve(names)
	}
	s, generic := reflect.Zero(typ).Interface().(shaped)
	if !generic {
		d.compareObject(path, part, typ)
		return
	}
	shape, elem := s.holds()
	switch shape {
	case "array":
		d.wantType(path, part, "array")
		d.compare(path+"[]", part["items"].(map[string]any), elem)
	case "object":
		d.wantType(path, part, "object")
		d.compare(path+".*", part["additionalProperties"].(map[string]any), elem)
	case "any":
		if part["type"] != nil {
			d.Errorf("%s: the decoder takes anything, the schema %v", path, part["type"])
		}
	default:
		d.compareScalar(path, part, elem)
	}
}

func (d drift) compareScalar(path string, part map[string]any, typ reflect.Type) {
	switch typ.Kind() {
	case reflect.String:
		d.wantType(path, part, "string")
	case reflect.Bool:
		d.wantType(path, part, "boolean")
	case reflect.Int64:
		d.wantType(path, part, "integer")
	case reflect.Interface:
		d.wantType(path, part, "string")
		d.wantType(path, part, "integer")
	default:
		d.Errorf("%s: a scalar of type %v", path, typ)
	}
}

func (d drift) wantType(path string, part map[string]any, want string) {
	types, ok := part["type"].([]any)
	if !ok {
		types = []any{part["type"]}
	}
	if !slices.Contains(types, any(want)) {
		d.Errorf("%s: the decoder takes %s, the schema %v", path, want, part["type"])
	}
}

func (d drift) compareObject(path string, part map[string]any, typ reflect.Type) {
	d.wantType(path, part, "object")
	if part["additionalProperties"] != false {
		d.Errorf("%s: the schema lets unknown keys pass", path)
	}
	properties, _ := part["properties"].(map[string]any)
	keys := map[string]bool{}
	for _, field := range fields(typ) {
		key := field.Tag.Get("key")
		keys[key] = true
		property, ok := properties[key].(map[string]any)
		if !ok {
			d.Errorf("%s.%s is decoded, and not in the schema", path, key)
			continue
		}
		if text, _ := property["description"].(string); text == "" && d.resolve(property)["description"] == nil {
			d.Errorf("%s.%s has no description", path, key)
		}
		d.compare(path+"."+key, property, field.Type)
	}
	for key := range properties {
		if !keys[key] {
			d.Errorf("%s.%s is in the schema, and not decoded", path, key)
		}
	}
}

// fields returns the tagged fields of a struct and of those that it embeds.
func fields(typ reflect.Type) []reflect.StructField {
	var list []reflect.StructField
	for i := range typ.NumField() {
		switch f := typ.Field(i); {
		case f.Tag.Get("key") != "":
			list = append(list, f)
		case embedded(f.Type):
			list = append(list, fields(f.Type)...)
		}
	}
	return list
}

// TestSchemaSpeaks holds every pattern to a message of its own.
func TestSchemaSpeaks(t *testing.T) {
	s, err := theSchema()
	if err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		part, ok := v.(map[string]any)
		if !ok {
			return
		}
		if pattern, ok := part["pattern"].(string); ok {
			if _, err := regexp.Compile(pattern); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if text, _ := part["patternErrorMessage"].(string); !strings.HasPrefix(text, "must ") {
				t.Errorf("%s: a pattern without a message", path)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(part)) {
			walk(path+"/"+key, part[key])
		}
	}
	walk("", s.root)
}

// sub compiles a part of the schema.
func (s *schema) sub(pointer string) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(spec.DefinitionSchema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("schema.json" + pointer)
}

// TestExamples checks the examples and defaults of the schema against the schema itself: editors offer them.
func TestExamples(t *testing.T) {
	s, err := theSchema()
	if err != nil {
		t.Fatal(err)
	}
	for name, def := range s.root["$defs"].(map[string]any) {
		compiled, err := s.sub("#/$defs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		examples, _ := def.(map[string]any)["examples"].([]any)
		for _, example := range examples {
			if err := compiled.Validate(example); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	walkProperties(s.root, func(path string, property map[string]any) {
		compiled, err := s.sub("#" + path)
		if err != nil {
			t.Fatal(err)
		}
		values, _ := property["examples"].([]any)
		if def, ok := property["default"]; ok {
			values = append(values, def)
		}
		for _, value := range values {
			if err := compiled.Validate(value); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
}

func walkProperties(root map[string]any, visit func(path string, property map[string]any)) {
	var walk func(path string, v any)
	walk = func(path string, v any) {
		part, ok := v.(map[string]any)
		if !ok {
			return
		}
		properties, _ := part["properties"].(map[string]any)
		for key, p := range properties {
			visit(path+"/properties/"+key, p.(map[string]any))
			walk(path+"/properties/"+key, p)
		}
		defs, _ := part["$defs"].(map[string]any)
		for name, def := range defs {
			walk(path+"/$defs/"+name, def)
		}
	}
	walk("", root)
}

package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host/definition"
)

// lineOf is the line in the file where a key stands in a section, or the section's first.
func (s *section) lineOf(key string) int {
	if i := bytes.Index(s.data, []byte(strconv.Quote(key))); i >= 0 {
		return s.lineAt(int64(i))
	}
	return s.line + 1
}

// lineAt is the line in the file of a byte of a section.
func (s *section) lineAt(offset int64) int {
	return s.line + 1 + bytes.Count(s.data[:min(offset, int64(len(s.data)))], []byte("\n"))
}

// validJSON reports a section that is not one JSON value.
func (p *parser) validJSON(s *section) {
	var any json.RawMessage
	p.syntax(s, json.Unmarshal(s.data, &any))
}

// syntax reports an error of encoding/json at its line.
func (p *parser) syntax(s *section, err error) {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.As(err, &syntax):
		p.fail(s.lineAt(max(0, syntax.Offset-1)), definition.RuleSyntax, fmt.Sprintf("%s is not JSON: %s", s.name, strings.TrimPrefix(err.Error(), "json: ")), "")
	case errors.As(err, &typed):
		p.fail(s.lineAt(max(0, typed.Offset-1)), definition.RuleWrongType, fmt.Sprintf("%s: %s must not be a %s", s.name, typed.Field, typed.Value), "")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		p.fail(s.lineAt(int64(len(s.data))-1), definition.RuleSyntax, s.name+" is not JSON: it ends too early", "")
	default:
		p.fail(s.line+1, definition.RuleInvalidValue, fmt.Sprintf("%s: %v", s.name, err), "")
	}
}

// decode reads a section into a struct. A key that the struct has no field for is an error; more names those that are known besides.
func (p *parser) decode(s *section, into any, more []string) {
	if err := json.Unmarshal(s.data, into); err != nil {
		p.syntax(s, err)
		return
	}
	p.keys(s, s.data, reflect.TypeOf(into).Elem(), more)
}

// keys reports what a type has no field for, down to the ground. The value fits the type.
func (p *parser) keys(s *section, data []byte, t reflect.Type, more []string) {
	switch t.Kind() {
	case reflect.Pointer:
		p.keys(s, data, t.Elem(), more)
	case reflect.Slice:
		var items []json.RawMessage
		if t.Elem().Kind() != reflect.Uint8 && json.Unmarshal(data, &items) == nil {
			for _, item := range items {
				p.keys(s, item, t.Elem(), nil)
			}
		}
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(unmarshaler) {
			return
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil {
			return
		}
		fields := fieldsOf(t)
		for key, value := range members {
			if field, ok := fields[key]; ok {
				p.keys(s, value, field, nil)
			} else if !slices.Contains(more, key) {
				p.unknown(s, key, fields, more)
			}
		}
	}
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// fieldsOf are the types of a struct's fields, by their names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}

func (p *parser) unknown(s *section, key string, fields map[string]reflect.Type, more []string) {
	known := slices.Clone(more)
	for name := range fields {
		known = append(known, name)
	}
	slices.Sort(known)
	hint := meant(key, known)
	if hint == "" {
		hint = "known here: " + strings.Join(known, ", ")
	}
	p.fail(s.lineOf(key), definition.RuleUnknownKey, fmt.Sprintf("%s: there is no key %q", s.name, key), hint)
}

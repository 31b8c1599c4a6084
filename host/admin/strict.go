package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxNesting is how deep the values of a body may be in each other. No type of this API has ten levels.
const maxNesting = 64

// decodeStrict decodes one JSON value. What the type does not have is an error with a hint at what it has, and so is what stands there
// twice: encoding/json would take the last one, and what others who looked at the body took is not known.
func decodeStrict(data []byte, v any) error {
	if !utf8.Valid(data) {
		return malformed("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return jsonError(data, err, v)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed("the body has more than one JSON value")
	}
	return eachOnce(json.NewDecoder(bytes.NewReader(data)), reflect.TypeOf(v), 0)
}

// eachOnce reads one value, and refuses an object that has a key twice: also one that differs in case alone, where keys are the names of a type's
// fields, for those are one to encoding/json.
func eachOnce(d *json.Decoder, t reflect.Type, depth int) error {
	token, err := d.Token()
	if err != nil {
		return malformed("the body is not JSON: %v", err)
	}
	open, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth == maxNesting {
		return malformed("the body has values more than %d levels deep", maxNesting)
	}
	t = pointed(t)
	seen := map[string]string{}
	for d.More() {
		inner := elementOf(t)
		if open == '{' {
			token, err := d.Token()
			if err != nil {
				return malformed("the body is not JSON: %v", err)
			}
			key, _ := token.(string) // all keys are
			same := key
			if t != nil && t.Kind() == reflect.Struct {
				same = folded(key)
				inner = fieldOf(t, same)
			}
			if first, twice := seen[same]; twice {
				return malformed("the body has the key %.80q twice%s", key, also(first, key))
			}
			seen[same] = key
		}
		if err := eachOnce(d, inner, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformed("the body is not JSON: %v", err)
	}
	return nil
}

func also(first, key string) string {
	if first == key {
		return ""
	}
	return ", once as " + strconv.Quote(first) // it has the letters of key
}

// folded makes one of all texts that strings.EqualFold takes for one, as encoding/json does with the names of fields.
func folded(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// pointed is the type behind pointers.
func pointed(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// elementOf is the type of what a list or map has; nil for what has none.
func elementOf(t reflect.Type) reflect.Type {
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map) {
		return t.Elem()
	}
	return nil
}

// fieldOf is the type of the field of a struct that a folded key names; nil for none.
func fieldOf(t reflect.Type, key string) reflect.Type {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			if inner := pointed(f.Type); inner.Kind() == reflect.Struct {
				if found := fieldOf(inner, key); found != nil {
					return found
				}
			}
		}
		if name == "" {
			name = f.Name
		}
		if name != "-" && folded(name) == key {
			return f.Type
		}
	}
	return nil
}

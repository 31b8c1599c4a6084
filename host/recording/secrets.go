package recording

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
)

// minSecret is how long a secret must be to be looked for, in bytes: a shorter one is found where it is none.
const minSecret = 6

// A cover is secrets by their names, and what stands in their place.
type cover struct {
	mark    string
	secrets map[string]string
}

func (c cover) name(secret string) []byte {
	return []byte("{{secret " + secret + " " + c.mark + "}}")
}

// hide puts names in the place of values in all texts of v, a pointer.
func (c cover) hide(v any) {
	names := make([]string, 0, len(c.secrets))
	for name, value := range c.secrets {
		if len(value) >= minSecret {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	// The longest first: one may be within another.
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(c.secrets[b]), len(c.secrets[a])), cmp.Compare(a, b))
	})
	rewrite(reflect.ValueOf(v), func(text []byte) []byte {
		for _, name := range names {
			text = bytes.ReplaceAll(text, []byte(c.secrets[name]), c.name(name))
		}
		return text
	})
}

// show is the opposite of hide.
func (c cover) show(v any) {
	if c.mark == "" {
		return
	}
	rewrite(reflect.ValueOf(v), func(text []byte) []byte {
		if !bytes.Contains(text, []byte(c.mark)) {
			return text
		}
		for name, value := range c.secrets {
			text = bytes.ReplaceAll(text, c.name(name), []byte(value))
		}
		return text
	})
}

var textType = reflect.TypeFor[Text]()

// rewrite changes every Text that can be reached.
func rewrite(v reflect.Value, change func([]byte) []byte) {
	switch {
	case v.Type() == textType:
		if v.Len() > 0 {
			v.SetBytes(change(v.Bytes()))
		}
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			rewrite(v.Elem(), change)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				rewrite(f, change)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8, v.Kind() == reflect.Array:
		for i := range v.Len() {
			rewrite(v.Index(i), change)
		}
	}
}

package definition

import (
	"regexp"
	"strings"

	"github.com/postern/postern/host/document"
)

// A nameWalk goes through tree and schema side by side and checks the names that users choose: of APIs, stages,
// variables, media types. The schema library checks them too, but its errors may name another object, because they
// share a slice with the validator that made them.
type nameWalk struct {
	*report
	schema   *schema
	patterns map[string]*regexp.Regexp
}

func (w *nameWalk) walk(n *document.Node, part map[string]any, at place) {
	def := ""
	if ref, ok := part["$ref"].(string); ok {
		part, def = w.schema.at(ref)
	}
	items, _ := part["items"].(map[string]any)
	if items != nil {
		for i, item := range n.Items {
			w.walk(item, items, place{item.Pos, document.IndexPath(at.path, i)})
		}
	}
	names, _ := part["propertyNames"].(map[string]any)
	others, _ := part["additionalProperties"].(map[string]any)
	properties, _ := part["properties"].(map[string]any)
	for _, m := range n.Members {
		key := place{m.Pos, KeyPath(at.path, m.Key)}
		if names != nil && !w.name(key, m.Key, def, names) {
			continue
		}
		value, ok := properties[m.Key].(map[string]any)
		if !ok {
			value = others
		}
		if value != nil {
			w.walk(m.Value, value, place{m.Value.Pos, key.path})
		}
	}
}

// name checks one name, and reports whether its value is worth looking at.
func (w *nameWalk) name(at place, name, object string, names map[string]any) bool {
	ref, _ := names["$ref"].(string)
	part, def := w.schema.at(ref)
	text, _ := part["pattern"].(string)
	longest, limited := part["maxLength"].(float64)
	if w.patterns[text] == nil {
		w.patterns[text] = regexp.MustCompile(text) // it compiled as part of the schema
	}
	if w.patterns[text].MatchString(name) && (!limited || len(name) <= int(longest)) {
		return true
	}
	if w.refuse(at, object+"/"+name) {
		return false
	}
	e := w.add(at, RuleInvalidValue, "the name "+quote(name)+" "+expectation(part, nil))
	switch lower := strings.ToLower(name); {
	case def == "basePath" && !strings.HasPrefix(name, "/"):
		e.Hint = "write " + quote("/"+name)
	case def == "name" && KeyPath("", name) == name:
		e.Hint = "write " + quote(strings.Trim(strings.NewReplacer("_", "-", "$", "").Replace(lower), "-"))
	case def == "host" && w.patterns[text].MatchString(lower):
		e.Hint = "write " + quote(lower)
	}
	return true
}

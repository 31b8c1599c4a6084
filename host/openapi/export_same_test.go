package openapi_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/document"
)

// meaning is a snapshot without what makes no difference: places, names of templates and files, the order of routes, and what is written and
// what is meant without being written.
func meaning(t *testing.T, source fs.FS, root *document.Node) any {
	t.Helper()
	snapshot, err := definition.Build(root, nil, definition.Options{Host: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, document.YAML(root))
	}
	for _, a := range snapshot.APIs {
		slices.SortFunc(a.Routes, func(a, b *host.Route) int { return strings.Compare(a.Key, b.Key) })
		for _, r := range a.Routes {
			plainRoute(t, source, a, r)
		}
		if a.REST == nil {
			continue
		}
		for _, x := range a.Authorizers {
			for i, s := range x.IdentitySources {
				if rest, ok := strings.CutPrefix(s, "$"); ok && x.Function != "" { // both forms mean the same
					x.IdentitySources[i] = strings.Replace(rest, "request.", "method.request.", 1)
				}
			}
		}
		for _, m := range a.REST.Models {
			plainModel(t, source, m)
		}
	}
	return withoutPlaces(snapshot)
}

func plainRoute(t *testing.T, source fs.FS, a *host.API, r *host.Route) {
	t.Helper()
	plainMappings(t, source, r.Mappings)
	for i := range r.Responses {
		plainMappings(t, source, r.Responses[i].Mappings)
		if a.REST != nil && r.Responses[i].Status == 0 && r.Integration.Type == host.IntegrationFunction {
			r.Responses[i].Status = 200 // which is what a function's response has
		} else if a.REST != nil && r.Responses[i].Status == 0 {
			fmt.Sscan(r.Responses[i].Match, &r.Responses[i].Status) // what matches one status answers it
		}
	}
	if a.REST == nil {
		return
	}
	slices.SortStableFunc(r.Responses, func(a, b host.ResponseRule) int { // what matches all is tried last
		if (a.Match == "") == (b.Match == "") {
			return 0
		} else if a.Match == "" {
			return 1
		}
		return -1
	})
	r.REST.Parameters = slices.DeleteFunc(r.REST.Parameters, func(p host.MethodParameter) bool {
		return p.In == host.InPath && (strings.Contains(r.Pattern, "{"+p.Name+"}") || strings.Contains(r.Pattern, "{"+p.Name+"+}"))
	})
	if len(r.REST.Parameters) == 0 {
		r.REST.Parameters = nil
	}
}

func plainMappings(t *testing.T, source fs.FS, mappings []host.Mapping) {
	t.Helper()
	for i := range mappings {
		if tpl := mappings[i].Template; tpl != nil {
			if tpl.Ref != "" {
				tpl.Text = read(t, source, tpl.Ref)
			}
			tpl.Ref, tpl.Name = "", ""
		}
	}
}

func plainModel(t *testing.T, source fs.FS, m *host.Model) {
	t.Helper()
	if m.Ref != "" {
		m.Schema, m.Ref = json.RawMessage(read(t, source, m.Ref)), ""
	}
	var value any
	if err := json.Unmarshal(m.Schema, &value); err != nil {
		t.Fatal(err)
	}
	if object, ok := value.(map[string]any); ok {
		delete(object, "$schema") // there is one draft
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/a1b2c3/models/", "/-/models/").Replace(string(sorted))
	base := "https://apigateway.amazonaws.com/restapis/-/models/" + m.Name
	m.Schema = json.RawMessage(strings.NewReplacer(`"`+base+`"`, `"#"`, `"`+base+`#`, `"#`).Replace(text))
}

func read(t *testing.T, source fs.FS, ref string) string {
	t.Helper()
	data, err := fs.ReadFile(source, path.Clean(ref))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// withoutPlaces is the JSON of a snapshot without positions, which cmp then shows in readable lines.
func withoutPlaces(s *host.Snapshot) any {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		panic(err)
	}
	var strip func(v any) any
	strip = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				if strings.HasSuffix(key, "Pos") {
					delete(v, key)
				} else {
					v[key] = strip(inner)
				}
			}
		case []any:
			for i := range v {
				v[i] = strip(v[i])
			}
		}
		return v
	}
	return strip(value)
}

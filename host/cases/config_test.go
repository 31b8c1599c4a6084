package cases_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// TestConfigOfWorlds: what a case says as the configuration is held against the plugin's schema, at its place; what its definition says was before.
func TestConfigOfWorlds(t *testing.T) {
	src := *script(t, "index.js", "export const handler = (event, context) => context.config.limit;")
	src.ConfigSchema = []byte(`{"type": "object", "required": ["limit"], "properties": {"limit": {"type": "integer"}}}`)
	e := engine(t)
	for name, test := range map[string]struct {
		text string
		base *host.PluginConfig
		want []string
	}{
		"fits":        {text: "a\n-- world.json --\n{\"config\": {\"limit\": 5}}\n-- event.json --\n1\n-- want.json --\n5\n"},
		"a value":     {text: "a\n-- world.json --\n{\"env\": {},\n\"config\": {\n  \"limit\": \"5\"}}\n-- event.json --\n1\n", want: []string{`5: "limit" must be a whole number, not "5"`}},
		"none":        {text: "a\n-- event.json --\n1\n", want: []string{`2: config has no "limit"`}},
		"none, world": {text: "a\n-- event.json --\n1\n-- world.json --\n{}\n", want: []string{`4: config has no "limit"`}},
		"of the definition": {text: "a\n-- event.json --\n1\n-- want.json --\n7\n",
			base: &host.PluginConfig{Name: "f", Config: []byte(`{"limit": 7}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := e.Subject(t.Context(), &src, test.base)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(t.Context())
			var got []string
			for _, f := range s.Run(t.Context(), parse(t, test.text)).Failures {
				got = append(got, fmt.Sprintf("%d: %s", f.Pos.Line, f.Text))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

package definition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

const configSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false, "required": ["realm"],
  "properties": {
    "realm": {"type": "string", "minLength": 1, "examples": ["orders"]},
    "mode": {"enum": ["strict", "lax"]},
    "rounds": {"$ref": "#/$defs/count"},
    "from": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}, "uniqueItems": true},
    "endpoint": {"type": "string", "format": "uri"},
    "age": {"type": "string", "pattern": "^[0-9]+s$", "errorMessage": "must be seconds, as \"5s\""},
    "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    "secret": {"type": "string"},
    "names": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}},
    "odd key": {"type": "boolean"}
  },
  "$defs": {"count": {"type": "integer", "minimum": 1, "maximum": 10}}
}`

// TestConfig: each violation is told once, at its value.
func TestConfig(t *testing.T) {
	schema, err := definition.ParseConfigSchema([]byte(configSchema))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config string // what stands behind "config:" in the fourth line
		want   []string
	}{
		"all is well":     {" {realm: a, mode: lax, rounds: 3, from: [a, b], endpoint: \"https://a.example/x\", age: 5s, either: 1, names: {a: 1}}", nil},
		"absent":          {"-", []string{`f:3:13 f.config.realm: config has no "realm" (add realm: "orders")`}},
		"empty":           {"", []string{`f:4:5 f.config.realm: config has no "realm" (add realm: "orders")`}},
		"not an object":   {" text", []string{`f:4:13 f.config: config must be an object, not "text"`}},
		"a type":          {" {realm: 5}", []string{`f:4:21 f.config.realm: "realm" must be text, not 5 (write it in quotes: "5")`}},
		"an unknown key":  {"\n      realm: a\n      raelm: b", []string{`f:6:7 f.config.raelm: "raelm" is not a key of config (did you mean "realm"?)`}},
		"not listed":      {" {realm: a, mode: stric}", []string{`f:4:30 f.config.mode: "mode" must be one of "strict", "lax", not "stric" (did you mean "strict"?)`}},
		"a range":         {" {realm: a, rounds: 11}", []string{`f:4:32 f.config.rounds: "rounds" is not as the plugin's schema has it: maximum: got 11, want 10`}},
		"its own message": {" {realm: a, age: 5m}", []string{`f:4:29 f.config.age: "age" must be seconds, as "5s", not "5m"`}},
		"a format":        {" {realm: a, endpoint: \"::\"}", []string{`f:4:34 f.config.endpoint: "endpoint" is not as the plugin's schema has it: '::' is not valid uri: parse "::": missing protocol scheme`}},
		"no form":         {" {realm: a, either: []}", []string{`f:4:32 f.config.either: "either" is not as the plugin's schema has it: 'anyOf' failed`}},
		"a name":          {" {realm: a, names: {A: 1}}", []string{`f:4:32 f.config.names.A: "A" is not a name that a key of "names" may have`}},
		"several, in order": {"\n      rounds: many\n      from: [a, B, a]\n      odd key: 1\n      realm: a", []string{
			`f:5:15 f.config.rounds: "rounds" must be a whole number, not "many"`,
			`f:6:13 f.config.from: "from" is not as the plugin's schema has it: items at 0 and 2 are equal`,
			`f:6:17 f.config.from[1]: item 2 of "from" is not as the plugin's schema has it: 'B' does not match pattern '^[a-z]+$'`,
			`f:7:16 f.config["odd key"]: "odd key" must be true or false, not 1`}},
	} {
		t.Run(name, func(t *testing.T) {
			text := "a: 1\nf:\n    plugin: x\n    config:" + test.config + "\n"
			if test.config == "-" {
				text = "a: 1\nf:\n    plugin: x\n"
			}
			var got []string
			for _, e := range definition.ReadText("f", []byte(text)).Config(schema, "f.config", host.Position{File: "f", Line: 3, Column: 13}) {
				line := e.Pos.String() + " " + e.Path + ": " + e.Message
				if e.Hint != "" {
					line += " (" + e.Hint + ")"
				}
				got = append(got, line)
				if e.Rule != definition.RuleConfig {
					t.Errorf("the rule is %s", e.Rule)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestConfigPlaces: a path leads to the value also through keys that need quotes, lists, and aliases.
func TestConfigPlaces(t *testing.T) {
	schema, err := definition.ParseConfigSchema([]byte(`{"type": "object", "properties": {"n": {"type": "integer"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	text := definition.ReadText("f", []byte(`base: &base
  plugin: x
  config: {n: 1}
apis:
  a.b:
    filters: [./f.js, {plugin: y, config: {n: x}}]
    routes:
      GET /{id}: {request: {mapping: {application/json: {<<: *base, config: {n: y}}, text/plain: *base}}}
`))
	for path, want := range map[string]string{
		`apis["a.b"].filters[1].config`:                                              "f:6:47",
		`apis["a.b"].filters[0].config`:                                              "",
		`apis["a.b"].routes["GET /{id}"].request.mapping["application/json"].config`: "f:8:81",
		`apis["a.b"].routes["GET /{id}"].request.mapping["text/plain"].config`:       "",
	} {
		got := ""
		for _, e := range text.Config(schema, path, host.Position{File: "f", Line: 1}) {
			got += e.Pos.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestBrokenConfigSchema(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                          "it is not JSON",
		`[]`:                         "it is not an object",
		`null`:                       "it is not an object",
		`{"type": "objekt"}`:         "/type",
		`{"properties": 5}`:          "/properties",
		`{"pattern": "("}`:           "regex",
		`{"$ref": "#/$defs/nobody"}`: "nobody",
		`{"$ref": "https://schemas.example/x.json"}`:                  "it refers to https://schemas.example/x.json, and must be self-contained",
		`{"$ref": "file:///etc/passwd"}`:                              "it refers to file:///etc/passwd, and must be self-contained",
		`{"$schema": "http://json-schema.org/draft-07/schema#"}`:      "draft-07",
		`{"$id": "https://a.example/s", "$ref": "other.json"}`:        "https://a.example/other.json",
		`{"properties": {"a": {"$ref": "b.json"}}, "type": "object"}`: "b.json",
	} {
		_, err := definition.ParseConfigSchema([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{`{}`, `{"$id": "https://a.example/s", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}`} {
		if _, err := definition.ParseConfigSchema([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestConfigSchemaSteps checks a configuration against a small schema that asks for 2^40 steps.
func TestConfigSchemaSteps(t *testing.T) {
	var defs strings.Builder
	for i := range 40 {
		fmt.Fprintf(&defs, `"a%d": {"allOf": [{"$ref": "#/$defs/a%d"}, {"$ref": "#/$defs/a%[2]d"}]}, `, i, i+1)
	}
	schema, err := definition.ParseConfigSchema([]byte(`{"$ref": "#/$defs/a0", "$defs": {` + defs.String() + `"a40": {"properties": {"x": {"type": "string"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one leaves nothing behind
		errs := definition.ReadText("postern.yaml", []byte("config: {x: 1}")).Config(schema, "config", host.Position{File: "postern.yaml"})
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "250000 steps") {
			t.Errorf("got %v", errs)
		}
	}
}

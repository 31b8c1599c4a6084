package project_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

const limitSchema = `{"type": "object", "additionalProperties": false, "required": ["limit"], "properties": {"limit": {"type": "integer", "minimum": 1}}}`

// TestConfigSchemas: every reference to a plugin with a schema is checked, each at its own place, and also where the code does not build.
func TestConfigSchemas(t *testing.T) {
	files := map[string]string{
		"postern.yaml": `apis:
  a:
    filters:
      - plugin: ./plugins/count
        config: {limit: 0}
      - ./plugins/count
    authorizers:
      who:
        plugin: ./who.ts
        config:
          limit: "5"
          limits: 7
    routes:
      POST /:
        authorizer: who
        request: {mapping: {application/json: {plugin: ./who.ts, config: {limit: 3}}}}
        integration: {function: f}
functions:
  f: {plugin: ./plugins/count, config: {limit: 1}}
  free: {plugin: ./free.js, config: {any: thing}}
`,
		"plugins/count/index.js":           "export const handler = () => 1; export const filter_request = () => {};",
		"plugins/count/config.schema.json": limitSchema,
		"who.ts":                           "export const authorize = () => ({isAuthorized: true}), map_request = () => 1",
		"who.schema.json":                  limitSchema,
		"free.js":                          "export const handler = () => 1;",
	}
	dir := write(t, files)
	want := []string{"postern.yaml:5:25 config", "postern.yaml:6:9 config", "postern.yaml:11:18 config", "postern.yaml:12:11 config"}
	errs, got := problems(t, dir, options(t))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e := errs[0]; e.Path != "apis.a.filters[0].config.limit" || e.Source != "        config: {limit: 0}" {
		t.Errorf("%+v", e)
	}
	if e := errs[1]; e.Path != "apis.a.filters[1].config.limit" {
		t.Errorf("%+v", e)
	}
	put(t, dir, "who.ts", "export const = 1")
	if _, got := problems(t, dir, options(t)); len(got) != len(want)+1 || !slices.Contains(got, "postern.yaml:11:18 config") {
		t.Errorf("beside code that does not build: %v", got)
	}
	files["postern.yaml"] = strings.NewReplacer("limit: 0", "limit: 9", "- ./plugins/count", "- {plugin: ./plugins/count, config: {limit: 2}}", `"5"`, "5", "limits: 7", "").Replace(files["postern.yaml"])
	p := load(t, write(t, files), options(t))
	for _, input := range []string{"plugins/count/config.schema.json", "who.schema.json", "free.schema.json"} {
		if !slices.Contains(p.Inputs, input) {
			t.Errorf("nobody waits for %s: %v", input, p.Inputs)
		}
	}
	for _, f := range p.Snapshot.Functions {
		if has := f.Plugin.Source.ConfigSchema != nil; has != (f.Name == "f") {
			t.Errorf("%s has a schema: %v", f.Name, has)
		}
	}
}

// TestConfigSchemasAreSent: a host gets the schema of each reference with its code, and gives it back.
func TestConfigSchemasAreSent(t *testing.T) {
	p := load(t, write(t, map[string]string{
		"postern.yaml": "functions:\n  f: {plugin: ./f.ts, config: {limit: 1}}\n  g: {plugin: ./g, config: {limit: 2}}\n  h: {plugin: ./h.wasm, config: {limit: 3}}\n  i: {plugin: ./i.js}\n",
		"f.ts":         handler, "f.schema.json": limitSchema, "g/index.js": handler, "g/config.schema.json": limitSchema + "\n",
		"h.wasm": module, "h.schema.json": limitSchema, "i.js": handler + "// i",
	}), options(t))
	in, blobs := p.Input(), maps.Collect(p.Blobs())
	for ref, want := range map[string]string{"f.ts": limitSchema, "g": limitSchema + "\n", "h.wasm": limitSchema, "i.js": ""} {
		if got := string(blobs[in.Bundle.Code[ref].ConfigSchema]); got != want {
			t.Errorf("%s is sent with %q", ref, got)
		}
	}
	dir := t.TempDir()
	done, err := project.Export(t.Context(), in.Bundle, blobsOf(p), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"f.schema.json", "g/config.schema.json", "h.schema.json"} {
		if !slices.Contains(done.Files, file) {
			t.Errorf("%s is not exported: %q", file, done.Files)
		}
	}
	if diff := cmp.Diff(in, load(t, dir, options(t)).Input()); diff != "" {
		t.Errorf("exported, it loads to another input:\n%s", diff)
	}
	put(t, dir, "postern.yaml", strings.Replace(string(p.Text), "limit: 3", "limit: no", 1))
	if _, got := problems(t, dir, options(t)); len(got) != 1 || got[0] != "postern.yaml:4:41 config" {
		t.Errorf("an export is checked: %q", got)
	}
}

// TestUploadedConfigSchemas: an upload has its schema, under the names of a project's.
func TestUploadedConfigSchemas(t *testing.T) {
	for name, files := range map[string][]file{
		"a script":              {{name: "index.js", text: handler}, {name: "config.schema.json", text: limitSchema}},
		"a folder":              {{name: "fn/index.js", text: handler}, {name: "fn/config.schema.json", text: limitSchema}},
		"a module":              {{name: "a.wasm", text: module}, {name: "config.schema.json", text: limitSchema}},
		"a module in a folder":  {{name: "fn/a.wasm", text: module}, {name: "fn/config.schema.json", text: limitSchema}},
		"a module with its own": {{name: "a.wasm", text: module}, {name: "a.schema.json", text: limitSchema}, {name: "config.schema.json", text: "{}"}},
	} {
		src, err := upload(t, bytes.NewReader(archive(t, files...)), zipType, project.UploadLimits{})
		if err != nil || string(src.ConfigSchema) != limitSchema {
			t.Errorf("%s: %+v, %v", name, src, err)
		}
	}
	broken := archive(t, file{name: "a.wasm", text: module}, file{name: "config.schema.json", text: `{"type": "objekt"}`})
	if _, err := upload(t, bytes.NewReader(broken), zipType, project.UploadLimits{}); !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "./config.schema.json is no schema") {
		t.Errorf("%v", err)
	}
}

// TestBrokenConfigSchemas: a schema that is none is an error at each reference, and what leads elsewhere is not read.
func TestBrokenConfigSchemas(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type": "objekt"}`:                         "./f.schema.json is no schema of a configuration: ",
		`{"$ref": "https://schemas.example/a.json"}`: "must be self-contained",
		strings.Repeat(" ", 1<<20) + "{}":            "too large",
	} {
		dir := write(t, map[string]string{"postern.yaml": one("./f.js", "config: {a: 1}"), "f.js": "export const handler = () => 1;", "f.schema.json": schema})
		errs, got := problems(t, dir, options(t))
		if len(got) != 1 || !strings.HasPrefix(got[0], "postern.yaml:3:13 ") || !strings.Contains(errs[0].Message, want) {
			t.Errorf("%v", errs)
		}
		if _, _, err := project.LoadSource(t.Context(), dir+"/f.js", "", options(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of a file alone: %v", err)
		}
	}
}

// TestConfigOfABrokenDefinition: what is wrong with a definition by itself does not hide a configuration that is wrong.
func TestConfigOfABrokenDefinition(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": one("./f.js", "tiemout: 5s", "config: {limit: x}"), "f.js": "export const handler = () => 1;", "f.schema.json": limitSchema})
	_, got := problems(t, dir, options(t))
	if diff := cmp.Diff([]string{"postern.yaml:4:5 " + definition.RuleUnknownKey, "postern.yaml:5:21 " + definition.RuleConfig}, got); diff != "" {
		t.Error(diff)
	}
}

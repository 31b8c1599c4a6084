package catalog

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

const limitSchema = `{"type": "object", "required": ["limit"], "additionalProperties": false, "properties": {"limit": {"type": "integer", "minimum": 1}}}`

// withSchema saves a schema, and returns code that has it.
func withSchema(t *testing.T, c *Catalog, code Code, schema string) *Code {
	t.Helper()
	blob, err := c.opts.Blobs.Save(t.Context(), strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	code.ConfigSchema = blob.Digest
	return &code
}

// A function's configuration is held against the schema of its code, whether the code came with it or before.
func TestUploadIsHeldAgainstItsSchema(t *testing.T) {
	c, ctx := newCatalog(t), t.Context()
	code := withSchema(t, c, *save(t, c, script("x")), limitSchema)
	config := func(text string) *FunctionConfig {
		return &FunctionConfig{Timeout: "5s", Config: json.RawMessage(text)}
	}
	up := func(code *Code, config *FunctionConfig) error {
		_, err := c.UploadFunction(ctx, "f", Upload{Code: code, Config: config, Promote: true}, Change{})
		return err
	}
	err := up(code, nil)
	wantKind(t, err, host.Invalid, `config has no "limit"`)
	if !hasRule(err, definition.RuleConfig, "config.limit") {
		t.Errorf("%v", err)
	}
	if err := up(code, config(`{"limit": 5}`)); err != nil {
		t.Fatal(err)
	}
	for text, path := range map[string]string{`{"limit": "5"}`: "config.limit", `{"limit": 0}`: "config.limit", `{"limit": 1, "b": 2}`: "config.b", `null`: "config.limit"} {
		err := up(nil, config(text)) // as postern function config
		var errs definition.Errors
		if !errors.As(err, &errs) || len(errs) != 1 || errs[0].Rule != definition.RuleConfig || errs[0].Path != path || errs[0].Pos.File != "config" || errs[0].Source == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := up(nil, config(`{"limit": 6}`)); err != nil {
		t.Error(err)
	}
	stricter := strings.Replace(limitSchema, `"minimum": 1`, `"minimum": 7`, 1)
	wantKind(t, up(withSchema(t, c, *code, stricter), nil), host.Invalid, "limit")
	if err := up(save(t, c, script("y")), config(`5`)); err != nil {
		t.Errorf("code without a schema takes anything: %v", err)
	}

	broken := withSchema(t, c, *code, `{"type": "objekt"}`)
	wantKind(t, up(broken, nil), host.Invalid, "schema")
	broken.ConfigSchema = strings.Repeat("0", 64)
	wantKind(t, up(broken, nil), host.Invalid, "is not saved")
	broken.ConfigSchema = "x"
	wantKind(t, up(broken, nil), host.Invalid, "SHA-256")
	wantKind(t, up(withSchema(t, c, *code, `{"a": "`+strings.Repeat("a", maxSchema)+`"}`), nil), host.Invalid, "more than")
	command := FunctionConfig{ABI: host.ABIStdio}
	wasm, err := c.opts.Blobs.Save(ctx, strings.NewReader(magic))
	if err != nil {
		t.Fatal(err)
	}
	if err := up(withSchema(t, c, Code{Runtime: host.RuntimeWasm, Digest: wasm.Digest}, limitSchema), &command); err != nil {
		t.Errorf("a command has no configuration: %v", err)
	}
}

// An apply holds every use of code with a schema against it, and says where in the file it differs, as validate does.
func TestApplyIsHeldAgainstSchemas(t *testing.T) {
	c, ctx := newCatalog(t), t.Context()
	const text = `functions:
  f: {plugin: ./f.js, config: {limit: 3}}
  g: {plugin: ./f.js, config: {limit: no}}
  h: {plugin: uploaded@live}
  i: {plugin: ./free.js, config: 5}
`
	code := withSchema(t, c, *save(t, c, script("u")), limitSchema)
	if _, err := c.UploadFunction(ctx, "uploaded", Upload{Code: code, Config: &FunctionConfig{Config: json.RawMessage(`{"limit": 5}`)}, Promote: true}, Change{}); err != nil {
		t.Fatal(err)
	}
	send := func(text string) Input {
		in := inputOf(t, c, text, nil)
		in.Bundle.Code["f.js"] = *withSchema(t, c, in.Bundle.Code["f.js"], limitSchema)
		return in
	}
	_, err := c.Apply(ctx, "p", send(text), Change{})
	var errs definition.Errors
	if !errors.As(err, &errs) || len(errs) != 2 {
		t.Fatal(err)
	}
	if e := errs[0]; e.Pos.Line != 3 || e.Path != "functions.g.config.limit" || e.Rule != definition.RuleConfig || !strings.Contains(e.Source, "limit: no") {
		t.Errorf("%+v", e)
	}
	if e := errs[1]; e.Pos.Line != 4 || e.Path != "functions.h.config.limit" || e.Rule != definition.RuleConfig {
		t.Errorf("%+v", e)
	}
	right := strings.NewReplacer("limit: no", "limit: 4", "uploaded@live}", "uploaded@live, config: {limit: 1}}").Replace(text)
	in := send(right)
	apply(t, c, "p", in)
	if p := apply(t, c, "p", in); p.Changed {
		t.Errorf("the same is no change: %v", lines(p))
	}
	_, bundle, err := c.Project(ctx, "p")
	if err != nil || bundle.Code["f.js"].ConfigSchema == "" || bundle.Code["uploaded@live"].ConfigSchema != code.ConfigSchema || bundle.Code["free.js"].ConfigSchema != "" {
		t.Errorf("%+v, %v", bundle, err)
	}
	if _, err := c.Collect(ctx, -time.Hour); err != nil {
		t.Fatal(err)
	}
	if !stat(t, c, code.ConfigSchema) {
		t.Error("a schema that is named was collected")
	}

	in = send(right)
	in.Bundle.Code["f.js"] = *withSchema(t, c, in.Bundle.Code["f.js"], strings.Replace(limitSchema, "integer", "number", 1))
	wantLines(t, apply(t, c, "p", in), "update function f (version 1 -> version 2)", "  config schema "+code.ConfigSchema[:6]+" -> "+in.Bundle.Code["f.js"].ConfigSchema[:6],
		"update function g (version 1 -> version 2)", "  config schema "+code.ConfigSchema[:6]+" -> "+in.Bundle.Code["f.js"].ConfigSchema[:6])
}

// Documents from before there were schemas are read as they were.
func TestCodeWithoutASchemaIsWrittenAsBefore(t *testing.T) {
	text, err := json.Marshal(Code{Runtime: host.RuntimeWasm, Digest: "d", Size: 1})
	if err != nil || string(text) != `{"runtime":"wasm","digest":"d","size":1}` {
		t.Errorf("%s, %v", text, err)
	}
}

package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/schema"
	"github.com/postern/postern/host/mapping/tree"
)

const (
	pet = `{"$schema":"http://json-schema.org/draft-04/schema#","title":"Pet","type":"object","required":["name","kind"],"additionalProperties":false,
"properties":{"name":{"type":"string","minLength":1,"maxLength":10,"pattern":"^[A-Z]"},"kind":{"enum":["cat","dog"]},"age":{"type":"number","minimum":0,"maximum":40},
"owner":{"oneOf":[{"$ref":"https://apigateway.amazonaws.com/restapis/abc123/models/Owner"},{"type":"null"}]},
"tags":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":2,"uniqueItems":true}}}`
	owner  = `{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"pets":{"type":"array","items":{"$ref":"https://apigateway.amazonaws.com/restapis/other/models/Pet"}}}}`
	folder = `{"$ref":"#/definitions/folder","definitions":{"folder":{"type":"object","properties":{"name":{"type":"string"},"folders":{"type":"array","items":{"$ref":"#/definitions/folder"}}}}}}`
)

func models(t testing.TB) *schema.Models {
	t.Helper()
	m, err := schema.Compile(map[string][]byte{"Pet": []byte(pet), "Owner": []byte(owner), "Folder": []byte(folder), "Empty": []byte(`{}`)}, schema.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestValidate is of the rows of section 1.12 of the reference. The texts of validationErrorString are from memory [MEM]: what is held to
// here is that each keyword is told, and in which order.
func TestValidate(t *testing.T) {
	m := models(t)
	for _, test := range []struct{ model, body, want string }{
		{"Pet", `{"name":"Tom","kind":"cat"}`, ``},
		{"Pet", `{"name":"Tom","kind":"cat","owner":null}`, ``}, // oneOf with null works [REC]
		{"Pet", `{"name":"Tom","kind":"cat","owner":{"id":1,"pets":[{"name":"Rex","kind":"dog"}]}}`, ``},
		{"Pet", `{"name":"Tom","kind":"cat","owner":{"id":1,"pets":[{"name":"Rex"}]}}`, `[instance failed to match exactly one schema (matched 0 out of 2)]`},
		{"Pet", ``, `[object has missing required properties (["kind","name"])]`}, // an empty body is {} [LS]; GET without a body is refused [AST]
		{"Pet", "  \n", `[object has missing required properties (["kind","name"])]`},
		{"Pet", `[]`, `[instance type (array) does not match any allowed primitive type (allowed: ["object"])]`},
		{"Pet", `{"name":"","kind":"cow","x":1}`, `[object instance has properties which are not allowed by the schema: ["x"], instance value ("cow") not found in enum (possible values: ["cat","dog"]), ECMA 262 regex "^[A-Z]" does not match input string "", string is too short (length: 0, required minimum: 1)]`},
		{"Pet", `{"name":"Bartholomew","kind":"cat","age":-1}`, `[numeric instance is lower than the required minimum (minimum: 0, found: -1), string is too long (length: 11, maximum allowed: 10)]`},
		{"Pet", `{"name":"Tom","kind":"cat","age":40.5}`, `[numeric instance is greater than the required maximum (maximum: 40, found: 40.5)]`},
		{"Pet", `{"name":"Tom","kind":"cat","age":"1"}`, `[instance type (string) does not match any allowed primitive type (allowed: ["integer","number"])]`},
		{"Pet", `{"name":"Tom","kind":"cat","tags":[]}`, `[array is too short: must have at least 1 elements but instance has 0 elements]`},
		{"Pet", `{"name":"Tom","kind":"cat","tags":["a","b","c"]}`, `[array is too long: must have at most 2 elements but instance has 3 elements]`},
		{"Pet", `{"name":"Tom","kind":"cat","tags":["a","a"]}`, `[array must not contain duplicate elements]`},
		{"Pet", `{"name":`, `[the body is not valid JSON: line 1, column 9: the text ends where a value should be]`},
		{"Pet", `{"name":"Tom","kind":"cat","age":1e999999999}`, `[the body is not valid JSON: the number 1e999999999 is out of range]`},
		{"Folder", `{"name":"a","folders":[{"folders":[{"name":"b"}]}]}`, ``}, // circular references must work
		{"Folder", `{"name":"a","folders":[{"folders":[{"name":1}]}]}`, `[instance type (number) does not match any allowed primitive type (allowed: ["string"])]`},
		{"Empty", `[1,2]`, ``},
	} {
		err := m.Validate(test.model, []byte(test.body))
		var v *schema.Violation
		got := ""
		if errors.As(err, &v) {
			got = v.Error()
		} else if err != nil {
			t.Errorf("%s: %v", test.body, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.body, diff)
		}
		var e *host.Error
		if err != nil && (!errors.Is(err, host.Invalid) || !errors.As(err, &e) || e.Code != host.BadRequestBody) {
			t.Errorf("%s: %v is no BAD_REQUEST_BODY", test.body, err)
		}
	}
	if err := m.Validate("None", []byte(`{}`)); !errors.Is(err, host.NotFound) {
		t.Error(err)
	}
}

func TestCompileRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:            "line 1",
		`[]`:           "a model is an object",
		`{"type":"x"}`: "type",
		`{"type":1}`:   "type",
		`{"$schema":"http://json-schema.org/draft-07/schema#"}`: "draft-07",
		`{"pattern":"(?=x)"}`:           "regex",
		`{"$ref":"file:///etc/passwd"}`: "which is no model of this API",
		`{"$ref":"http://localhost/x"}`: "which is no model of this API",
		`{"$ref":"other.json"}`:         "which is no model of this API",
		`{"$ref":"https://apigateway.amazonaws.com/restapis/a/models/Nope"}`:           "which is no model of this API",
		`{"$ref":"https://apigateway.amazonaws.com.evil.example/restapis/a/models/M"}`: "which is no model of this API",
		`{"$ref":"#/definitions/nope"}`:                                                "definitions/nope",
		`{"minimum":1e999999999}`:                                                      "out of range",
		strings.Repeat(`{"not":`, 200) + `{}` + strings.Repeat(`}`, 200):               "128 levels",
		`{"enum":["` + strings.Repeat("x", 400<<10) + `"]}`:                            "409600 bytes",
	} {
		_, err := schema.Compile(map[string][]byte{"M": []byte(text)}, schema.Limits{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "model M") {
			t.Errorf("%.100s: %v, want %q", text, err, want)
		}
		if kind := host.KindOf(err); err != nil && kind != host.Invalid && kind != host.TooLarge && kind != host.Internal {
			t.Errorf("%.100s: kind %v", text, kind)
		}
	}
}

// TestWorkIsBounded has models and bodies whose validation takes 2^n steps, or never ends.
func TestWorkIsBounded(t *testing.T) {
	var chain strings.Builder
	chain.WriteString(`{"not":{"$ref":"#/definitions/d0"},"definitions":{`)
	for i := range 60 {
		fmt.Fprintf(&chain, `"d%d":{"anyOf":[{"$ref":"#/definitions/d%d"},{"$ref":"#/definitions/d%d"}]},`, i, i+1, i+1)
	}
	chain.WriteString(`"d60":{"type":"null"}}}`)
	m, err := schema.Compile(map[string][]byte{
		"Chain": []byte(chain.String()),
		"Deep":  []byte(`{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`),
		"Loop":  []byte(`{"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}}`),
	}, schema.Limits{Steps: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat(`{"a":`, 100) + "{}" + strings.Repeat(`}`, 100)
	for model, body := range map[string]string{"Chain": `{}`, "Deep": deep} {
		if err := m.Validate(model, []byte(body)); !errors.Is(err, host.TooLarge) {
			t.Errorf("%s: %v", model, err)
		}
	}
	if err := m.Validate("Loop", []byte(`{}`)); err == nil {
		t.Error("a model that refers to itself alone takes all")
	}
	if err := m.Validate("Deep", []byte(strings.Repeat(`{"a":`, 600)+"{}"+strings.Repeat(`}`, 600))); !errors.Is(err, host.TooLarge) {
		t.Errorf("600 levels: %v", err)
	}
	if err := m.Validate("Deep", []byte(`{"a":{"a":{}}}`)); err != nil {
		t.Errorf("after the others: %v", err)
	}
}

func TestTheListOfProblemsIsBounded(t *testing.T) {
	m, err := schema.Compile(map[string][]byte{"M": []byte(`{"items":{"type":"string"}}`)}, schema.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	err = m.Validate("M", []byte("["+strings.Repeat("1,", 50000)+"1]"))
	var v *schema.Violation
	if !errors.As(err, &v) || len(v.Problems) != 100 {
		t.Errorf("%.200v", err)
	}
}

func TestManyValidateAtOnce(t *testing.T) {
	m := models(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for j := range 20 {
				err := m.Validate("Pet", fmt.Appendf(nil, `{"name":"Tom","kind":"cat","age":%d}`, (i*20+j)%80))
				if (err == nil) != ((i*20+j)%80 <= 40) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func FuzzValidate(f *testing.F) {
	for _, body := range []string{``, `{}`, `{"name":"Tom","kind":"cat","owner":{"id":1,"pets":[]},"tags":["a"]}`, `{"age":1e9}`, `[null]`} {
		f.Add([]byte(pet), []byte(body))
		f.Add([]byte(folder), []byte(body))
	}
	f.Fuzz(func(t *testing.T, model, body []byte) {
		m, err := schema.Compile(map[string][]byte{"M": model, "Owner": []byte(`{"type":"object"}`)}, schema.Limits{Steps: 10000})
		if err != nil {
			return
		}
		err = m.Validate("M", body)
		if err != nil && !errors.Is(err, host.Invalid) && !errors.Is(err, host.TooLarge) {
			t.Fatal(err)
		}
		if _, decoded := tree.Decode(body, tree.Limits{}); decoded != nil && err == nil && len(bytes.TrimSpace(body)) > 0 {
			t.Fatalf("%q is no JSON, and valid", body)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	m := models(b)
	body := []byte(`{"name":"Tom","kind":"cat","age":3,"owner":{"id":1,"pets":[{"name":"Rex","kind":"dog"},{"name":"Ada","kind":"cat"}]},"tags":["a","b"]}`)
	b.Run("model", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := m.Validate("Pet", body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decoding alone", func(b *testing.B) {
		for b.Loop() {
			var v any
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package document_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// show writes a tree with the place of each value.
func show(n *document.Node) string {
	var b strings.Builder
	var walk func(n *document.Node)
	walk = func(n *document.Node) {
		fmt.Fprintf(&b, "%d:%d", n.Pos.Line, n.Pos.Column)
		switch n.Shape {
		case document.List:
			b.WriteString("[")
			for _, item := range n.Items {
				b.WriteString(" ")
				walk(item)
			}
			b.WriteString(" ]")
		case document.Object:
			b.WriteString("{")
			for _, m := range n.Members {
				fmt.Fprintf(&b, " %d:%d %s=", m.Pos.Line, m.Pos.Column, m.Key)
				walk(m.Value)
			}
			b.WriteString(" }")
		default:
			fmt.Fprintf(&b, " %s %#v", n.Shape, n.Scalar)
		}
	}
	walk(n)
	return b.String()
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"yaml":         {"a.yaml", "a: 1\nb: [x, true]\n", `1:1{ 1:1 a=1:4 a whole number 1 2:1 b=2:4[ 2:5 text "x" 2:8 true or false true ] }`},
		"json":         {"a.json", "{\"a\": 1,\n \"b\": [\"x\", true, null]}", `1:1{ 1:2 a=1:7 a whole number 1 2:2 b=2:7[ 2:8 text "x" 2:13 true or false true 2:19 empty <nil> ] }`},
		"json in yaml": {"a.yaml", "\n {\"a\"\t:\t-1.5e3}", `2:2{ 2:3 a=2:9 a number -1500 }`},
		"tabs":         {"a", "{\n\t\"a\":\t1,\r\n\t\"b\": {}\n}", `1:1{ 2:2 a=2:7 a whole number 1 3:2 b=3:7{ } }`},
		"characters":   {"a.json", `{"ä€😀": "ü", "b": 1}`, `1:1{ 1:2 ä€😀=1:9 text "ü" 1:14 b=1:19 a whole number 1 }`},
		"escapes":      {"a.json", `["\/\"\u00e4\ud83d\ude00\t", "a:,b"]`, "1:1[ 1:2 text \"/\\\"ä😀\\t\" 1:30 text \"a:,b\" ]"},
		"half a pair":  {"a.json", `["\ud83d"]`, "1:1[ 1:2 text \"\uFFFD\" ]"},
		"numbers":      {"a.json", `[0, -0, 9223372036854775807, 18446744073709551615, 18446744073709551616, 1.0]`, `1:1[ 1:2 a whole number 0 1:5 a whole number 0 1:9 a whole number 9223372036854775807 1:30 a whole number 0xffffffffffffffff 1:52 a number 1.8446744073709552e+19 1:74 a number 1 ]`},
		"mark":         {"a.json", "\ufeff{}", `1:1{ }`},
		"scalar":       {"a.json", `"x"`, `1:1 text "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := document.Parse(c.file, []byte(c.text), document.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, show(n)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n.Pos.File != c.file {
				t.Errorf("the file is %q", n.Pos.File)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	small := document.Limits{Bytes: 200, Nodes: 10, Depth: 4}
	for name, c := range map[string]struct{ file, text, want string }{
		"empty":          {"a.json", " \n", "a.json:1:1: the file is empty (required)"},
		"empty yaml":     {"a.yaml", "# nothing\n", "a.yaml:1:1: the file is empty (required)"},
		"twice":          {"a.json", "{\"a\": 1,\n  \"b\": 2,\n  \"a\": 3}", `a.json:3:3: "a" is already set in line 1 (duplicate-key); remove one of them`},
		"cut":            {"a.json", "{\"a\": [1,\n2", "a.json:2:2: the document ends too early (syntax); a text, list or object is not closed"},
		"no comma":       {"a.json", "{\"a\": 1\n  \"b\": 2}", "a.json:2:3: not JSON: invalid character '\"' after object key:value pair (syntax)"},
		"trailing comma": {"a.json", "[1,]", "a.json:1:4: not JSON: invalid character ']' looking for beginning of value (syntax)"},
		"wrong bracket":  {"a.json", "[1}", "a.json:1:3: not JSON: invalid character '}' after array element (syntax)"},
		"second value":   {"a.json", "{}\n{}", "a.json:2:1: this does not belong after the value (syntax); a document of JSON has one value"},
		"yaml in json":   {"a.json", "a: 1", "a.json:1:1: not JSON: invalid character 'a' looking for beginning of value (syntax)"},
		"large number":   {"a.json", `{"a": 1e999}`, `a.json:1:7: "1e999" is larger than any number (invalid-value)`},
		"bad word":       {"a.json", "[1,\n trux]", "a.json:2:5: not JSON: invalid character 'x' in literal true (expecting 'e') (syntax)"},
		"bad escape":     {"a.json", `["a\x"]`, "a.json:1:5: not JSON: invalid character 'x' in string escape code (syntax)"},
		"octets":         {"a.json", "{\"a\":\n \"\xff\"}", "a.json:2:3: this byte is not text (syntax); save the file as UTF-8"},
		"bytes":          {"a.json", `"` + strings.Repeat("x", 200) + `"`, "a.json:1:1: the file has more than 200 bytes (too-large)"},
		"deep":           {"a.json", "[[[[\n[]]]]]", "a.json:2:1: values are nested more than 4 deep (too-large)"},
		"deep yaml":      {"a.yaml", "[[[[\n[a]]]]]", "a.yaml:2:1: values are nested more than 4 deep (too-large)"},
		"line ends":      {"a.yaml", "# one\r\na: 1 # two\r\n# three\r\nb: |\r\n  x\r\n\r\na: 2\r\n", `a.yaml:7:1: "a" is already set in line 2 (duplicate-key); remove one of them`},
		"many":           {"a.json", "[1,1,1,1,1,1,1,1,1,\n1]", "a.json:2:1: the file has more than 10 values (too-large)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := document.Parse(c.file, []byte(c.text), small)
			var errs document.Errors
			if !errors.As(err, &errs) || !errors.Is(err, host.Invalid) {
				t.Fatalf("Parse = %v, want Errors of Kind Invalid", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestManyErrors checks that a document with too many errors gives no tree, and says how many are left out.
func TestManyErrors(t *testing.T) {
	n, err := document.Parse("a.json", []byte("{"+strings.Repeat(`"a":1,`, 999)+`"a":1}`), document.Limits{})
	var errs document.Errors
	if !errors.As(err, &errs) || len(errs) != document.MaxErrors+1 || n != nil || errs[document.MaxErrors].Message != "and 799 more errors from here" {
		t.Errorf("Parse = %v, %d errors", n, len(errs))
	}
}

func TestNode(t *testing.T) {
	n, err := document.Parse("a.yaml", []byte("a: {b: [1, x]}\n"), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Get("a").Get("b").Items[1].Scalar; got != "x" {
		t.Errorf("a.b[1] = %v", got)
	}
	if n.Get("c").Get("d") != nil || n.Get("a").Get("b").Member("c") != nil {
		t.Error("what is not there was found")
	}
	if m := n.Get("a").Member("b"); m.Pos.Column != 5 || m.Value.Pos.Column != 8 {
		t.Errorf("b stands at %v and %v", m.Pos, m.Value.Pos)
	}
	if diff := cmp.Diff(map[string]any{"a": map[string]any{"b": []any{int64(1), "x"}}}, n.Plain()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// large is an OpenAPI document with so many operations.
func large(operations int) []byte {
	paths := map[string]any{}
	for i := range operations {
		responses := map[string]any{}
		for _, status := range []string{"200", "400", "404", "500"} {
			properties := map[string]any{}
			for p := range 12 {
				properties[fmt.Sprintf("property%d", p)] = map[string]any{"type": "string", "description": strings.Repeat("what it is ", 6), "maxLength": 80}
			}
			responses[status] = map[string]any{"description": "an answer", "content": map[string]any{"application/json": map[string]any{
				"schema": map[string]any{"type": "object", "properties": properties}}}}
		}
		paths[fmt.Sprintf("/things/%d/{id}", i)] = map[string]any{"get": map[string]any{"operationId": fmt.Sprintf("get%d", i), "responses": responses}}
	}
	data, err := json.MarshalIndent(map[string]any{"openapi": "3.0.1", "paths": paths}, "", "  ")
	if err != nil {
		panic(err)
	}
	return data
}

// TestLarge reads a document as large as Amazon takes them (6 MB), with default limits.
func TestLarge(t *testing.T) {
	data := large(500)
	n, err := document.Parse("shop.json", data, document.Limits{Bytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(n.Get("paths").Members); got != 500 {
		t.Errorf("%d paths of %d bytes", got, len(data))
	}
}

func BenchmarkParse(b *testing.B) {
	data := large(500)
	for name, data := range map[string][]byte{"shop.json": data, "shop.yaml": append([]byte("# YAML\n"), data...)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := document.Parse(name, data, document.Limits{Bytes: 16 << 20, Tokens: 10_000_000, Nodes: 1_000_000}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzParse checks that any bytes give a tree with places or Errors, and that JSON has the values that encoding/json finds in it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a": [1, -2.5e3, "\ud83d\ude00\/", null, true]}`, "a: &x {b: 1}\nc: *x\n", "[1,]", "{\"a\":1,\"a\":2}", "\ufeff[]", "- - a\n", "[\"\xff\"]"} {
		f.Add("a.json", []byte(seed))
		f.Add("a.yaml", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		n, err := document.Parse(name, data, document.Limits{})
		if err != nil {
			var errs document.Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("Parse = %v", err)
			}
			for _, e := range errs {
				if e.Pos.Line < 1 || e.Pos.Column < 1 || e.Message == "" || e.Rule == "" {
					t.Errorf("incomplete: %+v", e)
				}
			}
			return
		}
		if n == nil {
			t.Fatal("neither a tree nor an error")
		}
		if s := show(n); strings.Contains(s, "0:") && strings.HasPrefix(s, "0:") {
			t.Errorf("a value without a place: %s", s)
		}
		var want any
		if strings.HasSuffix(name, ".json") && json.Unmarshal(data, &want) == nil && !reflect.DeepEqual(want, floats(n.Plain())) {
			t.Errorf("%v, want %v", n.Plain(), want)
		}
	})
}

// floats makes every number what encoding/json makes of it.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}

package document_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/document"
)

// short says what a few tags of CloudFormation stand for.
func short(tag string) (string, bool) {
	keys := map[string]string{"!Ref": "Ref", "!Sub": "Fn::Sub", "!Join": "Fn::Join", "!GetAtt": "Fn::GetAtt", "!If": "Fn::If", "!Transform": "Fn::Transform"}
	key, ok := keys[tag]
	return key, ok
}

func TestTags(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"scalar":         {"a: !Ref x\nb: 1\n", `{"a": {"Ref": string "x", }, "b": int64 1, }`},
		"quoted":         {`a: !Sub "${x}: y" # why`, `{"a": {"Fn::Sub": string "${x}: y", }, }`},
		"block":          {"a: !Sub |\n  x\n   y\nb: 1\n", `{"a": {"Fn::Sub": string "x\n y\n", }, "b": int64 1, }`},
		"folded":         {"a: !Sub >-\n  x\n  y\n", `{"a": {"Fn::Sub": string "x y", }, }`},
		"dotted":         {"a: !GetAtt b.Arn", `{"a": {"Fn::GetAtt": string "b.Arn", }, }`},
		"colons":         {"a: !Ref AWS::Region", `{"a": {"Ref": string "AWS::Region", }, }`},
		"list":           {"a: !Sub\n  - ${x}\n  - x: !Ref y\n    z: 1\nb: 2", `{"a": {"Fn::Sub": [string "${x}", {"x": {"Ref": string "y", }, "z": int64 1, }, ], }, "b": int64 2, }`},
		"list at key":    {"a: !Join\n- ''\n- [b, !Ref c]\nb: 2", `{"a": {"Fn::Join": [string "", [string "b", {"Ref": string "c", }, ], ], }, "b": int64 2, }`},
		"comment":        {"a: !Join # why\n  - ''\n  - []\n", `{"a": {"Fn::Join": [string "", [], ], }, }`},
		"flow":           {"a: !If [c, !Ref x, {k: !Sub y}]", `{"a": {"Fn::If": [string "c", {"Ref": string "x", }, {"k": {"Fn::Sub": string "y", }, }, ], }, }`},
		"object":         {"a: !Transform\n  Name: x\n  Parameters:\n    Location: !Ref y\nb: 1", `{"a": {"Fn::Transform": {"Name": string "x", "Parameters": {"Location": {"Ref": string "y", }, }, }, }, "b": int64 1, }`},
		"flow object":    {"a: !Transform {Name: x}", `{"a": {"Fn::Transform": {"Name": string "x", }, }, }`},
		"items":          {"- !Ref a\n- !If\n  - c\n  - k: v\n    l: !Ref q\n  - !Ref z\n- - !Ref b\n", `[{"Ref": string "a", }, {"Fn::If": [string "c", {"k": string "v", "l": {"Ref": string "q", }, }, {"Ref": string "z", }, ], }, [{"Ref": string "b", }, ], ]`},
		"next line":      {"a:\n  !Sub x\nb: !Sub\n  y\n", `{"a": {"Fn::Sub": string "x", }, "b": {"Fn::Sub": string "y", }, }`},
		"within":         {"a: !Sub\n  Fn::If: [x]\n", `{"a": {"Fn::Sub": {"Fn::If": [string "x", ], }, }, }`},
		"anchor":         {"a: &x !Ref y\nb: *x\nc: !Ref &z w\nd: *z", `{"a": {"Ref": string "y", }, "b": {"Ref": string "y", }, "c": {"Ref": string "w", }, "d": string "w", }`},
		"number":         {"a: !Ref 12", `{"a": {"Ref": string "12", }, }`},
		"nothing at end": {"a: !Ref", `{"a": {"Ref": <nil> <nil>, }, }`},
		"root":           {"!Ref x", `{"Ref": string "x", }`},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := document.ParseTagged("a.yaml", []byte(c.text), document.Limits{}, short)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, values(n)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTagPlaces(t *testing.T) {
	n, err := document.ParseTagged("a.yaml", []byte("a: !Ref x\nb:\n  - !Join\n    - c\n"), document.Limits{}, short)
	if err != nil {
		t.Fatal(err)
	}
	want := `1:1{ 1:1 a=1:4{ 1:4 Ref=1:9 text "x" } 2:1 b=3:3[ 3:5{ 3:5 Fn::Join=4:5[ 4:7 text "c" ] } ] }`
	if diff := cmp.Diff(want, show(n)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTagErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown":            {"a: 1\nb: !Foo x\nc: !Bar [y]", "a.yaml:2:4: the tag \"!Foo\" is not known here (unsupported)\na.yaml:3:4: the tag \"!Bar\" is not known here (unsupported)"},
		"standard":           {"a: !!str 1", `a.yaml:1:4: the tag "!!str" is not known here (unsupported)`},
		"verbatim":           {"a: !<tag:yaml.org,2002:str> 1", `a.yaml:1:4: the tag "!<tag:yaml.org,2002:str>" is not known here (unsupported)`},
		"none":               {"a: ! x", `a.yaml:1:4: the tag "!" is not known here (unsupported)`},
		"no value":           {"a: !Ref\nb: 1", `a.yaml:1:4: the tag "!Ref" has no value (syntax); indent its value further than what it stands in`},
		"no value deep":      {"x:\n  a: !Ref\ny: 1", `a.yaml:2:6: the tag "!Ref" has no value (syntax); indent its value further than what it stands in`},
		"no value in a list": {"- !Ref\n- 1", `a.yaml:1:3: the tag "!Ref" has no value (syntax); indent its value further than what it stands in`},
		"two":                {"a: !Ref\n  !Sub x", "a.yaml:2:3: a value has one tag, and this is a second (syntax)"},
		"two and an anchor":  {"a: !Ref &x\n  !Sub y", "a.yaml:2:3: a value has one tag, and this is a second (syntax)"},
		"key":                {"!Ref a: b", "a.yaml:1:1: a key must be text before a colon (syntax)"},
		"nothing in a list":  {"a: [!Ref, x]", "a.yaml:1:9: a value is missing before this, or this cannot be one (syntax)"},
		"deep":               {"a: " + strings.Repeat("!If [", 70) + strings.Repeat("]", 70), "a.yaml:1:323: values are nested more than 64 deep (too-large)"},
		"deeper with tags":   {"a: " + strings.Repeat("!If [", 40) + strings.Repeat("]", 40), "a.yaml:1:43: aliases expand to more than 200000 values, or nest more than 64 deep (too-large)"},
		"many tags":          {"a: " + strings.Repeat("!Ref\n ", 100_000), "a.yaml:2:2: a value has one tag, and this is a second (syntax)"},
		"many tags, anchors": {"a: " + strings.Repeat("!Ref &a\n ", 50_000), "a.yaml:2:2: a value has one tag, and this is a second (syntax)"},
		"aliases":            {"a: &a !Ref x\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: !If [*f,*f,*f,*f,*f,*f]", "a.yaml:7:8: aliases expand to more than 200000 values, or nest more than 64 deep (too-large)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := document.ParseTagged("a.yaml", []byte(c.text), document.Limits{}, short)
			var errs document.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("ParseTagged = %v", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := document.Parse("a.yaml", []byte("a: !Ref x"), document.Limits{}); err == nil || err.Error() != `a.yaml:1:4: YAML tags such as "!Ref" are not supported (unsupported); remove it` {
		t.Errorf("Parse = %v", err)
	}
	if _, err := document.Parse("a.yaml", []byte("a: !x"), document.Limits{}); err == nil {
		t.Error("a tag at the end is passed over")
	}
}

// TestAliasesOfText checks that a long text cannot be multiplied: whoever writes the tree would write gigabytes.
func TestAliasesOfText(t *testing.T) {
	data := "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a, ", 1000) + "]\n"
	_, err := document.Parse("a.yaml", []byte(data), document.Limits{})
	if err == nil || err.Error() != "a.yaml:2:4: aliases expand to more than 16777216 bytes (too-large)" {
		t.Errorf("Parse = %v", err)
	}
}

// placed checks that every value has a place.
func placed(t *testing.T, n *document.Node) {
	t.Helper()
	if n.Pos.Line < 1 || n.Pos.Column < 1 {
		t.Errorf("a value without a place: %+v", n)
	}
	for _, item := range n.Items {
		placed(t, item)
	}
	for _, m := range n.Members {
		placed(t, m.Value)
	}
}

// FuzzTags checks that any bytes with tags give a tree with places or Errors.
func FuzzTags(f *testing.F) {
	for _, seed := range []string{"a: !Ref x", "- !If\n  - c\n  - !Sub |\n    x\n", "!Ref\n!Ref", "a: !Ref\nb: 1", "a: [!Ref, !Sub x]", "a: !Ref &x !Sub y", "!Ref a: b", "{!Ref : x}", "? !Ref x\n: y", "a: !Ref *x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := document.ParseTagged("a.yaml", data, document.Limits{}, short)
		var errs document.Errors
		switch {
		case err == nil && n == nil:
			t.Fatal("neither a tree nor an error")
		case err == nil:
			placed(t, n)
			roundTrip(t, n)
		case !errors.As(err, &errs):
			t.Errorf("%T: %v", err, err)
		}
	})
}

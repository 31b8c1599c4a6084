package document_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/document"
)

// values writes a tree without places: shapes, scalars and the order of members.
func values(n *document.Node) string {
	var b strings.Builder
	var walk func(n *document.Node)
	walk = func(n *document.Node) {
		switch n.Shape {
		case document.List:
			b.WriteString("[")
			for _, item := range n.Items {
				walk(item)
				b.WriteString(", ")
			}
			b.WriteString("]")
		case document.Object:
			b.WriteString("{")
			for _, m := range n.Members {
				fmt.Fprintf(&b, "%q: ", m.Key)
				walk(m.Value)
				b.WriteString(", ")
			}
			b.WriteString("}")
		default:
			fmt.Fprintf(&b, "%T %#v", n.Scalar, n.Scalar)
		}
	}
	walk(n)
	return b.String()
}

// roundTrip checks that what is written of a tree is read as the tree.
func roundTrip(t *testing.T, n *document.Node) {
	t.Helper()
	limits := document.Limits{Bytes: 64 << 20, Tokens: 10_000_000, Nodes: 2_000_000, Depth: 200, Keys: 1_000_000}
	want := values(n)
	for name, data := range map[string][]byte{"a.json": document.JSON(n), "a.yaml": document.YAML(n)} {
		got, err := document.Parse(name, data, limits)
		if err != nil {
			t.Errorf("%s is not read: %v\n%s", name, err, data)
			continue
		}
		if diff := cmp.Diff(want, values(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s\n%q", name, diff, data, data)
		}
	}
}

func text(s string) *document.Node {
	return &document.Node{Shape: document.Text, Scalar: s, Text: s}
}

var nasty = []string{
	"", " ", "  ", "a", "a b", " a", "a ", "\t", "a\t", "\ta", "true", "True", "no", "on", "off", "y", "N", "null", "~", "Null", "0", "1", "-1", "+1", "1e3", "1E+3", "0x1F", "0o17",
	"017", "0b1", "1_000", "1.", ".5", "-.5", "1.5", ".inf", "-.Inf", ".nan", ".NaN", "nan", "inf", "2026-11-23", "2026-11-23T07:00:00Z", "12:30", "190:20:30", "1.2.3.4", "1,000",
	"a: b", "a:b", "a:", ":a", ": a", ":", "a #b", "a#b", "#a", "# a", "-", "- a", "-a", "--", "---", "--- a", "...", "... a", "?", "? a", "?a", "!a", "!!str a", "&a", "*a", "*", "|", ">", "|-",
	"@a", "`a", "%a", "%YAML 1.2", "=", "<<", "<", "a, b", ",", "[", "]", "{", "}", "{a}", "[a]", "a{b}", "{a: b}", "'", "''", "'a'", "it's", `"`, `"a"`, `a"b`, `\`, `\\`, `\n`, `2\d\d`, `a\`, `"\`, `'\`,
	"GET /x/{id}", "GET /x/{proxy+}", "$default", "${stageVariables.a}", "./a.js", "../a", "/a", "https://a.example.com/b?c=d#e", "$input.json('$')", "#set($a = 1)", "(a|b)", "^a$", ".*", "a\\.b", "100 %",
	"a\nb", "a\nb\n", "a\nb\n\n", "a\nb\n\n\n", "\n", "\n\n", "\na", "a\n", "a\n\nb", " a\nb", "  a\n b\n", "\ta\nb", "a\n\tb", "a\n b", "a\n  b\nc", "a \nb", "a\n ", "a\n \n", "a\n \nb", "\n a", "\n\n  a\nb\n", " \na",
	"a\r\nb", "a\rb", "#a\n#b", "- a\n- b", "a: b\nc: d", "---\na", "...\na", "{\n  \"a\": 1\n}", "#set($a = 1)\n{\n  \"x\": $a\n}\n", "  #if(true)\n{}\n  #end\n", "%a\n%b", "'\n'", "\"\n\"", "a\n#b", "a\n: b", "|\n|",
	"\x00", "\x01", "\x1b[0m", "\x7f", "\u0080", "\u0085", "a\u0085b\nc", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufeffa", "a\ufeff\nb", "\ufffd", "\ufffe", "ä", "ü\nö", "日本", "😀", "😀\n😀", "\U000e0001", "e\u0301", "\u0301", "\u200b", "\u3000", "\u202e", "١", "１",
	strings.Repeat("long ", 40), strings.Repeat("x", 300), strings.Repeat("x", 3000), strings.Repeat("ab\n", 100), strings.Repeat("a, ", 30), "x" + strings.Repeat(" ", 200) + "x", "\\u0041", "a\\\nb",
}

// TestEncodeText writes each of the nasty texts in each place where text can stand, between others.
func TestEncodeText(t *testing.T) {
	for _, s := range nasty {
		t.Run(fmt.Sprintf("%.30q", s), func(t *testing.T) {
			roundTrip(t, text(s))
			list := &document.Node{Shape: document.List, Items: []*document.Node{text(s), text("x"), text(s)}}
			object := &document.Node{Shape: document.Object, Members: []document.Member{{Key: "first", Value: text(s)}, {Key: "k" + s, Value: text("x")}, {Key: s, Value: text(s)}, {Key: "z", Value: text("end")}}}
			both := &document.Node{Shape: document.Object, Members: []document.Member{{Key: "o", Value: object}, {Key: "l", Value: list}, {Key: "z", Value: text("end")}}}
			deep := &document.Node{Shape: document.List, Items: []*document.Node{list, object, both, {Shape: document.List, Items: []*document.Node{list, text(s)}}, text("end")}}
			for _, n := range []*document.Node{list, object, both, deep} {
				roundTrip(t, n)
			}
		})
	}
}

func TestEncodeNumbers(t *testing.T) {
	n, err := document.Parse("a.json", []byte(`[0, -0, 1, -1, 9223372036854775807, -9223372036854775808, 18446744073709551615, 18446744073709551616, 1.0, 1.50, -0.0, 1e3, 1E+3, 1.5e-7, 1e300, 5e-324, 0.1, 123456789.125, true, false, null, {}, [], [[]], [{}], {"a": {}}, {"a": []}]`), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, n)
	for _, item := range n.Items {
		roundTrip(t, item)
	}
	if got := string(document.JSON(n)); !strings.Contains(got, "\n  1.50,\n") || !strings.Contains(got, "\n  1E+3,\n") {
		t.Errorf("numbers are not as they were written: %s", got)
	}
	n, err = document.Parse("a.yaml", []byte("[0x1F, 0o17, 1_000, .5, +1, +1.5, 1., 0b11, 017]"), document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, n)
}

// FuzzEncode checks that any document is written such that it is read as the same.
func FuzzEncode(f *testing.F) {
	f.Add("a.json", []byte(`{"a": [1, -2.5e3, "\ud83d\ude00\/", null, true], "b": {"c": {"d": []}}}`))
	f.Add("a.yaml", []byte("a: &x {b: 1}\nc: *x\nd: |+\n  x\n\n"))
	for _, s := range nasty {
		n := &document.Node{Shape: document.Object, Members: []document.Member{{Key: "a", Value: text(s)}, {Key: "b", Value: &document.Node{Shape: document.List, Items: []*document.Node{text(s), text(s)}}}}}
		f.Add("a.json", document.JSON(n))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		n, err := document.Parse(name, data, document.Limits{})
		if err != nil || n == nil {
			return
		}
		roundTrip(t, n)
	})
}

package vtl

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

// A notebook is an Object that can be written to.
type notebook struct{ pages map[string]any }

func (n *notebook) Get(name string) (any, bool) { v, ok := n.pages[name]; return v, ok }

func (n *notebook) Set(name string, v any) (bool, error) {
	switch name {
	case "locked":
		return false, nil
	case "torn":
		return false, errors.New("the page is torn")
	}
	n.pages[name] = v
	return true, nil
}

func (n *notebook) Call(_ context.Context, name string, args []any) (any, bool, error) {
	switch {
	case name == "read" && len(args) == 1:
		return n.pages[args[0].(string)], true, nil
	case name == "count" && len(args) == 0:
		return len(n.pages), true, nil
	case name == "burn":
		return nil, true, errors.New("it is wet")
	}
	return nil, false, nil
}

func (n *notebook) String() string { return "a notebook" }

func TestObjects(t *testing.T) {
	book := &notebook{pages: map[string]any{"a": "one", "m": &tree.Map{}}}
	template := `$b.a ${b.a} $b["a"] $b.get("a") $b.read("a") [$b.nothing] [$b.nothing()] [$b.get("x")] $b.count() ` +
		`#set($b.c = "two")$b.c #set($b["d"] = [3])$b.d $b.put("e", 4)$b.e #set($b.locked = 1)|[$b.locked] |#set($b.m.x = "deep")$b.m.x $b` +
		`#if($b == $b) same#end`
	want := `one one one one one [] [] [] 2two[3] 4|[] |deep a notebook same`
	got, err := execute(t, template, Variables{"b": book}, Limits{})
	if err != nil || got != want {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
	if _, err := execute(t, `$b.burn()`, Variables{"b": book}, Limits{}); err == nil {
		t.Error("the host's error did not end the run")
	}
	if x, _ := book.pages["m"].(*tree.Map).Get("x"); x != "deep" {
		t.Error(book.pages)
	}
}

// A shelf is an Object that is a map.
type shelf struct{ books *tree.Map }

func (s shelf) Get(name string) (any, bool)                          { return s.books.Get("b:" + name) }
func (shelf) Call(context.Context, string, []any) (any, bool, error) { return nil, false, nil }
func (s shelf) Map() *tree.Map                                       { return s.books }

func TestViewers(t *testing.T) {
	books := decode(t, `{"b:one": 1, "b:two": [2]}`)
	template := `$s.one $s.keySet() $s.size() #foreach($v in $s)$v,#end #foreach($e in $s.entrySet())$e.key#end $s #set($m = {})$m.putAll($s)$m`
	want := `1 [b:one, b:two] 2 1,[2], b:oneb:two {b:one=1, b:two=[2]}{b:one=1, b:two=[2]}`
	got, err := execute(t, template, Variables{"s": shelf{books.(*tree.Map)}}, Limits{})
	if err != nil || got != want {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
}

// An error of a Setter has the place where the template sets.
func TestSetterFails(t *testing.T) {
	for template, column := range map[string]int{`#set($b.torn = 1)`: 9, `#set($b["torn"] = 1)`: 8, `xx$b.put("torn", 1)`: 6} {
		_, err := execute(t, template, Variables{"b": &notebook{pages: map[string]any{}}}, Limits{})
		var e *host.Error
		if !errors.As(err, &e) || e.Pos.Line != 1 || e.Pos.Column != column {
			t.Errorf("%s: %v, want column %d", template, err, column)
		}
	}
	book := &notebook{pages: map[string]any{}}
	if got, err := execute(t, `#define($d)a#end#set($b.x = $d)$b.x`, Variables{"b": book}, Limits{}); err != nil || got != "a" || book.pages["x"] != "a" {
		t.Error(got, err, book.pages)
	}
}

// Reference 1.5, $util.
func TestEscaper(t *testing.T) {
	for template, want := range map[string]string{
		`$util.escapeJavaScript("it's ""q"" \ / é ` + "\t" + `")`:            `it\'s \"q\" \\ \/ \u00E9 \t`,
		`$util.escapeJavaScript("it's").replaceAll("\\'", "'")`:              `it's`,
		`$util.escapeJavaScript("😀")`:                                        `\uD83D\uDE00`,
		`$util.escapeJavaScript($m)`:                                         `{a=1}`,
		`$util.parseJson('{"a": [1, {"b": "c"}]}').a[1].b`:                   `c`,
		`$util.parseJson('5').intValue()`:                                    `5`,
		`$util.urlEncode("a b&c=é/~*-._")`:                                   `a+b%26c%3D%C3%A9%2F%7E*-._`,
		`$util.urlDecode("a+b%26c%3D%C3%A9%ff|")`:                            "a b&c=é\uFFFD|",
		`$util.base64Encode("Hello é")`:                                      `SGVsbG8gw6k=`,
		`$util.base64Decode("SGVsbG8gw6k=")`:                                 `Hello é`,
		`$util.base64Decode("SGVs bG8gw6k")$util.base64Decode("_-8=")`:       "Hello é\uFFFD\uFFFD",
		`[$util.nothing("a")][$util.urlEncode()][$util.urlEncode($missing)]`: `[][][]`,
		`#define($d)a b#end$util.urlEncode($d)`:                              `a+b`,
	} {
		got, err := execute(t, template, Variables{"util": Escaper{}, "m": decode(t, `{"a": 1}`)}, Limits{})
		if err != nil || got != want {
			t.Errorf("%s\ngot  %q, %v\nwant %q", template, got, err, want)
		}
	}
}

// What Java's regular expressions have and regexp2 has otherwise, or not at all.
func TestJavaRegexps(t *testing.T) {
	for _, c := range []struct{ s, pattern, replacement, want string }{
		{"aab", "a++b", "x", "x"}, {"aaa", "a*+a", "x", "aaa"}, {"abab", "(?:ab){2}+", "x", "x"}, {"aa", "(a|b)?+a", "x", "x"},
		{"٣3", `\d`, "x", "٣x"}, {"é_e", `\w`, "x", "éxx"}, {"a\u00a0b c", `\s`, "x", "a\u00a0bxc"},
		{"a\u2028b\n", ".", "x", "x\u2028x\n"}, {"a\nb\r\n", "$", "x", "a\nbx\r\nx"}, {"a.b", `\Qa.b\E`, "x", "x"},
		{"aB", `\p{javaLowerCase}`, "x", ""}, {"ab", "[a-c&&b]", "x", ""}, {"ab", "[a[b]]", "x", ""}, {"a", "(?x) a", "x", ""},
		{"a", "{", "x", ""}, {"a", "a{x}", "x", ""}, {"a", "a)", "x", ""}, {"a", "[]", "x", ""}, {"a]", "[]a]", "x", "xx"}, {"l", "(?)l", "x", "x"}, {"a{b}", `\{b}`, "x", "ax"},
		{"héé", `[\W]+`, "x", "hx"}, {"a1!", `[^\p{Alnum}]`, "x", "a1x"}, {"a\tb", `[\h]`, "x", "axb"}, {"a\r\nb", `\R`, "x", "axb"},
		{"ab", "(?<first>a)(b)", "$2$1", "ba"}, {"x", `\0101`, "x", ""}, {"ab", `a\z|b\z`, "x", "ax"}, {"Aa", "(?i:a)a", "x", "x"},
	} {
		tmpl, err := Parse("t", `$s.replaceAll($p, $r)`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Execute(context.Background(), Variables{"s": c.s, "p": c.pattern, "r": c.replacement}, Limits{Regexp: 1 << 34})
		if (err != nil) != (c.want == "") || got != c.want {
			t.Errorf("%q %s: %q, %v, want %q", c.s, c.pattern, got, err, c.want)
		}
	}
}

func TestKeysThatAreNoStrings(t *testing.T) {
	got, err := execute(t, `#set($m = {1: "i", true: "b", 2.5: "d", "1": "s"})$m.get(1)$m.get(true)$m.get(2.5)$m.get("1") $m.keySet()#foreach($k in $m.keySet()) #set($x = $k + 1)$x#end`,
		nil, Limits{})
	if diff := cmp.Diff(`ibds [1, true, 2.5, 1]223.511`, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestText(t *testing.T) {
	list := &tree.List{Items: []any{int32(1), nil, "a", 2.0}}
	if s, err := Text(list); err != nil || s != "[1, null, a, 2.0]" {
		t.Error(s, err)
	}
	list.Items[0] = &tree.List{Items: []any{list}}
	if _, err := Text(list); err == nil {
		t.Error("a list that holds itself has a text")
	}
}

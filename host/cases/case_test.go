package cases_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cases"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/spec"
)

// Each mistake is told with its line, its rule, and what was probably meant.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string][]string{
		"":            {"a.txtar:1: the case has no sections (required)"},
		"# a comment": {"no sections"},
		"-- want.jsn --\n{}\n-- event.json --\n{}\n":                                                                               {"a.txtar:1: there is no section want.jsn (unknown-key); did you mean want.json?"},
		"-- nonsense --\n-- event.json --\n{}\n":                                                                                   {"known are: call.json"},
		"-- event.json --\n{}\n-- event.json --\n{}\n":                                                                             {"a.txtar:3: the section event.json is there twice"},
		"-- event.json --\n{}\n-- 3/event.json --\n{}\n":                                                                           {"none with the number 2"},
		"-- 2/event.json --\n{}\n":                                                                                                 {"the case has no first call"},
		"-- event.json --\n{}\n-- x/event.json --\n{}\n":                                                                           {"no number of a call before its slash"},
		"-- event.json --\n{}\n-- 02/event.json --\n{}\n":                                                                          {"no number of a call before its slash"},
		"-- event.json --\n{}\n-- 2/world.json --\n{}\n":                                                                           {"one world for all calls"},
		"-- event.json --\n{}\n-- 2/call.json --\n{\"isolation\":\"fresh\"}\n":                                                     {"the same for all calls"},
		"-- event.json --\n{\n\"a\": x}\n":                                                                                         {"a.txtar:3: event.json is not JSON"},
		"-- event.json --\n{\n":                                                                                                    {"event.json is not JSON"},
		"-- call.json --\n{\"entry\": \"handel\"}\n":                                                                               {"a.txtar:2: entry \"handel\"", "did you mean handle?"},
		"-- call.json --\n{\n\"isolation\": \"none\"}\n":                                                                           {"a.txtar:3: isolation \"none\""},
		"-- call.json --\n{\"repeat\": -1}\n":                                                                                      {"repeat must be"},
		"-- call.json --\n{\"after\": \"soon\"}\n":                                                                                 {"no duration"},
		"-- call.json --\n{\"repeat\": \"x\"}\n":                                                                                   {"repeat must not be a string"},
		"-- call.json --\n{\"function\": {\"nme\": \"x\"}}\n":                                                                      {"did you mean name?"},
		"-- world.json --\n{\"limits\": {\"fuell\": 3}}\n-- body --\n":                                                             {"did you mean \"fuel\"?"},
		"-- world.json --\n{\"env\": {\"a b\": \"c\"}}\n-- body --\n":                                                              {"a.txtar:2: world.json: "},
		"-- world.json --\n{\"random\": \"hex:0\"}\n-- body --\n":                                                                  {"bytes in hexadecimal"},
		"-- world.json --\n{\"fetches\": [{\"request\": {\"url\": \"http://x\"}}]}\n-- body --\n":                                  {"neither a response nor an error"},
		"-- world.json --\n{\"fetches\": [{\"request\": {}, \"error\": \"denied\"}]}\n-- body --\n":                                {"no request.url"},
		"-- world.json --\n{\"fetches\": [{\"request\": {\"url\": \"http://x\"}, \"error\": \"lost\"}]}\n-- body --\n":             {"none of denied, failed, timeout"},
		"-- world.json --\n{\"fetches\": [{\"request\": {\"url\": \"u\", \"haeders\": {}}, \"error\": \"denied\"}]}\n-- body --\n": {"did you mean headers?"},
		"-- want.error --\n/(/\n":                                                                                                  {"a.txtar:2: want.error: "},
		"-- want.error --\nx\n-- want.json --\n{}\n":                                                                               {"exclude each other"},
		"-- want.body --\nx\n-- want.body.json --\n{}\n":                                                                           {"exclude each other"},
		"-- body --\nx\n-- body.base64 --\neA==\n":                                                                                 {"exclude each other"},
		"-- want.body.base64 --\n!\n":                                                                                              {"base64"},
		"-- want.effects.json --\n[{\"do\": \"fetsch\"}]\n":                                                                        {"did you mean fetch?"},
		"-- want.effects.json --\n[{\"do\": \"fetch\", \"ulr\": \"x\"}]\n":                                                         {"did you mean url?"},
		"-- call.json --\n{\"bodyTimes\": 100000000}\n-- body --\nabcdef\n":                                                        {"the body is over 64 MiB"},
	} {
		_, err := cases.Parse("a.txtar", []byte(text))
		var errs definition.Errors
		if !errors.As(err, &errs) || !errors.Is(err, host.Invalid) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: got %v; want %q", text, err, part)
			}
		}
	}
}

// FuzzParse reads anything without a panic.
func FuzzParse(f *testing.F) {
	files, err := fs.Glob(spec.Conformance, "conformance/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := spec.Conformance.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 4096 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := cases.Parse("a.txtar", text); (c == nil) == (err == nil) {
			t.Errorf("%v, %v", c, err)
		}
	})
}

const doer = `export async function handle(event, context) {
	switch (event.rawPath) {
	case "/fetch":
		try { return await (await fetch("https://a.example/x", { method: "PUT", headers: { "x-a": "1" }, body: "b" })).text(); } catch (e) { return "failed"; }
	case "/random": return [...crypto.getRandomValues(new Uint8Array(4))];
	case "/time": { const before = Date.now(); await new Promise((done) => setTimeout(done, 60000)); return Date.now() - before; }
	case "/throw": throw new TypeError("no");
	case "/secret": return context.secrets.X ?? null;
	}
	return { statusCode: 200, headers: { "X-A": "b" }, body: "text", extra: [1, { a: 2 }] };
}`

// ask runs a case on the script above and returns what did not come.
func ask(t *testing.T, s *cases.Subject, text string) []string {
	t.Helper()
	r := s.Run(t.Context(), parse(t, text))
	if r.NotOffered != "" {
		t.Fatal(r.NotOffered)
	}
	list := []string{}
	for _, f := range r.Failures {
		list = append(list, fmt.Sprintf("%d %s: %s", f.Pos.Line, f.Section, f.Text))
	}
	return list
}

func TestFailures(t *testing.T) {
	s := subject(t, engine(t), script(t, "a.js", doer))
	event := func(path string) string { return "-- event.json --\n{\"rawPath\": \"" + path + "\"}\n" }
	record := `{"fetches": [{"request": {"method": "put", "url": "https://a.example/x", "headers": {"X-A": "1"}, "body": "b"}, "response": {"body": "yes"}}]}` + "\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"passes", event("/") + "-- want.json --\n{\"headers\": {\"x-a\": \"b\"}, \"extra\": [1, {}]}\n-- want.body --\ntext\n", nil},
		{"meta", event("/") + "-- want.json --\n{\"statusCode\": 200.0, \"extra\": [1, {\"a\": 3}], \"more\": null}\n",
			[]string{"3 want.json: extra[1].a\nwant  3\ngot   2", "3 want.json: more\nwant  null\ngot   nothing"}},
		{"list", event("/") + "-- want.json --\n{\"extra\": [1]}\n", []string{"3 want.json: extra\nwant  [1]\ngot   [1,{\"a\":2}]"}},
		{"body", event("/") + "-- want.body --\nother\n", []string{"3 want.body: want  \"other\"\ngot   \"text\""}},
		{"body JSON", event("/") + "-- want.body.json --\n1\n", []string{"3 want.body.json: want  1\ngot   what is not JSON (invalid character 'e' in literal true (expecting 'r')): text"}},
		{"no error", event("/") + "-- want.error --\ntrap\n", []string{"3 want.error: want  the error trap\ngot   no error, but {\"extra\":[1,{\"a\":2}],\"headers\":{\"X-A\":\"b\"},\"statusCode\":200} text"}},
		{"error", event("/throw") + "-- want.error --\nTypeError\n", nil},
		{"error by expression", event("/throw") + "-- want.error --\n/^TypeError: n.$/\n", nil},
		{"fetch", event("/fetch") + "-- world.json --\n" + record + "-- want.json --\n\"yes\"\n-- want.effects.json --\n[{\"do\": \"fetch\", \"url\": \"https://a.example/x\"}]\n", nil},
		{"fetch unknown", event("/fetch"), []string{"1 want.effects.json: it fetched PUT https://a.example/x, which world.json has no record of"}},
		{"fetch unlike", event("/fetch") + "-- world.json --\n" + strings.Replace(record, `"b"}`, `"c"}`, 1), []string{
			`1 want.effects.json: it fetched PUT https://a.example/x, and world.json's record has the body "c", not "b"`,
			"4 world.json: it did not fetch PUT https://a.example/x, which world.json has as fetch 1"}},
		{"fetch not made", event("/") + "-- world.json --\n" + record, []string{"4 world.json: it did not fetch PUT https://a.example/x, which world.json has as fetch 1"}},
		{"effects", event("/fetch") + "-- world.json --\n" + record + "-- want.effects.json --\n[]\n",
			[]string{"5 want.effects.json: [0]\nwant  nothing more\ngot   {\"body\":\"b\",\"do\":\"fetch\",\"method\":\"PUT\",\"url\":\"https://a.example/x\"}"}},
		{"time", event("/time") + "-- want.json --\n60000\n", nil},
		{"secrets of the world alone", event("/secret") + "-- want.json --\nnull\n", nil},
		{"random bytes", event("/random") + "-- world.json --\n{\"random\": \"hex:0102\"}\n-- want.json --\n[1, 2, 1, 2]\n", nil},
	}
	for _, test := range tests {
		want := test.want
		if want == nil {
			want = []string{}
		}
		if diff := cmp.Diff(want, ask(t, s, test.text)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	if got := ask(t, s, event("/throw")); len(got) != 1 || !strings.Contains(got[0], "the call failed: TypeError: no\n") || !strings.Contains(got[0], "a.js:7") {
		t.Errorf("a call that fails: %q", got)
	}
}

// The same world gives the same bytes, another seed gives others.
func TestSeed(t *testing.T) {
	s := subject(t, engine(t), script(t, "a.js", doer))
	bytes := func(world string) string {
		r := s.Run(t.Context(), parse(t, "-- event.json --\n{\"rawPath\": \"/random\"}\n-- world.json --\n"+world+"\n"))
		if !r.Passed() {
			t.Fatal(r.Failures)
		}
		return string(r.Calls[0].Meta)
	}
	if a, b, c := bytes(`{}`), bytes(`{"random": "postern"}`), bytes(`{"random": "x"}`); a != b || a == c {
		t.Errorf("got %s, %s, %s", a, b, c)
	}
}

// What came is written into the wants that are there, in their places, and then passes.
func TestUpdate(t *testing.T) {
	s := subject(t, engine(t), script(t, "a.js", doer))
	before := "A comment.\n\n-- event.json --\n{\"rawPath\": \"/\"}\n-- want.json --\n{\"statusCode\": 404, \"extra\": [1]}\n-- 2/event.json --\n{\"rawPath\": \"/throw\"}\n-- 2/want.json --\n{}\n" +
		"-- 3/event.json --\n{\"rawPath\": \"/\"}\n-- 3/want.error --\ntrap\n-- 4/event.json --\n{\"rawPath\": \"/\"}\n-- 4/want.body --\nwrong\n-- 5/event.json --\n{\"rawPath\": \"/throw\"}\n-- 5/want.error --\n/no/\n"
	after := "A comment.\n\n-- event.json --\n{\"rawPath\": \"/\"}\n-- want.json --\n{\"extra\":[1,{\"a\":2}],\"statusCode\":200}\n-- want.body --\ntext\n-- 2/event.json --\n{\"rawPath\": \"/throw\"}\n-- 2/want.error --\nTypeError\n" +
		"-- 3/event.json --\n{\"rawPath\": \"/\"}\n-- 3/want.json --\n{\n  \"extra\": [\n    1,\n    {\n      \"a\": 2\n    }\n  ],\n  \"headers\": {\n    \"X-A\": \"b\"\n  },\n  \"statusCode\": 200\n}\n-- 3/want.body --\ntext\n" +
		"-- 4/event.json --\n{\"rawPath\": \"/\"}\n-- 4/want.body --\ntext\n-- 5/event.json --\n{\"rawPath\": \"/throw\"}\n-- 5/want.error --\n/no/\n"
	got := s.Run(t.Context(), parse(t, before)).Update()
	if diff := cmp.Diff(after, string(got)); diff != "" {
		t.Fatal(diff)
	}
	again := s.Run(t.Context(), parse(t, string(got)))
	if !again.Passed() {
		t.Errorf("it does not pass then: %+v", again.Failures)
	}
	if string(again.Update()) != after {
		t.Error("a second update changes it")
	}
}

// A call that is repeated is compared each time, and a plugin has what its definition gives it.
func TestRepeat(t *testing.T) {
	src := script(t, "a.js", `let n = 0; export const handle = (event, { config }) => ++n + config.from;`)
	e := engine(t)
	s, err := e.Subject(t.Context(), src, &host.PluginConfig{Name: "counter", Isolation: host.IsolationPooled, Config: []byte(`{"from": 10}`)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	got := ask(t, s, "-- call.json --\n{\"repeat\": 3}\n-- event.json --\n{\"a\": 1}\n-- want.json --\n11\n")
	if !slices.Equal(got, []string{"5 want.json: want  11\ngot   12\n(in repetition 2)"}) {
		t.Errorf("got %q", got)
	}
	if got := ask(t, s, "-- call.json --\n{\"repeat\": 3, \"isolation\": \"fresh\"}\n-- event.json --\n{\"a\": 1}\n-- world.json --\n{\"config\": {\"from\": 1}}\n-- want.json --\n2\n"); len(got) > 0 {
		t.Errorf("fresh: %q", got)
	}
}

package jsonpath_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/postern/postern/host/mapping/jsonpath"
	"github.com/postern/postern/host/mapping/tree"
)

const differences = "testdata/rfc9535/differences.txt"

type complianceCase struct {
	Name     string
	Selector string
	Document json.RawMessage
	Result   json.RawMessage
	Results  []json.RawMessage
	Invalid  bool `json:"invalid_selector"`
}

// nodes answers as the RFC does: always a list, and a definite path that is missing is an empty one.
func nodes(path string, document []byte) string {
	p, err := jsonpath.Compile(path)
	if err != nil {
		return "invalid"
	}
	if document == nil {
		return "valid"
	}
	answer, err := ask(path, string(document))
	switch value, ok := strings.CutPrefix(answer, "= "); {
	case answer == "missing":
		return "[]"
	case !ok:
		return "error " + err.Error()
	case p.Definite():
		return "[" + value + "]"
	default:
		return value
	}
}

// expected lists what the RFC allows; the first is told in the list of differences.
func (c complianceCase) expected(t *testing.T) []string {
	t.Helper()
	if c.Invalid {
		return []string{"invalid"}
	}
	results := c.Results
	if results == nil {
		results = []json.RawMessage{c.Result}
	}
	var all []string
	for _, result := range results {
		v, err := tree.Decode(result, tree.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(tree.Append(nil, v)))
	}
	return all
}

func complianceCases(t *testing.T) []complianceCase {
	t.Helper()
	data, err := os.ReadFile("testdata/rfc9535/cts.json")
	if err != nil {
		t.Fatal(err)
	}
	var suite struct{ Tests []complianceCase }
	if err := json.Unmarshal(data, &suite); err != nil {
		t.Fatal(err)
	}
	if len(suite.Tests) < 600 {
		t.Fatalf("only %d cases", len(suite.Tests))
	}
	return suite.Tests
}

// TestRFC9535 runs the compliance cases. Those in the list of differences must differ as it says, all others must agree.
func TestRFC9535(t *testing.T) {
	listed := map[string]bool{}
	if data, err := os.ReadFile(differences); err == nil {
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
				listed[line] = true
			}
		}
	}
	var b strings.Builder
	cases := complianceCases(t)
	agree := 0
	for _, c := range cases {
		got := nodes(c.Selector, c.Document)
		want := c.expected(t)
		same := false
		for _, one := range want {
			same = same || normal("= "+one) == normal("= "+got)
		}
		if same {
			agree++
			continue
		}
		line := fmt.Sprintf("%s | %q | RFC: %s | here: %s", c.Name, c.Selector, want[0], got)
		b.WriteString(line + "\n")
		if !listed[line] && !*update {
			t.Errorf("not in %s: %s", differences, line)
		}
		delete(listed, line)
	}
	t.Logf("%d of %d cases agree", agree, len(cases))
	if *update {
		head := "# The cases in which Jayway's dialect is another than RFC 9535: name | path | what the RFC says | what is given here\n"
		if err := os.WriteFile(differences, []byte(head+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for line := range listed {
		t.Errorf("listed, and no difference: %s", line)
	}
}

// TestRFC9535AsTheLibrary asks Jayway's own library the compliance cases, on demand: it has to differ from the RFC as we do.
func TestRFC9535AsTheLibrary(t *testing.T) {
	if *jayway == "" {
		t.Skip("no -jayway")
	}
	var all []question
	for _, c := range complianceCases(t) {
		if c.Invalid {
			c.Document = json.RawMessage("{}")
		}
		doc, err := tree.Decode(c.Document, tree.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.ContainsAny(c.Selector, "\r\n") {
			all = append(all, question{path: c.Selector, document: string(tree.Append(nil, doc))})
		}
	}
	// Where we differ from the library: spaces before a path, and a \u without four digits, which we refuse when compiling.
	known := map[string]bool{" $": true, `$["\u"]`: true, `$["\u123"]`: true, `$["\u+1234"]`: true, `$["\uD800\uDC0"]`: true}
	for i, answer := range library(t, all) {
		if got, err := ask(all[i].path, all[i].document); normal(got) != normal(answer) && !known[all[i].path] {
			t.Errorf("%q on %.100s: the library gives %s, here %s (%v)", all[i].path, all[i].document, answer, got, err)
		}
	}
}

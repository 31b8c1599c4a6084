package jsonpath_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/postern/postern/host/mapping/jsonpath"
	"github.com/postern/postern/host/mapping/tree"
)

// jayway is where the real library is: a class path with json-path 2.9.0 and what it needs (`mvn dependency:copy-dependencies`).
var jayway = flag.String("jayway", "", "class path of Jayway's JsonPath, to test against the library itself")

var update = flag.Bool("update", false, "with -jayway, write what the library gives into testdata/corpus.txt")

// A question is a line "path" of the corpus, with the answer of the library, and ours where it is another.
type question struct {
	path, document string
	want           string
	ours, why      string
}

const corpus = "testdata/corpus.txt"

// questions reads the corpus: "document JSON", then "path PATH", the library's answer ("= JSON", "missing" or "error"), and where we differ
// "differs ANSWER: reason".
func questions(t *testing.T) []question {
	t.Helper()
	data, err := os.ReadFile(corpus)
	if err != nil {
		t.Fatal(err)
	}
	var all []question
	document := ""
	for n, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "document":
			document = rest
		case "path":
			all = append(all, question{path: rest, document: document})
		case "=", "missing", "error":
			all[len(all)-1].want = line
		case "differs":
			q := &all[len(all)-1]
			at := strings.LastIndex(rest, ": ")
			if at < 0 {
				t.Fatalf("line %d: a difference needs a reason", n+1)
			}
			q.ours, q.why = rest[:at], rest[at+2:]
		case "#", "":
		default:
			t.Fatalf("line %d: %q", n+1, line)
		}
	}
	return all
}

// ask answers as testdata/Read.java does.
func ask(path, document string) (string, error) {
	doc, err := tree.Decode([]byte(document), tree.Limits{})
	if err != nil {
		return "", err
	}
	p, err := jsonpath.Compile(path)
	if err != nil {
		return "error", err
	}
	v, err := p.Read(doc, jsonpath.Limits{})
	switch {
	case errors.Is(err, jsonpath.ErrMissing):
		return "missing", err
	case err != nil:
		return "error", err
	}
	return "= " + string(tree.Append(nil, v)), nil
}

// normal makes answers comparable: Java writes numbers in other ways.
func normal(answer string) string {
	text, ok := strings.CutPrefix(answer, "= ")
	if !ok {
		return answer
	}
	v, err := tree.Decode([]byte(text), tree.Limits{})
	if err != nil {
		return answer
	}
	return "= " + string(tree.Append(nil, floats(v)))
}

func floats(v any) any {
	switch v := v.(type) {
	case tree.Decimal:
		return v.Float64()
	case *tree.List:
		for i, item := range v.Items {
			v.Items[i] = floats(item)
		}
	case *tree.Map:
		for key, value := range v.All() {
			v.Put(key, floats(value))
		}
	}
	return v
}

func TestCorpus(t *testing.T) {
	all := questions(t)
	if *jayway != "" {
		answers := library(t, all)
		for i := range all {
			if !*update && normal(all[i].want) != normal(answers[i]) {
				t.Errorf("%s on %.200s: the library gives %s, the corpus has %s", all[i].path, all[i].document, answers[i], all[i].want)
			}
			all[i].want = answers[i]
		}
		if *update {
			write(t, all)
		}
	}
	if len(all) < 200 {
		t.Errorf("only %d questions", len(all))
	}
	for _, q := range all {
		got, err := ask(q.path, q.document)
		want := q.want
		if q.why != "" {
			want = q.ours
		}
		if normal(got) != normal(want) {
			t.Errorf("%s on %.100s\n got %s (%v)\nwant %s", q.path, q.document, got, err, want)
		}
		if q.why != "" && normal(q.want) == normal(got) {
			t.Errorf("%s on %.100s is listed as a difference, and is none", q.path, q.document)
		}
	}
}

// library asks Jayway's JsonPath.
func library(t *testing.T, all []question) []string {
	t.Helper()
	var in bytes.Buffer
	for _, q := range all {
		fmt.Fprintf(&in, "%s\n%s\n", q.path, q.document)
	}
	cmd := exec.CommandContext(t.Context(), "java", "-cp", *jayway, "testdata/Read.java")
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java: %v\n%s", err, stderr.Bytes())
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(all) {
		t.Fatalf("%d answers to %d questions", len(answers), len(all))
	}
	return answers
}

func write(t *testing.T, all []question) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# What Jayway's JsonPath 2.9.0 gives. Written by: go test -run TestCorpus -jayway CLASSPATH -update\n")
	document := ""
	for _, q := range all {
		if q.document != document {
			document = q.document
			fmt.Fprintf(&b, "\ndocument %s\n", document)
		}
		fmt.Fprintf(&b, "path %s\n%s\n", q.path, q.want)
		if q.why != "" {
			fmt.Fprintf(&b, "differs %s: %s\n", q.ours, q.why)
		}
	}
	if err := os.WriteFile(corpus, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

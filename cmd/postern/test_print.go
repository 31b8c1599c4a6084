package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/postern/postern/host/cases"
)

// The words for what became of a case.
const (
	casePassed     = "passed"
	caseFailed     = "failed"
	caseNotOffered = "not offered"
)

// A testReport is what the command prints as JSON.
type testReport struct {
	Passed     int        `json:"passed"`
	Failed     int        `json:"failed"`
	NotOffered int        `json:"notOffered"`
	Cases      []testCase `json:"cases"`
}

type testCase struct {
	Plugin   string        `json:"plugin"`
	File     string        `json:"file"`
	Name     string        `json:"name"`
	Result   string        `json:"result"`
	Updated  bool          `json:"updated,omitempty"`
	Reason   string        `json:"reason,omitempty"` // why it is not offered
	Failures []testFailure `json:"failures,omitempty"`
	Calls    []testCall    `json:"calls,omitempty"` // with -v
}

type testFailure struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Section string `json:"section,omitempty"`
	Message string `json:"message"`
}

type testCall struct {
	Entry   string          `json:"entry"`
	Meta    json.RawMessage `json:"meta,omitempty"`
	Body    string          `json:"body,omitempty"`
	Error   string          `json:"error,omitempty"`
	Log     []string        `json:"log,omitempty"`
	Effects json.RawMessage `json:"effects,omitempty"`
	Fuel    int64           `json:"fuel,omitempty"`
}

// tell takes a result into the report, and prints it where that is for people.
func (t *tester) tell(report *testReport, s *testSubject, r *cases.Result, updated bool) {
	c := testCase{Plugin: s.name, File: r.Case.File, Name: r.Case.Name, Result: casePassed, Updated: updated, Reason: r.NotOffered}
	for _, f := range r.Failures {
		c.Failures = append(c.Failures, testFailure{f.Pos.File, f.Pos.Line, f.Section, f.Text})
	}
	switch {
	case r.NotOffered != "" && t.conformance:
		c.Result = caseNotOffered
		report.NotOffered++
	case !r.Passed():
		c.Result = caseFailed
		report.Failed++
		if r.NotOffered != "" {
			c.Failures = append(c.Failures, testFailure{File: r.Case.File, Line: 1, Message: r.NotOffered})
		}
	default:
		report.Passed++
	}
	if t.verbose {
		for i := range r.Calls {
			c.Calls = append(c.Calls, shownCall(&r.Calls[i]))
		}
	}
	report.Cases = append(report.Cases, c)
	if t.format == formatText && !t.conformance {
		t.print(&c)
	}
}

func shownCall(seen *cases.Seen) testCall {
	call := testCall{Entry: seen.Entry, Body: string(seen.Body), Log: seen.Logs, Effects: seen.Effects, Fuel: seen.Stats.Fuel}
	if json.Valid(seen.Meta) {
		call.Meta = seen.Meta
	}
	if seen.Err != nil {
		call.Error = seen.Err.Error()
	}
	return call
}

// print tells one case.
func (t *tester) print(c *testCase) {
	p := t.std.colors(t.std.out)
	label := p.green("ok    ")
	switch {
	case c.Result == caseFailed:
		label = p.red("FAIL  ")
	case c.Updated:
		label = p.yellow("wrote ")
	}
	fmt.Fprintf(t.std.out, "%s%s  %s\n", label, c.File, p.dim(printableLines(c.Name)))
	for _, f := range c.Failures {
		where := fmt.Sprintf("%s:%d", f.File, f.Line)
		if f.Section != "" {
			where += " " + f.Section
		}
		fmt.Fprintf(t.std.out, "  %s\n%s", p.bold(where), indentLines(f.Message, "    "))
	}
	for i := range c.Calls {
		t.printCall(&c.Calls[i])
	}
}

// printCall tells what a call did.
func (t *tester) printCall(c *testCall) {
	part := func(name, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" && text != "[]" {
			fmt.Fprintf(t.std.out, "    %-8s%s", name, strings.TrimPrefix(indentLines(text, "            "), "            "))
		}
	}
	fmt.Fprintf(t.std.out, "  %s\n", c.Entry)
	part("meta", string(c.Meta))
	part("body", c.Body)
	part("error", c.Error)
	part("log", strings.Join(c.Log, "\n"))
	part("effects", string(c.Effects))
	if c.Fuel > 0 {
		part("fuel", fmt.Sprint(c.Fuel))
	}
}

func indentLines(text, by string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(printableLines(text), "\n"), "\n") {
		b.WriteString(strings.TrimRight(by+line, " ") + "\n")
	}
	return b.String()
}

// finish prints the report, or its end.
func (t *tester) finish(report *testReport) error {
	if t.format == formatJSON {
		return printJSON(t.std.out, report)
	}
	if t.conformance {
		if err := t.printTable(report); err != nil {
			return err
		}
	}
	parts := []string{count(report.Passed, "case") + " passed"}
	if report.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", report.Failed))
	}
	if report.NotOffered > 0 {
		parts = append(parts, fmt.Sprintf("%d not offered", report.NotOffered))
	}
	if t.conformance && report.Failed > 0 && report.Failed >= report.Passed {
		defer fmt.Fprintln(t.std.err, "  --conformance wants a conformance guest, which does what spec/conformance/README.md says, as those in sdk/*/conformance do;\n"+
			"  other plugins have cases of their own, which postern test PATH runs")
	}
	_, err := fmt.Fprintln(t.std.err, strings.Join(parts, ", "))
	return err
}

// printTable tells which of the conformance cases a guest passes, and then why it does not pass others.
func (t *tester) printTable(report *testReport) error {
	table := tabwriter.NewWriter(t.std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CASE\tRESULT\tREASON")
	for i := range report.Cases {
		c := &report.Cases[i]
		reason := c.Reason
		if c.Result == caseFailed && len(c.Failures) > 0 {
			reason, _, _ = strings.Cut(strings.ReplaceAll(c.Failures[0].Message, "\n", " "), "\t")
			reason = strings.Join(strings.Fields(reason), " ")
			if len(reason) > 80 {
				reason = strings.ToValidUTF8(reason[:80], "") + "…"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", strings.TrimPrefix(caseName(c.File), "conformance/"), c.Result, strings.Join(cells([]string{reason}), ""))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i := range report.Cases {
		if c := &report.Cases[i]; c.Result == caseFailed || t.verbose {
			t.print(c)
		}
	}
	return nil
}

package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
)

// A Verdict says how what a document asks for is served.
type Verdict string

// The verdicts, from the best to the worst.
const (
	Supported   Verdict = "supported"   // as API Gateway does it
	Different   Verdict = "different"   // it runs, and differs in what is said
	Unsupported Verdict = "unsupported" // it does not run
)

// rank orders verdicts.
func (v Verdict) rank() int { return slices.Index([]Verdict{Supported, Different, Unsupported}, v) }

// A Finding is one thing about a document that its owner must know.
type Finding struct {
	Verdict Verdict
	Subject string        // what it is about, in a word or two: "caching", "API keys"
	Message string        // what is different, or why it does not run, and what to do
	Pos     host.Position // in the document
}

// String returns "file:line:column: verdict: subject: message".
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s: %s", f.Pos, f.Verdict, f.Subject, f.Message)
}

// MarshalJSON writes verdict, subject, message, file, line and column on one level.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Verdict Verdict `json:"verdict"`
		Subject string  `json:"subject"`
		Message string  `json:"message"`
		File    string  `json:"file"`
		Line    int     `json:"line"`
		Column  int     `json:"column"`
	}{f.Verdict, f.Subject, f.Message, f.Pos.File, f.Pos.Line, f.Pos.Column})
}

// An Operation is a method of a path, or the default route.
type Operation struct {
	Key      string        // as a route key: "GET /orders/{id}"
	Pos      host.Position // of its method in the document
	LeftOut  bool          // the API does not have it: it could not run, or not with the checks that it asks for
	Findings []Finding     // in the order of the document
}

// Verdict is the worst of the findings'.
func (o *Operation) Verdict() Verdict { return worst(o.Findings) }

// A Report says of a document how much of it is served, and how.
type Report struct {
	API        string       // the name of the API
	Findings   []Finding    // about the API as a whole
	Operations []*Operation // in the order of the document
}

// Verdict is the worst of all.
func (r *Report) Verdict() Verdict {
	v := worst(r.Findings)
	for _, o := range r.Operations {
		if w := o.Verdict(); w.rank() > v.rank() {
			v = w
		}
	}
	return v
}

func worst(findings []Finding) Verdict {
	v := Supported
	for _, f := range findings {
		if f.Verdict.rank() > v.rank() {
			v = f.Verdict
		}
	}
	return v
}

// Count returns how many operations have a verdict.
func (r *Report) Count(v Verdict) (n int) {
	for _, o := range r.Operations {
		if o.Verdict() == v {
			n++
		}
	}
	return n
}

// sort puts findings into the order of the document, where they were found in the order in which it is read.
func (r *Report) sort() {
	all := [][]Finding{r.Findings}
	for _, o := range r.Operations {
		all = append(all, o.Findings)
	}
	for _, findings := range all {
		slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Or(a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column) })
	}
}

// unsupported returns what does not run as errors in their places.
func (r *Report) unsupported() document.Errors {
	var errs document.Errors
	add := func(path string, findings []Finding) {
		for _, f := range findings {
			if f.Verdict == Unsupported {
				errs = append(errs, &document.Error{Pos: f.Pos, Path: path, Rule: document.RuleUnsupported, Message: f.Subject + ": " + f.Message})
			}
		}
	}
	add("", r.Findings)
	for _, o := range r.Operations {
		add(o.Key, o.Findings)
	}
	return errs
}

// MarshalJSON writes api, verdict, findings, and operations with key, verdict, leftOut, file, line, column and findings.
func (r *Report) MarshalJSON() ([]byte, error) {
	type operation struct {
		Key      string    `json:"key"`
		Verdict  Verdict   `json:"verdict"`
		LeftOut  bool      `json:"leftOut"`
		File     string    `json:"file"`
		Line     int       `json:"line"`
		Column   int       `json:"column"`
		Findings []Finding `json:"findings"`
	}
	operations := make([]operation, 0, len(r.Operations))
	for _, o := range r.Operations {
		operations = append(operations, operation{o.Key, o.Verdict(), o.LeftOut, o.Pos.File, o.Pos.Line, o.Pos.Column, append([]Finding{}, o.Findings...)})
	}
	return json.Marshal(struct {
		API        string      `json:"api"`
		Verdict    Verdict     `json:"verdict"`
		Findings   []Finding   `json:"findings"`
		Operations []operation `json:"operations"`
	}{r.API, r.Verdict(), append([]Finding{}, r.Findings...), operations})
}

// WriteText writes the report for people: a line for each operation, below it what is to be known of it, and a line that sums up.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	for _, o := range r.Operations {
		left := ""
		if o.LeftOut {
			left = ", left out"
		}
		fmt.Fprintf(&b, "%s: %s: %s%s\n", o.Pos, o.Verdict(), o.Key, left)
		for _, f := range o.Findings {
			fmt.Fprintf(&b, "    %s\n", f)
		}
	}
	fmt.Fprintf(&b, "%s: %d operations: %d supported, %d different, %d unsupported\n",
		r.API, len(r.Operations), r.Count(Supported), r.Count(Different), r.Count(Unsupported))
	_, err := io.WriteString(w, b.String())
	return err
}

package project

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteText writes the explanation for people.
func (e *Explanation) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s %s\n", e.Method, e.URL)
	switch {
	case e.Function != "":
		fmt.Fprintf(t, "function %s, at its own URL\n", e.Function)
	case e.API != "":
		fmt.Fprintf(t, "api %s, stage %s, path %s\n", e.API, e.Stage, e.Path)
	}
	if e.Reason != "" {
		fmt.Fprintf(t, "%s\n", e.Reason)
	}
	if len(e.Candidates) > 0 {
		fmt.Fprint(t, "\nroutes\n")
	}
	for _, c := range e.Candidates {
		mark := " "
		if c.Wins {
			mark = "*"
		}
		fmt.Fprintf(t, "%s %s\t%s\t%s\n", mark, c.Route, c.Reason, c.Pos)
	}
	if len(e.Params) > 0 {
		var params []string
		for _, name := range slices.Sorted(maps.Keys(e.Params)) {
			params = append(params, name+"="+e.Params[name])
		}
		fmt.Fprintf(t, "\nparameters: %s\n", strings.Join(params, " "))
	}
	if len(e.Phases) > 0 {
		fmt.Fprint(t, "\nphases\n")
	}
	for _, p := range e.Phases {
		line := "  " + p.Phase + "\t" + p.What
		if !p.Pos.IsZero() {
			line += "\t" + p.Pos.String()
		}
		fmt.Fprintln(t, line)
	}
	if len(e.Plugins) > 0 {
		fmt.Fprint(t, "\nplugins\n")
	}
	for _, c := range e.Plugins {
		line := "  " + c.Of + "\t" + c.Name + "\t" + c.Value
		if !c.Pos.IsZero() {
			line += "\t" + c.Pos.String()
		}
		fmt.Fprintln(t, line)
	}
	if len(e.Upstream) > 0 {
		fmt.Fprint(t, "\nupstream\n")
	}
	for _, f := range e.Upstream {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", f.Name, f.Value, f.Pos)
	}
	if len(e.Limits) > 0 {
		fmt.Fprint(t, "\nlimits\n")
	}
	for _, l := range e.Limits {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", l.Of, l.Name, l.Value, l.Origin)
	}
	return t.Flush()
}

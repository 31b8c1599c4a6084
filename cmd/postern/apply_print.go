package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/postern/postern/host/catalog"
)

// printPlan prints what changed, or would.
func printPlan(std *streams, plan catalog.Plan, dry bool) error {
	p := std.colors(std.out)
	if !plan.Changed {
		fmt.Fprintf(std.out, "project %s: no changes\n", plan.Project)
	} else {
		verb := "changed"
		if dry {
			verb = "would change"
		}
		fmt.Fprintf(std.out, "project %s %s:\n", p.bold(plan.Project), verb)
		if err := printDifferences(std.out, p, plan.Changes); err != nil {
			return err
		}
	}
	if len(plan.Orphans) == 0 {
		return nil
	}
	fmt.Fprintln(std.out, "no longer in the definition; --prune deletes:")
	return printDifferences(std.out, p, plan.Orphans)
}

func printDifferences(w io.Writer, p palette, list []catalog.Difference) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, d := range list {
		fmt.Fprintf(table, "  %s %s\t%s\t%s\t%s\n", sign(d.Action), d.Action, d.Kind, strings.Map(printable, d.Name), movement(d))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	lines := strings.SplitAfter(text.String(), "\n")
	for i, d := range list {
		line := strings.TrimRight(lines[i], " \n")
		switch d.Action {
		case "create":
			line = p.green(line)
		case "delete":
			line = p.red(line)
		default:
			line = p.yellow(line)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		for _, detail := range d.Detail {
			if _, err := fmt.Fprintln(w, "      "+strings.Map(printable, detail)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sign marks an action, so that no meaning hangs on a colour.
func sign(action string) string {
	switch action {
	case "create":
		return "+"
	case "delete":
		return "-"
	}
	return "~"
}

// movement is what something was and is: "3 → 4".
func movement(d catalog.Difference) string {
	switch {
	case d.Before != "" && d.After != "":
		return d.Before + " → " + d.After
	case d.After != "":
		return d.After
	case d.Before != "":
		return "was " + d.Before
	}
	return ""
}

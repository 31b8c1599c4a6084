package main

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// The values of -o where resources are shown.
const (
	formatTable = "table"
	formatName  = "name"
)

// A view says how resources of one kind are shown: as JSON as the admin API has them, as a table for people, or by their names alone.
type view[T any] struct {
	columns []string
	row     func(T) []string // as many cells as there are columns
	name    func(T) string
	format  string
}

// flag adds -o to a command.
func (v *view[T]) flag(cmd *cobra.Command) *view[T] {
	cmd.Flags().StringVarP(&v.format, "output", "o", formatTable, "table, json or name")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{formatTable, formatJSON, formatName}, cobra.ShellCompDirectiveNoFileComp))
	return v
}

// check refuses a format that there is not.
func (v *view[T]) check() error {
	if v.format != formatTable && v.format != formatJSON && v.format != formatName {
		return usageErrorf("unknown output format %q: use table, json or name", v.format)
	}
	return nil
}

// list prints what a host lists. What came before an error is not printed.
func (v *view[T]) list(w io.Writer, items iter.Seq2[T, error]) error {
	if err := v.check(); err != nil {
		return err
	}
	all := []T{}
	for item, err := range items {
		if err != nil {
			return err
		}
		all = append(all, item)
	}
	switch v.format {
	case formatJSON:
		return printJSON(w, all)
	case formatName:
		for _, item := range all {
			fmt.Fprintln(w, v.name(item))
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(v.columns, "\t"))
	for _, item := range all {
		fmt.Fprintln(table, strings.Join(cells(v.row(item)), "\t"))
	}
	return table.Flush()
}

// cells puts a dash where nothing is, and keeps what a cell holds from breaking the table or moving the terminal's cursor.
func cells(row []string) []string {
	for i, cell := range row {
		if cell == "" {
			cell = "-"
		}
		row[i] = strings.Map(printable, cell)
	}
	return row
}

func printable(r rune) rune {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0: // C0, DEL and C1: a terminal obeys them
		return ' '
	case r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c: // lines and directions
		return ' '
	}
	return r
}

// printableLines is text of several lines that a guest or a stranger has made.
func printableLines(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return printable(r)
	}, text)
}

// A fact is a line of what a resource is.
type fact struct{ name, value string }

// printOne prints one resource: as JSON, or as lines of facts for people. Facts without a value are left out.
func printOne(w io.Writer, format string, value any, facts ...fact) error {
	switch format {
	case formatJSON:
		return printJSON(w, value)
	case formatTable:
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, f := range facts {
			if f.value != "" {
				fmt.Fprintf(table, "%s\t%s\n", f.name, strings.Map(printable, f.value))
			}
		}
		return table.Flush()
	}
	return usageErrorf("unknown output format %q: use table or json", format)
}

// formatFlag adds -o to a command that shows one thing.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVarP(format, "output", "o", formatTable, "table or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{formatTable, formatJSON}, cobra.ShellCompDirectiveNoFileComp))
}

func checkTable(format string) error {
	if format != formatTable && format != formatJSON {
		return usageErrorf("unknown output format %q: use table or json", format)
	}
	return nil
}

// localTime shows a time to people, where they are.
func localTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func localTimeOr(t *time.Time, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return localTime(*t)
}

// number shows a number that is 0 when there is none.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// size shows bytes to people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return strconv.FormatInt(n, 10) + " B"
}

// percent shows a share of 1.
func percent(share float64) string { return strconv.FormatFloat(share*100, 'g', 6, 64) + "%" }

// pairs shows a map in the order of its keys.
func pairs[V any](m map[string]V, show func(V) string) string {
	list := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+show(m[k]))
	}
	return strings.Join(list, " ")
}

// assignments reads NAME=VALUE arguments.
func assignments(flag string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usageErrorf("%s: %q is not NAME=VALUE", flag, text)
		}
		if _, twice := out[name]; twice {
			return nil, usageErrorf("%s: %s is given twice", flag, name)
		}
		out[name] = value
	}
	return out, nil
}

// byNumber orders what has numbers, the newest first.
func byNumber[T any](items iter.Seq2[T, error], number func(T) int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var all []T
		for item, err := range items {
			if err != nil {
				yield(item, err)
				return
			}
			all = append(all, item)
		}
		slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(number(b), number(a)) })
		for _, item := range all {
			if !yield(item, nil) {
				return
			}
		}
	}
}

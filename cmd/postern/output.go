package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// streams are the command's three standard streams, and how to write to them.
type streams struct {
	in       io.Reader
	out, err io.Writer
	color    string // auto, always or never
	dir      string // that the places of problems are relative to, "" where there is none
}

// A palette colours text for terminals; the zero value leaves it plain. No meaning hangs on a colour alone.
type palette struct{ on bool }

func (p palette) paint(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p palette) bold(text string) string   { return p.paint("1", text) }
func (p palette) dim(text string) string    { return p.paint("2", text) }
func (p palette) red(text string) string    { return p.paint("31", text) }
func (p palette) green(text string) string  { return p.paint("32", text) }
func (p palette) yellow(text string) string { return p.paint("33", text) }

// colors tells whether w wants colour: as --color says; else never with NO_COLOR, always with CLICOLOR_FORCE, and
// otherwise on a terminal.
func (s *streams) colors(w io.Writer) palette {
	force := os.Getenv("CLICOLOR_FORCE")
	switch {
	case s.color == "always":
		return palette{on: true}
	case s.color == "never", os.Getenv("NO_COLOR") != "":
		return palette{}
	case force != "" && force != "0":
		return palette{on: true}
	}
	return palette{on: isTerminal(w) && os.Getenv("TERM") != "dumb"}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a device of characters too, and nobody's
	return err != nil || !os.SameFile(info, null)
}

// problems takes an error apart into the places and reasons that it holds.
func problems(err error) definition.Errors {
	switch e := err.(type) {
	case nil:
		return nil
	case *definition.Error:
		return definition.Errors{e}
	case definition.Errors:
		return e
	case *conflictError:
		return definition.Errors{e.problem}
	case *usageError:
		return problems(e.error)
	case *remoteError:
		return hinted(problems(e.error), e.hint)
	case *host.Error:
		var broken definition.Errors
		if errors.As(e, &broken) { // a host found them, in a file that may be here
			return broken
		}
		return definition.Errors{problem(e)}
	case interface{ Unwrap() []error }:
		var out definition.Errors
		for _, inner := range e.Unwrap() {
			out = append(out, problems(inner)...)
		}
		return out
	}
	return definition.Errors{{Message: err.Error()}}
}

// hinted adds a remedy to the last of several problems.
func hinted(list definition.Errors, hint string) definition.Errors {
	list = slices.Clone(list)
	if n := len(list); n > 0 && list[n-1].Hint == "" {
		last := *list[n-1]
		last.Hint = hint
		list[n-1] = &last
	}
	return list
}

// problem turns a located error into a problem. A place further down, in a guest's own file, is nearer to the reason.
func problem(e *host.Error) *definition.Error {
	plain := *e
	plain.Pos = host.Position{} // said once, by the problem itself
	out := &definition.Error{Pos: e.Pos, Message: plain.Error(), Rule: strings.ReplaceAll(e.Kind.String(), " ", "-")}
	var guest *host.GuestError
	if errors.As(e, &guest) && !guest.Pos.IsZero() {
		out.Pos = guest.Pos
		out.Message = strings.ReplaceAll(out.Message, guest.Pos.String()+": ", "")
	}
	return out
}

// fail prints every problem in err, with its place, the line that it is in, and a remedy where there is one.
func (s *streams) fail(err error) {
	p := s.colors(s.err)
	for _, e := range problems(err) {
		if e.Source == "" && e.Pos.Line > 0 && s.dir != "" {
			shown := *e
			shown.Source = sourceLine(s.dir, e.Pos)
			e = &shown
		}
		printProblem(s.err, p, p.red("error:"), e)
	}
}

// warn prints what is legal and probably not meant.
func (s *streams) warn(warnings ...*definition.Error) {
	p := s.colors(s.err)
	for _, w := range warnings {
		printProblem(s.err, p, p.yellow("warning:"), w)
	}
}

func printProblem(w io.Writer, p palette, label string, e *definition.Error) {
	where := ""
	if !e.Pos.IsZero() {
		where = p.bold(e.Pos.String()) + ": "
	}
	rule := ""
	if e.Rule != "" && e.Pos.Line > 0 {
		rule = p.dim(" (" + e.Rule + ")")
	}
	fmt.Fprintf(w, "%s%s %s%s\n", where, label, printableLines(e.Message), rule)
	if e.Source != "" && e.Pos.Line > 0 && !strings.Contains(e.Path, ".secrets.") { // nobody's secret is shown in passing
		number := strconv.Itoa(e.Pos.Line)
		line, column := around(strings.TrimRight(e.Source, "\r\n"), e.Pos.Column)
		fmt.Fprintf(w, "  %s %s\n", p.dim(number+" |"), printableLines(line))
		if column > 0 {
			fmt.Fprintf(w, "  %s %s\n", p.dim(strings.Repeat(" ", len(number))+" |"), p.red(caret(line, column)))
		}
	}
	if e.Hint != "" {
		fmt.Fprintf(w, "  %s\n", printableLines(e.Hint))
	}
}

// longestLine is how many characters of a line are shown: documents that programs write may be one line.
const longestLine = 200

// around cuts a long line down to what stands around a column, and returns where the column is in that.
func around(line string, column int) (part string, at int) {
	text := []rune(line)
	if len(text) <= longestLine {
		return line, column
	}
	from := max(0, min(column-longestLine/2, len(text)-longestLine))
	to := min(from+longestLine, len(text))
	part = string(text[from:to])
	if column -= from; from > 0 {
		part, column = "…"+part, column+1
	}
	if to < len(text) {
		part += "…"
	}
	return part, max(0, column)
}

// caret points at a column, under a line whose tabs keep their width.
func caret(line string, column int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= column-1 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String() + "^"
}

// sourceLine reads the line that a position in a folder means, and returns "" where it cannot.
func sourceLine(dir string, pos host.Position) string {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	data, err := root.ReadFile(filepath.FromSlash(pos.File))
	if err != nil {
		return ""
	}
	return definition.SourceLine(data, pos.Line)
}

// formats are the values of -o.
const (
	formatText = "text"
	formatJSON = "json"
)

// checkFormat refuses an output format that a command does not have.
func checkFormat(format string) error {
	if format != formatText && format != formatJSON {
		return usageErrorf("unknown output format %q: use text or json", format)
	}
	return nil
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

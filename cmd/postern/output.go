package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// A palette colours text for terminals; the zero value leaves it plain. No meaning hangs on a colour alone.
type palette struct{ on bool }

func (p palette) paint(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p palette) bold(text string) string  { return p.paint("1", text) }
func (p palette) dim(text string) string   { return p.paint("2", text) }
func (p palette) red(text string) string   { return p.paint("31", text) }
func (p palette) green(text string) string { return p.paint("32", text) }

// colors tells whether w wants colour: a terminal, unless NO_COLOR is set; CLICOLOR_FORCE overrides the first.
func colors(w io.Writer) palette {
	if os.Getenv("NO_COLOR") != "" {
		return palette{}
	}
	if force := os.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
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
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// problems takes an error apart into the places and reasons that it holds.
func problems(err error) definition.Errors {
	var out definition.Errors
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case nil:
		case *definition.Error:
			out = append(out, e)
		case definition.Errors:
			out = append(out, e...)
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		case *host.Error:
			out = append(out, problem(e))
		default:
			if inner := errors.Unwrap(err); inner != nil {
				before := len(out)
				if walk(inner); len(out) > before {
					return
				}
			}
			out = append(out, &definition.Error{Message: err.Error()})
		}
	}
	walk(err)
	return out
}

// problem turns a located error into a problem. A place further down, in a guest's own file, is nearer to the reason.
func problem(e *host.Error) *definition.Error {
	out := &definition.Error{Pos: e.Pos, Message: e.Error(), Rule: strings.ReplaceAll(e.Kind.String(), " ", "-")}
	if !e.Pos.IsZero() {
		out.Message = strings.TrimPrefix(out.Message, e.Pos.String()+": ")
	}
	var guest *host.GuestError
	if errors.As(e, &guest) && !guest.Pos.IsZero() {
		out.Pos = guest.Pos
	}
	return out
}

// printError prints every problem in err, with its place, the line that it is in, and a remedy where there is one.
func printError(w io.Writer, p palette, err error) {
	for _, e := range problems(err) {
		printProblem(w, p, e)
	}
}

func printProblem(w io.Writer, p palette, e *definition.Error) {
	where := ""
	if !e.Pos.IsZero() {
		where = p.bold(e.Pos.String()) + ": "
	}
	rule := ""
	if e.Rule != "" && e.Pos.Line > 0 {
		rule = p.dim(" (" + e.Rule + ")")
	}
	fmt.Fprintf(w, "%s%s %s%s\n", where, p.red("error:"), e.Message, rule)
	if e.Source != "" && e.Pos.Line > 0 {
		number := strconv.Itoa(e.Pos.Line)
		fmt.Fprintf(w, "  %s %s\n", p.dim(number+" |"), strings.TrimRight(e.Source, "\r\n"))
		if e.Pos.Column > 0 {
			fmt.Fprintf(w, "  %s %s\n", p.dim(strings.Repeat(" ", len(number))+" |"), caret(e.Source, e.Pos.Column))
		}
	}
	if e.Hint != "" {
		fmt.Fprintf(w, "  %s\n", e.Hint)
	}
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

// formats are the values of -o.
const (
	formatText = "text"
	formatJSON = "json"
)

// checkFormat refuses an output format that a command does not have.
func checkFormat(format string) error {
	if format != formatText && format != formatJSON {
		return &usageError{fmt.Errorf("unknown output format %q: use text or json", format)}
	}
	return nil
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

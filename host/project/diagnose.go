package project

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// maxDiagnoses bounds the errors of one build: the first ones are the reason for the rest.
const maxDiagnoses = 50

var (
	// file:line:column: message, as Go, rustc (short format), Zig, GCC and Clang write it; Go's go.mod has no column.
	located = regexp.MustCompile(`^([^\s:][^:]*):(\d+):(?:(\d+):)?\s*(.+)$`)
	// colours are what some compilers write although nobody looks at a terminal, as in CI.
	colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)
	// AssemblyScript writes the message first, then a drawing, then "in assembly/index.ts(3,5)".
	ascMessage = regexp.MustCompile(`^ERROR (?:[A-Z]+\d+: )?(.+)$`)
	ascPlace   = regexp.MustCompile(`in (\S+)\((\d+),(\d+)\)$`)
)

// remedies tell for a compiler's words what to do.
var remedies = []struct{ text, hint string }{
	{"-buildmode=c-shared not supported on wasip1/wasm", "Go 1.24 or newer can build this: https://go.dev/dl/"},
	{"requires go >=", "install a newer Go: https://go.dev/dl/"},
	{"can't find crate for `std`", "run: rustup target add wasm32-wasip1"},
	{"can't find crate for `core`", "run: rustup target add wasm32-wasip1"},
	{"lock file version", "install a newer Rust (https://rustup.rs), or remove the folder's Cargo.lock"},
	{"could not determine executable to run", "run in the folder: npm install; or, where its package.json does not name the compiler: npm install --save-dev assemblyscript"},
	{"make: clang: ", "install clang and lld with your system's package manager"},
	{`Executable "wasm-ld`, "install lld with your system's package manager"},
	{"missing go.sum entry", "run in the folder: go mod tidy"},
	{"updates to go.mod needed", "run in the folder: go mod tidy"},
	{"no required module provides package", "run in the folder: go mod tidy"},
}

// diagnose finds the errors in a compiler's output. folder is what was built, relative to the project.
func diagnose(failed *buildError, folder string) definition.Errors {
	failed.output = colours.ReplaceAllString(failed.output, "")
	var errs definition.Errors
	var last *definition.Error
	message := "" // of AssemblyScript, until its place comes
	for line := range strings.Lines(failed.output) {
		line = strings.TrimRight(line, "\r\n")
		if m := ascMessage.FindStringSubmatch(line); m != nil {
			message = m[1]
			continue
		}
		if m := ascPlace.FindStringSubmatch(line); m != nil && message != "" {
			errs, message = append(errs, diagnosis(folder, m[1], m[2], m[3], message)), ""
			continue
		}
		m := located.FindStringSubmatch(line)
		switch {
		case m != nil && strings.Contains(m[4], "warning:"), m != nil && strings.HasPrefix(m[4], "note:"):
			last = nil
		case m != nil:
			last = diagnosis(folder, m[1], m[2], m[3], strings.TrimPrefix(m[4], "error: "))
			errs = append(errs, last)
		case last != nil && strings.HasPrefix(line, "\t"): // Go continues a message so
			last.Message += " " + strings.TrimSpace(line)
		default:
			last = nil
		}
		if len(errs) == maxDiagnoses {
			break
		}
	}
	if len(errs) == 0 {
		errs = definition.Errors{{Rule: RuleBuild, Message: fmt.Sprintf("./%s cannot be built: %s", folder, summary(failed))}}
	}
	for _, e := range errs {
		e.Hint = remedy(e.Message)
	}
	if errs[0].Hint == "" {
		errs[0].Hint = remedy(failed.output)
	}
	return errs
}

func diagnosis(folder, file, line, column, message string) *definition.Error {
	pos := host.Position{File: filepath.ToSlash(file)}
	if !filepath.IsAbs(file) {
		pos.File = path.Join(folder, pos.File)
	}
	pos.Line, _ = strconv.Atoi(line) // digits, by the expression
	pos.Column, _ = strconv.Atoi(column)
	return &definition.Error{Pos: pos, Rule: RuleBuild, Message: message}
}

func remedy(text string) string {
	for _, r := range remedies {
		if strings.Contains(text, r.text) {
			return r.hint
		}
	}
	return ""
}

// summary is the end of a compiler's output, where most say what was the matter, and the command where it said nothing.
func summary(failed *buildError) string {
	lines := strings.FieldsFunc(failed.output, func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) == 0 {
		return failed.Error()
	}
	const last = 8
	return strings.Join(lines[max(0, len(lines)-last):], "\n")
}
